"""Models as torch.onnx exports them, with either exporter, against ONNX Runtime.

Their makers are in exporters/: transformers' architectures of two small layers, and networks of
torch.nn, all with seeded weights. They are exported once for each version of the exporter and kept
in build/models.
"""

import hashlib
import importlib.metadata
import pathlib
import platform
import subprocess
import sys

import numpy as np
import pytest

import quantc
from exporters.rounding import with_rounding

onnxruntime = pytest.importorskip("onnxruntime")

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]

# Those with linear layers, which are also quantized.
TRANSFORMERS = [
    "bert", "distilbert", "t5_encoder", "t5_decoder", "vit", "swin", "whisper_encoder",
    "whisper_decoder", "llama", "qwen2", "qwen3", "gemma", "gemma2", "phi3", "gpt2", "mixtral",
    "qwen3_moe",
]
NETWORKS = ["convnext", "mobilenet_v2", "resnet50", "unet", "detector", "lstm", "gru"]

MAKERS = ["encoders", "decoders", "networks"]

# One level is enough: that all give the same bits is tested elsewhere.
TARGET = "x86-64-v3" if platform.machine() == "x86_64" else None


def exporter_version(*modules):
    """Of the packages, and of the modules that make models."""
    digest = hashlib.sha256()
    for package in ("torch", "transformers", "onnxscript", "numpy"):
        digest.update(importlib.metadata.version(package).encode())
    for name in ("model", "export", *modules):
        digest.update((HERE / "exporters" / f"{name}.py").read_bytes())
    return digest.hexdigest()[:16]


@pytest.fixture(scope="module")
def models(request):
    """The folder of the models that the selected tests ask for."""
    for package in ("torch", "transformers", "onnxscript"):
        pytest.importorskip(package)
    folder = ROOT / "build" / "models" / f"exporters-{exporter_version(*MAKERS)}"
    folder.mkdir(parents=True, exist_ok=True)
    asked = {
        item.callspec.params["model"]
        for item in request.session.items
        if item.module is request.module and "model" in getattr(item, "callspec", item).params
    }
    asked = {stem if "-" in stem else f"{stem}-torchscript" for stem in asked}
    todo = sorted(stem for stem in asked if not (folder / f"{stem}.onnx").exists())
    # Two processes; those of one model stay together, for its inputs.
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "exporters", str(folder), *share], cwd=HERE,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for share in (todo[0::2], todo[1::2])
        if share
    ]
    for worker in workers:
        worker.wait()
    return folder


class Engine:
    """A model in ONNX Runtime: outputs by name from inputs by name."""

    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options)
        self.inputs = [value.name for value in self.session.get_inputs()]
        self.outputs = [value.name for value in self.session.get_outputs()]

    def __call__(self, inputs):
        return dict(zip(self.outputs, self.session.run(None, inputs)))


class Session(Engine):
    """An exported model, and the inputs of its runs."""

    def __init__(self, folder, stem):
        error = folder / f"{stem}.error"
        self.path = folder / f"{stem}.onnx"
        if not self.path.exists():
            pytest.fail(f"{stem} was not exported: {error.read_text() if error.exists() else ''}")
        super().__init__(self.path)
        self.runs = []
        name = stem.rsplit("-", 1)[0]
        while (path := folder / f"{name}.{len(self.runs)}.npz").exists():
            arrays = np.load(path)
            self.runs.append({key: arrays[key] for key in self.inputs})
        assert len(self.runs) >= 2


def compare(folder, stem, prefix, recipe, check, expect=None, path=None, **options):
    """`expect`: another model that says what must come out; `path`: what is compiled instead of the
    exported file."""
    session = Session(folder, stem)
    library = quantc.compile(path or session.path, prefix, recipe=recipe, target=TARGET, **options)
    with quantc.load(library, threads=2) as model:
        for inputs in session.runs:
            found, expected = model(inputs), (expect or session)(inputs)
            assert list(found) == list(expected)
            for name, value in expected.items():
                assert found[name].shape == value.shape and found[name].dtype == value.dtype, name
                if value.dtype.kind != "f":
                    np.testing.assert_array_equal(found[name], value, name)
                elif value.size:
                    check(name, found[name], value)
        return model.manifest


def near(name, found, expected):
    """Within what sums in another order may differ by: the error of an element is measured by the
    root mean square of all, since what cancels in a residual stream loses that much."""
    scale = np.sqrt(np.mean(np.square(expected, dtype=np.float64)))
    error = np.abs(found - expected).max() / scale
    assert error < 1e-5, f"{name}: {error}"


def similar(name, found, expected):
    """Within what 8 bits cost in two layers (test/Value/compare.py says how much in one)."""
    x, y = found.astype(np.float64).ravel(), expected.astype(np.float64).ravel()
    cosine = x @ y / np.sqrt((x @ x) * (y @ y))
    assert cosine > 0.995, f"{name}: {cosine}"


def equal(name, found, expected):
    """But for a sum in another order, and the few roundings that it turns."""
    error = np.sqrt(np.mean(np.square(found - expected, dtype=np.float64)))
    error /= np.sqrt(np.mean(np.square(expected, dtype=np.float64)))
    assert error < 5e-4, f"{name}: {error}"


def of_both(names):
    return [f"{name}-{style}" for name in names for style in ("dynamo", "torchscript")]


@pytest.mark.parametrize("model", of_both(TRANSFORMERS + NETWORKS))
def test_float(models, model, tmp_path):
    compare(models, model, tmp_path / "model", "fp32", near)


@pytest.mark.parametrize("model", [f"{name}-dynamo" for name in TRANSFORMERS + NETWORKS])
def test_reference(models, model, tmp_path):
    compare(models, model, tmp_path / "model", "reference", near)


@pytest.mark.parametrize("model", [f"{name}-dynamo" for name in TRANSFORMERS])
def test_quantized(models, model, tmp_path):
    # Layers are so small that the cost model would leave them float.
    every = {".*": "si8"}
    manifest = compare(models, model, tmp_path / "model", "w8a8-dynamic", similar, set=every)
    assert sum(tensor["format"] == "si8" for tensor in manifest["tensors"]) >= 8


# All of their linear layers are products with constants; in the others some are convolutions, or
# written in another way, so that the model cannot be rounded by looking for MatMul.
@pytest.mark.parametrize(
    "model",
    [f"{n}-dynamo" for n in ("llama", "qwen2", "qwen3", "phi3", "t5_encoder")],
)
def test_rounding(models, model, tmp_path):
    with_rounding(models / f"{model}.onnx", tmp_path / "rounded.onnx")
    compare(
        models, model, tmp_path / "model", "w8a8-dynamic", equal,
        expect=Engine(tmp_path / "rounded.onnx"), set={".*": "si8"},
    )


@pytest.mark.parametrize(
    "model, kind", [("bert", "bert"), ("gpt2", "gpt2"), ("t5_encoder", "t5"), ("llama", "gpt2")]
)
def test_optimized(models, model, kind, tmp_path):
    """After ONNX Runtime's own fusions, in operators of com.microsoft."""
    import onnx
    from onnxruntime.transformers import optimizer

    stem = f"{model}-torchscript"
    path = tmp_path / "optimized.onnx"
    fused = optimizer.optimize_model(
        str(models / f"{stem}.onnx"), model_type=kind, num_heads=4, hidden_size=32, opt_level=0
    )
    fused.save_model_to_file(str(path))
    domains = [node.domain for node in onnx.load(path).graph.node]
    assert domains.count("com.microsoft") >= 4
    compare(models, stem, tmp_path / "model", "fp32", near, path=path)
