"""Elementary functions of f64, against the C library's; modulo, exactly."""

import math

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import quantc

GRID = np.concatenate(
    [np.linspace(-40, 40, 1601), np.linspace(-1, 1, 801), 2.0 ** -np.arange(1, 60, 3),
     [1 - 2.0**-k for k in range(1, 53)], [0.0, -0.0, 700.5, -705, 1e8, 1e200, -1e300]]
)  # fmt: skip


def gelu(x):
    return 0.5 * x * math.erfc(-x / math.sqrt(2))


# The numbers each is tested at, and how many units in the last place it may be off: where a
# function crosses 0 beside its formula's terms, of the largest term.
FUNCTIONS = {
    "Sin": (math.sin, lambda x: abs(x) < 1e6, 4),
    "Cos": (math.cos, lambda x: abs(x) < 1e6, 4),
    "Tan": (math.tan, lambda x: abs(x) < 50, 16),
    "Asin": (math.asin, lambda x: abs(x) <= 1, 8),
    "Acos": (math.acos, lambda x: abs(x) <= 1, 8),
    "Atan": (math.atan, lambda x: True, 4),
    "Sinh": (math.sinh, lambda x: abs(x) < 710, 8),
    "Cosh": (math.cosh, lambda x: abs(x) < 710, 8),
    "Asinh": (math.asinh, lambda x: True, 8),
    "Acosh": (math.acosh, lambda x: x >= 1, 8),
    "Atanh": (math.atanh, lambda x: abs(x) < 1, 8),
    "Erf": (math.erf, lambda x: True, 8),
    "Exp": (math.exp, lambda x: x < 709, 4),
    "Tanh": (math.tanh, lambda x: True, 8),
}


@pytest.fixture(autouse=True)
def use_program(program, monkeypatch):
    monkeypatch.setenv("QUANTC_BIN", str(program))


def run(nodes, inputs):
    values = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["n"]) for name in inputs]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["n"])
        for node in nodes
        for name in node.output
    ]
    graph = helper.make_graph(nodes, "g", values, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)])
    model.ir_version = min(model.ir_version, onnx.IR_VERSION)
    prepared = quantc.backend.prepare(model, threads=1)
    return dict(zip([output.name for output in outputs], prepared.run(inputs)))


def test_functions():
    results = run([helper.make_node(op, ["x"], [op]) for op in FUNCTIONS], {"x": GRID})
    for op, (function, applies, units) in FUNCTIONS.items():
        where = np.array([applies(x) for x in GRID])
        expected = np.array([function(x) for x in GRID[where]])
        bound = units * np.spacing(np.abs(expected))
        if op in ("Sin", "Cos", "Tan"):  # near 0: what is left of x after multiples of pi
            slope = 1 + expected**2 if op == "Tan" else 1
            bound += 1e-16 * np.abs(GRID[where]) * slope
        off = np.abs(results[op][where] - expected) > bound
        assert not off.any(), (op, GRID[where][off][:5], results[op][where][off][:5])


def test_gelu():
    (result,) = run([helper.make_node("Gelu", ["x"], ["y"])], {"x": GRID}).values()
    where = np.abs(GRID) < 1e100
    expected = np.array([gelu(x) for x in GRID[where]])
    bound = 4e-16 * (np.abs(GRID[where]) + np.abs(expected))
    assert (np.abs(result[where] - expected) <= bound).all()


def test_special_values():
    x = np.array([np.nan, np.inf, -np.inf])
    names = ["Sin", "Atan", "Erf", "Sinh", "Cosh", "Asinh", "Acosh", "Tanh"]
    results = run([helper.make_node(op, ["x"], [op]) for op in names], {"x": x})
    with np.errstate(invalid="ignore"):
        expected = {"Sin": np.sin(x), "Atan": np.arctan(x), "Erf": [np.nan, 1, -1],
                    "Sinh": np.sinh(x), "Cosh": np.cosh(x), "Asinh": np.arcsinh(x),
                    "Acosh": np.arccosh(x), "Tanh": np.tanh(x)}
    for op in names:
        np.testing.assert_array_equal(results[op], expected[op], err_msg=op)


@pytest.mark.parametrize("like_c", [0, 1])
def test_modulo(like_c):
    generator = np.random.default_rng(0)
    exponents = generator.integers(-1074, 1024, size=(2, 2000)).astype(np.float64)
    # Also quotients that are small, and divisors that divide.
    exponents[1, ::2] = exponents[0, ::2] + generator.integers(-60, 5, 1000)
    with np.errstate(over="ignore"):
        x, y = generator.choice([-1, 1], (2, 2000)) * generator.uniform(1, 2, (2, 2000)) * np.exp2(
            np.clip(exponents, -1074, 1023))
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -3.0, 5e-324, 1.7e308]
    pairs = np.array([(a, b) for a in special for b in special]).T
    x, y = np.concatenate([x, pairs[0]]), np.concatenate([y, pairs[1]])
    nodes = [helper.make_node("Mod", ["x", "y"], ["z"], fmod=like_c)]
    (result,) = run(nodes, {"x": x, "y": y}).values()
    with np.errstate(invalid="ignore"):
        expected = np.fmod(x, y)
        if not like_c:
            moved = (expected != 0) & ((expected < 0) != (y < 0))
            expected = np.where(moved, expected + y, expected)
    np.testing.assert_array_equal(result, expected)
