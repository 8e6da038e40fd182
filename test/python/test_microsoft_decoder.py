"""A decoder as ONNX Runtime's generator of models writes it, step by step against ONNX Runtime.

Lengths come from the attention mask, queries, keys and values from one product, positions and the
cache are GroupQueryAttention's, residuals the skip norms'.
"""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import quantc

LAYERS, HIDDEN, HEADS, KV_HEADS, WIDTH, INNER, WORDS, LONGEST = 2, 64, 4, 2, 16, 96, 50, 32
RMS = {"domain": "com.microsoft", "epsilon": 1e-5}


def decoder():
    random = np.random.default_rng(0)
    constants, nodes = [], []

    def constant(name, array):
        constants.append(numpy_helper.from_array(array, name))
        return name

    def weight(name, rows, columns):
        array = random.standard_normal((rows, columns)) / np.sqrt(rows)
        return constant(name, array.astype(np.float32))

    def node(kind, inputs, *outputs, **attributes):
        nodes.append(helper.make_node(kind, inputs, outputs, name=outputs[0], **attributes))
        return outputs[0]

    one = constant("one", np.array([1], np.int64))
    axis = constant("axis", np.array(1, np.int64))
    gain = constant("gain", np.linspace(0.5, 1.5, HIDDEN, dtype=np.float32))
    kept = node("ReduceSum", ["attention_mask", one], "kept", keepdims=0)
    lengths = node("Cast", [node("Sub", [kept, one], "last")], "lengths", to=TensorProto.INT32)
    longest = node("Gather", [node("Shape", ["attention_mask"], "shape"), axis], "longest")
    total = node("Cast", [longest], "total", to=TensorProto.INT32)
    angles = np.outer(np.arange(LONGEST), 100.0 ** -np.linspace(0, 1, WIDTH // 2))
    cos = constant("cos", np.cos(angles).astype(np.float32))
    sin = constant("sin", np.sin(angles).astype(np.float32))

    residual = node("Gather", [weight("words", WORDS, HIDDEN), "input_ids"], "embedded")
    value = node("SimplifiedLayerNormalization", [residual, gain], "normed", epsilon=1e-5)
    cache, present = [], []
    for layer in map(str, range(LAYERS)):
        columns = (HEADS + 2 * KV_HEADS) * WIDTH
        qkv = node("MatMul", [value, weight("qkv" + layer, HIDDEN, columns)], "packed" + layer)
        past = ["past_key" + layer, "past_value" + layer]
        now = ["present_key" + layer, "present_value" + layer]
        attended = node(
            "GroupQueryAttention", [qkv, "", "", *past, lengths, total, cos, sin],
            "attended" + layer, *now,
            domain="com.microsoft", num_heads=HEADS, kv_num_heads=KV_HEADS, do_rotary=1,
        )  # fmt: skip
        out = node("MatMul", [attended, weight("out" + layer, HEADS * WIDTH, HIDDEN)], "o" + layer)
        names = ["middle" + layer, "", "", "sum" + layer]
        node("SkipSimplifiedLayerNormalization", [residual, out, gain], *names, **RMS)
        gate = node("MatMul", [names[0], weight("gate" + layer, HIDDEN, INNER)], "g" + layer)
        up = node("MatMul", [names[0], weight("up" + layer, HIDDEN, INNER)], "u" + layer)
        silu = node("Mul", [gate, node("Sigmoid", [gate], "s" + layer)], "silu" + layer)
        gated = node("Mul", [silu, up], "gated" + layer)
        down = node("MatMul", [gated, weight("down" + layer, INNER, HIDDEN)], "d" + layer)
        following = ["end" + layer, "", "", "residual" + layer]
        node("SkipSimplifiedLayerNormalization", [names[3], down, gain], *following, **RMS)
        value, residual = following[0], following[3]
        cache += past
        present += now
    node("MatMul", [value, weight("head", HIDDEN, WORDS)], "logits")

    def info(name, element, *shape):
        return helper.make_tensor_value_info(name, element, shape)

    integers = TensorProto.INT64
    graph = helper.make_graph(
        nodes,
        "decoder",
        [
            info("input_ids", integers, "batch", "length"),
            info("attention_mask", integers, "batch", "total"),
            *[info(n, TensorProto.FLOAT, "batch", KV_HEADS, "past", WIDTH) for n in cache],
        ],
        [
            info("logits", TensorProto.FLOAT, "batch", "length", WORDS),
            *[info(n, TensorProto.FLOAT, "batch", KV_HEADS, "total", WIDTH) for n in present],
        ],
        constants,
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def test_steps(tmp_path):
    model = decoder()
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    compiled = quantc.load(quantc.compile(model, tmp_path / "decoder", recipe="fp32"))
    names = [output.name for output in session.get_outputs()]
    words = np.random.default_rng(1).integers(0, WORDS, (2, 7))
    inputs = {
        name.replace("present", "past"): np.zeros((2, KV_HEADS, 0, WIDTH), np.float32)
        for name in names[1:]
    }
    total = 0
    for _ in range(4):
        total += words.shape[1]
        inputs.update(input_ids=words, attention_mask=np.ones((2, total), np.int64))
        expected = dict(zip(names, session.run(None, inputs)))
        found = compiled(inputs)
        for name in names:
            np.testing.assert_allclose(found[name], expected[name], 1e-4, 2e-5, err_msg=name)
        # Its own cache goes on.
        inputs.update({name.replace("present", "past"): found[name] for name in names[1:]})
        words = expected["logits"][:, -1:].argmax(-1)
