"""Models that are wrong: each is refused with a message that says what and where, exit status 1.

What is wrong with files, versions and external data is in test/Import/ONNX; here is what a model
can say that nobody can do.
"""

import base64
import os
import subprocess
import sys

import pytest
from onnx import TensorProto, helper

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def value(name, shape, kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def ints(name, *values):
    return helper.make_tensor(name, INT64, [len(values)], values)


def floats(name, shape, *values):
    count = 1
    for extent in shape:
        count *= extent
    return helper.make_tensor(name, FLOAT, shape, values or [0] * count)


node = helper.make_node
X = value("x", [2, 3])
Y = value("y", None)
C = value("c", [], BOOL)
C_IN = value("ci", [], BOOL)
IMAGE = value("x", [1, 2, 8, 8])


def model(nodes, inputs=(X,), outputs=(Y,), initializers=(), opset=21, **graph):
    nodes = nodes if isinstance(nodes, list) else [nodes]
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(initializers), **graph)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    made.ir_version = 10
    return made.SerializeToString()


def subgraph(nodes, output, inputs=()):
    return helper.make_graph(nodes, "sub", list(inputs), [value(output, None)])


# --- Messages by hand, for what Python's protobuf does not nest so deep ---


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def whole(graph):
    opset = helper.make_opsetid("", 21).SerializeToString()
    return varint(1 << 3) + varint(10) + field(7, graph) + field(8, opset)


def nested_ifs(levels):
    output = value("o", None).SerializeToString()
    graph = subgraph([node("Identity", ["x"], ["o"])], "o").SerializeToString()
    for level in range(levels):
        branch = field(1, b"then_branch") + field(6, graph) + varint(20 << 3) + varint(5)
        name = field(3, b"if%d" % (levels - level))
        inner = field(1, b"c") + field(2, b"o") + name + field(4, b"If") + field(5, branch)
        graph = field(1, inner) + field(2, b"sub") + field(12, output)
    graph += field(11, C.SerializeToString()) + field(11, X.SerializeToString())
    return whole(graph)


def nested_loops(levels):
    """y = x + x + ... in loops that are each the body of the one outside."""
    inner = [node("Identity", ["c0"], ["d0"]), node("Add", ["a0", "x"], ["b0"])]
    for level in range(levels):
        body = helper.make_graph(
            inner, "body", [value(f"i{level}", [], INT64), value(f"c{level}", [], BOOL),
                            value(f"a{level}", [2, 3])],
            [value(f"d{level}", [], BOOL), value(f"b{level}", None)])
        outer = level + 1
        inner = [node("Loop", ["n", "", f"a{outer}"], [f"b{outer}"], name=f"loop{level}", body=body),
                 node("Identity", [f"c{outer}"], [f"d{outer}"])]
    last = inner[0]
    last.input[2], last.output[0] = "x", "y"
    return model([last], [X, value("n", [], INT64)])


def nested_sequences(levels):
    kind = field(1, varint(1 << 3) + varint(1))
    for _ in range(levels):
        kind = field(4, field(1, kind))
    nodes = field(1, node("Identity", ["s"], ["y"]).SerializeToString())
    inputs = field(11, field(1, b"s") + field(2, kind))
    return whole(nodes + field(2, b"g") + inputs + field(12, Y.SerializeToString()))


