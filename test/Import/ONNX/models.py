"""Models for the tests of the import: models.py NAME OUT.onnx

What ONNX's text syntax cannot say: raw and external data, all element types,
sparse tensors, damaged files.
"""

import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper


def model(nodes, inputs, outputs, initializers=(), sparse=(), opset=25, name="g", **rest):
    graph = helper.make_graph(
        nodes, name, inputs, outputs, list(initializers), sparse_initializer=list(sparse)
    )
    return helper.make_model(
        graph, ir_version=13, opset_imports=[helper.make_opsetid("", opset)], **rest
    )


def value(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def raw(name, kind, shape, data):
    tensor = TensorProto(name=name, data_type=kind, dims=shape)
    tensor.raw_data = data
    return tensor


def external(name, shape, location, offset=None, length=None, kind=TensorProto.FLOAT):
    tensor = TensorProto(name=name, data_type=kind, dims=shape)
    tensor.data_location = TensorProto.EXTERNAL
    for key, entry in (("location", location), ("offset", offset), ("length", length)):
        if entry is not None:
            tensor.external_data.add(key=key, value=str(entry))
    return tensor


def add_model(*tensors):
    """x + each of the tensors, all of 16x8 floats."""
    nodes, last = [], "x"
    for i, tensor in enumerate(tensors):
        nodes.append(helper.make_node("Add", [last, tensor.name], [f"y{i}"], name=f"add{i}"))
        last = f"y{i}"
    shape = [16, 8]
    return model(
        nodes,
        [value("x", TensorProto.FLOAT, shape)],
        [value(last, TensorProto.FLOAT, shape)],
        tensors,
    )


def linear(out):
    weights = np.arange(128, dtype=np.float32).reshape(16, 8)
    return add_model(raw("w", TensorProto.FLOAT, [16, 8], weights.tobytes()))


def write_data(out, name="weights.bin", count=256):
    path = os.path.join(os.path.dirname(out), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    np.arange(count, dtype=np.float32).tofile(path)


def external_data(out):
    write_data(out)
    write_data(out, "sub/more.bin")
    return add_model(
        external("a", [16, 8], "weights.bin", 0, 512),
        external("b", [16, 8], "weights.bin", 512),
        external("c", [16, 8], "sub/../sub/more.bin", 64, 512),
        external("misaligned", [16, 8], "weights.bin", 2, 512),
        external("small", [8], "weights.bin", 4, 32),
    )


def external_errors(out):
    write_data(out)
    write_data(out, "../outside.bin")
    write_data(out, "sub/more.bin")
    folder = os.path.dirname(os.path.abspath(out))
    link = os.path.join(folder, "link.bin")
    if not os.path.lexists(link):
        os.symlink(os.path.join(folder, "..", "outside.bin"), link)
    return add_model(
        external("missing", [16, 8], "nowhere.bin"),
        external("escape", [16, 8], "../outside.bin"),
        external("inner-escape", [16, 8], "sub/../../outside.bin"),
        external("absolute", [16, 8], "/etc/passwd"),
        external("linked", [16, 8], "link.bin"),
        external("short", [16, 8], "weights.bin", 1000),
        external("far", [16, 8], "weights.bin", 2**64 - 4),
        external("length", [16, 8], "weights.bin", 0, 100),
        external("negative", [16, 8], "weights.bin", -4),
        external("folder", [16, 8], "sub"),
        external("nameless", [16, 8], None),
        external("huge", [2**40, 2**40], "weights.bin"),
    )


# Each with the values that two of its elements have; the first is the one that
# a packed type keeps in the lowest bits.
TYPES = [
    (TensorProto.FLOAT, np.array([1.5, -2], np.float32).tobytes()),
    (TensorProto.DOUBLE, np.array([1.5, -2], np.float64).tobytes()),
    (TensorProto.FLOAT16, np.array([1.5, -2], np.float16).tobytes()),
    (TensorProto.BFLOAT16, b"\xc0\x3f\x00\xc0"),
    (TensorProto.FLOAT8E4M3FN, b"\x3c\xc0"),
    (TensorProto.FLOAT8E4M3FNUZ, b"\x44\xc8"),
    (TensorProto.FLOAT8E5M2, b"\x3e\xc0"),
    (TensorProto.FLOAT8E5M2FNUZ, b"\x42\xc4"),
    (TensorProto.FLOAT8E8M0, b"\x7f\x80"),
    (TensorProto.FLOAT6E2M3, bytes([0b00001100, 0b1100])),  # 1.5, -2
    (TensorProto.FLOAT6E3M2, bytes([0b00001110, 0b1100])),  # 1.5, -2
    (TensorProto.FLOAT4E2M1, b"\xc3"),
    (TensorProto.INT2, b"\x09"),
    (TensorProto.UINT2, b"\x0e"),
    (TensorProto.INT4, b"\xe3"),
    (TensorProto.UINT4, b"\xe3"),
    (TensorProto.INT8, b"\x03\xfe"),
    (TensorProto.UINT8, b"\x03\xfe"),
    (TensorProto.INT16, np.array([3, -2], np.int16).tobytes()),
    (TensorProto.UINT16, np.array([3, 65534], np.uint16).tobytes()),
    (TensorProto.INT32, np.array([3, -2], np.int32).tobytes()),
    (TensorProto.UINT32, np.array([3, 2**32 - 2], np.uint32).tobytes()),
    (TensorProto.INT64, np.array([3, -2], np.int64).tobytes()),
    (TensorProto.UINT64, np.array([3, 2**64 - 2], np.uint64).tobytes()),
    (TensorProto.BOOL, b"\x01\x00"),
]


def identities(tensors):
    names = [tensor.name for tensor in tensors]
    return model(
        [helper.make_node("Identity", [name], [name + "_out"]) for name in names],
        [],
        [value(t.name + "_out", t.data_type, list(t.dims)) for t in tensors],
        tensors,
        opset=28,
    )


def types_raw(out):
    return identities(
        [raw(TensorProto.DataType.Name(kind).lower(), kind, [2], data) for kind, data in TYPES]
    )


def types_typed(out):
    """The same values in the fields for each type."""
    tensors = []
    for kind, data in TYPES:
        tensor = TensorProto(name=TensorProto.DataType.Name(kind).lower(), data_type=kind, dims=[2])
        if kind == TensorProto.FLOAT:
            tensor.float_data.extend(np.frombuffer(data, np.float32))
        elif kind == TensorProto.DOUBLE:
            tensor.double_data.extend(np.frombuffer(data, np.float64))
        elif kind == TensorProto.INT64:
            tensor.int64_data.extend(np.frombuffer(data, np.int64))
        elif kind == TensorProto.UINT64:
            tensor.uint64_data.extend(np.frombuffer(data, np.uint64))
        elif kind == TensorProto.UINT32:
            tensor.uint64_data.extend(np.frombuffer(data, np.uint32))
        elif kind == TensorProto.INT32:
            tensor.int32_data.extend(np.frombuffer(data, np.int32))
        elif kind == TensorProto.INT16:
            tensor.int32_data.extend(np.frombuffer(data, np.int16))
        elif kind == TensorProto.INT8:
            tensor.int32_data.extend(np.frombuffer(data, np.int8))
        elif kind in (TensorProto.FLOAT6E2M3, TensorProto.FLOAT6E3M2):
            bits = int.from_bytes(data, "little")
            tensor.int32_data.extend([bits & 63, bits >> 6 & 63])
        elif len(data) == 4:
            tensor.int32_data.extend(np.frombuffer(data, np.uint16))
        else:
            tensor.int32_data.extend(data)
        tensors.append(tensor)
    return identities(tensors)


def types_large(out):
    """More than 64 elements of each type, into the weight store."""
    tensors = []
    for kind, data in TYPES:
        if kind in (TensorProto.FLOAT6E2M3, TensorProto.FLOAT6E3M2):
            bits = int.from_bytes(data, "little")
            data = (bits | bits << 12).to_bytes(3, "little")
            count = 4
        else:
            count = 2
        if len(data) == 1:  # two elements of four bits (or of two, then four of them)
            if kind in (TensorProto.INT2, TensorProto.UINT2):
                data = bytes([data[0] | data[0] << 4])
                count = 4
        name = TensorProto.DataType.Name(kind).lower()
        tensors.append(raw(name, kind, [100], data * (100 // count)))
    return identities(tensors)


def sparse(out):
    def tensor(name, values, indices, shape, indices_shape):
        return helper.make_sparse_tensor(
            helper.make_tensor(name, TensorProto.FLOAT, [len(values)], values),
            helper.make_tensor(name + "_i", TensorProto.INT64, indices_shape, indices),
            shape,
        )

    linear_index = tensor("flat", [1.0, 2.0], [1, 5], [2, 3], [2])
    pairs = tensor("pairs", [3.0, 4.0], [0, 2, 1, 0], [2, 3], [2, 2])
    constant = helper.make_node("Constant", [], ["c"], sparse_value=linear_index)
    return model(
        [
            constant,
            helper.make_node("Add", ["flat", "pairs"], ["s"]),
            helper.make_node("Add", ["s", "c"], ["y"]),
        ],
        [],
        [value("y", TensorProto.FLOAT, [2, 3])],
        sparse=[linear_index, pairs],
    )


def sparse_outside(out):
    bad = helper.make_sparse_tensor(
        helper.make_tensor("s", TensorProto.FLOAT, [1], [1.0]),
        helper.make_tensor("i", TensorProto.INT64, [1], [6]),
        [2, 3],
    )
    return model(
        [helper.make_node("Identity", ["s"], ["y"])],
        [],
        [value("y", TensorProto.FLOAT, [2, 3])],
        sparse=[bad],
    )


def strings(out):
    text = helper.make_tensor("words", TensorProto.STRING, [1], [b"a"])
    complex_tensor = helper.make_tensor("z", TensorProto.COMPLEX64, [1], [1 + 2j])
    return model(
        [
            helper.make_node("Identity", ["words"], ["a"]),
            helper.make_node("Identity", ["z"], ["b"]),
            helper.make_node("Identity", ["s"], ["c"]),
            helper.make_node("SequenceLength", ["l"], ["d"]),
        ],
        [
            value("s", TensorProto.STRING, [1]),
            onnx.ValueInfoProto(name="l", type=helper.make_sparse_tensor_type_proto(1, [2])),
        ],
        [value("d", TensorProto.INT64, [])],
        [text, complex_tensor],
    )


def sizes(out):
    return model(
        [helper.make_node("Concat", ["few", "many", "none"], ["y"], axis=0)],
        [],
        [value("y", TensorProto.FLOAT, [9])],
        [
            raw("few", TensorProto.FLOAT, [4], b"\0" * 12),
            raw("many", TensorProto.FLOAT, [4], b"\0" * 20),
            TensorProto(name="none", data_type=TensorProto.FLOAT, dims=[1]),
            raw("overflow", TensorProto.FLOAT, [2**32, 2**32, 2], b""),
            raw("minus", TensorProto.FLOAT, [-1], b""),
        ],
    )


def overridable(out):
    """An initializer that is also an input."""
    result = linear(out)
    result.graph.input.append(value("w", TensorProto.FLOAT, [16, 8]))
    return result


def truncated(out):
    return linear(out).SerializeToString()[:-100]


def random_bytes(out):
    return np.random.default_rng(1).bytes(4096)


def newer(out):
    result = linear(out)
    result.ir_version = 999
    result.opset_import[0].version = 1000
    return result


def functions_explode(out):
    """Each function calls the next one twice, 30 deep."""
    depth, functions = 30, []
    opsets = [helper.make_opsetid("", 25), helper.make_opsetid("f", 1)]
    for i in range(depth):
        callee = f"f{i + 1}" if i + 1 < depth else "Relu"
        domain = "f" if i + 1 < depth else ""
        functions.append(
            helper.make_function(
                "f",
                f"f{i}",
                ["a"],
                ["c"],
                [
                    helper.make_node(callee, ["a"], ["b"], domain=domain),
                    helper.make_node(callee, ["b"], ["c"], domain=domain),
                ],
                opsets,
            )
        )
    result = model(
        [helper.make_node("f0", ["x"], ["y"], domain="f")],
        [value("x", TensorProto.FLOAT, [1])],
        [value("y", TensorProto.FLOAT, [1])],
        functions=functions,
    )
    result.opset_import.append(helper.make_opsetid("f", 1))
    return result


def everything(out):
    """Small, and with a bit of all that a model may contain, for the fuzzer."""
    weights = np.arange(128, dtype=np.float32).reshape(16, 8)
    yes = helper.make_graph(
        [helper.make_node("Relu", ["h"], ["a"])], "yes", [], [value("a", TensorProto.FLOAT, None)]
    )
    no = helper.make_graph(
        [helper.make_node("Add", ["h", "one"], ["b"])],
        "no",
        [],
        [value("b", TensorProto.FLOAT, None)],
        [helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])],
    )
    function = helper.make_function(
        "local",
        "scale",
        ["a"],
        ["b"],
        [
            helper.make_node("Constant", [], ["f"], value_float=2.0),
            helper.make_node("Mul", ["a", "f"], ["b"]),
        ],
        [helper.make_opsetid("", 25)],
        attributes=["unused"],
    )
    flat = helper.make_sparse_tensor(
        helper.make_tensor("sparse", TensorProto.FLOAT, [2], [1.0, 2.0]),
        helper.make_tensor("i", TensorProto.INT64, [2], [1, 5]),
        [16],
    )
    result = model(
        [
            helper.make_node("MatMul", ["x", "w"], ["m"]),
            helper.make_node("scale", ["m"], ["s"], domain="local", name="call"),
            helper.make_node("Shape", ["s"], ["dims"], start=0, end=1),
            helper.make_node("Concat", ["dims", "rest"], ["shape"], axis=0),
            helper.make_node("Reshape", ["s", "shape"], ["r"]),
            helper.make_node("DequantizeLinear", ["q", "qs"], ["d"], axis=0, block_size=4),
            helper.make_node("Gather", ["d", "index"], ["g"], axis=0),
            helper.make_node("Clip", ["r", "", "top"], ["h0"]),
            helper.make_node("Add", ["h0", "g"], ["h"]),
            helper.make_node("If", ["c"], ["y"], then_branch=yes, else_branch=no),
            helper.make_node("Add", ["sparse", "sparse"], ["z"]),
        ],
        [value("x", TensorProto.FLOAT, ["batch", 16]), value("c", TensorProto.BOOL, [])],
        [value("y", TensorProto.FLOAT, None), value("z", TensorProto.FLOAT, [16])],
        [
            raw("w", TensorProto.FLOAT, [16, 8], weights.tobytes()),
            helper.make_tensor("rest", TensorProto.INT64, [2], [2, 4]),
            raw("q", TensorProto.INT4, [8, 4], bytes(range(16))),
            helper.make_tensor("qs", TensorProto.FLOAT, [2, 4], [0.5] * 8),
            helper.make_tensor("index", TensorProto.INT64, [2], [0, 7]),
            helper.make_tensor("top", TensorProto.FLOAT, [], [6.0]),
        ],
        [flat],
        functions=[function],
    )
    result.opset_import.append(helper.make_opsetid("local", 1))
    return result


def main(name, out):
    if os.path.dirname(out):
        os.makedirs(os.path.dirname(out), exist_ok=True)
    made = globals()[name](out)
    with open(out, "wb") as file:
        file.write(made if isinstance(made, bytes) else made.SerializeToString())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
