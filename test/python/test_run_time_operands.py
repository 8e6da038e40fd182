"""Shapes, axes, starts, pads that are inputs of a model: any values, against ONNX's reference."""

import random

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

import quantc

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def model(op, inputs, outputs=1, opset=24, **attributes):
    """One node; `inputs` are pairs of an element type and a shape."""
    names = [f"i{k}" for k in range(len(inputs))]
    values = [helper.make_tensor_value_info(n, *pair) for n, pair in zip(names, inputs)]
    results = [f"o{k}" for k in range(outputs)]
    node = helper.make_node(op, names, results, name="n", **attributes)
    # Without a shape: these follow from the values.
    infos = []
    for k, name in enumerate(results):
        info = onnx.ValueInfoProto(name=name)
        info.type.tensor_type.elem_type = INT64 if op == "TopK" and k == 1 else FLOAT
        infos.append(info)
    graph = helper.make_graph([node], "graph", values, infos)
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def floats(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def ints(*values):
    return np.array(values, dtype=np.int64)


FAR = 2**63 - 1


def far(r):
    return r.choice([-100, -7, -3, -2, -1, 0, 1, 2, 3, 4, 100, 2**31, 2**62, FAR])


# Of each operator: the model, and what makes operands of a random generator.
CASES = {
    "slice": (
        model("Slice", [(FLOAT, ["a", "b"])] + [(INT64, [2])] * 4),
        lambda r: [
            floats(r.randint(0, 5), r.randint(1, 5)),
            ints(far(r), far(r)),
            ints(far(r), far(r)),
            ints(*r.choice([(0, 1), (1, 0), (-1, -2)])),
            ints(r.choice([1, 2, 3, 2**62]), r.choice([1, 2, 3])),
        ],
    ),
    "reverse": (
        model("Slice", [(FLOAT, ["a", "b"])] + [(INT64, [1])] * 4),
        lambda r: [
            floats(r.randint(1, 5), 4),
            ints(r.choice([-1, 2, 3, 100])),
            ints(r.choice([-100, 0, 1])),
            ints(1),
            ints(r.choice([-1, -2, -3])),
        ],
    ),
    "reduce": (
        model("ReduceSum", [(FLOAT, ["a", "b", 3]), (INT64, [2])], keepdims=1),
        lambda r: [
            floats(r.randint(0, 4), r.randint(1, 4), 3),
            ints(r.randint(-4, 3), r.randint(-3, 2)),
        ],
    ),
    "mean": (
        model("ReduceMean", [(FLOAT, ["a", "b", 37]), (INT64, [1])], keepdims=0),
        lambda r: [floats(r.randint(1, 4), 5, 37), ints(r.choice([-3, -2, -1, 0, 1, 2, 3, FAR]))],
    ),
    "reshape": (
        model("Reshape", [(FLOAT, ["a", "b"]), (INT64, [3])]),
        lambda r: [
            floats(r.randint(1, 4), r.randint(1, 4)),
            ints(
                *r.choice(
                    [
                        (0, -1, 1),
                        (-1, 0, 1),
                        (2, -1, 2),
                        (0, 0, 1),
                        (-1, -1, 1),
                        (-2, -3, 1),
                        (2**32, 2**32, 1),
                        (2, 2, 2),
                    ]
                )
            ),
        ],
    ),
    "expand": (
        model("Expand", [(FLOAT, ["a", 1]), (INT64, [3])]),
        lambda r: [floats(r.randint(1, 3), 1), ints(2, r.randint(1, 3), r.choice([0, 3, -1]))],
    ),
    "pad": (
        model("Pad", [(FLOAT, ["a", "b"]), (INT64, [4])], mode="reflect"),
        lambda r: [floats(r.randint(3, 5), 4), ints(*[r.randint(0, 2) for _ in range(4)])],
    ),
    "unsqueeze": (
        model("Unsqueeze", [(FLOAT, ["a", "b"]), (INT64, [2])]),
        lambda r: [floats(2, r.randint(1, 4)), ints(r.randint(-5, 4), r.randint(-4, 3))],
    ),
    "squeeze": (
        model("Squeeze", [(FLOAT, ["a", "b", 1]), (INT64, [1])]),
        lambda r: [floats(r.randint(1, 2), r.randint(1, 2), 1), ints(r.randint(-4, 3))],
    ),
    "cumsum": (
        model("CumSum", [(FLOAT, ["a", "b", "c"]), (INT64, [])]),
        lambda r: [floats(r.randint(0, 3), r.randint(1, 5), 2), np.int64(r.randint(-4, 3))],
    ),
    "trilu": (
        model("Trilu", [(FLOAT, ["a", "b", "c"]), (INT64, [])]),
        lambda r: [floats(2, r.randint(1, 5), 3), np.int64(r.choice([-100, -1, 0, 1, 2, 100]))],
    ),
    "topk": (
        model("TopK", [(FLOAT, ["a", "b"]), (INT64, [1])], outputs=2),
        lambda r: [floats(2, 5), ints(r.randint(0, 6))],
    ),
    "broadcast": (
        model("Add", [(FLOAT, ["n"]), (FLOAT, ["m"])]),
        lambda r: [floats(r.choice([1, 5])), floats(r.choice([1, 4, 5]))],
    ),
    "range": (
        model("Range", [(FLOAT, [])] * 3),
        lambda r: [
            np.float32(r.choice([0, 0.5, -3])),
            np.float32(r.choice([5, 2.25, -7, np.inf])),
            np.float32(r.choice([0.5, -0.5, 2])),
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_as_the_reference(name):
    graph, make = CASES[name]
    prepared = quantc.backend.prepare(graph, threads=1, jobs=1)
    reference = ReferenceEvaluator(graph)
    generator = random.Random(0)
    fits = 0
    for _ in range(40):
        operands = {f"i{k}": np.asarray(v) for k, v in enumerate(make(generator))}
        try:
            expected = reference.run(None, operands)
        except Exception:  # of any kind: the values are no valid operands
            expected = None
        try:
            results = prepared.run(operands)
        except quantc.Error as error:
            assert expected is None, (operands, str(error))
            continue
        if expected is None:
            continue  # quantc may do what the reference cannot
        fits += 1
        for result, wanted in zip(results, expected):
            assert result.shape == np.shape(wanted), operands
            np.testing.assert_allclose(result, wanted, rtol=1e-5, atol=1e-6)
    assert fits


@pytest.mark.parametrize(
    "op, shapes, operands, why",
    [
        ("Split", [["a"], [2]], [floats(7), ints(3, 3)], "its parts"),
        ("Split", [["a"], [2]], [floats(7), ints(-1, 8)], "a part of -1"),
        ("Tile", [["a"], [1]], [floats(7), ints(-1)], "cannot repeat -1 times"),
        ("Pad", [["a"], [2]], [floats(3), ints(-2, -2)], "its pads leave -1"),
        ("Expand", [["a"], [3]], [floats(1), ints(*[2**31 - 1] * 3)], "more than"),
        ("Expand", [["a"], [1]], [floats(3), ints(4)], "do not broadcast"),
        ("Reshape", [["a"], [2]], [floats(6), ints(2, 4)], "6 elements, its shape 8"),
    ],
)
def test_refused(op, shapes, operands, why):
    types = [FLOAT, INT64]
    graph = model(op, list(zip(types, shapes)), outputs=2 if op == "Split" else 1)
    prepared = quantc.backend.prepare(graph, threads=1, jobs=1)
    with pytest.raises(quantc.Error, match=why):
        prepared.run({f"i{k}": value for k, value in enumerate(operands)})
