"""Formats of weights: what is stored against gguf, ml_dtypes and NumPy, and compiled models against
sums with the weights that these say."""

import json
import statistics
import struct
import subprocess

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import quantc
from conftest import BUILD

N, K = 40, 320  # a panel of 16 columns is half full; K is a block of 256 and a part of one

GGML = ["q4_0", "q4_1", "q5_0", "q5_1", "q8_0"]
DTYPES = {
    "F32": "<f4",
    "F16": "<f2",
    "BF16": ml_dtypes.bfloat16,
    "F8_E4M3": ml_dtypes.float8_e4m3fn,
    "F8_E5M2": ml_dtypes.float8_e5m2,
    "U8": "u1",
    "I8": "i1",
}


@pytest.fixture(scope="module")
def weight():
    rng = np.random.default_rng(5)
    w = (rng.standard_normal((N, K)) * rng.uniform(0.01, 2, (N, 1))).astype(np.float32)
    w[3, :64] = 0  # blocks of zeros
    w[4, 64:128] = 0.25  # constant ones
    w[5, 0], w[5, 7] = -9.0, 9.0  # a tie of magnitudes, the negative one first
    w[6, 0], w[6, 7] = 9.0, -9.0
    w[7, :64] = np.tile([1.0, -1.0, 0.5, 0.0625], 16)  # codes half way between two
    return w


