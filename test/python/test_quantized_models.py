"""Models that onnxruntime.quantization writes, and com.microsoft's operators on stored values,
against ONNX Runtime."""

import subprocess

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import quantc

ort = pytest.importorskip("onnxruntime")

FLOAT, UINT8, INT8 = TensorProto.FLOAT, TensorProto.UINT8, TensorProto.INT8


def expected(model, inputs):
    """What ONNX Runtime gives for the operators as they stand in the model."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, inputs)


def compiled(model, folder, recipe="fp32"):
    path = folder / "model.onnx"
    onnx.save(model, path)
    library = quantc.compile(path, folder / "model", recipe=recipe, target="native:highest")
    return quantc.load(library)


def check(model, runs, folder, codes=0, rtol=1e-5, atol=1e-5):
    """Codes may differ by `codes` (1 where a tie is broken otherwise, or a function has another
    last bit), floats by the tolerances. `runs` are inputs, or a list of them."""
    with compiled(model, folder) as loaded:
        for inputs in runs if isinstance(runs, list) else [runs]:
            for x, y in zip(loaded(inputs).values(), expected(model, inputs)):
                x = np.asarray(x)
                assert x.shape == y.shape and x.dtype == y.dtype
                if x.dtype.kind in "iu":
                    far = np.abs(x.astype(np.int64) - y.astype(np.int64)).max(initial=0)
                    assert far <= codes
                else:
                    np.testing.assert_allclose(
                        x.astype(np.float32), y.astype(np.float32), rtol=rtol, atol=atol
                    )


def fused(program, model, folder, recipe="fp32"):
    """The IR of the fused level."""
    path = folder / "model.onnx"
    onnx.save(model, path)
    return subprocess.run(
        [program, "compile", path, "--recipe", recipe, "--emit", "fused", "-o", "-",
         "--weights-out", folder / "weights.safetensors"],
        check=True, capture_output=True, text=True,
    ).stdout


# ------------------------------------------------------------------------------------------------
# onnxruntime.quantization
# ------------------------------------------------------------------------------------------------


def perceptron(width=48, hidden=80, outputs=24):
    rng = np.random.default_rng(1)

    def weights(*shape):
        return (rng.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)

    tensors = {
        "w1": weights(width, hidden), "b1": weights(hidden), "w2": weights(outputs, hidden),
        "b2": weights(outputs), "w3": weights(outputs, outputs),
    }
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["m1"], name="fc1"),
        helper.make_node("Add", ["m1", "b1"], ["a1"], name="bias1"),
        helper.make_node("Relu", ["a1"], ["r1"], name="relu"),
        helper.make_node("Gemm", ["r1", "w2", "b2"], ["g2"], name="fc2", transB=1),
        helper.make_node("Sigmoid", ["g2"], ["s2"], name="sigmoid"),
        helper.make_node("MatMul", ["s2", "w3"], ["m3"], name="fc3"),
        helper.make_node("Add", ["m3", "g2"], ["y"], name="residual"),
    ]
    graph = helper.make_graph(
        nodes, "perceptron", [helper.make_tensor_value_info("x", FLOAT, ["n", width])],
        [helper.make_tensor_value_info("y", FLOAT, ["n", outputs])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )


def samples(count, width=48):
    return np.random.default_rng(count).standard_normal((count, width)).astype(np.float32)


@pytest.mark.parametrize("weights", ["QInt8", "QUInt8"])
@pytest.mark.parametrize("per_channel", [False, True])
def test_dynamic(weights, per_channel, tmp_path, program):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    onnx.save(perceptron(), tmp_path / "float.onnx")
    quantize_dynamic(
        tmp_path / "float.onnx", tmp_path / "q.onnx", weight_type=QuantType[weights],
        per_channel=per_channel, reduce_range=False,
    )
    model = onnx.load(tmp_path / "q.onnx")
    # The last layer rounds what Sigmoid gives: a last bit there can be a step here.
    runs = [{"x": samples(count)} for count in (1, 33)]
    check(model, runs, tmp_path, rtol=1e-3, atol=4e-3)
    text = fused(program, model, tmp_path)
    assert text.count("qgraph.quantized_linear") == 3
    assert "MatMulInteger" not in text


@pytest.mark.parametrize(
    "form, types, per_channel",
    [
        ("QDQ", "QUInt8 QInt8", True),
        ("QDQ", "QInt8 QInt8", False),
        ("QDQ", "QUInt8 QUInt8", False),
        ("QOperator", "QUInt8 QInt8", True),
        ("QOperator", "QInt8 QInt8", False),
    ],
)
def test_static(form, types, per_channel, tmp_path, program):
    from onnxruntime.quantization import (
        CalibrationDataReader, QuantFormat, QuantType, quantize_static,
    )

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.items = iter([{"x": samples(16 + i)} for i in range(4)])

        def get_next(self):
            return next(self.items, None)

    activations, weights = types.split()
    onnx.save(perceptron(), tmp_path / "float.onnx")
    quantize_static(
        tmp_path / "float.onnx", tmp_path / "q.onnx", Reader(), quant_format=QuantFormat[form],
        per_channel=per_channel, reduce_range=False, activation_type=QuantType[activations],
        weight_type=QuantType[weights],
    )
    model = onnx.load(tmp_path / "q.onnx")
    step = float(
        next(numpy_helper.to_array(t) for t in model.graph.initializer if t.name == "y_scale")
    )
    # Layers that round their result multiply by 1 / scale, which may break a tie otherwise; so do
    # ONNX Runtime's kernels of QOperator. One step.
    runs = [{"x": samples(count)} for count in (1, 33)]
    check(model, runs, tmp_path, rtol=0, atol=1.01 * step)
    text = fused(program, model, tmp_path)
    assert text.count("qgraph.quantized_linear") == 3
    assert not any(op in text for op in ("QLinear", "QGemm", "qgraph.linear", "MatMulInteger"))


def encoder(width=32, heads=2, inner=64, vocabulary=100, length=12):
    """A layer of a BERT."""
    rng = np.random.default_rng(16)
    tensors, nodes = {}, []

    def weight(*shape):
        name = f"w{len(tensors)}"
        tensors[name] = (rng.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)
        return name

    def node(op, *inputs, **attributes):
        nodes.append(
            helper.make_node(op, inputs, [f"v{len(nodes)}"], name=f"n{len(nodes)}", **attributes)
        )
        return nodes[-1].output[0]

    def integers(*values):
        name = f"i{len(tensors)}"
        tensors[name] = np.array(values, np.int64)
        return name

    def layer(value, rows, columns):
        return node("Add", node("MatMul", value, weight(rows, columns)), weight(columns))

    def norm(value):
        return node("LayerNormalization", value, weight(width), weight(width), axis=-1)

    def split(value):
        value = node("Reshape", value, integers(0, 0, heads, width // heads))
        return node("Transpose", value, perm=[0, 2, 1, 3])

    x = norm(node("Add", node("Gather", weight(vocabulary, width), "ids"), weight(length, width)))
    query, key, value = (split(layer(x, width, width)) for _ in range(3))
    tensors["scale"] = np.float32((width // heads) ** -0.5)
    scores = node("MatMul", query, node("Transpose", key, perm=[0, 1, 3, 2]))
    mixed = node("MatMul", node("Softmax", node("Mul", scores, "scale"), axis=-1), value)
    mixed = node("Reshape", node("Transpose", mixed, perm=[0, 2, 1, 3]), integers(0, 0, width))
    x = norm(node("Add", x, layer(mixed, width, width)))
    hidden = node("Relu", layer(x, width, inner))
    y = norm(node("Add", x, layer(hidden, inner, width)))
    graph = helper.make_graph(
        nodes, "encoder",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n", length])],
        [helper.make_tensor_value_info(y, FLOAT, ["n", length, width])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )


@pytest.mark.parametrize("form", ["dynamic", "dynamic products", "QDQ", "QOperator"])
def test_encoder(form, tmp_path, program):
    from onnxruntime.quantization import (
        CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static,
    )

    def ids(seed):
        return {"ids": np.random.default_rng(seed).integers(0, 100, (3, 12))}

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.items = iter([ids(i) for i in range(8)])

        def get_next(self):
            return next(self.items, None)

    onnx.save(encoder(), tmp_path / "float.onnx")
    paths = tmp_path / "float.onnx", tmp_path / "q.onnx"
    if form.startswith("dynamic"):
        quantize_dynamic(
            *paths, weight_type=QuantType.QInt8, per_channel=True,
            extra_options={"MatMulConstBOnly": form == "dynamic"},
        )
    else:
        quantize_static(
            *paths, Reader(), quant_format=QuantFormat[form], activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8, per_channel=True,
        )
    model = onnx.load(tmp_path / "q.onnx")
    (want,) = expected(model, ids(99))
    with compiled(model, tmp_path) as loaded:
        (got,) = loaded(ids(99)).values()
    # A step of one activation goes through what follows; most values have none.
    assert np.median(np.abs(got - want)) < 0.002
    assert np.abs(got - want).max() < 0.1
    text = fused(program, model, tmp_path)
    assert text.count("qgraph.quantized_linear") == 6
    assert "qgraph.linear" not in text and "qgraph.embedding %" not in text
    # The scores and the context.
    assert text.count("qgraph.quantized_matmul") == (0 if form == "dynamic" else 2)
    assert "qgraph.matmul" not in text and "MatMulInteger" not in text
    if not form.startswith("dynamic"):
        # What is stored is not quantized again.
        text = fused(program, model, tmp_path, "w8a8-dynamic")
        assert text.count("qgraph.quantized_linear") == 6 and "choose_params" not in text


# ------------------------------------------------------------------------------------------------
# com.microsoft
# ------------------------------------------------------------------------------------------------

TYPES = {np.dtype(t): helper.np_dtype_to_tensor_dtype(np.dtype(t)) for t in (
    np.float32, np.float16, np.uint8, np.int8, np.int16, np.uint16, np.int32, np.int64, bool)}


def one_node(op, inputs, constants=(), outputs=1, result=None, **attributes):
    """A model of one operator of com.microsoft, and its inputs. `inputs` are arrays by name, None
    for absent ones; those in `constants` become initializers."""
    names = ["" if value is None else name for name, value in inputs.items()]
    while names and not names[-1]:
        names.pop()
    given = {name: np.asarray(value) for name, value in inputs.items() if value is not None}
    results = [f"o{i}" for i in range(outputs)]
    node = helper.make_node(op, names, results, name="n", domain="com.microsoft", **attributes)
    result = result or [TYPES[given[names[0]].dtype]] * outputs
    graph = helper.make_graph(
        [node], "graph",
        [helper.make_tensor_value_info(name, TYPES[value.dtype], value.shape)
         for name, value in given.items() if name not in constants],
        [onnx.ValueInfoProto(name=name) for name in results],
        [numpy_helper.from_array(given[name], name) for name in constants if name in given],
    )
    for info, kind in zip(graph.output, result):
        info.type.tensor_type.elem_type = kind
    model = helper.make_model(
        graph, ir_version=10,
        opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)],
    )
    return model, {name: value for name, value in given.items() if name not in constants}


def codes(rng, dtype, *shape):
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype, endpoint=True)


def f32(x):
    return np.float32(x)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("op", ["QLinearAdd", "QLinearMul"])
def test_binary(op, dtype, tmp_path):
    rng = np.random.default_rng(2)
    zero = dtype(100 if dtype == np.uint8 else -3)
    inputs = {
        "a": codes(rng, dtype, 3, 1, 37), "as": f32(0.02), "az": zero, "b": codes(rng, dtype, 5, 37),
        "bs": f32(0.03), "bz": dtype(7), "cs": f32(0.06), "cz": zero,
    }
    model, given = one_node(op, inputs, ["as", "az", "bs", "bz", "cs", "cz"])
    check(model, given, tmp_path, codes=1)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize(
    "op, attributes",
    [
        ("QLinearSigmoid", {}),
        ("QLinearLeakyRelu", {"alpha": 0.2}),
        ("QLinearSoftmax", {"axis": -1, "opset": 13}),
        ("QLinearSoftmax", {"axis": 1, "opset": 11}),
    ],
)
def test_unary(op, attributes, dtype, tmp_path):
    rng = np.random.default_rng(3)
    zero = dtype(90 if dtype == np.uint8 else 5)
    softmax = op == "QLinearSoftmax"
    inputs = {
        "x": codes(rng, dtype, 4, 3, 19), "xs": f32(0.05), "xz": zero,
        "ys": f32(1 / 256 if softmax else 0.03),
        "yz": dtype(np.iinfo(dtype).min) if softmax else zero,
    }
    model, given = one_node(op, inputs, ["xs", "xz", "ys", "yz"], **attributes)
    check(model, given, tmp_path, codes=1)


@pytest.mark.parametrize("channels_last", [0, 1])
@pytest.mark.parametrize(
    "op, attributes",
    [
        ("QLinearGlobalAveragePool", {}),
        ("QLinearAveragePool",
         {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1]}),
    ],
)
def test_pool(op, attributes, channels_last, tmp_path):
    rng = np.random.default_rng(4)
    inputs = {
        "x": codes(rng, np.uint8, 2, 8, 9, 10), "xs": f32(0.05), "xz": np.uint8(7),
        "ys": f32(0.04), "yz": np.uint8(11),
    }
    model, given = one_node(
        op, inputs, ["xs", "xz", "ys", "yz"], channels_last=channels_last, **attributes
    )
    check(model, given, tmp_path, codes=1)


@pytest.mark.parametrize("channels_last", [0, 1])
def test_convolution(channels_last, tmp_path):
    rng = np.random.default_rng(15)
    shape = (1, 9, 10, 8) if channels_last else (1, 8, 9, 10)
    inputs = {
        "x": codes(rng, np.uint8, *shape), "xs": f32(0.02), "xz": np.uint8(120),
        "w": codes(rng, np.int8, 12, 8, 3, 3), "ws": rng.uniform(0.01, 0.02, 12).astype(np.float32),
        "wz": np.zeros(12, np.int8), "ys": f32(0.3), "yz": np.uint8(130),
        "b": rng.integers(-9000, 9000, 12).astype(np.int32),
    }
    constants = [name for name in inputs if name != "x"]
    model, given = one_node(
        "QLinearConv", inputs, constants, pads=[1, 1, 1, 1], strides=[2, 1],
        channels_last=channels_last,
    )
    check(model, given, tmp_path, codes=1)


def test_concat_and_where(tmp_path):
    rng = np.random.default_rng(5)
    inputs = {
        "ys": f32(0.04), "yz": np.uint8(11), "a": codes(rng, np.uint8, 2, 3, 5), "as": f32(0.05),
        "az": np.uint8(3), "b": codes(rng, np.uint8, 2, 4, 5), "bs": f32(0.04), "bz": np.uint8(11),
    }
    model, given = one_node(
        "QLinearConcat", inputs, ["ys", "yz", "as", "az", "bs", "bz"], result=[UINT8], axis=1
    )
    check(model, given, tmp_path, codes=1)
    inputs = {
        "c": rng.random((2, 3, 5)) < 0.5, "x": codes(rng, np.uint8, 2, 3, 5), "xs": f32(0.05),
        "xz": np.uint8(3), "y": codes(rng, np.uint8, 3, 5), "ys": f32(0.04), "yz": np.uint8(11),
        "zs": f32(0.045), "zz": np.uint8(9),
    }
    model, given = one_node(
        "QLinearWhere", inputs, ["xs", "xz", "ys", "yz", "zs", "zz"], result=[UINT8]
    )
    check(model, given, tmp_path, codes=1)


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("columns", [True, False])
def test_qgemm(stored, columns, tmp_path, program):
    rng = np.random.default_rng(6)
    n = 70  # more than the elements that are folded
    inputs = {
        "a": codes(rng, np.uint8, 9, 45), "as": f32(0.02), "az": np.uint8(120),
        "b": codes(rng, np.int8, n, 45),
        "bs": rng.uniform(0.01, 0.02, n).astype(np.float32) if columns else f32(0.01),
        "bz": np.zeros(n, np.int8) if columns else np.int8(4),
        "c": rng.integers(-9000, 9000, n).astype(np.int32),
        "ys": f32(0.3) if stored else None, "yz": np.uint8(130) if stored else None,
    }
    constants = [name for name in inputs if name != "a"]
    model, given = one_node(
        "QGemm", inputs, constants, result=[UINT8 if stored else FLOAT], transB=1, alpha=0.5
    )
    check(model, given, tmp_path, codes=1, rtol=1e-5, atol=1e-4)
    assert "qgraph.quantized_linear" in fused(program, model, tmp_path)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("columns", [True, False])
def test_products(dtype, columns, tmp_path, program):
    rng = np.random.default_rng(7)
    n = 70
    scale = rng.uniform(0.01, 0.02, n).astype(np.float32) if columns else f32(0.01)
    zero = codes(rng, dtype, n) if columns else dtype(3)
    inputs = {
        "a": codes(rng, np.uint8, 2, 9, 45), "b": codes(rng, dtype, 45, n), "as": f32(0.02),
        "bs": scale, "az": np.uint8(120), "bz": zero,
        "bias": rng.standard_normal(n).astype(np.float32),
    }
    model, given = one_node(
        "MatMulIntegerToFloat", inputs, ["b", "as", "bs", "az", "bz", "bias"], result=[FLOAT]
    )
    check(model, given, tmp_path, atol=1e-4)
    assert "qgraph.quantized_linear" in fused(program, model, tmp_path)
    inputs = {
        "a": rng.standard_normal((2, 9, 45)).astype(np.float32), "b": inputs["b"], "bs": scale,
        "bz": zero, "bias": inputs["bias"],
    }
    model, given = one_node(
        "DynamicQuantizeMatMul", inputs, ["b", "bs", "bz", "bias"], result=[FLOAT]
    )
    check(model, given, tmp_path, atol=1e-4)
    assert "qgraph.quantized_linear" in fused(program, model, tmp_path)


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int8])
def test_rounding(dtype, tmp_path):
    rng = np.random.default_rng(8)
    x = (rng.standard_normal((3, 37)) * 4).astype(np.float32)
    model, given = one_node(
        "QuantizeLinear", {"x": x, "s": f32(0.013), "z": dtype(5)}, ["s", "z"],
        result=[TYPES[np.dtype(dtype)]],
    )
    check(model, given, tmp_path)
    scale = rng.uniform(0.01, 0.02, 37).astype(np.float32)
    model, given = one_node(
        "DequantizeLinear",
        {"x": codes(rng, dtype, 3, 37), "s": scale, "z": codes(rng, dtype, 37)}, ["s", "z"],
        result=[FLOAT], axis=1,
    )
    check(model, given, tmp_path, rtol=0, atol=0)


def test_attention(tmp_path, program):
    rng = np.random.default_rng(9)
    width, heads = 32, 4
    inputs = {
        "x": codes(rng, np.uint8, 2, 7, width), "w": codes(rng, np.int8, width, 3 * width),
        "b": rng.standard_normal(3 * width).astype(np.float32), "xs": f32(0.01),
        "ws": f32(0.005), "mask": np.array([5, 7], np.int32), "xz": np.uint8(128),
        "wz": np.int8(0),
    }
    model, given = one_node(
        "QAttention", inputs, ["w", "b", "xs", "ws", "xz", "wz"], result=[FLOAT], num_heads=heads
    )
    check(model, given, tmp_path, rtol=1e-4, atol=1e-4)
    assert "qgraph.quantized_linear" in fused(program, model, tmp_path)


def pack(values, bits):
    """Codes along the last dimension into bytes, lower bits first."""
    per = 8 // bits
    values = values.reshape(*values.shape[:-1], -1, per).astype(np.uint32)
    shifts = np.arange(per, dtype=np.uint32) * bits
    return (values << shifts).sum(-1).astype(np.uint8)


def n_bits(rng, bits, block, zero, n=35, k=128, x=(3, 5)):
    groups = -(-k // block)
    zero_points = None
    if zero == "packed":
        row = -(-groups * bits // 8) * 8 // bits
        zero_points = pack(rng.integers(0, 2**bits, (n, row)), bits)
    elif zero == "float":
        zero_points = rng.uniform(0, 2**bits - 1, (n, groups)).astype(np.float32)
    return {
        "a": rng.standard_normal((*x, k)).astype(np.float32),
        "b": pack(rng.integers(0, 2**bits, (n, groups, block)), bits),
        "scales": rng.uniform(-0.1, 0.1, (n, groups)).astype(np.float32), "zero_points": zero_points,
    }


@pytest.mark.parametrize(
    "bits, zero, block, k",
    [
        (2, "none", 32, 128), (2, "packed", 64, 160), (4, "none", 256, 300), (4, "packed", 16, 128),
        (4, "float", 32, 128), (8, "none", 16, 128), (8, "packed", 64, 160),
    ],
)
def test_matmul_n_bits(bits, zero, block, k, tmp_path):
    inputs = n_bits(np.random.default_rng(10), bits, block, zero, k=k)
    model, given = one_node(
        "MatMulNBits", inputs, ["b", "scales", "zero_points"], N=35, K=k, bits=bits,
        block_size=block,
    )
    check(model, given, tmp_path, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("bits, zero", [(2, "packed"), (4, "none"), (4, "packed"), (8, "packed")])
def test_matmul_n_bits_with_rounded_activations(bits, zero, tmp_path, program):
    rng = np.random.default_rng(11)
    inputs = n_bits(rng, bits, 32, zero)
    inputs["g_idx"] = None
    inputs["bias"] = rng.standard_normal(35).astype(np.float32)
    attributes = {"N": 35, "K": 128, "bits": bits, "block_size": 32}
    constants = ["b", "scales", "zero_points", "bias"]
    model, given = one_node("MatMulNBits", inputs, constants, accuracy_level=4, **attributes)
    exact, _ = one_node("MatMulNBits", inputs, constants, **attributes)
    with compiled(model, tmp_path) as loaded:
        (got,) = loaded(given).values()
    want = expected(exact, given)[0]
    # Rounding to 8 bits: half a step of 2 / 254 of the largest of 32, in each of 128 products.
    assert np.abs(got - want).max() < 0.02 * np.abs(want).max()
    assert np.abs(got - want).max() > 0
    text = fused(program, model, tmp_path)
    assert "qgraph.quantized_linear" in text and "stored = si8" in text


def test_matmul_n_bits_in_another_order(tmp_path):
    """g_idx: rows of the weight whose groups are no blocks."""
    rng = np.random.default_rng(12)
    n, k, block = 35, 64, 16
    group = rng.permutation(np.repeat(np.arange(k // block), block)).astype(np.int32)
    q = rng.integers(0, 16, (n, k))
    scales = rng.uniform(0.01, 0.1, (n, k // block)).astype(np.float32)
    inputs = {
        "a": rng.standard_normal((5, k)).astype(np.float32),
        "b": pack(q.reshape(n, -1, block), 4), "scales": scales, "zero_points": None,
        "g_idx": group,
    }
    model, given = one_node(
        "MatMulNBits", inputs, ["b", "scales", "g_idx"], N=n, K=k, bits=4, block_size=block
    )
    with compiled(model, tmp_path) as loaded:
        (got,) = loaded(given).values()
    weight = (q - 8) * scales[:, group]
    np.testing.assert_allclose(got, given["a"] @ weight.T, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("zero", [False, True])
def test_gather_block_quantized(bits, zero, tmp_path):
    rng = np.random.default_rng(13)
    rows, width, block = 50, 64, 16
    groups = width // block
    inputs = {
        "data": pack(rng.integers(0, 2**bits, (rows, width)), bits),
        "indices": rng.integers(-rows, rows, (2, 7)).astype(np.int64),
        "scales": rng.uniform(0.01, 0.1, (rows, groups)).astype(np.float32),
        "zero_points": pack(rng.integers(0, 2**bits, (rows, groups)), bits) if zero else None,
    }
    model, given = one_node(
        "GatherBlockQuantized", inputs, ["data", "scales", "zero_points"], result=[FLOAT],
        bits=bits, block_size=block, gather_axis=0, quantize_axis=1,
    )
    check(model, given, tmp_path, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "bits, block, activation", [(4, None, "relu"), (8, None, "silu"), (4, 32, "swiglu")]
)
def test_experts(bits, block, activation, tmp_path):
    rng = np.random.default_rng(14)
    experts, width, inner, tokens = 4, 64, 64, 9
    first = inner * (2 if activation == "swiglu" else 1)

    def layer(n, k):
        groups = (k // block,) if block else ()
        return (
            pack(rng.integers(0, 2**bits, (experts, n, k)), bits),
            rng.uniform(0.01, 0.02, (experts, n, *groups)).astype(np.float32),
        )

    w1, s1 = layer(first, width)
    w2, s2 = layer(width, inner)
    inputs = {
        "x": rng.standard_normal((tokens, width)).astype(np.float32),
        "router": rng.standard_normal((tokens, experts)).astype(np.float32),
        "w1": w1, "s1": s1, "b1": rng.standard_normal((experts, first)).astype(np.float32),
        "w2": w2, "s2": s2, "b2": rng.standard_normal((experts, width)).astype(np.float32),
    }
    attributes = {"k": 2, "activation_type": activation, "normalize_routing_weights": 1,
                  "expert_weight_bits": bits}
    if activation == "swiglu":
        attributes |= {"swiglu_fusion": 1, "activation_alpha": 1.702, "activation_beta": 1.0,
                       "swiglu_limit": 7.0}
    if block:
        attributes["block_size"] = block
    model, given = one_node(
        "QMoE", inputs, ["w1", "s1", "b1", "w2", "s2", "b2"], result=[FLOAT], **attributes
    )
    check(model, given, tmp_path, rtol=1e-3, atol=2e-3)
