"""compile(lock=, check_lock=, size=): what is written, followed, and refused."""

import json
import random
import re
import subprocess

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import quantc

D, H, V = 96, 256, 128
# What a regular expression or the text of a pipeline would take for its own.
ODD = "fc'1' \"x\"; {a}=b|.*,[%41] ü"


@pytest.fixture(autouse=True)
def use_program(program, monkeypatch):
    monkeypatch.setenv("QUANTC_BIN", str(program))


def network(seed=0, width=H, extra=False):
    """A residual stream that two pairs of layers write to, a table, and a tiny head."""
    rng = np.random.default_rng(seed)
    shapes = {"table": (V, D), "a": (D, width), "b": (width, D), "c": (D, width), "d": (width, D),
              "e": (D, 8), "f": (D, D)}
    weights = {k: rng.standard_normal(s, np.float32) / np.float32(s[0] ** 0.5) for k, s in shapes.items()}
    weights["c"] *= 10
    weights["g"] = np.ones(D, np.float32)
    node = helper.make_node
    nodes = [
        node("Gather", ["table", "ids"], ["x0"], name="embed"),
        node("RMSNormalization", ["x0", "g"], ["n0"], name="norm0"),
        node("MatMul", ["n0", "a"], ["h0"], name=ODD),
        node("Relu", ["h0"], ["r0"], name="relu0"),
        node("MatMul", ["r0", "b"], ["o0"], name="fc2"),
        node("Add", ["x0", "o0"], ["x1"], name="add0"),
        node("RMSNormalization", ["x1", "g"], ["n1"], name="norm1"),
        node("MatMul", ["n1", "c"], ["h1"], name="fc3"),
        node("Relu", ["h1"], ["r1"], name="relu1"),
        node("MatMul", ["r1", "d"], ["o1"], name="fc4"),
        node("Add", ["x1", "o1"], ["x2"], name="add1"),
        node("RMSNormalization", ["x2", "g"], ["n2"], name="norm2"),
        node("MatMul", ["n2", "e"], ["y"], name="head"),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", "seq", 8])]
    if extra:
        nodes.append(node("MatMul", ["n2", "f"], ["z"], name="new"))
        outputs.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", "seq", D]))
    else:
        del weights["f"]
    graph = helper.make_graph(
        nodes, "network",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "seq"])], outputs,
        [numpy_helper.from_array(value, name) for name, value in weights.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=11)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "network.onnx"
    onnx.save(network(), path)
    return path


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "samples.npz"
    np.savez(path, ids=np.random.default_rng(1).integers(0, V, (4, 1, 16)))
    return path


def layers_of(lock):
    return {layer["name"]: layer for layer in json.loads(lock.read_text())["layers"]}


def formats(prefix):
    """Of each tensor in the manifest."""
    return {t["name"]: (t["format"], t["granularity"])
            for t in json.loads(prefix.with_suffix(".json").read_text())["tensors"]}


def files(folder):
    return sorted(path.name for path in folder.iterdir())


