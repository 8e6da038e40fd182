"""Rotations while the model runs (QuaRot), against the float model in ONNX Runtime: nothing changes
in float, and outliers in a gate's product do less harm."""

import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

import quantc
from conftest import BUILD

VOCABULARY = 60


def build(path, width, inner, norm="rms", outliers=0):
    """Tokens to logits by way of a gated MLP with a residual, `norm` in front of it and of the last
    layer. A few `outliers` of the gate's product are large; the weights that read them, small."""
    random = np.random.default_rng(width + inner)

    def weight(*shape):
        return random.standard_normal(shape).astype(np.float32) / np.float32(shape[0] ** 0.5)

    w = {
        "table": random.standard_normal((VOCABULARY, width)).astype(np.float32),
        "up": weight(width, inner),
        "gate": weight(width, inner),
        "down": weight(inner, width),
        "bias": weight(width),
        "head": weight(width, VOCABULARY),
        "gain": random.uniform(0.5, 2, width).astype(np.float32),
        "shift": weight(width),
        "epsilon": np.array(1e-5, np.float32),
        "two": np.array(2, np.float32),
    }
    if outliers:
        channels = random.choice(inner, outliers, replace=False)
        w["up"][:, channels] *= 60
        w["down"][channels] /= 60
    nodes = []

    def op(kind, result, *inputs, name=None, **attributes):
        nodes.append(helper.make_node(kind, inputs, [result], name=name or result, **attributes))
        return result

    def normalized(x, result):
        if norm == "layer":
            return op("LayerNormalization", result, x, "gain", "shift", epsilon=1e-5)
        mean = op("ReduceMean", result + ".mean", op("Pow", result + ".square", x, "two"), "last")
        root = op("Sqrt", result + ".root", op("Add", result + ".sum", mean, "epsilon"))
        return op("Mul", result, op("Div", result + ".unit", x, root), "gain")

    x = op("Gather", "x", "table", "input_ids", name="embedding")
    h = normalized(x, "h")
    gate = op("MatMul", "g", h, "gate", name="gate")
    opened = op("Mul", "opened", gate, op("Sigmoid", "sigmoid", gate))
    product = op("Mul", "product", opened, op("MatMul", "u", h, "up", name="up"))
    y = op("Add", "y", op("MatMul", "d", product, "down", name="down"), "bias")
    op("MatMul", "logits", normalized(op("Add", "sum", x, y), "n"), "head", name="head")
    used = {name for node in nodes for name in node.input}
    w["last"] = np.array([-1], np.int64)
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "sequence"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "sequence", VOCABULARY])],
        [numpy_helper.from_array(array, name) for name, array in w.items() if name in used],
    )
    opset = [helper.make_opsetid("", 21)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
    return path


def tokens(seed, *shape):
    return np.random.default_rng(seed).integers(0, VOCABULARY, shape)


def names(model):
    return [text.split(" ")[0] for text in model.layers]  # a kernel's name follows


def difference(path, library):
    """Relative error of the logits, and the names of the library's layers."""
    inputs = {"input_ids": tokens(1, 3, 17)}
    expected = onnxruntime.InferenceSession(path).run(None, inputs)[0]
    with quantc.load(library) as model:
        found = model(inputs)["logits"]
        return np.linalg.norm(found - expected) / np.linalg.norm(expected), names(model)


# Blocks of 24, 40 and 128 of the inner channels.
@pytest.mark.parametrize("width, inner, norm", [(96, 96, "rms"), (160, 200, "layer"), (512, 1536, "rms")])
def test_float_stays_what_it_is(tmp_path, width, inner, norm):
    path = build(tmp_path / "net.onnx", width, inner, norm)
    library = quantc.compile(path, tmp_path / "net", recipe="w8a8-dynamic:rotate=online,activations=float",
                             set={".": "float", "(*name)embedding": "float"}, target="native:highest")
    error, layers = difference(path, library)
    assert error < 2e-6
    online = [name for name in layers if name.endswith("/rotation")]
    # No rotation passes a LayerNorm: what it gives is rotated, once for both of its readers.
    assert online == ([] if norm == "rms" else ["gate/rotation"]) + ["down/rotation"] + (
        [] if norm == "rms" else ["head/rotation"])


def compiled(path, folder, recipe):
    samples = folder / "samples.safetensors"
    if not samples.exists():
        save_file({"input_ids": tokens(2, 32, 16)}, samples)
    needs = recipe.startswith(("w8a8-static", "w8a8-smooth", "llm-int8", "w4-gptq", "w4-awq", "w4:", "auto"))
    return quantc.compile(path, folder / recipe.replace(":", "-"), recipe=recipe, target="native:highest",
                          calibration=samples if needs else None, set={"(*name)embedding": "float"})


@pytest.mark.parametrize("recipe", ["w8a8-static", "w8a8-dynamic"])
def test_outliers_of_a_gate(tmp_path, recipe):
    path = build(tmp_path / "net.onnx", 512, 1536, outliers=2)
    errors = {
        way: difference(path, compiled(path, tmp_path, f"{recipe}:rotate={way}"))[0]
        for way in ("false", "true", "online")
    }
    print(errors)
    assert errors["online"] < 0.5 * errors["true"]
    assert errors["online"] < 0.5 * errors["false"]


# Methods that change weights by what they have seen: the product is none of their layers.
@pytest.mark.parametrize("recipe", ["w8a8-smoothquant", "llm-int8", "w4-awq", "auto", "q4_1"])
def test_other_methods(tmp_path, recipe):
    path = build(tmp_path / "net.onnx", 192, 192)
    errors = []
    for way in ("false", "online"):
        error, layers = difference(path, compiled(path, tmp_path, f"{recipe}:rotate={way}"))
        assert ("down/rotation" in layers) == (way == "online")
        errors.append(error)
    print(recipe, errors)
    assert errors[1] < 1.25 * errors[0]


def test_layers_that_stay_float(tmp_path):
    """Nothing is rotated for them, and the rotation is no layer that one can ask for."""
    path = build(tmp_path / "net.onnx", 192, 384)

    def run(*more):
        done = subprocess.run(
            [BUILD / "bin" / "quantc", "compile", path, "-o", tmp_path / "kept", "--recipe",
             "w8a8-dynamic:rotate=online", *more], capture_output=True, text=True)
        return done.returncode, done.stderr

    status, said = run("--keep-float", "down")
    assert status == 0, said
    with quantc.load(tmp_path / "kept.so") as model:
        assert "down/rotation" not in names(model)
    status, said = run("--set", "/rotation$=si4")
    assert status != 0 and "matches no layer" in said
    assert "'down'" in said and "down/rotation" not in said
