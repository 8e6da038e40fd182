"""quantc.compile: the options it passes on, its errors, and models that it makes."""

import pathlib

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import quantc
from quantc import _compile


def linear(k=64, n=48, opset=20):
    """y = relu(x · w + b), with a dynamic first dimension `rows`."""
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.standard_normal((k, n), np.float32),
        "b": rng.standard_normal(n, np.float32),
    }
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["xw"], name="matmul"),
            helper.make_node("Add", ["xw", "b"], ["z"], name="add"),
            helper.make_node("Relu", ["z"], ["y"], name="relu"),
        ],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", k])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", n])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 9
    return model, lambda x: np.maximum(x @ weights["w"] + weights["b"], 0)


X = np.random.default_rng(1).standard_normal((5, 64), np.float32)


@pytest.fixture(autouse=True)
def use_program(program, monkeypatch):
    monkeypatch.setenv("QUANTC_BIN", str(program))


@pytest.mark.parametrize(
    "recipe, tolerance", [("reference", 1e-5), ("fp32", 1e-5), ("w8a8-dynamic", 0.03),
                          ("w4-rtn", 0.3)]
)
def test_linear(tmp_path, recipe, tolerance):
    model, expected = linear()
    library = quantc.compile(model, tmp_path / "m", recipe=recipe)
    assert library == tmp_path / "m.so"
    assert {p.name for p in tmp_path.iterdir()} >= {"m.so", "m.h", "m.json"}
    loaded = quantc.load(library, threads=2)
    assert [(t.name, t.dtype, t.shape) for t in loaded.inputs] == [("x", "float32", ("rows", 64))]
    for x in (X, X[:1], np.repeat(X, 9, 0)):
        y = loaded({"x": x})["y"]
        scale = np.abs(expected(x)).max()
        np.testing.assert_allclose(y, expected(x), rtol=0, atol=tolerance * scale)


def test_a_path_and_embedded_weights(tmp_path):
    model, expected = linear()
    onnx.save(model, tmp_path / "m.onnx")
    library = quantc.compile(tmp_path / "m.onnx", tmp_path / "m", recipe="fp32", embed_weights=True)
    assert not (tmp_path / "m.safetensors").exists()
    np.testing.assert_allclose(quantc.load(library)({"x": X})["y"], expected(X), atol=1e-4)


def test_dim(tmp_path):
    library = quantc.compile(linear()[0], tmp_path / "m", recipe="fp32", dim={"rows": (2, 7)})
    model = quantc.load(library)
    assert model.dims == {"rows": (2, 7)}
    with pytest.raises(quantc.Error, match="'rows'.* must be at least 2 and at most 7"):
        model({"x": X[:1]})
    library = quantc.compile(linear()[0], tmp_path / "n", recipe="fp32", dim={"rows": 5})
    assert quantc.load(library).inputs[0].shape == (5, 64)


def test_text_of_a_level(tmp_path):
    weights = tmp_path / "w.safetensors"
    text = quantc.compile(linear()[0], emit="qgraph", recipe="fp32", weights_out=weights)
    assert "func.func" in text and "qgraph.linear" in text
    assert weights.stat().st_size > 64 * 48 * 4
    path = quantc.compile(linear()[0], tmp_path / "m.mlir", emit="qgraph", recipe="fp32")
    assert path == tmp_path / "m.mlir" and "qgraph.linear" in path.read_text()


def test_bad_input(tmp_path):
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(quantc.Error, match="text.onnx") as info:
        quantc.compile(tmp_path / "text.onnx", tmp_path / "m")
    assert info.value.status == 1
    assert not str(info.value).startswith("quantc:")
    with pytest.raises(quantc.Error, match="nothing.onnx"):
        quantc.compile(tmp_path / "nothing.onnx", tmp_path / "m")
    with pytest.raises(quantc.Error, match="foo"):
        quantc.compile(linear()[0], tmp_path / "m", recipe="foo")
    assert [p.name for p in tmp_path.iterdir()] == ["text.onnx"]


def test_what_is_no_model(tmp_path):
    with pytest.raises(quantc.Error, match="is a path or an onnx.ModelProto, not int") as info:
        quantc.compile(5, tmp_path / "m")
    assert info.value.status == 2
    with pytest.raises(quantc.Error, match="needs 'output'"):
        quantc.compile("m.onnx")


