"""Which arrays models take and give, of which types, and that they are not copied."""

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto, helper

import quantc


@pytest.fixture(scope="module")
def address(hand_written):
    """Where the runtime reads its input."""
    model = quantc.load(hand_written["types"], entry="address")
    return lambda x: int(model({"x": x})["at"])


def test_numpy_without_copy(address):
    x = np.zeros(100, np.float32)
    assert address(x) == x.ctypes.data
    assert address(x[7:50]) == x.ctypes.data + 28
    x.flags.writeable = False
    assert address(x) == x.ctypes.data


def test_strided_is_copied(address):
    x = np.zeros(100, np.float32)
    assert not x.ctypes.data <= address(x[::2]) < x.ctypes.data + x.nbytes


class OnlyDLPack:
    """What any other array library is to quantc."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **kwargs):
        return self.array.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_dlpack_without_copy(address):
    x = np.zeros(100, np.float32)
    assert address(OnlyDLPack(x)) == x.ctypes.data


def test_dlpack_that_refuses(address):
    class Refuses:
        def __dlpack__(self, **kwargs):
            raise BufferError("it requires a gradient")

        def __dlpack_device__(self):
            return (1, 0)

    with pytest.raises(quantc.Error, match="type Refuses: it requires a gradient"):
        address(Refuses())


@pytest.mark.parametrize("n", [0, 1, 7, 64])
def test_types(hand_written, n):
    model = quantc.load(hand_written["types"])
    assert [t.dtype for t in model.inputs] == [
        "bfloat16", "float8_e4m3fn", "int4", "bool", "float64",
    ]
    assert model.dims == {"n": (0, None)} and model.manifest == {"made": "by hand"}
    values = np.arange(n) % 16 - 8
    inputs = {
        "a": values.astype(ml_dtypes.bfloat16),
        "b": values.astype(ml_dtypes.float8_e4m3fn),
        "c": values.astype(ml_dtypes.int4),
        "d": values > 0,
        "e": np.stack([values, values + 0.5]),
    }
    out = model(inputs)
    for name, array in inputs.items():
        result = out[name + "_out"]
        assert result.dtype == array.dtype and result.shape == array.shape
        np.testing.assert_array_equal(result.astype(np.float64), array.astype(np.float64))


def test_strided_input_gives_the_same(hand_written):
    model = quantc.load(hand_written["types"])
    wide = np.arange(40, dtype=np.float64).reshape(4, 10)
    zeros = np.zeros(10)
    out = model({
        "a": np.arange(20).astype(ml_dtypes.bfloat16)[::2],
        "b": zeros.astype(ml_dtypes.float8_e4m3fn),
        "c": zeros.astype(ml_dtypes.int4),
        "d": zeros.astype(bool)[::-1],
        "e": wide[::-2],
    })
    np.testing.assert_array_equal(out["e_out"], wide[::-2])
    np.testing.assert_array_equal(out["a_out"].astype(int), np.arange(0, 20, 2))


@pytest.mark.parametrize(
    "name, bits", [("int2", 2), ("uint2", 2), ("int4", 4), ("uint4", 4), ("float4_e2m1fn", 4),
                   ("float6_e2m3fn", 6), ("float6_e3m2fn", 6)]
)
def test_packing(name, bits):
    from quantc import _packing

    codes = np.arange(2**bits, dtype=np.uint8)
    array = codes.view(getattr(ml_dtypes, name)).reshape(2, -1)
    data = _packing.pack(array, bits)
    assert data.size == 2**bits * bits // 8
    # Element i starts at bit i * bits, low bits first.
    bitstring = int.from_bytes(data.tobytes(), "little")
    assert [bitstring >> i * bits & (2**bits - 1) for i in range(2**bits)] == list(codes)
    back = _packing.unpack(data, name, bits, array.shape)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back.view(np.uint8), array.view(np.uint8))


def compiled(prefix, op, source, target, **attributes):
    """y = op(x), of one dynamic dimension, as the compiler packages it."""
    graph = helper.make_graph(
        [helper.make_node(op, ["x"], ["y"], **attributes)],
        "g",
        [helper.make_tensor_value_info("x", source, ["n"])],
        [helper.make_tensor_value_info("y", target, ["n"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 28)])
    return quantc.load(quantc.compile(model, prefix, recipe="fp32"), threads=2)


@pytest.mark.parametrize(
    "name, bits, onnx_type",
    [("int2", 2, TensorProto.INT2), ("uint2", 2, TensorProto.UINT2),
     ("int4", 4, TensorProto.INT4), ("uint4", 4, TensorProto.UINT4),
     ("float4_e2m1fn", 4, TensorProto.FLOAT4E2M1),
     ("float6_e2m3fn", 6, TensorProto.FLOAT6E2M3), ("float6_e3m2fn", 6, TensorProto.FLOAT6E3M2)],
)
def test_less_than_8_bits(program, monkeypatch, tmp_path, name, bits, onnx_type):
    """Every value through compiled models, whatever is left over of the last byte."""
    monkeypatch.setenv("QUANTC_BIN", str(program))
    dtype = getattr(ml_dtypes, name)
    if name.startswith("int"):
        values = np.arange(-(2 ** (bits - 1)), 2 ** (bits - 1)).astype(dtype)
    else:
        values = np.arange(2**bits, dtype=np.uint8).view(dtype)
    values = np.tile(values, 3)
    f32 = TensorProto.FLOAT
    same = compiled(tmp_path / "same", "Identity", onnx_type, onnx_type)
    wide = compiled(tmp_path / "wide", "Cast", onnx_type, f32, to=f32)
    narrow = compiled(tmp_path / "narrow", "Cast", f32, onnx_type, to=onnx_type)
    assert same.inputs[0].dtype == same.outputs[0].dtype == name
    memory = None
    for n in (values.size, 1, 2, 3, 4, 5, 7, values.size, 0):
        x = values[:n]
        y = same({"x": x})["y"]
        assert y.dtype == dtype
        np.testing.assert_array_equal(y.view(np.uint8), x.view(np.uint8))
        np.testing.assert_array_equal(wide({"x": x})["y"], x.astype(np.float32))
        y = narrow({"x": x.astype(np.float32)})["y"]
        np.testing.assert_array_equal(y.view(np.uint8), x.view(np.uint8))
        # No run is larger than the first, nor takes more memory.
        memory = memory or (same.memory, wide.memory, narrow.memory)
        assert (same.memory, wide.memory, narrow.memory) == memory
