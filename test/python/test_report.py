"""`quantc compile --report`: the page's data, against NumPy, and what it leaves alone."""

import json
import re
import subprocess

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file, save_file

from conftest import BUILD

WIDTH = 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    random = np.random.default_rng(0)
    weights = {name: random.standard_normal((WIDTH, WIDTH)).astype(np.float32) / 8
               for name in ("w0", "w1")}
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["b"]),
        # A name that would end the page's script.
        helper.make_node("MatMul", ["b", "w1"], ["y"], name="</script><b>"),
    ]
    info = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", WIDTH])
    graph = helper.make_graph(nodes, "g", [info("x")], [info("y")],
                              [numpy_helper.from_array(w, n) for n, w in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(model, folder / "m.onnx")
    save_file({"x": random.standard_normal((4, 8, WIDTH)).astype(np.float32)}, folder / "data")
    return folder


def compile(folder, output, *options):
    return subprocess.run(
        [BUILD / "bin/quantc", "compile", folder / "m.onnx", "-o", output, *map(str, options)],
        capture_output=True, text=True,
    )


def page(folder, out, *options):
    out.mkdir(exist_ok=True)
    found = compile(folder, out / "m", "--report", out / "m.html", *options)
    assert found.returncode == 0, found.stderr
    text = (out / "m.html").read_text()
    assert text.count("<script") == 2 and text.count("</script>") == 2
    # Nothing is fetched.
    assert set(re.findall(r"https?://[^\"'\s]*", text)) == {"http://www.w3.org/2000/svg"}
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text,
                                re.S).group(1))


def test_data(folder, tmp_path):
    data = page(folder, tmp_path, "--recipe", "w8a8-dynamic:activations=float")
    first, second = data["layers"]
    assert (first["name"], second["name"]) == ("first", "</script><b>")
    model = onnx.load(folder / "m.onnx")
    for layer, tensor in zip(data["layers"], model.graph.initializer, strict=True):
        w = numpy_helper.to_array(tensor).T.astype(np.float64)
        scale = np.float32(np.abs(w).max(axis=1, keepdims=True)) / np.float32(127)
        noise = ((np.rint(w / scale) * scale - w) ** 2).sum()
        assert layer["weight"]["snr"] == pytest.approx(
            10 * np.log10((w**2).sum() / noise), abs=0.01)
        assert layer["weight"]["bits"] == 8 + 32 / WIDTH
        assert sum(layer["weight"]["histogram"]["counts"]) == w.size
        assert layer["measured_seconds"] > 0 and layer["predicted_seconds"] > 0
    manifest = json.loads((tmp_path / "m.json").read_text())
    assert data["bytes_before"] == manifest["bytes_before"] == 2 * 4 * WIDTH**2
    assert data["bytes_after"] == manifest["bytes_after"]


def test_inputs_on_samples(folder, tmp_path):
    data = page(folder, tmp_path, "--recipe", "w8a8-static", "--calibration", folder / "data")
    x = load_file(folder / "data")["x"]
    shown = data["layers"][0]["input"]
    assert shown["format"] == "ui8 tensor static"
    assert shown["range"] == pytest.approx([x.min(), x.max()])
    histogram = shown["histogram"]
    assert histogram["unit"] == "octave" and sum(histogram["counts"]) == (x != 0).sum()
    value = lambda p: 2 ** np.floor(p) * (1 + p - np.floor(p))
    largest = np.abs(x).max()
    assert value(histogram["high"]) > largest >= value(histogram["high"] - 0.25)
    edges = value(np.arange(histogram["low"], histogram["high"] + 0.1, 0.25))
    assert histogram["counts"] == np.histogram(np.abs(x[x != 0]), bins=edges)[0].tolist()
    # Half a step is what rounding the zero point may take from the end.
    step = float(x.max() - x.min()) / 255
    assert value(histogram["clip"][0]) == pytest.approx(largest, abs=step)


def test_remarks(folder, tmp_path):
    data = page(folder, tmp_path, "--recipe", "w4-rtn", "--keep-float", "first")
    assert any("first" in remark for remark in data["remarks"])
    assert data["layers"][0]["weight"]["format"] == "float"


@pytest.mark.parametrize("recipe", ["fp32", "w4-rtn", "nf4", "q4_0", "mxfp4", "llm-int8", "w4-gptq"])
def test_library_is_the_same(folder, tmp_path, recipe):
    """A report changes nothing of what is written, and works for every kind of recipe."""
    more = ["--calibration", folder / "data"] if recipe in ("llm-int8", "w4-gptq") else []
    data = page(folder, tmp_path / "with", "--recipe", recipe, *more)
    assert len(data["layers"]) >= 2
    (tmp_path / "without").mkdir()
    assert compile(folder, tmp_path / "without/m", "--recipe", recipe, *more).returncode == 0
    for name in ("m.so", "m.h", "m.json", "m.safetensors"):
        assert (tmp_path / "with" / name).read_bytes() == (tmp_path / "without" / name).read_bytes()


def test_errors(folder, tmp_path):
    found = compile(folder, tmp_path / "m", "--report", tmp_path / "none/m.html")
    assert found.returncode == 1 and "m.html" in found.stderr and not list(tmp_path.iterdir())
    found = compile(folder, tmp_path / "m", "--report", tmp_path / "m.html", "--emit", "qgraph")
    assert found.returncode == 2 and "--report is of a library" in found.stderr


def test_other_machine(folder, tmp_path):
    data = page(folder, tmp_path, "--target", "aarch64")
    assert "another machine" in data["timing"]
    assert "measured_seconds" not in data["layers"][0]
