"""Small models with seeded weights, as torch.onnx exports them, for test_exporters.py."""
