"""GroupQueryAttention with a cache that grows or has room, against ONNX Runtime."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

import quantc

FLOAT, INT32, INT64 = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64
HEADS, KV_HEADS, WIDTH = 4, 2, 16

# Of each node: its attributes, and the optional inputs it has.
NODES = {
    "plain": ({}, []),
    "rotary": ({"do_rotary": 1, "scale": 0.3}, ["cos", "sin"]),
    "placed": ({"do_rotary": 1, "rotary_interleaved": 1}, ["cos", "sin", "positions"]),
    "window": ({"local_window_size": 3}, []),
    "softcap": ({"softcap": 0.7}, []),
    "smooth": ({"smooth_softmax": 1}, []),
    "sink": ({"local_window_size": 2}, ["sink"]),
    "bias": ({}, ["bias"]),
    "packed": ({"do_rotary": 1}, ["qkv", "cos", "sin"]),
}


def model():
    """Every node in one model, on the same inputs."""
    shapes = {
        "q": (FLOAT, ["batch", "new", HEADS * WIDTH]),
        "k": (FLOAT, ["batch", "new", KV_HEADS * WIDTH]),
        "v": (FLOAT, ["batch", "new", KV_HEADS * WIDTH]),
        "qkv": (FLOAT, ["batch", "new", (HEADS + 2 * KV_HEADS) * WIDTH]),
        "past_key": (FLOAT, ["batch", KV_HEADS, "past", WIDTH]),
        "past_value": (FLOAT, ["batch", KV_HEADS, "past", WIDTH]),
        "lengths": (INT32, ["batch"]),
        "total": (INT32, []),
        "cos": (FLOAT, [24, WIDTH // 2]),
        "sin": (FLOAT, [24, WIDTH // 2]),
        "positions": (INT64, ["batch", "new"]),
        "bias": (FLOAT, [1, HEADS, "new", "all"]),
        "sink": (FLOAT, [HEADS]),
    }
    nodes, results = [], []
    for name, (attributes, optional) in NODES.items():
        packed = "qkv" in optional
        inputs = ["qkv", "", ""] if packed else ["q", "k", "v"]
        inputs += ["past_key", "past_value", "lengths", "total"]
        inputs += [x if x in optional else "" for x in ("cos", "sin", "positions", "bias", "sink")]
        while not inputs[-1]:
            inputs.pop()
        outputs = [name + "_y", name + "_key", name + "_value"]
        nodes.append(
            helper.make_node(
                "GroupQueryAttention", inputs, outputs, name=name, domain="com.microsoft",
                num_heads=HEADS, kv_num_heads=KV_HEADS, **attributes,
            )
        )
        results.append((outputs[0], ["batch", "new", HEADS * WIDTH]))
        for other in outputs[1:]:
            results.append((other, ["batch", KV_HEADS, "present", WIDTH]))
    graph = helper.make_graph(
        nodes,
        "gqa",
        [helper.make_tensor_value_info(n, *pair) for n, pair in shapes.items()],
        [helper.make_tensor_value_info(n, FLOAT, shape) for n, shape in results],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    return shapes, helper.make_model(graph, opset_imports=opsets, ir_version=10)


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    shapes, proto = model()
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    library = quantc.compile(proto, tmp_path_factory.mktemp("gqa") / "gqa", recipe="fp32")
    return shapes, session, quantc.load(library)


# batch, new elements of each sequence, places of the cache, keys of each sequence in the end
@pytest.mark.parametrize(
    "batch, new, past, keys",
    [
        (1, 1, 6, [7]),  # grows by one
        (1, 3, 4, [7]),  # grows by several
        (1, 1, 9, [5]),  # has room
        (3, 1, 8, [4, 8, 6]),  # sequences of different lengths
        (1, 4, 9, [6]),  # several, with room
        (2, 5, 8, [5, 5]),  # a prompt, into a cache with room
        (1, 5, 0, [5]),  # a prompt, without a cache as yet
    ],
)
def test_cache(engines, batch, new, past, keys):
    shapes, session, compiled = engines
    total = max(keys)
    dims = {"batch": batch, "new": new, "past": past, "all": total}
    random = np.random.default_rng(0)
    inputs = {}
    for name, (element, shape) in shapes.items():
        shape = [dims.get(d, d) for d in shape]
        if element == FLOAT:
            inputs[name] = random.standard_normal(shape).astype(np.float32)
    inputs["lengths"] = np.array(keys, np.int32) - 1
    inputs["total"] = np.array(total, np.int32)
    inputs["positions"] = np.arange(new) + np.array(keys)[:, None] - new
    expected = session.run(None, inputs)
    results = compiled(inputs)
    for output, value in zip(session.get_outputs(), expected):
        found = results[output.name]
        assert found.shape == value.shape, output.name
        if not output.name.endswith("_y"):
            # What is behind the last key of a sequence says nothing.
            for sequence, count in enumerate(keys):
                got, right = found[sequence, :, :count], value[sequence, :, :count]
                np.testing.assert_allclose(got, right, 1e-5, 1e-5, err_msg=output.name)
        else:
            np.testing.assert_allclose(found, value, 2e-5, 1e-5, err_msg=output.name)
