"""quantc.load and the models it returns, on models written by hand in C."""

import gc
import shutil
import threading

import ml_dtypes
import numpy as np
import pytest

import quantc

X = np.arange(12, dtype=np.float32).reshape(3, 4)
Y = np.ones((3, 4), np.float32)
WEIGHTS = np.array([1, 2, 3, 4], np.float32)


@pytest.fixture
def model(hand_written):
    return quantc.load(hand_written["fake"], threads=2)


def test_call(model):
    out = model({"x": X, "y": Y})
    assert list(out) == ["z", "count"]
    np.testing.assert_array_equal(out["z"], X + np.roll(Y, -1, 0) + WEIGHTS)
    assert out["z"].dtype == np.float32 and out["count"].shape == () and out["count"] == 3


def test_outputs_are_the_callers(model):
    first = model({"x": X, "y": Y})["z"]
    kept = first.copy()
    model({"x": X + 100, "y": Y})
    np.testing.assert_array_equal(first, kept)
    assert first.flags.writeable


def test_signature(model):
    assert [(t.name, t.dtype, t.shape) for t in model.inputs] == [
        ("x", "float32", ("n", 4)),
        ("y", "float32", ("n", 4)),
    ]
    assert [(t.name, t.dtype, t.shape) for t in model.outputs] == [
        ("z", "float32", ("n", 4)),
        ("count", "int64", ()),
    ]
    assert model.dims == {"n": (1, 1000)}
    assert model.layers == ["add", "rotate"]
    assert (model.name, model.entry, model.entries) == (
        "fake",
        "sum",
        ["sum", "meet", "packed", "late"],
    )
    assert (model.isa, model.threads, model.weights_bytes) == ("avx2", 2, 16)
    assert model.manifest == {}
    assert repr(model).startswith("<quantc.Model fake(x: float32['n', 4], ")


def test_entry(hand_written):
    model = quantc.load(hand_written["fake"], threads=3, entry="meet")
    assert model({"rounds": np.int64(50)})["ok"] == 50
    with pytest.raises(quantc.Error, match="has no entry 'foo'; it has 'sum', 'meet'"):
        quantc.load(hand_written["fake"], entry="foo")


def test_profile(hand_written):
    model = quantc.load(hand_written["fake"], profile=True)
    for _ in range(3):
        model({"x": X, "y": Y})
    assert [(name, calls) for name, _, calls in model.profile(reset=True)] == [
        ("add", 3),
        ("rotate", 3),
    ]
    assert all(seconds == 0 for _, seconds, _ in model.profile())
    with pytest.raises(quantc.Error, match="profile=True"):
        quantc.load(hand_written["fake"]).profile()


@pytest.mark.parametrize(
    "inputs, message",
    [
        ({"x": X, "y": Y, "q": X}, "model 'fake' has no input 'q'; its inputs are 'x', 'y'"),
        ({"x": X}, "input 'y' of model 'fake' is missing; its inputs are 'x', 'y'"),
        ({"x": X, "y": Y.astype(np.float64)}, "input 'y' is float64; the model has float32"),
        ({"x": X, "y": Y.astype(ml_dtypes.bfloat16)}, "input 'y' is bfloat16; the model has"),
        ({"x": X, "y": Y[0]}, "input 'y' has 1 dimensions; the model has 2 there"),
        ({"x": X, "y": Y[:2]}, "dimension 'n' is 3 in input 'x'.* and 2 in input 'y'"),
        ({"x": X, "y": Y[:, :3]}, r"input 'y' has shape \[3, 3\]; its dimension 1 must be 4"),
        ({"x": X[:0], "y": Y[:0]}, "must be at least 1 and at most 1000"),
        ({"x": None, "y": Y}, "input 'x' is given as none; the model has a tensor there"),
        ({"x": [[1.0]], "y": Y}, "input 'x' cannot be read from an object of type list"),
        ({"x": np.array(["a"]), "y": Y}, "input 'x' cannot be read from an object of type ndarray: DLPack only"),
        ({"x": X.astype(">f4"), "y": Y}, "input 'x' cannot be read from .*: DLPack only supports native byte"),
        ({"x": np.zeros((13, 4), np.float32), "y": np.zeros((13, 4), np.float32)},
         "model 'fake': dimension 'n' is 13 and may not be, by 4"),
    ],
)
def test_refused_inputs(model, inputs, message):
    with pytest.raises(quantc.Error, match=message):
        model(inputs)
    # And the model is as it was.
    np.testing.assert_array_equal(model({"x": X, "y": Y})["count"], 3)


