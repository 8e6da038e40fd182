"""K-quants: what is stored, packed into GGML's blocks, is what gguf reads and what models compute with."""

import json
import struct
import subprocess

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import quantc
from conftest import BUILD

N = 40
FORMATS = {"q4_k": (4, 32), "q5_k": (5, 32), "q6_k": (6, 16)}  # bits, values that share a scale
RECIPES = {"q4_k": "q4_k_m", "q5_k": "q5_k_s", "q6_k": "q6_k"}
# A whole number of super-blocks; one and a part of one; groups that are not whole either.
COLUMNS = [512, 320, 300]


def weight_of(k):
    rng = np.random.default_rng(k)
    w = (rng.standard_normal((N, k)) * rng.uniform(0.01, 2, (N, 1))).astype(np.float32)
    w[3] = 0
    w[4, :64] = 0  # beside groups that are not
    w[5, 16:64] = 0.25
    w[6, :32] = np.abs(w[6, :32]) + 1  # offsets stay 0
    w[7, :32] = -np.abs(w[7, :32]) - 1
    w[8, 40] = 100
    return w


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for k in COLUMNS:
        graph = helper.make_graph(
            [helper.make_node("Gemm", ["x", "w"], ["y"], name="fc", transB=1)],
            "linear",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["m", k])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["m", N])],
            [numpy_helper.from_array(weight_of(k), "w")],
        )
        opset = [helper.make_opsetid("", 21)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=10)
        onnx.save(model, folder / f"{k}.onnx")
    return folder


