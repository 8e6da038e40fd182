"""Recipes that run the model on samples: from samples and from a file of statistics, and what is
gained by it, against the float model in ONNX Runtime."""

import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

import quantc
from conftest import BUILD

WIDTH = 96


def network(path, seed):
    """Three layers with a residual and a ReLU; inputs whose channels differ in size."""
    random = np.random.default_rng(seed)
    tensors = {
        f"w{i}": random.standard_normal((WIDTH, WIDTH)).astype(np.float32) / WIDTH**0.5
        for i in range(3)
    }
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "w1"], ["c"], name="second"),
        helper.make_node("Add", ["c", "b"], ["d"]),
        helper.make_node("MatMul", ["d", "w2"], ["y"], name="third"),
    ]
    info = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", WIDTH])
    graph = helper.make_graph(
        nodes, "network", [info("x")], [info("y")],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
    model.ir_version = 10
    onnx.save(model, path)


def rows(count, seed):
    """Of one distribution, whatever the seed: 8 of 96 dimensions."""
    mixed = np.random.default_rng(0).standard_normal((8, WIDTH)) * np.logspace(-1, 1, WIDTH)
    return (np.random.default_rng(seed).standard_normal((count, 8)) @ mixed).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibration")
    network(folder / "net.onnx", 1)
    network(folder / "other.onnx", 2)
    save_file({"x": rows(1024, 3)}, folder / "samples")
    return folder


def run(folder, *arguments, status=0):
    done = subprocess.run(
        [BUILD / "bin" / "quantc", *arguments], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == status, done.stderr
    return done.stderr


def compiled(folder, name, recipe, *arguments):
    run(folder, "compile", "net.onnx", "-o", name, "--recipe", recipe, "--target",
        "native:highest", "--set", ".=si8" if "w8" in recipe else ".=si4", "-q", *arguments)


def error(folder, name):
    """Relative error of the outputs on rows that are no samples."""
    x = rows(32, 4)
    session = onnxruntime.InferenceSession(folder / "net.onnx")
    expected = session.run(None, {"x": x})[0]
    found = quantc.load(str(folder / f"{name}.so"), threads=1)({"x": x})["y"]
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def test_static(folder):
    """Channels that differ a hundredfold in one range, and after SmoothQuant."""
    compiled(folder, "static", "w8a8-static", "--calibration", "samples")
    compiled(folder, "smooth", "w8a8-smoothquant", "--calibration", "samples")
    assert error(folder, "static") < 0.05
    assert error(folder, "smooth") < 0.75 * error(folder, "static")


def test_statistics_are_the_samples(folder):
    run(folder, "calibrate", "net.onnx", "--data", "samples", "-o", "whole", "-q")
    run(folder, "calibrate", "net.onnx", "--data", "samples", "-o", "a", "--samples", "0..9", "-q")
    run(folder, "calibrate", "net.onnx", "--data", "samples", "-o", "b", "--samples", "10..1023", "-q")
    run(folder, "calibrate", "--merge", "b", "a", "-o", "merged", "-q")
    assert (folder / "merged").read_bytes() == (folder / "whole").read_bytes()
    compiled(folder, "now", "w8a8-static", "--calibration", "samples")
    compiled(folder, "later", "w8a8-static", "--statistics", "merged")
    weights = [(folder / f"{name}.safetensors").read_bytes() for name in ("now", "later")]
    assert weights[0] == weights[1]
    assert error(folder, "now") == error(folder, "later")


def test_statistics_of_another_model(folder):
    run(folder, "calibrate", "other.onnx", "--data", "samples", "-o", "others", "-q")
    said = run(folder, "compile", "net.onnx", "-o", "refused", "--recipe", "w8a8-static",
               "--statistics", "others", status=1)
    assert "others" in said and "calibrate" in said
    assert not list(folder.glob("refused*"))


def test_gptq_gains(folder):
    """The samples lie in 8 of 96 dimensions, so there is much to be gained, and a layer can make up
    for the one before it."""
    options = ":activations=float,group-size=32"
    compiled(folder, "rtn", "w4-rtn" + options)
    compiled(folder, "gptq", "w4-gptq" + options, "--calibration", "samples")
    compiled(folder, "w4", "w4" + options, "--calibration", "samples")
    assert error(folder, "gptq") < 0.5 * error(folder, "rtn")
    assert error(folder, "w4") < 0.95 * error(folder, "gptq")