# What fuzzing found. LabelEncoder, in a subgraph of a node that nobody knows, compares the type of
# an input, which nobody knows.
UNKNOWN_LABEL = base64.b64decode(
    "CAkSADqcBQpsCgFYCgJ4MBIBWSIMTGFiZWxFbmNvZGVyKgIKACoaCgphaS5vbm54Lm1sSgFhSgFiSgFjagCgAQgqDyoG"
    "EAVCAHABoAEEqgEBWCodCgxrZXlzX3N0cmluZ3NKAWFKAWJKAWOgAQiqAQA6AmFpCuQCEgFZIgFZKgMKAVkqvAIyqwIK"
    "RyIAKg8KACoLCAEQBSoBKkIAcAEqD0oBYUoBYkoBY6ABAqABGioRKg0IARAGKgEqQgBiAHABcgAqDkoBYUoBYkoBY2oA"
    "oAEFCi4qC0oBYUoBYkoBY2oAKgsqBhAFQgBwAaABBCoSCgAqCwgBEAUqASpCAHABoAEECncKAVgiDExhYmVsRW5jb2Rl"
    "cioIKgYQAUIAcAEqHwoMa2V5c19zdHJpbmdzSgFiSgFhSgFjagCgAQigARoqHQoKYYEub25ueC5tbCoMCBcQBSoCKg5C"
    "AHAAoAEEKg5KAWFKAWJKAWNqAKABAjoKYWkub25ueC5tbAouCgASAVkiACoOCgAqChAFKgIqE0IAcAEqA6ABByoECgJh"
    "aToKYWkub25ueC5tbBIAWgUKAVgSAEoBYUoBY0oBYmoAoAEFKgwKACoIEBVCAngwcAE6CmFpLm9ubngubWwKawoBWBIB"
    "WSIKYWkub25ueC5tbCoNCgAqCQgBKgEqQgBwASodSgFiSgFhSgFjagxMYWJlbEVuY29kZXKgAQigARoqDSoICAMqBAEA"
    "AgGgAQQqDkoBYUoBYkoBY2oAoAEBOgphaS5vbm54Lm1sClIKAVgSAVgiACoKCgAqBhABQgBwASoNSgBKAWJKAWNqAKAB"
    "ByoLKgYQBUIAcAGgAQUqIAoMa2V5c19zdHJpbmdzFQAAAD9KAWFKAWKgAQeqAQEwWgIKAGIAQg4KCmFpLm9ubngubWwQ"
    "AQ=="
)


def nested_text(levels):
    inner = "o = Identity (x)"
    for _ in range(levels):
        inner = f"o = If (c) <then_branch = t () => (float[2] o) {{ {inner} }}>"
    head = '<ir_version: 10, opset_import: ["" : 21]>\ng (bool c, float[2] x) => (float[2] o)\n'
    return (head + "{\n" + inner + "\n}\n").encode()


# --- Families ---


def conv(**attributes):
    return model(node("Conv", ["x", "w"], ["y"], **attributes), [IMAGE], [Y],
                 [floats("w", [4, 2, 3, 3])])


def pool(**attributes):
    return model(node("MaxPool", ["x"], ["y"], **attributes), [IMAGE])


def shaped(op, *numbers, x=X, **attributes):
    """An operator whose second input is a constant list."""
    return model(node(op, ["x", "s"], ["y"], **attributes), [x], [Y], [ints("s", *numbers)])


def resize(*scales):
    return model(node("Resize", ["x", "", "s"], ["y"]), [value("x", [1, 1, 4, 4])], [Y],
                 [floats("s", [4], *scales)])


def lstm(**attributes):
    return model(node("LSTM", ["x", "w", "r"], ["y"], **attributes), [value("x", [2, 1, 3])], [Y],
                 [floats("w", [1, 8, 3]), floats("r", [1, 8, 2])])


def split(lengths=None, outputs=("y", "z"), **attributes):
    inputs = ["x", "s"] if lengths else ["x"]
    return model(node("Split", inputs, outputs, axis=0, **attributes), [X],
                 [value(name, None) for name in outputs], [ints("s", *lengths)] if lengths else ())


def sequence(*numbers):
    scalars = [helper.make_tensor(n, INT64, [], [v]) for n, v in zip("abc", numbers)]
    return model(node("Range", ["a", "b", "c"], ["y"]), [], [value("y", None, INT64)], scalars)


def condition(then, otherwise=None, before=(), after=(), output="y"):
    branches = {"then_branch": then}
    if otherwise:
        branches["else_branch"] = otherwise
    nodes = [*before, node("If", ["c"], [output], name="if", **branches), *after]
    return model(nodes, [C, X])


def linear_attention():
    """Its function body passes on an input that is missing: beta, which its rule needs."""
    names = ["q", "k", "v", "", "decay"]
    inputs = [value(name, ["b", "t", 32]) for name in names if name]
    made = node("LinearAttention", names, ["y", "state"], q_num_heads=4, kv_num_heads=4)
    return model(made, inputs, [Y, value("state", None)], opset=27)


