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


def save_model(path, name, nodes, tensors, opset):
    """A model from x to y, both [n, WIDTH]."""
    info = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", WIDTH])
    graph = helper.make_graph(
        nodes, name, [info("x")], [info("y")],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 10
    onnx.save(model, path)


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
    save_model(path, "network", nodes, tensors, 21)


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


def write_sets(folder, samples, inputs=("x",)):
    """ONNX's test data: a folder a sample."""
    for i, sample in enumerate(samples):
        path = folder / f"test_data_set_{i}"
        path.mkdir(parents=True)
        for k, name in enumerate(inputs):
            # Raw bytes, and numbers in a field of their type.
            tensor = numpy_helper.from_array(sample, name)
            if i % 2:
                values = sample.ravel().tolist()
                tensor = helper.make_tensor(name, TensorProto.FLOAT, sample.shape, values)
            (path / f"input_{k}.pb").write_bytes(tensor.SerializeToString())


def test_every_form_of_samples(folder):
    """Whatever writes them, NumPy or ONNX, the samples are the same."""
    x = rows(24, 5)
    save_file({"x": x}, folder / "few.safetensors")
    np.savez(folder / "few.npz", other=np.zeros(24, np.int8), x=x)
    np.savez_compressed(folder / "packed.npz", x=np.asfortranarray(x))
    (folder / "few").mkdir()
    np.save(folder / "few" / "x.npy", x)
    write_sets(folder / "sets", x[:, None])
    found = {}
    for name in ("few.safetensors", "few.npz", "packed.npz", "few", "sets"):
        run(folder, "calibrate", "net.onnx", "--data", name, "-o", f"{name}.found", "-q")
        found[name] = (folder / f"{name}.found").read_bytes()
    assert len(set(found.values())) == 1
    # In process, and of samples in memory.
    compiled(folder, "from-npz", "w8a8-static", "--calibration", "few.npz")
    quantc.compile(folder / "net.onnx", folder / "from-memory", recipe="w8a8-static",
                   target="native:highest", set={".": "si8"},
                   calibration=[{"x": row[None]} for row in x])
    weights = [(folder / f"{name}.safetensors").read_bytes()
               for name in ("from-npz", "from-memory")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    "write, said",
    [
        (lambda path: np.savez(path, y=rows(4, 1)), "has no array 'x', which the model needs"),
        (lambda path: np.savez(path, x=rows(4, 1).astype(np.float64)), "convert the array"),
        (lambda path: np.savez(path, x=rows(4, 1), y=rows(3, 1)), "'y' has 3"),
        (lambda path: np.savez(path, x=rows(4, 1)[:, :5]), "is 4x5xf32; the model's input is"),
        (lambda path: np.savez(path, x=rows(4, 1) * np.float32(np.inf)), "infinite"),
        (lambda path: np.savez(path, x=np.array("text")), "which no tensor has"),
        (lambda path: np.savez(path), "holds no array"),
        (lambda path: path.write_bytes(b"PK\x03\x04cut off"), "is no .npz file"),
        (lambda path: path.mkdir(), "has neither NAME.npy nor test_data_set_N"),
        (lambda path: write_sets(path, rows(2, 1)), "is 96xf32; the model's input is"),
        (lambda path: write_sets(path, rows(2, 1)[:, None], "xy"), "has only 1 inputs"),
        (lambda path: None, "No such file or directory"),
    ],
)
def test_bad_samples(folder, tmp_path, write, said):
    path = tmp_path / "bad.npz"
    write(path)
    error = run(folder, "calibrate", "net.onnx", "--data", path, "-o", tmp_path / "out", status=1)
    assert said in error and str(path) in error
    assert not (tmp_path / "out").exists()


def gated(path):
    """A norm whose gain makes channels differ, a gated layer behind it."""
    random = np.random.default_rng(5)
    tensors = {
        name: random.standard_normal(shape).astype(np.float32) / WIDTH**0.5
        for name, shape in {"u": (WIDTH, 2 * WIDTH), "g": (WIDTH, 2 * WIDTH), "d": (2 * WIDTH, WIDTH)}.items()
    }
    tensors["gain"] = np.exp(random.standard_normal(WIDTH)).astype(np.float32)
    nodes = [
        helper.make_node("RMSNormalization", ["x", "gain"], ["n"]),
        helper.make_node("MatMul", ["n", "u"], ["up"], name="up"),
        helper.make_node("MatMul", ["n", "g"], ["gate"], name="gate"),
        helper.make_node("Sigmoid", ["gate"], ["open"]),
        helper.make_node("Mul", ["up", "open"], ["inner"]),
        helper.make_node("MatMul", ["inner", "d"], ["y"], name="down"),
    ]
    save_model(path, "gated", nodes, tensors, 23)


def test_awq_gains(tmp_path):
    """Against the same formats rounded to nearest, on rows that are no samples."""
    gated(tmp_path / "net.onnx")
    save_file({"x": rows(512, 3)}, tmp_path / "samples")
    options = ":activations=float,group-size=32"
    compiled(tmp_path, "rtn", "w4-rtn" + options)
    compiled(tmp_path, "awq", "w4-awq" + options, "--calibration", "samples")
    x = rows(32, 4)
    w = {i.name: numpy_helper.to_array(i).astype(np.float64)
         for i in onnx.load(tmp_path / "net.onnx").graph.initializer}
    n = x / np.sqrt((x.astype(np.float64) ** 2).mean(-1, keepdims=True) + 1e-5) * w["gain"]
    expected = (n @ w["u"] / (1 + np.exp(-n @ w["g"]))) @ w["d"]
    errors = {}
    for name in ("rtn", "awq"):
        found = quantc.load(str(tmp_path / f"{name}.so"), threads=1)({"x": x})["y"]
        errors[name] = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    assert errors["awq"] < 0.8 * errors["rtn"], errors
