"""Recipe llm-int8 against the same computation in NumPy, and against 8 bits for all columns."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

import quantc

N, K = 96, 192
OUTLIERS = [3, 77, 130]


def activations(rows, seed):
    x = np.random.default_rng(seed).standard_normal((rows, K)).astype(np.float32).clip(-5, 5)
    x[:, OUTLIERS] *= 60
    return x


def to_int8(x):
    """Codes and the scale of each row."""
    scale = np.abs(x).max(1, keepdims=True) / np.float32(127)
    return np.round(x / scale), scale


def test_outliers_keep_16_bits(tmp_path):
    rng = np.random.default_rng(1)
    w = rng.standard_normal((N, K)).astype(np.float32)
    b = rng.standard_normal(N).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w", "b"], ["y"], name="fc", transB=1)],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["m", K])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["m", N])],
        [numpy_helper.from_array(w, "w"), numpy_helper.from_array(b, "b")],
    )
    opset = [helper.make_opsetid("", 21)]
    path = tmp_path / "linear.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
    save_file({"x": activations(8, 2)}, tmp_path / "samples.safetensors")
    options = {"set": {"^fc$": "si8"}, "target": "native:highest"}
    split = quantc.compile(
        path,
        tmp_path / "split",
        recipe="llm-int8",
        calibration=tmp_path / "samples.safetensors",
        **options,
    )
    whole = quantc.compile(path, tmp_path / "whole", recipe="w8a8-dynamic", **options)

    x = activations(7, 20)
    rest = np.delete(np.arange(K), OUTLIERS)
    qx, sx = to_int8(x[:, rest])
    qw, sw = to_int8(w[:, rest])
    expected = (qx @ qw.T) * (sx * sw.T) + b
    expected += x[:, OUTLIERS] @ w[:, OUTLIERS].astype(np.float16).astype(np.float32).T
    with quantc.load(split) as run:
        y = run({"x": x})["y"]
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-3)

    exact = x.astype(np.float64) @ w.T + b
    with quantc.load(whole) as run:
        error = np.abs(run({"x": x})["y"] - exact).mean()
    assert np.abs(y - exact).mean() < error / 5