def loop(condition, inner):
    """Conditions of these types, before the body and in it."""
    body = helper.make_graph(
        [node("Cast", ["ci"], ["co"], to=inner), node("Add", ["s", "s"], ["t"])], "body",
        [value("i", [], INT64), C_IN, value("s", [2, 3])], [value("co", []), value("t", [2, 3])])
    made = node("Loop", ["n", "k", "x"], ["y"], body=body)
    return model([node("Cast", ["c"], ["k"], to=condition), made], [value("n", [], INT64), C, X])


def recursive():
    imports = [helper.make_opsetid("", 21), helper.make_opsetid("f", 1)]
    functions = [
        helper.make_function("f", a, ["a"], ["b"], [node(b, ["a"], ["b"], domain="f")], imports)
        for a, b in ("AB", "BA")
    ]
    graph = helper.make_graph([node("A", ["x"], ["y"], domain="f")], "g", [X], [Y])
    made = helper.make_model(graph, functions=functions, opset_imports=imports)
    made.ir_version = 10
    return made.SerializeToString()


identity = subgraph([node("Identity", ["x"], ["p"])], "p")
ghost = subgraph([node("Add", ["x", "ghost"], ["o"])], "o")
HUGE = 2**40

CASES = {
    # Graphs
    "cycle": (model([node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]),
                     node("Relu", ["b"], ["y"])]),
              "'a' (Add): its input 'b' is defined by nothing before it"),
    "own input": (model(node("Add", ["x", "y"], ["y"])), "its input 'y' is defined by nothing"),
    "undefined": (model(node("Add", ["x", "nope"], ["y"])), "its input 'nope' is defined by"),
    "node twice": (model([node("Relu", ["x"], ["y"]), node("Relu", ["x"], ["y"])]),
                   "its output 'y' has the name of another value"),
    "input twice": (model(node("Relu", ["x"], ["y"]), [X, X]), "input 'x': there are two of"),
    "tensor twice": (model(node("Add", ["x", "w"], ["y"]), [X], [Y],
                           [floats("w", [3]), floats("w", [3])]),
                     "tensor 'w': there are two of that name"),
    "output twice": (model(node("Relu", ["x"], ["y"]), [X], [Y, Y]),
                     "output 'y' of the model: there are two of that name"),
    "output of a tensor's name": (model([node("Add", ["x", "w"], ["w"]), node("Relu", ["w"], ["y"])],
                                        [X], [Y], [floats("w", [3])]),
                                  "its output 'w' has the name of another value"),
    "no input": (model(node("Add", ["x", ""], ["y"])), "'y' (Add)"),
    "recursive functions": (recursive(), "must not be recursive"),
    # Subgraphs
    "capture": (condition(ghost, identity), "'ghost'"),
    "capture of what comes later": (
        condition(ghost, identity, after=[node("Relu", ["x"], ["ghost"])]), "'ghost'"),
    "inner value outside": (condition(identity, identity, output="a",
                                      after=[node("Relu", ["p"], ["y"])]),
                            "'y' (Relu): its input 'p' is defined by nothing"),
    "no else": (condition(identity), "else_branch"),
    "undefined output": (condition(subgraph([], "zz"), identity), "'zz'"),
    "nested": (nested_ifs(100), "subgraphs are nested more than 64 deep"),
    "nested a thousand deep": (nested_ifs(1000), "subgraphs are nested more than 64 deep"),
    "nested deeper": (nested_ifs(5000), "or its subgraphs are nested more than 1333 deep"),
    "nested text": (nested_text(1000), "brackets are nested more than 500 deep"),
    "nested text, deeper": (nested_text(20000), "brackets are nested more than 500 deep"),
    "digit in an equation": (model(node("Einsum", ["x", "x"], ["y"], equation="ij,i0->ij")),
                             "the operand 'i0' of its equation"),
    "ellipses in an equation": (model(node("Einsum", ["x"], ["y"], equation="...i...->i")),
                                "the operand '...i...' of its equation"),
    "unknown label": (UNKNOWN_LABEL, "input '': its type is not given"),
    "nested loops": (nested_loops(12), "loops are nested more than 8 deep"),
    "nested types": (nested_sequences(20), "'s': its type is nested more than 16 deep"),
    "nested types, deeper": (nested_sequences(1000), "'s': its type is nested more than 16 deep"),
    "no output": (condition(helper.make_graph(identity.node, "sub", [], []), identity),
                  "it has 1 outputs, and one of its branches 0"),
    "condition's type": (
        model(node("If", ["n"], ["y"], then_branch=identity, else_branch=identity),
              [value("n", [], INT64), X]), "its condition must be BOOL"),
    "loop's condition": (loop(FLOAT, BOOL), "its condition must be BOOL"),
    "condition in a loop": (loop(BOOL, FLOAT), "its body's condition must be BOOL"),
    # Shapes that lie
    "output lies": (model(node("Relu", ["x"], ["y"]), [X], [value("y", [7, 7])]),
                    "output 'y' of the model is declared as tensor<7x7xf32>, and is"),
    "output's type lies": (model(node("Relu", ["x"], ["y"]), [X], [value("y", [2, 3], INT64)]),
                           "output 'y' of the model is declared as tensor<2x3xsi64>, and is"),
    "input's type": (model(node("Add", ["x", "w"], ["y"]), [X], [Y], [ints("w", 1, 2, 3)]),
                     "'y' (Add"),
    "lengths that are floats": (
        model(node("Attention", ["q", "k", "k", "", "", "", "n"], ["y"], is_causal=1),
              [value("q", [1, 2, 3, 8]), value("k", [1, 2, 4, 8]), value("n", [1])],
              [value("y", [1, 2, 3, 8])], opset=24),
        "its input 'nonpad_kv_seqlen' is f32, which the operator does not take"),
    "range of two types": (
        model(node("Range", ["a", "b", "c"], ["y"]),
              [value("a", [], INT64), value("b", [], INT64), value("c", [])],
              [value("y", [None], INT64)]),
        "its inputs 'start' and 'delta' are si64 and f32, and must be of one type"),
    "negative input": (model(node("Relu", ["x"], ["y"]), [value("x", [-3, 2])]),
                       "input 'x': its dimension 0 is -3"),
    "huge input": (model(node("Relu", ["x"], ["y"]), [value("x", [HUGE, HUGE])]),
                   "larger than what a process can address"),
    "huge weight and bias": (
        model(node("CausalConvWithState", ["x", "w", "b"], ["y", "z"]),
              [value("x", [2, 4, 8]), value("w", [2, 4, 2**63 - 1]), value("b", [2, 4, 2**63 - 1])],
              [Y, value("z", None)], opset=27),
        "'w': input 1: a tensor of shape 2x4x9223372036854775807 is larger"),
    "huge sum": (model(node("Concat", ["x", "x"], ["y"], axis=0), [value("x", [2**62])]),
                 "larger than what a process can address"),
    "reshape": (shaped("Reshape", 5), "the numbers of elements differ"),
    "huge reshape": (shaped("Reshape", HUGE, HUGE), "the numbers of elements differ"),
    "two -1": (shaped("Reshape", -1, -1), "more than one -1"),
    "negative reshape": (shaped("Reshape", -2, 3), "'y' (Reshape"),
    "huge expand": (shaped("Expand", 2**31, 2**31, 4, x=value("x", [1])),
                    "larger than what a process can address"),
    "sizes by division": (model([node("Div", ["a", "b"], ["s"]), node("Expand", ["x", "s"], ["y"])],
                                [value("x", [1])], [Y], [ints("a", -2**63), ints("b", -1)]),
                          "'y' (Expand"),
    "huge rank": (model(node("Expand", ["x", "s"], ["y"]), [X, value("s", [HUGE], INT64)], opset=9),
                  "its shape is computed from data"),
    "huge product": (
        model(node("CausalConvWithState", ["x", "w"], ["y", "z"]),
              [value("x", [2, HUGE, 8]), value("w", [2, 1, HUGE, 2])], [Y, value("z", None)],
              opset=27), "larger than what a process can address"),
    "huge constant": (model(node("ConstantOfShape", ["s"], ["y"]), [], [Y], [ints("s", HUGE, HUGE)]),
                      "larger than what a process can address"),
    "negative constant": (model(node("ConstantOfShape", ["s"], ["y"]), [], [Y], [ints("s", -4)]),
                          "negative"),
    "tile": (shaped("Tile", 2**60, 2), "larger than what a process can address"),
    "negative tile": (shaped("Tile", -1, 2), "negative"),
    "pads that remove": (shaped("Pad", -5, -5, 0, 0), "remove more than there is"),
    "huge pads": (shaped("Pad", 2**62, 2**62, 2**62, 2**62), "'y' (Pad"),
    "few pads": (shaped("Pad", 1, 1, 0), "pads must have 4 numbers"),
    "gather": (shaped("Gather", 17), "index 17 is outside of dimension 0 of size 2"),
    "gather axis": (shaped("Gather", 0, axis=-9), "axis is out of range"),
    "unsqueeze twice": (shaped("Unsqueeze", 0, 0), "an axis occurs twice"),
    "unsqueeze": (shaped("Unsqueeze", 9), "out of range"),
    "squeeze": (shaped("Squeeze", 0), "dimension 0 is not 1"),
    "step 0": (model(node("Slice", ["x", "s", "e", "a", "t"], ["y"]), [X], [Y],
                     [ints("s", 0), ints("e", 2), ints("a", 0), ints("t", 0)]), "'y' (Slice"),
    "permutation": (model(node("Transpose", ["x"], ["y"], perm=[0, 0])), "no permutation"),
    "softmax axis": (model(node("Softmax", ["x"], ["y"], axis=5)), "axis 5 is out of range"),
    "huge axis": (model(node("LayerNormalization", ["x", "w"], ["y", "m"], axis=2**63 - 1),
                        [value("x", []), value("w", [3])], [Y, value("m", None)]), "axis"),
    "concat": (model(node("Concat", ["x", "z"], ["y"], axis=0), [X, value("z", [2, 4])]),
               "differ in dimension 1"),
    "matmul": (model(node("MatMul", ["x", "w"], ["y"]), [X], [Y], [floats("w", [4, 2])]),
               "inner dimensions of its operands differ"),
    "broadcast": (model(node("Add", ["x", "w"], ["y"]), [X], [Y], [floats("w", [4])]),
                  "cannot be broadcast together"),
    "topk": (model(node("TopK", ["x", "k"], ["y", "z"]), [X], [Y, value("z", None, INT64)],
                   [ints("k", 99)]), "'y' (TopK"),
    # Windows
    "group": (conv(group=3), "weight's dimension 0, 4, is no multiple of group, 3"),
    "group that does not fit": (conv(group=2), "2 channels, which do not fit its weight in 2 groups"),
    "group 0": (conv(group=0), "its group is 0"),
    "negative group": (conv(group=-1), "its group is -1"),
    "kernel": (conv(kernel_shape=[5, 5]), "kernel_shape is not that of its weight"),
    "strides 0": (conv(strides=[0, 0]), "strides has the number 0"),
    "negative dilations": (conv(dilations=[-1, 1]), "dilations has the number -1"),
    "huge dilations": (conv(dilations=[2**62, 1]), "dilations has the number"),
    "huge conv pads": (conv(pads=[2**62] * 4), "pads has the number"),
    "few conv pads": (conv(pads=[1]), "pads has 1 numbers where 4 are needed"),
    "huge strides": (model(node("ConvTranspose", ["x", "w"], ["y"], strides=[2**45, 2**45]), [IMAGE],
                           [Y], [floats("w", [2, 4, 3, 3])]), "larger than what a process can"),
    "auto_pad": (conv(auto_pad="NONSENSE"), "auto_pad is 'NONSENSE'"),
    "kernel 0": (pool(kernel_shape=[0, 0]), "kernel_shape has the number 0"),
    "huge kernel": (pool(kernel_shape=[2**62, 2**62]), "kernel_shape has the number"),
    "negative scale": (resize(1, 1, -2, 2), "one of its scales is -2"),
    "scale of no number": (resize(1, 1, float("nan"), 1), "one of its scales is nan"),
    "huge scale": (resize(1, 1, 1e30, 1e30), "one of its scales is"),
    # Others
    "hidden size": (lstm(hidden_size=-3), "hidden_size is -3, and the recurrent weight is for 2"),
    "huge hidden size": (lstm(hidden_size=HUGE), "hidden_size is 1099511627776"),
    "range without a step": (sequence(0, 10, 0), "its delta is 0"),
    "huge range": (sequence(-2**63, 2**63 - 1, 1), "it has too many elements"),
    "split": (split([1, 3]), "lengths do not add up"),
    "negative split": (split([-1, 3]), "negative"),
    "split in 9": (split(num_outputs=9), "num_outputs is 9, and it has 2 outputs"),
    "window": (model(node("STFT", ["x", "s", "w"], ["y"]), [X], [Y],
                     [helper.make_tensor("s", INT64, [], [1]), floats("w", [])]),
               "its window must have one dimension"),
    "cast": (model(node("Cast", ["x"], ["y"], to=99)), "'to' is 99, which is no element type"),
    "attribute's type": (model(node("Transpose", ["x"], ["y"], perm=1.5)), "perm"),
    "element type": (model(node("Relu", ["x"], ["y"]), [value("x", [2], 99)]),
                     "input 'x': its element type number 99"),
    "scale's axis": (model(node("QuantizeLinear", ["x", "s"], ["y"], axis=9), [X],
                           [value("y", None, TensorProto.UINT8)], [floats("s", [3])]),
                     "axis is out of range"),
    "absent in a function body": (linear_attention(), "is absent"),
    "einsum": (model(node("Einsum", ["x", "x"], ["y"], equation="ij,->qq->")), "'y' (Einsum"),
}


