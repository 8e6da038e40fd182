"""`--calibration self`: a language model writes the samples it is calibrated on. The models here
give token t + 1 after token t, so what they write is known; statistics of one-hot vectors count
the tokens."""

import subprocess

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

from conftest import BUILD

VOCABULARY = 16


def build(path, cached=False, sharpness=60.0, inputs=("attention_mask", "position_ids"),
          name="input_ids", output="logits", shape=("batch", "tokens")):
    """With a cache, which collects the one-hot vectors of all tokens, the next token is known only
    if the cache, the mask and the positions agree how many there are."""
    info, node = helper.make_tensor_value_info, helper.make_node
    constants = {
        "table": np.eye(VOCABULARY, dtype=np.float32),
        "next": sharpness * np.roll(np.eye(VOCABULARY, dtype=np.float32), 1, axis=1),
        "all": np.array([1, 2, 3], np.int64),
        "last": np.array([1], np.int64),
        "one": np.array(1, np.int64),
    }
    nodes = [
        node("Gather", ["table", name], ["x"]),
        node("MatMul", ["x", "next"], ["scores"], name="layer"),
    ]
    arguments = [info(name, TensorProto.INT64, shape)]
    arguments += [info(i, TensorProto.INT64, ["batch", None]) for i in inputs]
    results = []
    if cached:
        arguments.append(info("past", TensorProto.FLOAT, ["batch", 1, "length", VOCABULARY]))
        results.append(info("present", TensorProto.FLOAT, ["batch", 1, None, VOCABULARY]))
        nodes += [
            node("Unsqueeze", ["x", "last"], ["new"]),
            node("Concat", ["past", "new"], ["present"], axis=2),
            node("ReduceSum", ["present", "all"], ["in_cache"], keepdims=0),
            node("Cast", ["in_cache"], ["cached"], to=TensorProto.INT64),
            node("ReduceSum", ["attention_mask", "last"], ["masked"], keepdims=0),
            node("ReduceMax", ["position_ids", "last"], ["position"], keepdims=0),
            node("Add", ["position", "one"], ["positions"]),
            node("Equal", ["cached", "masked"], ["a"]),
            node("Equal", ["cached", "positions"], ["b"]),
            node("And", ["a", "b"], ["agree"]),
            node("Cast", ["agree"], ["known"], to=TensorProto.FLOAT),
            node("Reshape", ["known", "column"], ["factor"]),
            node("Mul", ["scores", "factor"], [output]),
        ]
        constants["column"] = np.array([-1, 1, 1], np.int64)
    else:
        nodes.append(node("Identity", ["scores"], [output]))
    graph = helper.make_graph(
        nodes, "g", arguments,
        [info(output, TensorProto.FLOAT, ["batch", "tokens", VOCABULARY]), *results],
        [numpy_helper.from_array(a, n) for n, a in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(model, path)
    return path


def calibrate(model, data, *options):
    return subprocess.run(
        [BUILD / "bin/quantc", "calibrate", model, "--data", data, "-o", "statistics", *options],
        capture_output=True, text=True, cwd=model.parent,
    )


def counts(model, data):
    found = calibrate(model, data)
    assert found.returncode == 0, found.stderr
    sums = load_file(model.parent / "statistics")["sums/layer/input"]
    return sums[:, 0].sum(axis=0)


@pytest.mark.parametrize("cached", [False, True])
def test_what_is_written(tmp_path, cached):
    """Eleven samples of three rounds each, wherever they begin; more than are written at once."""
    model = build(tmp_path / "m.onnx", cached)
    np.testing.assert_array_equal(
        counts(model, f"self:11x{3 * VOCABULARY}"), np.full(VOCABULARY, 33.0)
    )


def test_beginning(tmp_path):
    """First tokens are drawn evenly, and the next four are the most likely ones: each chain of
    five counts for five tokens in a row."""
    found = counts(build(tmp_path / "m.onnx", sharpness=0.1), "self:64x5")
    assert found.sum() == 64 * 5 and (found > 0).all()
    # The number of chains that begin with each token, by deconvolution.
    chain = np.zeros(VOCABULARY)
    chain[:5] = 1
    firsts = np.fft.ifft(np.fft.fft(found) / np.fft.fft(chain)).real
    np.testing.assert_allclose(firsts, np.rint(firsts), atol=1e-6)
    assert (firsts > -0.5).all() and (np.rint(firsts) > 0).sum() > VOCABULARY / 2


def test_draws_follow_the_distribution(tmp_path):
    """Sharpness ln 15: the successor comes with p = 1/2, any other token with 1/30; a token that
    nothing leads to but chance says how often there was a draw."""
    path = build(tmp_path / "m.onnx", sharpness=float(np.log(15)))
    model = onnx.load(path)
    # After every token comes 0, but for chance.
    (table,) = [t for t in model.graph.initializer if t.name == "next"]
    scores = np.zeros((VOCABULARY, VOCABULARY), np.float32)
    scores[:, 0] = np.log(15)
    table.CopyFrom(numpy_helper.from_array(scores, "next"))
    onnx.save(model, path)
    samples, length = 32, 255
    found = counts(path, f"self:{samples}x{length}")
    draws = samples * (length - 5)
    # 4 greedy ones a sample are all 0; a draw is 0 every other time.
    assert abs(found[0] - samples * 4 - draws / 2) < 5 * np.sqrt(draws / 4) + samples
    assert abs(found[1:] - draws / 30).max() < 5 * np.sqrt(draws / 30) + samples


def test_same_every_time(tmp_path):
    model = build(tmp_path / "m.onnx", sharpness=1.0)
    calibrate(model, "self:4x40")
    once = (tmp_path / "statistics").read_bytes()
    calibrate(model, "self:4x40")
    assert (tmp_path / "statistics").read_bytes() == once


def test_compile(tmp_path):
    model = build(tmp_path / "m.onnx", cached=True)
    found = subprocess.run(
        [BUILD / "bin/quantc", "compile", model, "-o", tmp_path / "m", "--recipe", "w4-gptq",
         "--calibration", "self:2x32", "-q"],
        capture_output=True, text=True,
    )
    assert found.returncode == 0, found.stderr
    assert (tmp_path / "m.so").exists()


@pytest.mark.parametrize(
    "data, options, code, text",
    [
        ("self:0", {}, 2, "say self, self:SAMPLES or self:SAMPLESxLENGTH"),
        ("self:4xmany", {}, 2, "self:32x256"),
        ("self:2", {"name": "ids"}, 1, "its input 'ids'"),
        ("self:2", {"output": "y"}, 1, "'logits' in its name"),
        ("self:2", {"inputs": ("token_type_ids",)}, 1, "its input 'token_type_ids'"),
        ("self:2", {"shape": ("batch", 8)}, 1, "both extents have to be open"),
    ],
)
def test_errors(tmp_path, data, options, code, text):
    found = calibrate(build(tmp_path / "m.onnx", **options), data)
    assert found.returncode == code, found.stderr
    assert text in found.stderr and not (tmp_path / "statistics").exists()
