"""`quantc eval`: errors of layers and outputs, against ONNX Runtime's float model and libraries
that are compiled with other layers in float; the formulas are NumPy's."""

import json
import os
import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

import quantc
from conftest import BUILD

VOCABULARY, WIDTH, SAMPLES, LENGTH = 50, 96, 3, 12
LAYERS = {"embedding": "x", "first": "a", "second": "c", "head": "logits"}  # and their results
WEIGHT_ONLY = "w4-rtn:activations=float"


def build(path, seed=0, broken=None, output="logits"):
    """Tokens to logits by way of two layers and a residual; `output` may be another tensor. Of
    the layer `broken`, first or second, each group holds a weight that is a thousand times the
    others, for a channel that is always 0."""
    random = np.random.default_rng(seed)
    weights = {
        name: random.standard_normal((WIDTH, n)).astype(np.float32) / WIDTH**0.5
        for name, n in {"first": WIDTH, "second": WIDTH, "head": VOCABULARY}.items()
    }
    table = random.standard_normal((VOCABULARY, WIDTH)).astype(np.float32)
    if broken:
        weights[broken][::32] *= 1000
        (table if broken == "first" else weights["first"])[:, ::32] = 0
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["x"], name="embedding"),
        helper.make_node("MatMul", ["x", "first"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "second"], ["c"], name="second"),
        helper.make_node("Add", ["c", "b"], ["d"]),
        helper.make_node("MatMul", ["d", "head"], ["logits"], name="head"),
    ]
    width = VOCABULARY if output == "logits" else WIDTH
    last = next(i for i, node in enumerate(nodes) if node.output[0] == output)
    used = {name for node in nodes[: last + 1] for name in node.input}
    graph = helper.make_graph(
        nodes[: last + 1],
        "g",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "sequence"])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", "sequence", width])],
        [
            numpy_helper.from_array(array, name)
            for name, array in {**weights, "table": table}.items()
            if name in used
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(model, path)
    return str(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("eval")
    tokens = np.random.default_rng(5).integers(0, VOCABULARY, (SAMPLES, LENGTH))
    save_file({"input_ids": tokens}, folder / "data.safetensors")
    build(folder / "m.onnx")
    return folder


@pytest.fixture(scope="module")
def tokens(folder):
    return np.random.default_rng(5).integers(0, VOCABULARY, (SAMPLES, LENGTH))


def float_outputs(path, tokens):
    session = onnxruntime.InferenceSession(path)
    return np.concatenate([session.run(None, {"input_ids": row[None]})[0] for row in tokens])


def compiled_outputs(path, prefix, tokens, **options):
    model = quantc.load(quantc.compile(path, prefix, **options))
    (name,) = [output.name for output in model.outputs]
    return np.concatenate([np.array(model({"input_ids": row[None]})[name]) for row in tokens])


def snr(reference, found):
    reference, found = reference.astype(np.float64), found.astype(np.float64)
    return 10 * np.log10((reference**2).sum() / ((found - reference) ** 2).sum())


def cosine(reference, found):
    reference, found = reference.astype(np.float64).ravel(), found.astype(np.float64).ravel()
    return reference @ found / np.linalg.norm(reference) / np.linalg.norm(found)


def log_softmax(x):
    x = x.astype(np.float64)
    x -= x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def run(*arguments, **options):
    return subprocess.run(
        [BUILD / "bin/quantc", "eval", *map(str, arguments)], capture_output=True, text=True,
        **options,
    )


@pytest.mark.parametrize("recipe", [WEIGHT_ONLY, "w8a8-dynamic", "w4-rtn"])
def test_layers(folder, tokens, tmp_path, recipe):
    """A layer up to it is the end of a shorter model; alone, with the layers before it float."""
    found = quantc.evaluate(folder / "m.onnx", folder / "data.safetensors", recipe=recipe)
    assert [layer["name"] for layer in found["layers"]] == list(LAYERS)
    assert found["samples"] == SAMPLES
    before = []
    for layer, (name, output) in zip(found["layers"], LAYERS.items(), strict=True):
        path = build(tmp_path / f"{output}.onnx", output=output)
        reference = float_outputs(path, tokens)
        settings = {"up_to": {}, "alone": {"keep_float": f"^({'|'.join(before)})$"}}
        for setting, options in settings.items():
            outputs = compiled_outputs(
                path, tmp_path / f"{output}-{setting}", tokens, recipe=recipe,
                **(options if before else {}),
            )
            assert layer[setting]["snr"] == pytest.approx(snr(reference, outputs), abs=0.01)
            assert layer[setting]["cosine"] == pytest.approx(cosine(reference, outputs), abs=1e-6)
        before.append(name)


def test_logits(folder, tokens, tmp_path):
    """KL, agreement and perplexity of the library that a user would ship."""
    found = quantc.evaluate(folder / "m.onnx", folder / "data.safetensors", recipe=WEIGHT_ONLY)
    reference = float_outputs(str(folder / "m.onnx"), tokens)
    outputs = compiled_outputs(str(folder / "m.onnx"), tmp_path / "m", tokens, recipe=WEIGHT_ONLY)
    p, q = log_softmax(reference), log_softmax(outputs)
    logits = found["logits"]
    assert logits["output"] == "logits" and logits["rows"] == SAMPLES * LENGTH
    assert logits["kl"] == pytest.approx((np.exp(p) * (p - q)).sum(-1).mean(), rel=1e-4)
    assert logits["top1_agreement"] == (p.argmax(-1) == q.argmax(-1)).mean()
    for key, of in (("float_perplexity", p), ("perplexity", q)):
        likely = np.take_along_axis(of[:, :-1], tokens[:, 1:, None], -1)
        assert logits[key] == pytest.approx(np.exp(-likely.mean()), rel=1e-5)
    assert found["outputs"][0]["snr"] == pytest.approx(snr(reference, outputs), abs=0.01)


def test_library(folder, tokens, tmp_path):
    """End to end with a library: the same figures, and no layers."""
    library = quantc.compile(folder / "m.onnx", tmp_path / "m", recipe=WEIGHT_ONLY)
    data = folder / "data.safetensors"
    end = quantc.evaluate(folder / "m.onnx", data, library=library)
    whole = quantc.evaluate(folder / "m.onnx", data, recipe=WEIGHT_ONLY)
    assert end["layers"] == []
    assert end["logits"].pop("output") == whole["logits"].pop("output") == "logits"
    assert end["logits"] == pytest.approx(whole["logits"], rel=1e-6)


def test_metric(folder, tokens, tmp_path):
    """A metric sees the outputs of both models, sample by sample."""
    seen = []

    def accuracy(outputs, number):
        seen.append(number)
        return (outputs["logits"][:, :-1].argmax(-1) == tokens[number, 1:]).mean()

    samples = [{"input_ids": row} for row in tokens]
    found = quantc.evaluate(folder / "m.onnx", samples, recipe=WEIGHT_ONLY, metric=accuracy)
    assert seen == [0, 1, 2] * 2
    outputs = {
        "float": float_outputs(str(folder / "m.onnx"), tokens),
        "quantized": compiled_outputs(
            str(folder / "m.onnx"), tmp_path / "m", tokens, recipe=WEIGHT_ONLY
        ),
    }
    for which, logits in outputs.items():
        expected = (logits[:, :-1].argmax(-1) == tokens[:, 1:]).mean()
        assert found["metric"][which] == pytest.approx(expected)


@pytest.mark.parametrize("broken", ["first", "second"])
def test_bisect(folder, tmp_path, broken):
    """The layer whose groups hold a huge weight each is found, and the rest is harmless."""
    path = build(tmp_path / "broken.onnx", broken=broken)
    data = folder / "data.safetensors"
    found = quantc.evaluate(path, data, recipe=WEIGHT_ONLY, bisect=True, bisect_share=0.5)
    bisection = found["bisection"]
    assert [layer["name"] for layer in bisection["layers"]] == [broken]
    assert bisection["error"] == pytest.approx(found["logits"]["kl"])
    without = quantc.evaluate(path, data, recipe=WEIGHT_ONLY, keep_float=f"^{broken}$")
    assert bisection["error_without"] == pytest.approx(without["logits"]["kl"], rel=1e-4)
    others = "|".join(name for name in LAYERS if name != broken)
    alone = quantc.evaluate(path, data, recipe=WEIGHT_ONLY, keep_float=f"^({others})$")
    assert bisection["layers"][0]["alone"] == pytest.approx(alone["logits"]["kl"], rel=1e-4)


@pytest.mark.parametrize("recipe", ["w4-gptq:activations=float", "w4-awq", "w8a8-smoothquant"])
def test_recipes_with_samples(folder, tokens, tmp_path, recipe):
    """What methods do to weights and scales is in both results of a layer."""
    data = folder / "data.safetensors"
    found = quantc.evaluate(folder / "m.onnx", data, recipe=recipe, calibration=data)
    reference = float_outputs(str(folder / "m.onnx"), tokens)
    outputs = compiled_outputs(
        str(folder / "m.onnx"), tmp_path / "m", tokens, recipe=recipe, calibration=data
    )
    assert [layer["name"] for layer in found["layers"]] == list(LAYERS)
    assert found["outputs"][0]["snr"] == pytest.approx(snr(reference, outputs), abs=0.05)
    assert all(layer["alone"]["snr"] < 60 for layer in found["layers"])


def test_quantized_model(folder, tmp_path):
    """A model that has QDQ itself: its activations are switched."""
    random = np.random.default_rng(1)
    weight = random.integers(-127, 128, (WIDTH, WIDTH)).astype(np.int8)
    constants = {
        "w": weight,
        "ws": np.float32(0.01),
        "xs": np.float32(0.05),
        "z": np.int8(0),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "xs", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "xs", "z"], ["xd"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "z"], ["wd"]),
        helper.make_node("MatMul", ["xd", "wd"], ["y"], name="fc"),
    ]
    info = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", WIDTH])
    graph = helper.make_graph(
        nodes, "g", [info("x")], [info("y")],
        [numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(model, tmp_path / "qdq.onnx")
    x = random.standard_normal((2, 8, WIDTH)).astype(np.float32)
    save_file({"x": x}, tmp_path / "x.safetensors")
    found = quantc.evaluate(tmp_path / "qdq.onnx", tmp_path / "x.safetensors", recipe="fp32")
    real = x @ (weight * np.float32(0.01))
    rounded = np.clip(np.rint(x / np.float32(0.05)), -128, 127) * np.float32(0.05)
    expected = snr(real, rounded @ (weight * np.float32(0.01)))
    assert found["layers"][0]["alone"]["snr"] == pytest.approx(expected, abs=0.01)
    assert found["outputs"][0]["snr"] == pytest.approx(expected, abs=0.01)


def test_integer_outputs(folder, tmp_path):
    """What is no float has no ratio of signal to noise, and is not listed."""
    model = onnx.load(folder / "m.onnx")
    model.graph.node.append(helper.make_node("ArgMax", ["logits"], ["likely"], axis=2))
    model.graph.output.append(
        helper.make_tensor_value_info("likely", TensorProto.INT64, ["batch", "sequence", 1])
    )
    onnx.save(model, tmp_path / "m.onnx")
    found = quantc.evaluate(tmp_path / "m.onnx", folder / "data.safetensors", recipe=WEIGHT_ONLY)
    assert [output["name"] for output in found["outputs"]] == ["logits"]


def test_text(folder):
    found = run(folder / "m.onnx", "--recipe", WEIGHT_ONLY, "--data", folder / "data.safetensors",
                "--bisect", "--samples", "1..2", "-q")
    assert found.returncode == 0 and found.stderr == ""
    for text in ("layer", "up to it", "perplexity", "--keep-float", "logits of 24 rows"):
        assert text in found.stdout


def test_leaves_nothing(folder, tmp_path):
    """However large a model is: what is kept of interrupted work is for files that are asked for."""
    found = run(folder / "m.onnx", "--recipe", WEIGHT_ONLY, "--data", folder / "data.safetensors",
                "-q", cwd=tmp_path, env=dict(os.environ, QUANTC_PARTIAL_ABOVE="0"))
    assert found.returncode == 0 and list(tmp_path.iterdir()) == []


def test_nothing_quantized(folder):
    found = run(folder / "m.onnx", "--recipe", "fp32", "--data", folder / "data.safetensors")
    assert found.returncode == 0
    assert "no layer is quantized: recipe 'fp32'" in found.stderr
    assert "exact" in found.stdout and "KL 0 nats" in found.stdout


@pytest.fixture(scope="module")
def other(folder):
    """Files that do not fit."""
    tokens = np.zeros((2, 4), np.int64)
    save_file({"ids": tokens}, folder / "names.safetensors")
    save_file({"input_ids": tokens.astype(np.float32)}, folder / "types.safetensors")
    save_file({"input_ids": np.zeros((0, 4), np.int64)}, folder / "empty.safetensors")
    build(folder / "short.onnx", output="a")
    quantc.compile(folder / "short.onnx", folder / "short", recipe="fp32")
    return folder


@pytest.mark.parametrize(
    "code, text, arguments",
    [
        (2, "no samples are given", ["m.onnx"]),
        (2, "say one model", ["--data", "data.safetensors"]),
        (1, "'nothing.npz'", ["m.onnx", "--data", "nothing.npz"]),
        (1, "'input_ids'", ["m.onnx", "--data", "names.safetensors"]),
        (1, "'input_ids'", ["m.onnx", "--data", "types.safetensors"]),
        (1, "sample", ["m.onnx", "--data", "empty.safetensors"]),
        (1, "has 3 samples; there is none of number 9",
         ["m.onnx", "--data", "data.safetensors", "--samples", "10"]),
        (2, "--samples '2..1'", ["m.onnx", "--data", "data.safetensors", "--samples", "2..1"]),
        (1, "--logits 'y': the model has no such output; there are: logits",
         ["m.onnx", "--data", "data.safetensors", "--logits", "y"]),
        (1, "--tokens 'y': the model has no such input; there are: input_ids",
         ["m.onnx", "--data", "data.safetensors", "--tokens", "y"]),
        (2, "say --calibration DATA",
         ["m.onnx", "--data", "data.safetensors", "--recipe", "w4-gptq"]),
        (2, "unknown recipe 'w5'", ["m.onnx", "--data", "data.safetensors", "--recipe", "w5"]),
        (2, "--bisect-share",
         ["m.onnx", "--data", "data.safetensors", "--bisect", "--bisect-share", "0"]),
        (2, "leave the options of recipes out",
         ["m.onnx", "short.so", "--data", "data.safetensors", "--recipe", "fp32"]),
        (2, "leave MODEL.so out",
         ["m.onnx", "short.so", "--data", "data.safetensors", "--bisect"]),
        (1, "no output 'logits'", ["m.onnx", "short.so", "--data", "data.safetensors"]),
        (1, "nothing.so", ["m.onnx", "nothing.so", "--data", "data.safetensors"]),
        (1, "m.onnx", ["m.onnx", "m.onnx", "--data", "data.safetensors"]),
    ],
)
def test_errors(other, code, text, arguments):
    found = run(*[other / a if "." in a and ".." not in a and a[0] != "0" else a
                  for a in arguments])
    assert found.returncode == code, found.stderr
    assert text.strip("'") in found.stderr and found.stdout == ""


def test_json_is_whole(folder):
    found = run(folder / "m.onnx", "--recipe", WEIGHT_ONLY, "--data", folder / "data.safetensors",
                "--json")
    assert json.loads(found.stdout)["samples"] == SAMPLES


def test_unwritable_outputs(folder, tmp_path):
    (tmp_path / "file").write_text("")
    found = run(folder / "m.onnx", "--recipe", "fp32", "--data", folder / "data.safetensors",
                "--save-outputs", tmp_path / "file")
    assert found.returncode == 1 and "file" in found.stderr
