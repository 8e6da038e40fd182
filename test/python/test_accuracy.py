"""What stands behind the accuracy table: divergence, checkpoints, tokens, and parts of documents."""

import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from conftest import ROOT

sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "utils")]
import checkpoints
import divergence
import report
import tokens


def softmax(row):
    """In Python's own numbers."""
    powers = [np.exp(float(x)) for x in row]
    return [x / sum(powers) for x in powers]


def test_divergence():
    random = np.random.default_rng(0)
    found = divergence.Divergence()
    kl, nll, same = [], [], []
    for length in (3, 70):  # longer than a piece
        p, q = (random.standard_normal((length, 11)).astype(np.float32) * 3 for _ in range(2))
        ids = random.integers(0, 11, length)
        found.add(p, q, ids)
        for i in range(length):
            a, b = softmax(p[i]), softmax(q[i])
            kl.append(sum(x * np.log(x / y) for x, y in zip(a, b)))
            same.append(np.argmax(a) == np.argmax(b))
            if i + 1 < length:
                nll.append(-np.log(b[ids[i + 1]]))
    assert found.kl == pytest.approx(np.mean(kl), rel=1e-10)
    assert found.perplexity == pytest.approx(np.exp(np.mean(nll)), rel=1e-10)
    assert found.agreement == np.mean(same)


def test_divergence_from_itself():
    logits = np.full((5, 4), 1e4, np.float32)  # beyond exp
    logits[:, 2] += 1
    found = divergence.Divergence()
    found.add(logits, logits, np.zeros(5, np.int64))
    assert found.kl == 0 and found.agreement == 1
    assert found.perplexity == pytest.approx(found.reference_perplexity)
    with pytest.raises(RuntimeError, match="logits of shape"):
        found.add(logits, logits[:4], np.zeros(5, np.int64))


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("version", [1, 2])
def test_checkpoint(tmp_path, bits, version):
    from safetensors.numpy import save_file

    outputs, inputs, groups = 32, 64, 4
    random = np.random.default_rng(1)
    codes = random.integers(0, 1 << bits, (inputs, outputs))
    zeros = random.integers(1, 1 << bits, (groups, outputs))
    scales = random.random((groups, outputs)).astype(np.float16)
    group = random.permutation(np.arange(inputs) % groups).astype(np.int32)

    def packed(values, axis):
        """One code after the other, the first lowest, into whole words."""
        each = 32 // bits
        rows = np.moveaxis(values, axis, 0)
        words = [
            sum(int(code) << (bits * j) for j, code in enumerate(column))
            for i in range(0, len(rows), each)
            for column in rows[i : i + each].T
        ]
        words = np.array(words, np.uint32).reshape(len(rows) // each, -1).view(np.int32)
        return np.ascontiguousarray(np.moveaxis(words, 0, axis))

    save_file(
        {
            "block.fc.qweight": packed(codes, 0),
            "block.fc.qzeros": packed(zeros - (version == 1), 1),
            "block.fc.scales": scales,
            "block.fc.g_idx": group,
            "norm.weight": scales,
        },
        tmp_path / "model.safetensors",
    )
    config = {"bits": bits, "checkpoint_format": "gptq" if version == 1 else "gptq_v2"}
    (tmp_path / "config.json").write_text(json.dumps({"quantization_config": config}))
    (found,) = checkpoints.weights_of(tmp_path).items()
    assert found[0] == "block.fc.weight"
    for n in range(outputs):
        for k in range(inputs):
            wanted = (codes[k, n] - zeros[group[k], n]) * np.float32(scales[group[k], n])
            assert found[1][n, k] == wanted


@pytest.fixture
def text(tmp_path):
    """A text of 25 words, and a tokenizer of words."""
    tokenizers = pytest.importorskip("tokenizers")
    words = [f"w{i}" for i in range(25)]
    made = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: 100 + i for i, word in enumerate(words)}, "w0")
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "text.txt").write_text(" ".join(words))
    return tmp_path


