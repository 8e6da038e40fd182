"""Models exported by `quant-translate --export-onnx`: ONNX's checker accepts them, ONNX Runtime
runs them to the result of the original, and what is imported from them is exported alike.

The models are those of test/Value, with the inputs that their tests say, a part of ONNX's node
tests with their data, and MiniLM where it has been made.
"""

import importlib.util
import re
import shlex
import subprocess
import warnings

import numpy as np
import pytest
from conftest import BUILD, ROOT

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
pytest.importorskip("ml_dtypes")

WALK = ["--convert-onnx-to-qgraph"]
# Graph pipelines up to where layers are fused, and with them; a model is exported after each.
FUSE, PACK = "qgraph-fuse-quantized", "qgraph-pack-weights"


def compare_module():
    """test/Value/compare.py, which makes inputs of models."""
    spec = importlib.util.spec_from_file_location("compare", ROOT / "test" / "Value" / "compare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tool(name, *arguments):
    path = BUILD / "bin" / name
    if not path.exists():
        pytest.skip(f"{path} is not built")
    done = subprocess.run([path, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, f"{name} {arguments}:\n{done.stderr}"
    return done.stdout


def exported(model, folder, name, passes=WALK, options=()):
    """The path of the model after import, passes and export; checked by ONNX."""
    imported, changed, path = (folder / f"{name}.{end}" for end in ("in.mlir", "mlir", "onnx"))
    tool("quant-translate", "--import-onnx", model, "-o", imported)
    if passes:
        tool("quant-opt", *passes, imported, "-o", changed)
    else:
        changed = imported
    tool("quant-translate", "--export-onnx", changed, "-o", path, *options)
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except onnx.shape_inference.InferenceError:
        # Function bodies that ONNX's own inference does not get through.
        with pytest.raises(onnx.shape_inference.InferenceError):
            onnx.checker.check_model(onnx.load(model), full_check=True)
        onnx.checker.check_model(str(path))
    return path


def refused(model, folder, passes=WALK):
    """True if the model is not imported, or not taken through the walk; or if it is not exported
    for one of the reasons that there are."""
    imported, changed = folder / "0.in.mlir", folder / "0.mlir"
    commands = [["quant-translate", "--import-onnx", model, "-o", imported]]
    if passes:
        commands.append(["quant-opt", *passes, imported, "-o", changed])
    for name, *arguments in commands:
        if subprocess.run([BUILD / "bin" / name, *arguments], capture_output=True).returncode:
            return True
    source = changed if passes else imported
    command = [BUILD / "bin" / "quant-translate", "--export-onnx", source, "-o", "/dev/null"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 or REFUSED.search(done.stderr), done.stderr
    return done.returncode != 0


# Arithmetic on dimensions that the walk guards anew each time.
UNSTABLE = {
    "Microsoft/gqa-prompt",
    "Microsoft/half",
    "Movement/slice",
    "Movement/tile",
}
# What has no form in ONNX is said by name.
REFUSED = re.compile("quantc's own|taken apart by the walk|the integer sums themselves")


def comes_back(first, folder):
    """What is imported is exported alike, from the second time on: the first brings a model into
    the walk's form."""
    second = exported(first, folder, "2nd")
    third = exported(second, folder, "3rd")
    return second.read_bytes() == third.read_bytes().replace(b"3rd.onnx", b"2nd.onnx")


def is_stable(first, folder):
    """Where shapes are values of inputs, the walk guards what it computes from them; of that it
    recognises what test_guards names."""
    elements = "qgraph.element" in first.with_suffix(".mlir").read_text(encoding="utf-8")
    return elements or comes_back(first, folder)


def run(path, inputs):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    # A weight's DequantizeLinear must not become a product with 8-bit activations.
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def close(got, expected, rtol=1e-3, atol=1e-4):
    if isinstance(expected, list):
        return len(got) == len(expected) and all(
            close(g, e, rtol, atol) for g, e in zip(got, expected)
        )
    got, expected = np.asarray(got), np.asarray(expected)
    if got.dtype != expected.dtype or got.shape != expected.shape:
        return False
    if got.dtype.kind in "biu":
        return bool((got == expected).all())
    if got.dtype.itemsize == 2:  # f16, bf16: a few roundings of results near 1
        rtol, atol = 2e-2, 2e-2
    return np.allclose(
        got.astype(np.float64), expected.astype(np.float64), rtol, atol, equal_nan=True
    )


# --- The models of test/Value -----------------------------------------------


def value_models():
    for path in sorted((ROOT / "test" / "Value").glob("*/*.onnxtxt")):
        text = path.read_text(encoding="utf-8").replace("\\\n# RUN:", " ")
        runs = re.findall(r"^# RUN: (%compare.*)$", text, re.MULTILINE)
        if runs and "--raises" not in runs[0]:
            name = f"{path.parent.name}/{path.stem}"
            yield pytest.param(path, runs[0].removeprefix("%compare"), id=name)


def of_options(words, name):
    """The values of an option that takes several."""
    found = []
    for i, word in enumerate(words):
        if word == name:
            for value in words[i + 1 :]:
                if value.startswith("--"):
                    break
                found.append(value)
    return dict(value.split("=", 1) for value in found)


@pytest.mark.parametrize("path, line", value_models())
def test_value_model(path, line, tmp_path):
    compare = compare_module()
    words = shlex.split(line)
    model = onnx.parser.parse_model(path.read_text(encoding="utf-8"))
    compare.with_weights(model, of_options(words, "--weights"))
    original = tmp_path / "original.onnx"
    onnx.save(model, original)
    if refused(original, tmp_path):
        pytest.skip("has no form in ONNX")
    first = exported(original, tmp_path, "first")
    against = "ort" if re.search(r"--against ort\b", line) else "onnx"
    evaluate = compare.oracle(model, against)
    sweep = {n: list(map(int, v.split(","))) for n, v in of_options(words, "--dims").items()}
    for i in range(max(map(len, sweep.values()), default=1)):
        dims = {name: values[i % len(values)] for name, values in sweep.items()}
        inputs = compare.inputs_of(model, of_options(words, "--values"), dims, i)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            expected = evaluate(inputs)
        try:
            found = run(first, inputs)
        except Exception:
            with pytest.raises(Exception):  # it lacks the operator or type, or this shape
                run(original, inputs)
            continue
        for i, (got, wanted) in enumerate(zip(found, expected)):
            # ONNX Runtime differs from ONNX in places; then so does the original.
            assert close(got, wanted) or close(got, run(original, inputs)[i]), (
                f"{model.graph.output[i].name} {dims}: {got} not {wanted}"
            )
    assert is_stable(first, tmp_path) or f"{path.parent.name}/{path.stem}" in UNSTABLE


# --- ONNX's node tests ------------------------------------------------------


def node_cases():
    """The first test of each operator, and those of quantization and shapes."""
    collect = pytest.importorskip("onnx.backend.test.case.node").collect_testcases
    seen = set()
    warnings.simplefilter("ignore")  # what the cases divide by zero
    more = re.compile("test_(quantizelinear|dequantizelinear|slice|reshape)_")
    for case in collect(None):
        operators = {node.op_type for node in case.model.graph.node}
        # Expanded ones are those of other operators.
        if "_expanded" in case.name or not (operators - seen or more.match(case.name)):
            continue
        seen |= operators
        yield case


@pytest.mark.parametrize("case", node_cases(), ids=lambda case: case.name)
def test_node(case, tmp_path):
    def array(value):
        return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value

    original = tmp_path / "original.onnx"
    onnx.save(case.model, original)
    if refused(original, tmp_path, passes=()):
        pytest.skip("not imported")
    models = [exported(original, tmp_path, "plain", passes=())]
    if not refused(original, tmp_path):
        models.append(exported(original, tmp_path, "first"))
    inputs, outputs = case.data_sets[0]
    feeds = {i.name: array(v) for i, v in zip(case.model.graph.input, inputs)}
    rtol, atol = max(case.rtol, 1e-3), max(case.atol, 1e-5)
    for model in models:
        try:
            theirs = run(original, feeds)
        except Exception:  # ONNX Runtime lacks this operator or type
            break
        for got, wanted, other in zip(run(model, feeds), map(array, outputs), theirs):
            assert close(got, wanted, rtol, atol) or close(got, other, rtol, atol), model
    if len(models) == 2:
        assert is_stable(models[1], tmp_path)


# --- Quantized models -------------------------------------------------------


def pipeline(recipe, until):
    text = tool("quantc", "recipes", recipe).strip().splitlines()[-1]
    return [f"--pass-pipeline={text[: text.index(until)].rstrip(',')})"]


@pytest.fixture(scope="module")
def layers(tmp_path_factory):
    """Two layers with a GELU between them, seeded."""
    random = np.random.default_rng(5)
    arrays = {
        "w": random.standard_normal((64, 96)) * 0.1,
        "b": random.standard_normal(96),
        "v": random.standard_normal((96, 40)) * 0.1,
    }
    model = onnx.parser.parse_model(
        """<ir_version: 10, opset_import: ["" : 21]>
        g (float[N, S, 64] x, float[64, 96] w, float[96] b, float[96, 40] v) => (float[N, S, 40] y) {
          p = MatMul(x, w)
          h = Add(p, b)
          a = Gelu(h)
          y = MatMul(a, v)
        }"""
    )
    for name, values in arrays.items():
        tensor = onnx.numpy_helper.from_array(values.astype(np.float32), name)
        model.graph.initializer.append(tensor)
        model.graph.input.remove(next(i for i in model.graph.input if i.name == name))
    path = tmp_path_factory.mktemp("layers") / "layers.onnx"
    onnx.save(model, path)
    return path, {"x": random.standard_normal((2, 7, 64)).astype(np.float32)}


QUANTIZED = [
    ("fp32", ()),
    ("w8a8-dynamic", ()),
    ("w8a8-dynamic:activations=float", ()),
    ("w8a8-dynamic:activations=tensor", ()),
    ("w4-rtn", ()),
    ("w4-rtn:activations=float", ("--matmul-nbits",)),
]


@pytest.mark.parametrize("until", [FUSE, PACK])
@pytest.mark.parametrize("recipe, options", QUANTIZED)
def test_quantized(layers, recipe, options, until, tmp_path):
    """ONNX Runtime computes what the compiled library does, but for the order of sums, which may
    round an activation to the neighbouring code."""
    import quantc

    if options and until == PACK:
        pytest.skip("fused layers have no dequantized weight")
    path, inputs = layers
    model = exported(path, tmp_path, "first", pipeline(recipe, until), options)
    got = run(model, inputs)[0]
    with quantc.load(quantc.compile(str(path), str(tmp_path / "model"), recipe=recipe)) as compiled:
        expected = compiled(inputs)["y"]
    scale = np.sqrt(np.mean(expected.astype(np.float64) ** 2))
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() < 0.02 * scale
    if not options:
        assert is_stable(model, tmp_path)
    operators = {node.op_type for node in onnx.load(model).graph.node}
    assert ("MatMulNBits" in operators) == bool(options)
    assert ("DequantizeLinear" in operators) == (recipe != "fp32" and not options)


@pytest.mark.parametrize("node", ["Reshape (x, s)", "Slice (x, s, e)"])
def test_guards(node, tmp_path):
    """What guards a divisor or clamps a slice is known for it when it is imported again."""
    text = f"""<ir_version: 10, opset_import: ["" : 22]>
      g (float[a, b] x, int64[2] s, int64[2] e) => (float[c, d] y) {{ y = {node} }}"""
    path = tmp_path / "original.onnx"
    onnx.save(onnx.parser.parse_model(text), path)
    first = exported(path, tmp_path, "first")
    assert "qgraph.element" in first.with_suffix(".mlir").read_text(encoding="utf-8")
    assert comes_back(first, tmp_path)


@pytest.mark.parametrize("weights", [
    "format=ui4 scheme=asymmetric granularity=group group-size=16",
    "format=ui8 scheme=asymmetric granularity=group group-size=32 scale-type=f16",
    "format=si2 scheme=signed_scale granularity=group group-size=64",
])
def test_matmul_nbits(layers, weights, tmp_path):
    """Both forms of a weight, with zero points and a short last group."""
    path, inputs = layers
    passes = [f"--pass-pipeline=builtin.module(convert-onnx-to-qgraph,qgraph-quantize-weights{{{weights}}})"]
    plain = exported(path, tmp_path, "plain", passes)
    packed = exported(path, tmp_path, "packed", passes, ("--matmul-nbits",))
    names = {node.op_type for node in onnx.load(packed).graph.node}
    assert "MatMulNBits" in names and "MatMul" not in names
    expected = run(plain, inputs)[0]
    assert close(run(packed, inputs)[0], expected, 1e-4, 1e-4)


@pytest.mark.parametrize("until", [FUSE, PACK])
@pytest.mark.parametrize("recipe", ["fp32", "w8a8-dynamic", "w4-rtn"])
def test_minilm(recipe, until, tmp_path):
    path = ROOT / "build" / "models" / "minilm.onnx"
    if not path.exists():
        pytest.skip(f"{path} has not been made")
    random = np.random.default_rng(0)
    inputs = {
        "input_ids": random.integers(0, 30000, (2, 13)),
        "attention_mask": np.where(np.arange(13) < [[13], [9]], 1, 0),
        "token_type_ids": np.zeros((2, 13), np.int64),
    }
    model = exported(path, tmp_path, "first", pipeline(recipe, until))
    # 90 MB go to a file of their own, 23 need not.
    assert (tmp_path / "first.onnx.data").exists() == (recipe == "fp32")
    got, expected = run(model, inputs)[0], run(path, inputs)[0]
    cosine = (got * expected).sum(1) / np.linalg.norm(got, axis=1) / np.linalg.norm(expected, axis=1)
    assert cosine.min() > {"fp32": 0.999999, "w8a8-dynamic": 0.99, "w4-rtn": 0.95}[recipe]
    assert is_stable(model, tmp_path)