@pytest.mark.parametrize("name", CASES)
def test_refused(name, program, tmp_path):
    data, message = CASES[name]
    text = data.startswith(b"<")
    (tmp_path / f"model.onnx{'txt' if text else ''}").write_bytes(data)
    path = next(tmp_path.iterdir())
    (tmp_path / "out").mkdir()
    result = subprocess.run(
        [program, "compile", path, "-o", tmp_path / "out" / "m", "-q", "-j", "1"],
        capture_output=True, text=True, errors="replace", timeout=60,
    )
    assert result.returncode == 1, result.stderr
    assert result.stderr.startswith("quantc: error: ") and message in result.stderr
    assert not os.listdir(tmp_path / "out")


def test_large_external_data(program, tmp_path):
    """4 GiB of weights are imported in little memory and time: they are mapped and not read."""
    extent, layers = 4096, 64
    nodes, tensors = [], []
    for layer in range(layers):
        tensor = TensorProto(name=f"w{layer}", data_type=FLOAT, dims=[extent, extent],
                             data_location=TensorProto.EXTERNAL)
        size = extent * extent * 4
        place = {"location": "weights.bin", "offset": str(layer * size), "length": str(size)}
        for key, entry in place.items():
            tensor.external_data.add(key=key, value=entry)
        tensors.append(tensor)
        nodes.append(node("MatMul", [f"x{layer}", f"w{layer}"], [f"x{layer + 1}"]))
    ends = [value(f"x{layer}", ["n", extent]) for layer in (0, layers)]
    (tmp_path / "model.onnx").write_bytes(model(nodes, ends[:1], ends[1:], tensors))
    with open(tmp_path / "weights.bin", "wb") as file:
        file.truncate(layers * extent * extent * 4)
    command = [program, "compile", tmp_path / "model.onnx", "--emit=onnx", "-o", "-"]
    result = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, command), "-q"],
        capture_output=True, text=True, timeout=60,
    )
    assert result.returncode == 0, result.stderr
    seconds, anonymous = map(float, result.stdout.split())
    assert seconds <= 10 and anonymous <= 300e6, result.stdout


# Runs a command; prints its seconds, and the most anonymous memory of it and its children.
MEASURE = """
import pathlib, subprocess, sys, time

def anonymous(process):
    total = 0
    try:
        for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                total = int(line.split()[1]) * 1024
        for task in pathlib.Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text().split():
                total += anonymous(child)
    except OSError:
        pass
    return total

start, most = time.monotonic(), 0
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
while process.poll() is None:
    most = max(most, anonymous(process.pid))
    time.sleep(0.005)
print(time.monotonic() - start, most)
sys.exit(process.returncode)
"""
