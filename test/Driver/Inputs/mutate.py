"""Compiles damaged copies of a small model: none may crash the compiler, none may hang it.

    mutate.py FOLDER COUNT

Each copy differs in one to four places: a changed, removed, doubled or inserted piece, the
same ones every time. A copy that is compiled is run too. Prints how many ended how; fails if
one ends with anything but success or the message of an error.
"""

import collections
import os
import random
import subprocess
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def small_model():
    """Embedding, attention-like products, softmax, shapes computed at run time, a linear layer."""
    rng = np.random.default_rng(0)
    tensors = {
        "table": rng.standard_normal((32, 16), np.float32),
        "w": rng.standard_normal((16, 16), np.float32),
        "b": rng.standard_normal(16, np.float32),
        "scale": np.full(16, 0.5, np.float32),
        "tail": np.array([-1], np.int64),
        "zero": np.array([0], np.int64),
        "one": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["e"], name="embed"),
        helper.make_node("MatMul", ["e", "w"], ["q"], name="query"),
        helper.make_node("Add", ["q", "b"], ["qb"], name="bias"),
        helper.make_node("Transpose", ["e"], ["k"], name="key", perm=[0, 2, 1]),
        helper.make_node("MatMul", ["qb", "k"], ["s"], name="scores"),
        helper.make_node("Softmax", ["s"], ["p"], name="softmax", axis=-1),
        helper.make_node("MatMul", ["p", "e"], ["c"], name="context"),
        helper.make_node("LayerNormalization", ["c", "scale", "b"], ["n"], name="norm", axis=-1),
        helper.make_node("Shape", ["n"], ["shape"], name="shape"),
        helper.make_node("Slice", ["shape", "zero", "one"], ["first"], name="first"),
        helper.make_node("Concat", ["first", "tail"], ["flat"], name="flat", axis=0),
        helper.make_node("Reshape", ["n", "flat"], ["y"], name="reshape"),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "seq"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", "width"])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def mutated(data, rng, tensor_bytes):
    """A damaged copy. What is changed is mostly structure: the weights are most of the bytes."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4])):
        at = rng.randrange(len(data))
        while rng.random() < 0.95 and any(a <= at < b for a, b in tensor_bytes):
            at = rng.randrange(len(data))
        kind = rng.randrange(5)
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            del data[at : at + rng.randint(1, 16)]
        elif kind == 3:
            data[at:at] = data[at : at + rng.randint(1, 64)]
        else:
            data[at:at] = rng.randbytes(rng.randint(1, 8))
    return bytes(data)


def outcome(arguments):
    try:
        done = subprocess.run(arguments, capture_output=True, timeout=60)
    except subprocess.TimeoutExpired:
        return "hangs", ""
    text = done.stderr.decode(errors="replace")
    if done.returncode == 0:
        return "done", text
    if done.returncode == 1 and "quantc: error: " in text:
        return "refused", text
    return f"exit status {done.returncode}", text


def main(folder, count):
    os.makedirs(folder, exist_ok=True)
    os.chdir(folder)
    data = small_model()
    model = onnx.load_from_string(data)
    spans = []
    for tensor in model.graph.initializer:
        raw = tensor.raw_data
        if len(raw) > 64:
            at = data.index(raw)
            spans.append((at, at + len(raw)))
    recipes = ["fp32", "w8a8-dynamic", "w4-rtn", "reference"]
    ends, bad = collections.Counter(), []
    for i in range(-len(recipes), count):
        rng = random.Random(i)
        with open("m.onnx", "wb") as file:
            file.write(data if i < 0 else mutated(data, rng, spans))
        # One level: what depends on it comes after all that reads the model.
        command = ["quantc", "compile", "m.onnx", "-o", "m", "-q", "-j", "1",
                   "--target", "x86-64-v3", "--recipe", recipes[i % len(recipes)]]
        end, text = outcome(command)
        if end == "done":
            run = ["quantc", "run", "m.so", "-q", "--json"]
            for value in onnx.load(file.name).graph.input:
                run += ["--input", value.name + "=zeros"]
            end, text = outcome(run)
            end = "runs" if end == "done" else end if end != "refused" else "refused at run time"
        if i < 0 and end != "runs":
            bad.append(f"the whole model, {command[-1]}: {end}: {text}")
        if end not in ("runs", "refused", "refused at run time"):
            kept = f"bad-{i}.onnx"
            os.replace("m.onnx", kept)
            bad.append(f"{kept}, recipe {command[-1]}: {end}: {text[:500]}")
        ends[end] += 1
    print(dict(ends))
    print("\n".join(bad))
    return 1 if bad else 0


sys.exit(main(sys.argv[1], int(sys.argv[2])))
