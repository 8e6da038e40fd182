"""Writes a language model of Llama's shape with random weights, of any size, in little memory.

    python utils/make_large_model.py OUT.onnx --samples OUT.npz

By default it is the 7B one: 32 layers of 4096 channels, 13.5 GB of 16-bit weights in
OUT.onnx.data, which are written as they are drawn. The nodes are ONNX's own operators of
opset 23 and compute in 32 bits: weights are cast where they are read. For tests of what size does: memory, time, and going on after an interruption; what the
model says means nothing.
"""

import argparse
import os

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper

ALIGNMENT = 64  # of tensors in the data file
CHUNK = 1 << 24  # elements drawn at once
TYPES = {
    "float16": (TensorProto.FLOAT16, np.float16),
    "bfloat16": (TensorProto.BFLOAT16, ml_dtypes.bfloat16),
}


class Writer:
    """Nodes, and weights that go to the data file at once."""

    def __init__(self, data, location, type_name, seed):
        self.data, self.location = data, location
        self.type, self.dtype = TYPES[type_name]
        self.generator = np.random.default_rng(seed)
        self.nodes, self.initializers = [], []

    def weight(self, name, shape, fill=None):
        """Normal values that keep the variance of what is multiplied by them, or `fill`."""
        offset = -(-self.data.tell() // ALIGNMENT) * ALIGNMENT
        self.data.seek(offset)
        count = int(np.prod(shape))
        for begin in range(0, count, CHUNK):
            size = min(CHUNK, count - begin)
            if fill is None:
                values = self.generator.standard_normal(size, dtype=np.float32)
                values *= shape[-1] ** -0.5
            else:
                values = fill.reshape(-1)[begin : begin + size]
            self.data.write(values.astype(self.dtype).tobytes())
        tensor = TensorProto(name=name, data_type=self.type, dims=shape)
        tensor.data_location = TensorProto.EXTERNAL
        length = count * np.dtype(self.dtype).itemsize
        for key, value in (("location", self.location), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
        self.initializers.append(tensor)
        return name

    def node(self, kind, inputs, output, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def wide(self, value):
        return self.node("Cast", [value], f"{value}.f32", to=TensorProto.FLOAT)

    def linear(self, value, name, channels, outputs):
        """x Wᵀ for W [outputs, channels], computed in 32 bits."""
        weight = self.wide(self.weight(f"{name}.weight", [outputs, channels]))
        weight = self.node("Transpose", [weight], f"{name}.weight.transposed", perm=[1, 0])
        return self.node("MatMul", [value, weight], name)

    def norm(self, value, name, channels):
        gain = self.weight(f"{name}.weight", [channels], np.ones(channels, np.float32))
        return self.node("RMSNormalization", [value, self.wide(gain)], name, epsilon=1e-5)


def angles(positions, channels):
    """Cosine and sine of the rotary embedding, [positions, channels / 2]."""
    frequencies = 10000.0 ** (-np.arange(0, channels, 2) / channels)
    table = np.outer(np.arange(positions), frequencies).astype(np.float32)
    return np.cos(table), np.sin(table)


def layer(model, x, name, options):
    hidden, heads = options.hidden, options.heads
    read = model.norm(x, f"{name}.norm1", hidden)
    q, k, v = (model.linear(read, f"{name}.{part}", hidden, hidden) for part in "qkv")
    q, k = (
        model.node(
            "RotaryEmbedding",
            [part, "cos.f32", "sin.f32", "position_ids"],
            f"{part}.rotated",
            num_heads=heads,
        )
        for part in (q, k)
    )
    attended = model.node(
        "Attention",
        [q, k, v],
        f"{name}.attention",
        q_num_heads=heads,
        kv_num_heads=heads,
        is_causal=1,
    )
    attended = model.linear(attended, f"{name}.o", hidden, hidden)
    x = model.node("Add", [x, attended], f"{name}.residual1")
    read = model.norm(x, f"{name}.norm2", hidden)
    gate = model.linear(read, f"{name}.gate", hidden, options.inner)
    up = model.linear(read, f"{name}.up", hidden, options.inner)
    sigmoid = model.node("Sigmoid", [gate], f"{name}.sigmoid")
    silu = model.node("Mul", [gate, sigmoid], f"{name}.silu")
    product = model.node("Mul", [silu, up], f"{name}.product")
    down = model.linear(product, f"{name}.down", options.inner, hidden)
    return model.node("Add", [x, down], f"{name}.residual2")


def write(options):
    data_path = options.output + ".data"
    with open(data_path, "wb") as data:
        model = Writer(data, os.path.basename(data_path), options.type, options.seed)
        cos, sin = angles(options.positions, options.hidden // options.heads)
        for name, table in (("cos", cos), ("sin", sin)):
            model.wide(model.weight(name, list(table.shape), table))
        table = model.weight("embedding.weight", [options.vocabulary, options.hidden])
        x = model.wide(model.node("Gather", [table, "input_ids"], "embedding"))
        for i in range(options.layers):
            x = layer(model, x, f"layers.{i}", options)
        x = model.norm(x, "norm", options.hidden)
        model.linear(x, "logits", options.hidden, options.vocabulary)
    tokens = ["batch", "sequence"]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, tokens)
        for name in ("input_ids", "position_ids")
    ]
    logits = helper.make_tensor_value_info(
        "logits", TensorProto.FLOAT, [*tokens, options.vocabulary]
    )
    graph = helper.make_graph(model.nodes, "llama", inputs, [logits], model.initializers)
    opsets = [helper.make_opsetid("", 23)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=11), options.output)


def write_samples(options):
    generator = np.random.default_rng(options.seed + 1)
    shape = (options.count, options.length)
    np.savez(
        options.samples,
        input_ids=generator.integers(0, options.vocabulary, shape, dtype=np.int64),
        position_ids=np.tile(np.arange(options.length, dtype=np.int64), (options.count, 1)),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("output", metavar="OUT.onnx")
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--hidden", type=int, default=4096, help="channels")
    parser.add_argument("--inner", type=int, default=11008, help="channels of the MLPs")
    parser.add_argument("--heads", type=int, default=32)
    parser.add_argument("--vocabulary", type=int, default=32000)
    parser.add_argument("--positions", type=int, default=2048)
    parser.add_argument("--type", choices=sorted(TYPES), default="float16")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", metavar="OUT.npz", help="random calibration samples, too")
    parser.add_argument("--count", type=int, default=8, help="of samples")
    parser.add_argument("--length", type=int, default=64, help="tokens of a sample")
    options = parser.parse_args()
    write(options)
    if options.samples:
        write_samples(options)


if __name__ == "__main__":
    main()