RECIPES = ["fp32", "w8a8-dynamic", "w8a8-dynamic:activations=float", "w8a8-static",
           "w8a8-smoothquant", "llm-int8:threshold=3", "w4-rtn", "w4-rtn:group-size=64", "w4-gptq", "w4",
           "w4-awq", "nf4", "fp8", "fp8:scales=tensor,type=e5m2", "fp16", "bf16", "mxfp4", "nvfp4",
           "binary", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q4_k_m", "q6_k"]
SAMPLED = ("w8a8-static", "w8a8-smoothquant", "llm-int8", "w4-gptq", "w4", "w4-awq", "auto")


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_lock_gives_what_it_was_written_by(tmp_path, model, samples, recipe):
    lock = tmp_path / "lock"
    options = {"recipe": recipe, "emit": "qgraph", "lock": lock}
    if recipe.split(":")[0] in SAMPLED:
        options["calibration"] = samples
    first = quantc.compile(model, weights_out=tmp_path / "w1", **options)
    text = lock.read_bytes()
    again = quantc.compile(model, weights_out=tmp_path / "w2", check_lock=lock, **options)
    assert lock.read_bytes() == text
    assert first == again.replace("w2", "w1")
    if (tmp_path / "w1").exists():
        assert (tmp_path / "w1").read_bytes() == (tmp_path / "w2").read_bytes()

    if recipe.startswith("llm"):
        assert "fc3/outliers" in first  # a part, and none of the layers that follow
    layers = layers_of(lock)
    assert set(layers) == {"embed", ODD, "fc2", "fc3", "fc4", "head"}
    assert layers["embed"]["shape"] == [V, D] and layers["fc2"]["shape"] == [D, H]
    # The head is too small for integers to pay.
    assert (layers["head"]["format"] == "float") == (
        recipe[:2] in ("fp", "w8", "w4", "ll", "q4", "q5", "q6", "q8") and recipe[:3] not in ("fp8", "fp1"))
    assert (layers["fc2"]["format"] == "float") == (recipe == "fp32")


@pytest.mark.parametrize("recipe, layer", [
    ("w8a8-dynamic", {"format": "si8", "scales": "channel", "activations": "si8 token"}),
    ("w8a8-dynamic:activations=float",
     {"format": "si8", "scales": "channel", "activations": "float"}),
    ("w8a8-dynamic:activations=tensor",
     {"format": "si8", "scales": "channel", "activations": "si8 tensor"}),
    ("w8a8-static",
     {"format": "si8", "scales": "channel", "activations": "ui8 tensor static"}),
    ("w4-rtn", {"format": "si4", "scales": "group 32", "activations": "si8 group 32"}),
    ("nf4", {"format": "nf4", "scales": "group 64", "activations": "float"}),
    ("fp16", {"format": "f16", "activations": "float"}),
    ("fp8:scales=tensor", {"format": "f8E4M3FN", "scales": "tensor", "activations": "float"}),
    ("nvfp4", {"format": "nvfp4", "scales": "group 16", "activations": "float"}),
    ("q4_1", {"format": "q4_1", "scales": "group 32", "scheme": "asymmetric",
              "activations": "si8 group 32"}),
    ("q5_k_s", {"format": "q5_k", "scales": "group 32", "scheme": "asymmetric",
                "activations": "si8 group 32"}),
    ("q6_k", {"format": "q6_k", "scales": "group 16", "activations": "si8 group 16"}),
    ("llm-int8", {"format": "si8", "scales": "channel", "activations": "si8 token"}),
])
def test_what_is_said_of_a_layer(tmp_path, model, samples, recipe, layer):
    lock = tmp_path / "lock"
    needs = recipe.split(":")[0] in SAMPLED
    quantc.compile(model, recipe=recipe, emit="qgraph", lock=lock, weights_out=tmp_path / "w",
                   calibration=samples if needs else None)
    assert layers_of(lock)["fc2"] == {"name": "fc2", "shape": [D, H], "scheme": "symmetric", **layer}
    # One line a layer, in order.
    lines = lock.read_text().splitlines()
    assert len(lines) == 8 and lines[1:-1] == sorted(lines[1:-1], key=lambda l: json.loads(l.rstrip(","))["name"])


def test_a_locked_library_is_the_same_library(tmp_path, model):
    options = {"recipe": "w4-rtn", "lock": tmp_path / "lock", "target": "native:highest"}
    quantc.compile(model, tmp_path / "m", **options)
    first = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    assert set(first) == {"lock", "m.h", "m.json", "m.safetensors", "m.so"}
    quantc.compile(model, tmp_path / "m", **options)
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == first
    # The manifest names the lock that the library was made by.
    assert re.fullmatch("[0-9a-f]{16}", json.loads(first["m.json"])["options"]["lock"])


def test_another_recipe_follows(tmp_path, model, samples):
    """What `auto` has chosen, rounded by w4-rtn; and by itself, whatever the budget is now."""
    lock = tmp_path / "lock"
    options = {"lock": lock, "target": "native:highest"}
    quantc.compile(model, tmp_path / "auto", recipe="auto", bits_per_weight=5.2,
                   calibration=samples, **options)
    text = lock.read_bytes()
    chosen = {(layer["format"], layer.get("scales")) for layer in layers_of(lock).values()}
    assert len(chosen - {("float", None)}) > 2, chosen  # else there is little to follow
    quantc.compile(model, tmp_path / "rtn", recipe="w4-rtn", **options)
    quantc.compile(model, tmp_path / "again", recipe="auto", bits_per_weight=3.5,
                   calibration=samples, **options)
    assert formats(tmp_path / "rtn") == formats(tmp_path / "auto") == formats(tmp_path / "again")
    quantc.compile(model, tmp_path / "free", recipe="w4-rtn", target="native:highest")
    assert formats(tmp_path / "free") != formats(tmp_path / "auto")
    assert lock.read_bytes() == text


@pytest.mark.parametrize("written, followed", [
    ("w8a8-dynamic", "w4-rtn"), ("w8a8-dynamic", "llm-int8:threshold=3"), ("q4_0", "w4-gptq"),
    ("q5_1", "w4-rtn"), ("q4_k_m", "w4-rtn"), ("nf4", "w8a8-dynamic"), ("fp16", "w4-rtn"), ("mxfp4", "nf4"),
    ("fp8:scales=tensor", "w8a8-dynamic"), ("binary", "fp8"),
    ("llm-int8:threshold=3", "w8a8-dynamic")])
def test_recipes_follow_each_other(tmp_path, model, samples, written, followed):
    def compile_(recipe, lock, **more):
        needs = recipe.split(":")[0] in SAMPLED
        compile_qgraph(model, tmp_path, recipe=recipe, lock=lock,
                       calibration=samples if needs else None, **more)

    compile_(written, tmp_path / "lock")
    compile_(followed, tmp_path / "lock", check_lock=tmp_path / "lock")
    # Without it the recipe has formats of its own.
    compile_(followed, tmp_path / "other")
    a, b = layers_of(tmp_path / "lock"), layers_of(tmp_path / "other")
    assert "int8" in written + followed or a["fc2"]["format"] != b["fc2"]["format"]


@pytest.mark.parametrize("recipe", ["fp32", "w8a8-dynamic", "w8a8-static", "w4-rtn", "nf4",
                                    "q4_1", "w8a8-dynamic:activations=tensor"])
def test_a_lock_alone(tmp_path, model, samples, recipe):
    """Without a recipe, one that can follow is taken, by compile and by eval."""
    data = {"calibration": samples if recipe == "w8a8-static" else None}
    lock = tmp_path / "lock"
    compile_qgraph(model, tmp_path, recipe=recipe, lock=lock, **data)
    compile_qgraph(model, tmp_path, lock=lock, check_lock=lock, **data)
    found = quantc.evaluate(model, samples, lock=lock, samples=2, **data)
    quantized = [name for name, layer in layers_of(lock).items() if layer["format"] != "float"]
    assert {layer["name"] for layer in found["layers"]} == set(quantized)
    assert all(layer["alone"]["snr"] > 10 for layer in found["layers"])


def compile_qgraph(model, folder, **options):
    return quantc.compile(model, folder / "out.mlir", emit="qgraph", **options)


def make_lock(model, folder, recipe, name="lock", **options):
    compile_qgraph(model, folder, recipe=recipe, lock=folder / name, **options)
    for path in folder.glob("out.mlir*"):
        path.unlink()
    return folder / name


def refused(model, folder, status=1, **options):
    """The message; nothing is written."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(quantc.Error) as info:
        compile_qgraph(model, folder, **options)
    assert info.value.status == status, info.value
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    return str(info.value)


def test_check_lock(tmp_path, model, samples):
    lock = make_lock(model, tmp_path, "w4-rtn")
    compile_qgraph(model, tmp_path, recipe="w4-rtn", check_lock=lock)
    for path in tmp_path.glob("out.mlir*"):
        path.unlink()

    # All that is lost is listed by name, with what it was and is.
    text = refused(model, tmp_path, recipe="w4-rtn", check_lock=lock, keep_float="fc[23]$")
    assert text.startswith(f"2 of 6 layers are not as lock '{lock}' says:")
    assert "\n  'fc2' was si4 group 32 with si8 group 32 inputs, is float with float inputs" in text
    assert "'fc3' was" in text and "'fc4' was" not in text and "have --lock write it again" in text
    # Wider, narrower, other groups: another format.
    text = refused(model, tmp_path, recipe="w4-rtn", check_lock=lock, set={"fc2": "si8"})
    assert "1 of 6" in text and "is si8 group 32" in text
    text = refused(model, tmp_path, recipe="w4-rtn:group-size=64", check_lock=lock)
    assert f"'{ODD}' was si4 group 32 with si8 group 32 inputs, is si4 group 64" in text
    # The weights are the same, the inputs are not.
    text = refused(model, tmp_path, recipe="w4-rtn:activations=float", check_lock=lock)
    assert "'fc4' was si4 group 32 with si8 group 32 inputs, is si4 group 32 with float inputs" in text
    text = refused(model, tmp_path, recipe="w4-rtn:activations=token", check_lock=lock)
    assert "with si8 group 32 inputs, is si4 group 32 with si8 token inputs" in text
    static = make_lock(model, tmp_path, "w8a8-static", "static", calibration=samples)
    text = refused(model, tmp_path, recipe="w8a8-dynamic", check_lock=static)
    assert "'fc2' was si8 channel with ui8 tensor static inputs, is si8 channel with si8 token" in text


def test_check_lock_lets_layers_win(tmp_path, model):
    # Float before, quantized now; scales shared by fewer.
    lock = make_lock(model, tmp_path, "fp32")
    compile_qgraph(model, tmp_path, recipe="w4-rtn", check_lock=lock)
    lock = make_lock(model, tmp_path, "w4-rtn:activations=token", "tokens")
    compile_qgraph(model, tmp_path, recipe="w4-rtn", check_lock=lock)
    # A layer that is new.
    lock = make_lock(model, tmp_path, "w4-rtn", "old")
    compile_qgraph(network(extra=True), tmp_path, recipe="w4-rtn", check_lock=lock)


def test_a_lock_of_another_model(tmp_path, model):
    lock = make_lock(network(extra=True), tmp_path, "w4-rtn")
    text = refused(model, tmp_path, recipe="w4-rtn", check_lock=lock)
    assert "'new' was si4 group 32 with si8 group 32 inputs, is gone" in text
    text = refused(model, tmp_path, recipe="w4-rtn", lock=lock)
    assert "the model has no 'new' among the layers that can be quantized; there are" in text
    text = refused(model, tmp_path, recipe="fp32", lock=lock)
    assert "'new' was" in text and "'fc2' was" in text
    wide = make_lock(network(width=320), tmp_path, "w4-rtn", "wide")
    for option in ("lock", "check_lock"):
        text = refused(model, tmp_path, recipe="w4-rtn", **{option: wide})
        assert "'fc2' was 96x320, is 96x256" in text and "4 of 6" in text


def test_what_a_lock_does_not_name(tmp_path, model, program):
    lock = make_lock(model, tmp_path, "w4-rtn")
    onnx.save(network(extra=True), tmp_path / "more.onnx")
    done = subprocess.run(
        [program, "compile", tmp_path / "more.onnx", "-o", tmp_path / "m.mlir", "--emit=qgraph",
         "--recipe=w8a8-dynamic:activations=token", "--lock", lock], capture_output=True, text=True)
    assert done.returncode == 1 and "si8 group 32 inputs, is si4 group 32 with si8 token" in done.stderr
    done = subprocess.run(
        [program, "compile", tmp_path / "more.onnx", "-o", tmp_path / "m.mlir", "--emit=qgraph",
         "--recipe=q8_0", "--lock", lock], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"quantc: warning: lock '{lock}' does not name 'new': the recipe chooses" in done.stderr


def test_conflicts(tmp_path, model, samples):
    lock = make_lock(model, tmp_path, "w4-rtn")
    text = refused(model, tmp_path, recipe="w4-rtn", lock=lock, keep_float="fc2")
    assert "'fc2' (qgraph.linear) is to be si4 by its name and float by keep-float 'fc2'" in text
    text = refused(model, tmp_path, recipe="w4-rtn", lock=lock, set={"fc2": "si8"})
    assert "is to be si4 by its name and si8 by set 'fc2': leave out one of the two" in text
    text = refused(model, tmp_path, recipe="w4-rtn", lock=lock, set={"fc2": "si4,group-size=64"})
    assert "is to be si4 by its name and of other groups by set 'fc2'" in text
    text = refused(model, tmp_path, recipe="w4-rtn:activations=float", lock=lock)
    assert "5 of 6" not in text and "is si4 group 32 with float inputs" in text
    # What agrees is no conflict, nor is a budget for what the lock leaves open.
    compile_qgraph(model, tmp_path, recipe="w4-rtn", lock=lock, keep_float="^head$",
                   set={"fc": "si4"}, check_lock=lock)
    compile_qgraph(network(extra=True), tmp_path, recipe="auto:group-size=32", lock=lock,
                   bits_per_weight=6, calibration=samples)
    refused(model, tmp_path, 2, recipe="auto", size=10**9, bits_per_weight=4, calibration=samples)
    text = refused(model, tmp_path, 2, recipe="w4-rtn", lock=tmp_path / "out.mlir")
    assert "is what -o is going to write" in text


def test_several_models(tmp_path, model):
    onnx.save(network(1, extra=True), tmp_path / "second.onnx")
    models = [model, tmp_path / "second.onnx"]
    options = {"recipe": "w4-rtn", "target": "native:highest", "lock": tmp_path / "lock"}
    quantc.compile(models, tmp_path / "both", set={"new": "si8"}, **options)
    layers = json.loads((tmp_path / "lock").read_text())["layers"]
    assert [layer["entry"] for layer in layers] == ["network"] * 6 + ["second"] * 7
    first = (tmp_path / "both.safetensors").read_bytes()
    quantc.compile(models, tmp_path / "both", check_lock=tmp_path / "lock", **options)
    assert (tmp_path / "both.safetensors").read_bytes() == first
    with pytest.raises(quantc.Error, match="'fc2' of 'second' was .*, is gone"):
        quantc.compile(model, tmp_path / "one", **options)


@pytest.mark.parametrize("option", ["lock", "check_lock"])
@pytest.mark.parametrize("text, message", [
    (b"", "it is empty"),
    (b"no", "Invalid JSON|JSON"),
    (b"[]", "it has no 'quantc_lock'"),
    (b'{"quantc_lock":2,"layers":[]}', "another version than 1"),
    (b'{"quantc_lock":"1","layers":[]}', "another version"),
    (b'{"quantc_lock":1}', "no list 'layers'"),
    (b'{"quantc_lock":1,"layers":{}}', "no list 'layers'"),
    (b'{"quantc_lock":1,"layers":[],"more":1}', "'more', which no lock has"),
    (b'{"quantc_lock":1,"layers":[7]}', "layer 1 is no object"),
    (b'{"quantc_lock":1,"layers":[{}]}', "layer 1 has no text 'name'"),
    (b"[" * 100000, "brackets a thousand deep"),
    (b'{"quantc_lock":1,"layers":[{"name":"\xff"}]}', "UTF-8"),
    (b'{"quantc_lock":1,"layers":[{"name":"fc2","shape":[96,-1],"format":"si4","scheme":"symmetric",'
     b'"activations":"float"}]}', "layer 1 'fc2' has a shape of other things"),
    (b'{"quantc_lock":1,"layers":[{"name":"fc2","shape":[1],"format":"si4","scales":"group x",'
     b'"scheme":"symmetric","activations":"float"}]}', "has scales 'group x'"),
    (b'{"quantc_lock":1,"layers":[{"name":"fc2","shape":[1],"format":"si4","scheme":"symmetric",'
     b'"activations":"si8 often"}]}', "has activations 'si8 often'"),
    (b'{"quantc_lock":1,"layers":[{"name":"fc2","shape":[1],"colour":1}]}', "'colour', which no layer"),
    (None, "it is a folder"),
])
def test_what_is_no_lock(tmp_path, model, option, text, message):
    lock = tmp_path / "lock"
    if text is None:
        lock.mkdir()
        with pytest.raises(quantc.Error, match=message):
            compile_qgraph(model, tmp_path, recipe="w4-rtn", **{option: lock})
        assert files(tmp_path) == ["lock"]
        return
    lock.write_bytes(text)
    said = refused(model, tmp_path, recipe="w4-rtn", **{option: lock})
    assert said.startswith(f"lock '{lock}' cannot be used: ") and re.search(message, said), said


def test_places(tmp_path, model):
    said = refused(model, tmp_path, recipe="w4-rtn", check_lock=tmp_path / "none")
    assert "No such file" in said and "none" in said
    said = refused(model, tmp_path, recipe="w4-rtn", lock=tmp_path / "no" / "folder")
    assert "folder" in said
    said = refused(model, tmp_path, recipe="w4-rtn", lock=tmp_path / "l", set={"nothing": "si4"})
    assert "matches no layer" in said  # and no lock is left
    with pytest.raises(quantc.Error, match="--emit=onnx is before anything has a precision"):
        quantc.compile(model, emit="onnx", lock=tmp_path / "l")


def test_mutated_locks(tmp_path, model, program):
    """Changed, removed, doubled pieces and truncations: refused with a reason, or harmless."""
    whole = make_lock(model, tmp_path, "w4-rtn").read_bytes()
    rng = random.Random(5)
    lock = tmp_path / "lock"
    accepted = refused = 0
    for i in range(200):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            at, size = rng.randrange(len(data)), rng.randint(1, 8)
            kind = rng.randrange(5)
            if kind == 0:
                data[at] ^= 1 << rng.randrange(8)
            elif kind == 1:
                del data[at : at + size]
            elif kind == 2:
                data[at:at] = data[at : at + size]
            elif kind == 3:
                data[at:at] = rng.choice([b'"', b"[", b"}", b"null", b"1e99", b"\0", b"-"])
            elif len(data) > 40:
                del data[rng.randrange(20, len(data)) :]
        lock.write_bytes(data)
        option = "--lock" if i % 2 else "--check-lock"
        done = subprocess.run(
            [program, "compile", model, "-o", tmp_path / "out.mlir", "--emit=qgraph",
             "--recipe=w4-rtn", "-j1", option, lock], capture_output=True, text=True, timeout=60)
        assert done.returncode in (0, 1), (bytes(data), done.stderr)
        assert lock.read_bytes() == data
        if done.returncode:
            assert "quantc: error: " in done.stderr and files(tmp_path) == ["lock"], bytes(data)
            refused += 1
        else:
            accepted += 1
            for path in tmp_path.glob("out.mlir*"):
                path.unlink()
    assert refused > 100 and refused + accepted == 200


# --- --size ---

def weight_bytes(prefix):
    """Of all tensors in the weights file, padding too."""
    data = prefix.with_suffix(".safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    return sum(t["data_offsets"][1] - t["data_offsets"][0] for t in header.values())


def test_size(tmp_path, model, samples):
    options = {"recipe": "auto", "calibration": samples, "target": "native:highest"}

    def made(size, **more):
        lock = tmp_path / f"lock{size}"
        quantc.compile(model, tmp_path / "m", size=size, lock=lock, **options, **more)
        bytes_ = weight_bytes(tmp_path / "m")
        bits = sum(int(layer["format"][2:]) for name, layer in layers_of(lock).items()
                   if layer["format"] != "float")
        return bytes_, bits

    with pytest.raises(quantc.Error) as info:
        made(1000)
    least = int(re.search("no choice takes 1000 bytes or less; the least possible is ([0-9]+)",
                          str(info.value))[1])
    with pytest.raises(quantc.Error, match=f"the least possible is {least}"):
        made(least - 1)
    bytes_, bits = made(least)
    # What is expected of packing is not far from what it makes.
    assert least - 1024 < bytes_ <= least
    for size in (least + 20_000, least + 40_000, "1MB"):  # a layer takes 12 kB more at 8 bits
        more, finer = made(size)
        assert bytes_ < more <= (10**6 if size == "1MB" else size) and finer > bits
        bytes_, bits = more, finer
    manifest = json.loads((tmp_path / "m.json").read_text())
    assert manifest["options"]["size"] == 10**6

    # What is locked or set counts, but is not chosen.
    lock = tmp_path / "lock1MB"
    with pytest.raises(quantc.Error, match="the least possible is [0-9]+"):
        quantc.compile(model, tmp_path / "m", size=least, lock=lock, **options)


@pytest.mark.parametrize("text, status", [
    ("0", 2), ("", 1), ("-5", 2), ("1.5.5M", 2), ("ten", 2), ("5X", 2), ("1Mi", 2), ("1e3", 2),
    ("99999999999999999999", 2), (".M", 2)])
def test_what_is_no_size(tmp_path, model, program, text, status):
    done = subprocess.run([program, "compile", model, "-o", tmp_path / "m", "--recipe=auto",
                           f"--size={text}", "--calibration=none.npz"], capture_output=True, text=True)
    assert done.returncode in (status, 2) and files(tmp_path) == [], done.stderr
    if text:
        assert f"--size '{text}' is no number of bytes" in done.stderr


def test_size_is_for_auto(tmp_path, model):
    assert "--size is for recipe 'auto'" in refused(model, tmp_path, 2, recipe="w4-rtn", size=10**6)
