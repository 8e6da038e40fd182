"""Models as quantization-aware training exports them: float weights behind QuantizeLinear and
DequantizeLinear. They become layers on integers, and give what ONNX Runtime gives."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import quantc

ort = pytest.importorskip("onnxruntime")


def pair(name, data, scale, zero, clip=(), **attributes):
    """QuantizeLinear, perhaps a Clip of the codes, and DequantizeLinear."""
    codes = f"{name}_codes"
    nodes = [helper.make_node("QuantizeLinear", [data, scale, zero], [codes], **attributes)]
    if clip:
        nodes.append(helper.make_node("Clip", [codes, *clip], [f"{name}_clipped"]))
        codes = f"{name}_clipped"
    last = helper.make_node("DequantizeLinear", [codes, scale, zero], [name], **attributes)
    return [*nodes, last]


def weight(shape, seed, most=127):
    """Floats and a scale for each row."""
    w = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return w, np.abs(w).reshape(shape[0], -1).max(1).astype(np.float32) / np.float32(most)


def convolution():
    """PyTorch: weights a channel, biases as si32 with scale sx * sw, a residual, Relu."""
    w, sw = weight((24, 16, 3, 3), 1)
    sx = np.float32(0.03)
    bias = np.random.default_rng(2).standard_normal(24).astype(np.float32)
    w2, sw2 = weight((72, 24, 1, 1), 3)
    values = {
        "w": w, "sw": sw, "zw": np.zeros(24, np.int8), "sx": sx, "zx": np.uint8(120),
        "b": np.round(bias / (sx * sw)).astype(np.int32), "sb": sx * sw,
        "zb": np.zeros(24, np.int32), "sh": np.float32(0.08), "zh": np.uint8(0),
        "w2": w2, "sw2": sw2, "zw2": np.zeros(72, np.int8),
        "b2": np.arange(-36, 36).astype(np.int32) * 100, "sb2": sw2 * np.float32(0.08),
        "zb2": np.zeros(72, np.int32), "sy": np.float32(0.15), "zy": np.uint8(100),
    }
    nodes = [
        *pair("xd", "x", "sx", "zx"),
        *pair("wd", "w", "sw", "zw", axis=0),
        helper.make_node("DequantizeLinear", ["b", "sb", "zb"], ["bd"], axis=0),
        helper.make_node("Conv", ["xd", "wd", "bd"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        *pair("h", "r", "sh", "zh"),
        *pair("w2d", "w2", "sw2", "zw2", axis=0),
        helper.make_node("DequantizeLinear", ["b2", "sb2", "zb2"], ["b2d"], axis=0),
        helper.make_node("Conv", ["h", "w2d", "b2d"], ["c2"]),
        *pair("y", "c2", "sy", "zy"),
    ]
    return nodes, values, [1, 16, 9, 9], [1, 72, 9, 9], "sy", 2


def layer(transposed):
    """A linear layer; its weight transposed by the product, or by a node behind it."""
    w, sw = weight((40, 64), 4)
    values = {
        "w": w, "sw": sw, "zw": np.zeros(40, np.int8), "sx": np.float32(0.02), "zx": np.int8(3),
        "b": np.random.default_rng(5).standard_normal(40).astype(np.float32),
        "sy": np.float32(0.3), "zy": np.int8(1),
    }
    product = [helper.make_node("Gemm", ["xd", "wd", "b"], ["g"], transB=1)]
    if transposed:
        product = [
            helper.make_node("Transpose", ["wd"], ["wt"], perm=[1, 0]),
            helper.make_node("MatMul", ["xd", "wt"], ["m"]),
            helper.make_node("Add", ["m", "b"], ["g"]),
        ]
    nodes = [*pair("xd", "x", "sx", "zx"), *pair("wd", "w", "sw", "zw", axis=0), *product,
             *pair("y", "g", "sy", "zy")]
    return nodes, values, ["n", 64], ["n", 40], "sy", 1


def reduced():
    """PyTorch's reduce_range: activations of 7 bits, weights from -127 on."""
    w, sw = weight((40, 64), 6, most=130)  # some are clipped
    values = {
        "w": w, "sw": sw, "zw": np.zeros(40, np.int8), "sx": np.float32(0.04), "zx": np.uint8(20),
        "lo": np.uint8(0), "hi": np.uint8(127), "wlo": np.int8(-127), "whi": np.int8(127),
        "b": np.random.default_rng(7).standard_normal(40).astype(np.float32),
        "sy": np.float32(0.2), "zy": np.uint8(64),
    }
    nodes = [
        *pair("xd", "x", "sx", "zx", ("lo", "hi")),
        *pair("wd", "w", "sw", "zw", ("wlo", "whi"), axis=0),
        helper.make_node("Gemm", ["xd", "wd", "b"], ["g"], transB=1),
        *pair("y", "g", "sy", "zy", ("lo", "hi")),
    ]
    return nodes, values, ["n", 64], ["n", 40], "sy", 1


def tensor():
    """TensorFlow: one scale for a weight [K, N], with a zero point."""
    w, _ = weight((64, 40), 8)
    values = {
        "w": w, "sw": np.float32(np.ptp(w) / 255), "zw": np.uint8(131),
        "sx": np.float32(0.02), "zx": np.uint8(128), "sy": np.float32(0.25), "zy": np.uint8(90),
    }
    nodes = [*pair("xd", "x", "sx", "zx"), *pair("wd", "w", "sw", "zw"),
             helper.make_node("MatMul", ["xd", "wd"], ["g"]), *pair("y", "g", "sy", "zy")]
    return nodes, values, ["n", 64], ["n", 40], "sy", 1


MODELS = {"convolution": convolution, "gemm": lambda: layer(False),
          "transpose": lambda: layer(True), "reduced": reduced, "tensor": tensor}


@pytest.mark.parametrize("name", MODELS)
def test_model(name, tmp_path):
    nodes, values, shape, result, scale, layers = MODELS[name]()
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, result)],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in values.items()],
    )
    opset = [helper.make_opsetid("", 21)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=10)
    path = tmp_path / "model.onnx"
    onnx.save(model, path)

    fused = quantc.compile(
        path, emit="fused", recipe="fp32", weights_out=tmp_path / "fused.safetensors"
    )
    found = fused.count("qgraph.quantized_linear") + fused.count("qgraph.quantized_conv")
    assert found == layers
    # What is left to quantize while the model runs are its inputs, one of them here.
    assert fused.count("qgraph.quantize ") == 1

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    x = np.random.default_rng(9).standard_normal([3 if d == "n" else d for d in shape])
    x = x.astype(np.float32)
    (expected,) = session.run(None, {"x": x})
    library = quantc.compile(path, tmp_path / "model", recipe="fp32", target="native:highest")
    with quantc.load(library) as run:
        y = run({"x": x})["y"]
    # A sum of floats may round to the other side of a tie.
    codes = np.abs(y - expected) / values[scale]
    assert codes.max() < 1.01
    assert (codes > 0.5).mean() < 0.002