class Stored:
    """The arrays that a format makes of the weight: codes [N, K], scale and offset codes
    [N, groups], d and -dmin [N, super-blocks]."""

    def __init__(self, model, folder, name, k):
        quantc.compile(model, folder / "m.mlir", recipe=RECIPES[name], emit="qgraph", set={"fc": name})
        self.text = (folder / "m.mlir").read_text()
        data = (folder / "m.mlir.safetensors").read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        found = {}
        for entry, about in json.loads(data[8 : 8 + length]).items():
            if entry.startswith("w@quantize-weights"):
                begin, end = (8 + length + offset for offset in about["data_offsets"])
                found[entry.removeprefix("w@quantize-weights")] = np.frombuffer(data[begin:end], "u1")
        self.bits, self.group = FORMATS[name]
        self.k, self.signed = k, self.bits == 6
        raw = found[""]
        codes = np.stack([raw & 15, raw >> 4], -1).reshape(-1)[: N * k] if self.bits == 4 else raw
        codes = codes.astype(np.int32) & ((1 << self.bits) - 1)
        if self.signed:
            codes -= (codes >> 5) << 6
        self.codes = codes.reshape(N, k)
        scales = found[".scale"].view(np.int8 if self.signed else np.uint8)
        self.scale = scales.reshape(N, -1).astype(np.int32)
        self.d = found[".scale.scale"].view(np.float16).reshape(N, -1)
        if not self.signed:
            self.offset = found[".offset"].reshape(N, -1).astype(np.int32)
            self.dmin = -found[".offset.scale"].view(np.float16).reshape(N, -1)

    def values(self):
        """By the formulas, in f32."""

        def spread(d, codes):
            per_group = np.repeat(d.astype(np.float32), 256 // self.group, 1)
            product = per_group[:, : codes.shape[1]] * codes.astype(np.float32)
            return np.repeat(product, self.group, 1)[:, : self.k]

        real = spread(self.d, self.scale) * self.codes.astype(np.float32)
        return real if self.signed else real + spread(-self.dmin, self.offset)

    def blocks(self):
        """GGML's super-blocks, [N, bytes]; the last of a row is filled with zeros."""

        def whole(array, step):
            blocks = -(-self.k // 256)
            return np.pad(array, ((0, 0), (0, blocks * step - array.shape[1])))

        q = whole(self.codes, 256).reshape(-1, 256)
        scale = whole(self.scale, 256 // self.group).reshape(len(q), -1)
        d = self.d.reshape(-1, 1)
        if self.signed:
            q = (q + 32).astype(np.uint8).reshape(-1, 2, 4, 32)  # halves of 128, quarters of 32
            low, high = q & 15, q >> 4
            ql = np.stack([low[:, :, 0] | low[:, :, 2] << 4, low[:, :, 1] | low[:, :, 3] << 4], 2)
            qh = sum(high[:, :, i] << 2 * i for i in range(4))
            parts = [ql, qh, scale.astype(np.int8), d]
        else:
            offset = whole(self.offset, 8).reshape(len(q), -1)
            first, last = slice(0, 4), slice(4, 8)
            scales = np.concatenate(
                [
                    scale[:, first] | scale[:, last] >> 4 << 6,
                    offset[:, first] | offset[:, last] >> 4 << 6,
                    scale[:, last] & 15 | (offset[:, last] & 15) << 4,
                ],
                1,
            ).astype(np.uint8)
            q = q.astype(np.uint8).reshape(-1, 4, 2, 32)
            qs = q[:, :, 0] & 15 | (q[:, :, 1] & 15) << 4
            qh = sum(q[:, i, j] >> 4 << (2 * i + j) for i in range(4) for j in range(2))
            parts = [d, self.dmin.reshape(-1, 1), scales, *([qh] if self.bits == 5 else []), qs]
        blocks = [np.ascontiguousarray(p).reshape(len(d), -1).view(np.uint8) for p in parts]
        return np.concatenate(blocks, 1).reshape(N, -1)


@pytest.mark.parametrize("k", COLUMNS)
@pytest.mark.parametrize("name", FORMATS)
def test_gguf_reads_what_models_compute_with(name, k, models, tmp_path):
    gguf = pytest.importorskip("gguf")
    stored = Stored(models / f"{k}.onnx", tmp_path, name, k)
    kind = getattr(gguf.GGMLQuantizationType, name.upper())
    read = gguf.quants.dequantize(stored.blocks(), kind)[:, :k]
    np.testing.assert_array_equal(read, stored.values())
    # Each row of the identity picks a column of the weight.
    library = quantc.compile(models / f"{k}.onnx", tmp_path / "m", recipe=RECIPES[name] + ":activations=float",
                             set={"fc": name}, target="native:highest")
    with quantc.load(library, threads=2) as run:
        np.testing.assert_array_equal(run({"x": np.eye(k, dtype=np.float32)})["y"].T, read)


@pytest.mark.parametrize("k", COLUMNS)
@pytest.mark.parametrize("name", FORMATS)
def test_activations_in_integers(name, k, models, tmp_path):
    """Rounding x, 127 steps for a group's largest value, is all that is added; offsets go with x
    as it is."""
    stored = Stored(models / f"{k}.onnx", tmp_path, name, k)
    w = stored.values().astype(np.float64)
    offsets = np.zeros_like(w)
    if not stored.signed:
        offsets = w - np.repeat(np.repeat(stored.d.astype(np.float64), 8, 1)[:, : stored.scale.shape[1]]
                                * stored.scale, 32, 1)[:, :k] * stored.codes
    library = quantc.compile(models / f"{k}.onnx", tmp_path / "m", recipe=RECIPES[name], set={"fc": name},
                             target="native:highest")
    with quantc.load(library, threads=2) as run:
        for rows in (1, 14):
            x = np.random.default_rng(6).standard_normal((rows, k)).astype(np.float32)
            rounded = x.astype(np.float64)
            if stored.signed or k % 32 == 0:  # else the offsets stay, and activations are float
                whole = -k % stored.group
                groups = np.pad(x, ((0, 0), (0, whole))).reshape(rows, -1, stored.group)
                scale = np.abs(groups).max(2, keepdims=True) / np.float32(127)
                rounded = (np.round(groups / scale) * scale).reshape(rows, -1)[:, :k].astype(np.float64)
            exact = rounded @ (w - offsets).T + x.astype(np.float64) @ offsets.T
            np.testing.assert_allclose(run({"x": x})["y"], exact, rtol=1e-4, atol=4e-3)


@pytest.mark.parametrize("name, most", [("q4_k", 0.075), ("q5_k", 0.038), ("q6_k", 0.019)])
def test_errors(name, most, models, tmp_path):
    """Of normal weights; llama.cpp's own are 0.071, 0.036 and 0.018 without an outlier."""
    k = 512
    stored, w = Stored(models / f"{k}.onnx", tmp_path, name, k), weight_of(k)
    rows = slice(9, None)
    error = np.linalg.norm(stored.values()[rows] - w[rows]) / np.linalg.norm(w[rows])
    assert 0.3 * most < error < most


@pytest.mark.parametrize("name, bits", [("q4_k", 4), ("q5_k", 8), ("q6_k", 8)])
def test_panels_hold_scales_in_16_bits(name, bits, models, tmp_path):
    """Codes, 5 and 6 bits in a byte; a scale and an offset of 2 bytes a group, and for codes
    without a sign a byte to make them signed."""
    quantc.compile(models / "512.onnx", tmp_path / "m", recipe=RECIPES[name] + ":activations=float",
                   set={"fc": name}, target="native:highest")
    (tensor,) = json.loads((tmp_path / "m.json").read_text())["tensors"]
    group = FORMATS[name][1]
    assert tensor["granularity"] == f"group {group}"
    each = {"q4_k": 5, "q5_k": 4, "q6_k": 2}[name]
    columns = 48  # whole panels
    assert tensor["bytes_after"] == columns * (512 * bits // 8 + 512 // group * each + 4)


@pytest.mark.parametrize("activations", ["float", "group"])
@pytest.mark.parametrize("name", FORMATS)
def test_exported_models_say_the_same(name, activations, models, tmp_path):
    ort = pytest.importorskip("onnxruntime")
    translate, opt = (BUILD / "bin" / tool for tool in ("quant-translate", "quant-opt"))
    for tool in translate, opt:
        if not tool.exists():
            pytest.skip(f"{tool} is not built")
    walked, quantized, exported = (tmp_path / file for file in ("w.mlir", "q.mlir", "e.onnx"))
    passes = [f"--qgraph-quantize-weights=set=fc={name}"]
    if activations == "group":
        passes += ["--qgraph-split-offsets", "--qgraph-quantize-activations=granularity=group"]
    subprocess.run([translate, "--import-onnx", models / "320.onnx", "-o", walked], check=True)
    subprocess.run([opt, "--convert-onnx-to-qgraph", *passes, walked, "-o", quantized], check=True)
    subprocess.run([translate, "--export-onnx", quantized, "-o", exported], check=True)
    onnx.checker.check_model(exported, full_check=True)
    plain = ort.SessionOptions()  # its own fusions round activations
    plain.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(exported, plain, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(8).standard_normal((3, 320)).astype(np.float32)
    recipe = f"{RECIPES[name]}:activations={activations}"
    library = quantc.compile(models / "320.onnx", tmp_path / "m", target="native:highest",
                             recipe=recipe, set={"fc": name})
    with quantc.load(library) as run:
        y = run({"x": x})["y"]
    np.testing.assert_allclose(y, session.run(None, {"x": x})[0], rtol=1e-4, atol=2e-3)