def make_tokens(folder, *arguments):
    command = [sys.executable, ROOT / "utils" / "tokens.py", "text.txt", "tokenizer.json"]
    return subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True)


def test_tokens(text):
    assert make_tokens(text, "all.npy", "--length", "6").returncode == 0
    assert np.load(text / "all.npy").tolist() == (100 + np.arange(24)).reshape(4, 6).tolist()
    make_tokens(text, "some.npy", "--length", "6", "--skip", "1", "--samples", "2")
    assert np.load(text / "some.npy").tolist() == (106 + np.arange(12)).reshape(2, 6).tolist()
    done = make_tokens(text, "more.npy", "--length", "6", "--samples", "5")
    assert done.returncode == 1 and "has 25 tokens" in done.stderr
    assert not (text / "more.npy").exists()


def test_tokens_of_a_model(text):
    info = helper.make_tensor_value_info
    inputs = [
        info("input_ids", TensorProto.INT64, ["batch", "length"]),
        info("attention_mask", TensorProto.INT64, ["batch", "total"]),
        info("position_ids", TensorProto.INT64, ["batch", "length"]),
        info("past_key_0", TensorProto.FLOAT, ["batch", 3, "past", 8]),
    ]
    node = helper.make_node("Identity", ["input_ids"], ["y"])
    output = info("y", TensorProto.INT64, ["batch", "length"])
    onnx.save(helper.make_model(helper.make_graph([node], "g", inputs, [output])), text / "m.onnx")
    done = make_tokens(text, "m.npz", "--length", "12", "--model", "m.onnx")
    assert done.returncode == 0, done.stderr
    found = np.load(text / "m.npz")
    assert found["input_ids"].tolist() == (100 + np.arange(24)).reshape(2, 12).tolist()
    assert found["attention_mask"].shape == (2, 12) and found["attention_mask"].all()
    assert found["position_ids"].tolist() == [list(range(12))] * 2
    assert found["past_key_0"].shape == (2, 3, 0, 8)
    assert found["past_key_0"].dtype == np.float32


def test_parts_of_a_document(tmp_path):
    path = tmp_path / "document.md"
    report.write_part(path, "a", "# A\n\none\n")
    report.write_part(path, "b", "two \\1\n")
    first = path.read_text()
    report.write_part(path, "a", "# A\n\nthree\n")
    second = path.read_text()
    assert second == first.replace("one", "three") and "two \\1" in second
    report.write_part(path, "a", "# A\n\none\n")
    assert path.read_text() == first


def test_bits_per_weight():
    accuracy = pytest.importorskip("accuracy")

    def layer(name, format_, scales="", shape=(64, 128)):
        return {"name": name, "format": format_, "scales": scales, "shape": shape}

    layers = [
        layer("a", "si3", "group 64"),
        layer("b", "si8", "channel"),
        layer("c", "q6_k", "group 16", (64, 256)),
        layer("d", "si8", "tensor"),
        layer("node_embedding", "si8", "channel", (1000, 64)),  # none of those that are counted
    ]
    wanted = ((3 + 16 / 64) + (8 + 32 / 128) + 2 * (6 + (16 * 8 + 16) / 256) + 8) / 5
    assert accuracy.bits_per_weight({"layers": layers}) == pytest.approx(wanted)
    assert accuracy.bits_per_weight({"layers": [layer("a", "float")]}) == 32



def test_run_watched(tmp_path):
    """Processor seconds and memory of a process that another one makes."""
    import measure

    work = "import time; x = bytearray(60 << 20); t = time.process_time()\nwhile time.process_time() - t < 0.3: pass"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {work!r}])"
    seconds, cpu, peak = measure.run_watched([sys.executable, "-c", outer], tmp_path / "log")
    assert 0.3 <= cpu and 0.3 <= seconds
    assert 60e6 < peak < 200e6
    with pytest.raises(RuntimeError, match="broken"):
        measure.run_watched([sys.executable, "-c", "raise SystemExit('broken')"], tmp_path / "log")