@pytest.fixture
def recorded(monkeypatch, tmp_path):
    """A `quantc` that only writes down its arguments."""
    log = tmp_path / "log"
    fake = tmp_path / "quantc"
    fake.write_text(f'#!/bin/sh\nfor a; do echo "$a"; done > {log}\n')
    fake.chmod(0o755)
    monkeypatch.setenv("QUANTC_BIN", str(fake))
    return lambda: log.read_text().splitlines()


def test_options_are_those_of_the_command_line(recorded):
    quantc.compile(
        ["a.onnx", pathlib.Path("b.onnx")], "out/m", recipe="w4-rtn:group-size=64",
        statistics="s", target="x86-64-v3", dim={"batch": 1, "seq": (1, 512), "k": "2..3"},
        keep_float="head.*", set={"ffn.*": "si4,group-size=32"}, embed_weights=True, jobs=3,
        memory=10**9, plugin="p.so", lock="l", check_lock="c", report="r.html",
        bits_per_weight=4.5, size=10, emit="object", calibration="data.npz",
        weights_out="w",
    )
    arguments = recorded()
    assert arguments[:5] == ["compile", "a.onnx", "b.onnx", "-o", "out/m"]
    rest = arguments[5:]
    for option in [
        ["--recipe", "w4-rtn:group-size=64"], ["--statistics", "s"], ["--target", "x86-64-v3"],
        ["--dim", "batch=1"], ["--dim", "seq=1..512"], ["--dim", "k=2..3"],
        ["--keep-float", "head.*"], ["--set", "ffn.*=si4,group-size=32"], ["-j", "3"],
        ["--memory", "1000000000"], ["--plugin", "p.so"], ["--lock", "l"], ["--check-lock", "c"],
        ["--report", "r.html"], ["--bits-per-weight", "4.5"], ["--size", "10"],
        ["--weights-out", "w"], ["--emit", "object"], ["--calibration", "data.npz"], ["--embed-weights"],
    ]:
        assert any(rest[i : i + len(option)] == option for i in range(len(rest))), option


def test_options_exist(program):
    """Every option that compile() can pass is one that the program knows."""
    import subprocess

    text = subprocess.run([program, "compile", "--help"], capture_output=True, text=True).stdout
    source = pathlib.Path(_compile.__file__).read_text()
    for option in ["--recipe", "--target", "--dim", "--emit", "--keep-float", "--set",
                   "--embed-weights", "--size", "--lock", "--check-lock"]:
        assert option in source and option in text, option


def test_samples(tmp_path):
    samples = [{"x": np.full((2, 3), i, np.float32), "n": np.int64(i)} for i in range(4)]
    data = np.load(_compile._samples_file(iter(samples), tmp_path, "calibration"))
    assert data["x"].shape == (4, 2, 3) and data["x"].dtype == np.float32
    np.testing.assert_array_equal(data["n"], [0, 1, 2, 3])
    for bad, message in [
        ([], "no calibration samples"),
        ([samples[0], {"x": samples[1]["x"]}], r"sample 1 has inputs \['x'\]"),
        ([samples[0], {"x": np.zeros((2, 4), np.float32), "n": 1}], "sample 1 has input 'x' of"),
    ]:
        with pytest.raises(quantc.Error, match=message):
            _compile._samples_file(bad, tmp_path, "calibration")


def test_remarks_are_logged(recorded, tmp_path, caplog):
    fake = tmp_path / "quantc"
    fake.write_text("#!/bin/sh\necho 'quantc: remark: stays float' >&2\n")
    with caplog.at_level("INFO", "quantc"):
        quantc.compile("m.onnx", "m")
    assert caplog.messages == ["remark: stays float"]


@pytest.mark.parametrize(
    "script, status, message",
    [
        ("echo 'quantc: error: one' >&2; echo 'quantc: error: two' >&2; exit 1", 1, "^one\ntwo$"),
        ("echo 'quantc: remark: x' >&2; echo 'quantc: error: a b' >&2; exit 3", 3, "^a b$"),
        ("echo oops >&2; exit 2", 2, "exited with 2: oops"),
        ("kill -SEGV $$", 3, "ended by SIGSEGV"),
    ],
)
def test_failures(tmp_path, monkeypatch, script, status, message):
    fake = tmp_path / "quantc"
    fake.write_text("#!/bin/sh\n" + script + "\n")
    fake.chmod(0o755)
    monkeypatch.setenv("QUANTC_BIN", str(fake))
    with pytest.raises(quantc.Error, match=message) as info:
        quantc.compile("m.onnx", "m")
    assert info.value.status == status