@pytest.fixture(scope="module")
def model(tmp_path_factory, weight):
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w"], ["y"], name="fc", transB=1)],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["m", K])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["m", N])],
        [numpy_helper.from_array(weight, "w")],
    )
    path = tmp_path_factory.mktemp("model") / "linear.onnx"
    opset = [helper.make_opsetid("", 21)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
    return path


def stored(model, folder, recipe, name=None):
    """What the recipe has made of the weight, by what follows its name, and the text."""
    text = folder / "linear.mlir"
    layers = {"fc": name or format_of(recipe)}
    quantc.compile(model, text, recipe=recipe, emit="qgraph", set=layers)
    data = (folder / "linear.mlir.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    found = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name == "__metadata__" or name.startswith("quantc.pad"):
            continue
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        base, _, rest = name.partition("@quantize-weights")
        assert base == "w", name
        found[rest] = np.frombuffer(data[begin:end], DTYPES[entry["dtype"]])
    return found, text.read_text()


def compiled(model, folder, recipe, layer):
    """The library, its layer in this format: asked for by name, no cost model has a say."""
    return quantc.compile(
        model, folder / "model", recipe=recipe, set={"fc": layer}, target="native:highest"
    )


def format_of(recipe):
    """What a recipe gives its layers."""
    names = {"fp16": "f16", "fp8": "f8E4M3FN"}
    return names.get(recipe, recipe.split(":")[0])


def unpack(raw, bits, signed):
    """Codes, [N, K]; 4 bits are packed, the lower half first, others take a byte."""
    codes = np.stack([raw & 15, raw >> 4], -1).reshape(-1) if bits == 4 else raw.view(np.uint8)
    codes = codes.astype(np.int32) & ((1 << bits) - 1)
    if signed:
        codes -= (codes >> (bits - 1)) << bits
    return codes.reshape(N, K)


def ggml_parts(name, weight):
    """gguf's d, m (or None) and codes, [N, K]."""
    gguf = pytest.importorskip("gguf")
    kind = getattr(gguf.GGMLQuantizationType, name.upper())
    raw = gguf.quants.quantize(weight, kind).reshape(N * K // 32, -1)
    d, raw = raw[:, :2].copy().view(np.float16).reshape(N, -1), raw[:, 2:]
    m = None
    if name.endswith("_1"):
        m, raw = raw[:, :2].copy().view(np.float16).reshape(N, -1), raw[:, 2:]
    if name == "q8_0":
        return d, m, raw.copy().view(np.int8).astype(np.int32).reshape(N, K)
    high = 0
    if name.startswith("q5"):
        word = raw[:, :4].copy().view("<u4")
        high = (((word >> np.arange(32, dtype=np.uint32)) & 1) << 4).astype(np.int32)
        raw = raw[:, 4:]
    codes = np.concatenate([raw & 15, raw >> 4], 1).astype(np.int32) + high
    if m is None:
        codes -= 16 if name == "q5_0" else 8
    return d, m, codes.reshape(N, K)


@pytest.mark.parametrize("name", GGML)
def test_ggml_blocks_are_ggufs(name, weight, model, tmp_path):
    d, m, codes = ggml_parts(name, weight)
    found, text = stored(model, tmp_path, name)
    assert "{block = array<i64: 1, 32>}" in text
    np.testing.assert_array_equal(found[".scale"].view(np.uint16), d.reshape(-1).view(np.uint16))
    if m is not None:
        offset = found[".offset"].view(np.uint16)
        np.testing.assert_array_equal(offset, m.reshape(-1).view(np.uint16))
    bits = int(name[1])
    np.testing.assert_array_equal(unpack(found[""].view(np.uint8), bits, m is None), codes)


@pytest.mark.parametrize(
    "recipe, dtype", [("fp16", np.float16), ("bf16", ml_dtypes.bfloat16)]
)
def test_halves_are_rounded(recipe, dtype, weight, model, tmp_path):
    found, _ = stored(model, tmp_path, recipe)
    rounded = weight.reshape(-1).astype(dtype)
    np.testing.assert_array_equal(found[""].view(np.uint16), rounded.view(np.uint16))


def fp8_name(kind):
    return {"e4m3": "f8E4M3FN", "e5m2": "f8E5M2"}[kind]


FP8 = [("e4m3", ml_dtypes.float8_e4m3fn), ("e5m2", ml_dtypes.float8_e5m2)]


@pytest.mark.parametrize("scales", ["channel", "tensor"])
@pytest.mark.parametrize("kind, dtype", FP8)
def test_fp8(kind, dtype, scales, weight, model, tmp_path):
    most = np.float32(ml_dtypes.finfo(dtype).max)
    scale = np.abs(weight).max(1 if scales == "channel" else None, keepdims=True) / most
    codes = (weight / scale).astype(dtype)
    recipe = f"fp8:type={kind},scales={scales}"
    library = compiled(model, tmp_path, recipe, fp8_name(kind))
    check_sums(library, codes.astype(np.float32) * scale, 1e-5)


@pytest.mark.parametrize("format_", ["si8", "si4"])
@pytest.mark.parametrize("rows, columns", [(16, 64), (7, 0), (0, 64), (0, 0), (24, 96)])
def test_blocks(rows, columns, format_, weight, model, tmp_path):
    """A scale for the columns and rows of a block, the last of which may be smaller."""
    most = np.float32(2 ** (int(format_[2:]) - 1) - 1)
    used = np.zeros_like(weight)
    for n in range(0, N, rows or N):
        for k in range(0, K, columns or K):
            block = np.s_[n : n + (rows or N), k : k + (columns or K)]
            scale = np.abs(weight[block]).max() / most
            used[block] = np.round(weight[block] / scale) * scale
    layer = f"{format_},block={rows}x{columns}"
    recipe = "w8a8-dynamic:activations="
    check_sums(compiled(model, tmp_path, recipe + "float", layer), used, 1e-5)
    with quantc.load(compiled(model, tmp_path, recipe + "token", layer), threads=2) as run:
        for m in (1, 14):
            x = np.random.default_rng(6).standard_normal((m, K)).astype(np.float32)
            scale = np.abs(x).max(1, keepdims=True) / np.float32(127)
            exact = (np.round(x / scale) * scale).astype(np.float64) @ used.T.astype(np.float64)
            np.testing.assert_allclose(run({"x": x})["y"], exact, rtol=1e-4, atol=2e-3)


def normal_float():
    """QLoRA's formula: quantiles of a normal distribution, 8 positive and 7 negative steps."""
    end = 0.9677083  # as bitsandbytes has it: the mean of 1 - 1/30 and 1 - 1/32
    quantile = statistics.NormalDist().inv_cdf
    values = [quantile(p) for p in np.linspace(end, 0.5, 9)[:-1]]
    values += [0.0] + [-quantile(p) for p in np.linspace(end, 0.5, 8)[:-1]]
    return np.sort(np.array(values)) / max(values)


def float4():
    """bitsandbytes' order: 0, 1/192, 2/3, 1, 1/3, 1/2, 1/6, 1/4, and with the sign."""
    half = np.array([0, 1 / 192, 2 / 3, 1, 1 / 3, 1 / 2, 1 / 6, 1 / 4])
    return np.concatenate([half, -half])


def doubly_quantized(scale):
    """Scales less their mean as 8-bit floats; N * K / 64 of them are one block of up to 256."""
    assert scale.size <= 256
    mean = np.float32(scale.astype(np.float64).mean())
    rest = scale - mean
    step = np.abs(rest).max() / np.float32(448)
    codes = (rest / step).astype(ml_dtypes.float8_e4m3fn)
    return codes, codes.astype(np.float32) * step + mean


@pytest.mark.parametrize("name, book", [("nf4", normal_float()), ("fp4", float4())])
def test_codebooks(name, book, weight, model, tmp_path):
    book = book.astype(np.float32)
    found, text = stored(model, tmp_path, "nf4", name)
    assert "{block = array<i64: 1, 64>}" in text
    groups = weight.reshape(N, K // 64, 64)
    scale_codes, scale = doubly_quantized(np.abs(groups).max(2))
    scale_bytes = scale_codes.reshape(-1).view(np.uint8)
    np.testing.assert_array_equal(found[".scale"].view(np.uint8), scale_bytes)
    codes = unpack(found[""], 4, signed=False)
    # Not the code that a search finds, but none is nearer.
    with np.errstate(invalid="ignore", divide="ignore"):
        wanted = (groups / scale[..., None]).reshape(N, K, 1)
    distances = np.abs(np.clip(wanted, -1, 1) - book)
    chosen = np.take_along_axis(distances, codes[..., None], 2)[..., 0]
    assert (chosen <= distances.min(2) + 1e-6).all()
    library = compiled(model, tmp_path, "nf4", name)
    check_sums(library, book[codes] * np.repeat(scale, 64, 1), 1e-5)


def four_bits(x):
    """The nearest f4E2M1FN; what is too large becomes the largest."""
    return np.clip(x, -6, 6).astype(ml_dtypes.float4_e2m1fn).astype(np.float32)


def microscaling(weight):
    """OCP MX v1.0, 6.3: the exponent of the largest, less that of 4."""
    groups = weight.reshape(N, K // 32, 32)
    most = np.abs(groups).max(2, keepdims=True)
    scale = np.exp2(np.floor(np.log2(np.where(most > 0, most, 4))) - 2)
    return (four_bits(groups / scale) * scale).reshape(N, K)


def nvidia(weight):
    groups = weight.reshape(N, K // 16, 16)
    scale = np.abs(groups).max(2, keepdims=True) / np.float32(6)
    all_of_them = scale.max() / np.float32(448)
    scale = (scale / all_of_them).astype(ml_dtypes.float8_e4m3fn).astype(np.float32) * all_of_them
    with np.errstate(invalid="ignore", divide="ignore"):
        codes = np.nan_to_num(groups / scale)
    return (four_bits(codes) * scale).reshape(N, K)


def signs(weight):
    scale = np.abs(weight).mean(1, keepdims=True)
    return np.where(weight > 0, scale, -scale)


@pytest.mark.parametrize(
    "name, oracle", [("mxfp4", microscaling), ("nvfp4", nvidia), ("binary", signs)]
)
def test_other_formats(name, oracle, weight, model, tmp_path):
    check_sums(compiled(model, tmp_path, name, name), oracle(weight), 1e-5)


@pytest.mark.parametrize("name", [*GGML, "fp16", "bf16"])
def test_compiled_models_use_these_weights(name, weight, model, tmp_path):
    if name in GGML:
        d, m, codes = ggml_parts(name, weight)
        used = codes * np.repeat(d.astype(np.float32), 32, 1)
        if m is not None:
            used = used + np.repeat(m.astype(np.float32), 32, 1)
    else:
        used = weight.astype(np.float16 if name == "fp16" else ml_dtypes.bfloat16)
    recipe = f"{name}:activations=float" if name in GGML else name
    library = compiled(model, tmp_path, recipe, format_of(name))
    check_sums(library, used.astype(np.float32), 1e-5)


@pytest.mark.parametrize("name", GGML)
def test_activations_in_integers(name, weight, model, tmp_path):
    """Rounding x, 127 steps for a group's largest value, is all that is added; offsets m go with x
    as it is."""
    d, m, codes = ggml_parts(name, weight)
    d, m = (0 if p is None else np.repeat(p.astype(np.float64), 32, 1) for p in (d, m))
    with quantc.load(compiled(model, tmp_path, name, name), threads=2) as run:
        for rows in (1, 14):
            x = np.random.default_rng(6).standard_normal((rows, K)).astype(np.float32)
            groups = x.reshape(rows, K // 32, 32)
            scale = np.abs(groups).max(2, keepdims=True) / np.float32(127)
            rounded = (np.round(groups / scale) * scale).reshape(rows, K).astype(np.float64)
            exact = rounded @ (codes * d).T + x.astype(np.float64) @ (m + np.zeros((N, K))).T
            np.testing.assert_allclose(run({"x": x})["y"], exact, rtol=1e-4, atol=2e-3)


@pytest.mark.parametrize("recipe", ["fp16", "nf4", "q4_0", "q4_1", "fp8"])
def test_exported_models_say_the_same(recipe, model, tmp_path):
    """What ONNX Runtime makes of the formats, written as ONNX has them."""
    ort = pytest.importorskip("onnxruntime")
    options = recipe + ":activations=float" if recipe in GGML else recipe
    path = tmp_path / "exported.onnx"
    tools = {name: BUILD / "bin" / name for name in ("quant-translate", "quant-opt")}
    for tool in tools.values():
        if not tool.exists():
            pytest.skip(f"{tool} is not built")

    def pipe(tool, *arguments):
        subprocess.run([tools[tool], *arguments, "-o", outputs.pop(0)], check=True)

    walked, quantized = tmp_path / "walked.mlir", tmp_path / "quantized.mlir"
    outputs = [walked, quantized, path]
    pipe("quant-translate", "--import-onnx", model)
    weights = f"--qgraph-quantize-weights=set=fc={format_of(recipe)}"
    pipe("quant-opt", "--convert-onnx-to-qgraph", weights, walked)
    pipe("quant-translate", "--export-onnx", quantized)
    plain = ort.SessionOptions()  # its own fusions round activations
    plain.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(path, plain, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(8).standard_normal((3, K)).astype(np.float32)
    with quantc.load(compiled(model, tmp_path, options, format_of(recipe))) as run:
        y = run({"x": x})["y"]
    np.testing.assert_allclose(y, session.run(None, {"x": x})[0], rtol=1e-4, atol=1e-3)


def test_tables_of_halves(tmp_path):
    table = np.random.default_rng(7).standard_normal((300, 24)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Gather", ["t", "i"], ["y"], name="words")],
        "words",
        [helper.make_tensor_value_info("i", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 24])],
        [numpy_helper.from_array(table, "t")],
    )
    opset = [helper.make_opsetid("", 21)]
    path = tmp_path / "words.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
    rows = np.array([5, 299, 0, 5], np.int64)
    for recipe, dtype in ("fp16", np.float16), ("bf16", ml_dtypes.bfloat16):
        library = quantc.compile(path, tmp_path / "words", recipe=recipe, target="native:highest")
        assert (tmp_path / "words.safetensors").stat().st_size < table.size * 2 + 4096
        with quantc.load(library) as run:
            expected = table[rows].astype(dtype).astype(np.float32)
            np.testing.assert_array_equal(run({"i": rows})["y"], expected)


def test_bytes(model, tmp_path):
    """Panels hold what is stored, not floats: codes, and up to 1.6 bits a weight for the rest."""
    weights = 48 * K  # padded to panels
    wide = {"nf4": 4, "fp8": 8, "fp16": 16, "bf16": 16, "q4_1:activations=float": 4, "q8_0": 8}
    shown = {"nf4": "ui4 codebook", "fp8": "f8E4M3FN", "fp16": "f16", "bf16": "bf16",
             "q4_1:activations=float": "si4", "q8_0": "si8"}
    for name, bits in wide.items():
        library = compiled(model, tmp_path, name, format_of(name))
        size = (tmp_path / "model.safetensors").stat().st_size
        assert weights * bits <= 8 * size < weights * (bits + 1.6) + 8 * 1024, (name, size)
        with quantc.load(library) as run:
            formats = [tensor["format"] for tensor in run.manifest["tensors"]]
        assert formats == [shown[name]]


def check_sums(library, used, tolerance):
    """The library's results against exact sums with these weights; the error is relative to the
    sum of the magnitudes."""
    rng = np.random.default_rng(6)
    with quantc.load(library, threads=2) as run:
        for rows in (1, 5, 14):
            x = rng.standard_normal((rows, K)).astype(np.float32)
            y = run({"x": x})["y"]
            exact = x.astype(np.float64) @ used.astype(np.float64).T
            most = np.abs(x).astype(np.float64) @ np.abs(used).astype(np.float64).T
            assert (np.abs(y - exact) <= tolerance * most + 1e-7).all()