def test_refused_files(hand_written, tmp_path):
    with pytest.raises(quantc.Error, match="cannot open the library '.*/nothing.so'"):
        quantc.load(tmp_path / "nothing.so")
    (tmp_path / "text.so").write_text("text\n" * 100)
    with pytest.raises(quantc.Error, match="is not a library that quantc compiled"):
        quantc.load(tmp_path / "text.so")
    (tmp_path / "cut.so").write_bytes(hand_written["fake"].read_bytes()[:9000])
    with pytest.raises(quantc.Error, match="is cut off or damaged"):
        quantc.load(tmp_path / "cut.so")
    alone = shutil.copy(hand_written["fake"], tmp_path / "alone.so")
    with pytest.raises(quantc.Error, match="cannot open '.*weights.safetensors'"):
        quantc.load(alone)
    weights = bytearray(hand_written["fake"].with_name("weights.safetensors").read_bytes())
    (tmp_path / "right.safetensors").write_bytes(weights)
    assert quantc.load(alone, weights=tmp_path / "right.safetensors").name == "fake"
    weights[-1] ^= 1
    (tmp_path / "wrong.safetensors").write_bytes(weights)
    with pytest.raises(quantc.Error, match="is not the weights file of model 'fake'"):
        quantc.load(alone, weights=tmp_path / "wrong.safetensors")


def test_isa(hand_written, monkeypatch):
    monkeypatch.setenv("QUANTC_ISA", "sve")
    with pytest.raises(quantc.Error, match="sve"):
        quantc.load(hand_written["fake"])


def test_threads_of_the_caller(hand_written):
    model = quantc.load(hand_written["fake"], threads=2)
    wrong = []

    def work(seed):
        x = np.random.default_rng(seed).integers(0, 99, (5 + seed, 4)).astype(np.float32)
        expected = x + np.roll(x, -1, 0) + WEIGHTS
        for _ in range(100):
            if not np.array_equal(model({"x": x, "y": x})["z"], expected):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_close(hand_written):
    with quantc.load(hand_written["fake"]) as model:
        model({"x": X, "y": Y})
    with pytest.raises(quantc.Error, match="is closed"):
        model({"x": X, "y": Y})
    model.close()


def test_two_models(hand_written):
    fake, other = quantc.load(hand_written["fake"]), quantc.load(hand_written["other"])
    a, b = fake({"x": X, "y": Y})["z"], other({"x": X, "y": Y})["z"]
    np.testing.assert_array_equal(a + 100, b)


def test_a_file_that_was_replaced(hand_written, tmp_path):
    """A model compiled again under its old name, while the old one is loaded."""
    shutil.copy(hand_written["fake"].with_name("weights.safetensors"), tmp_path)
    path = tmp_path / "m.so"
    shutil.copy(hand_written["fake"], path)
    old = quantc.load(path)
    shutil.copy(hand_written["other"], tmp_path / "new")
    (tmp_path / "new").replace(path)
    new = quantc.load(path)
    assert (old.name, new.name) == ("fake", "other")
    del old, new
    gc.collect()
    assert quantc.load(path).name == "other"


def test_bind(model):
    x = X.copy()
    binding = model.bind({"x": x, "y": Y})
    with pytest.raises(quantc.Error, match="no outputs"):
        binding.outputs
    binding.run()
    first = binding.outputs["z"]
    np.testing.assert_array_equal(first, model({"x": x, "y": Y})["z"])
    x += 1
    binding.run()
    np.testing.assert_array_equal(binding.outputs["z"], first + 1)
    model.close()
    binding.run()
