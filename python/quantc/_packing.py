"""Types of less than 8 bits: one element a byte in NumPy, packed in the runtime.

Packed data is ONNX's and DLPack's: element i starts at bit i * bits, low bits first.
"""

import ml_dtypes
import numpy as np


def pack(array, bits):
    """The bytes of `array`, an ml_dtypes array of elements of `bits` bits."""
    codes = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    stream = np.unpackbits(codes[:, None], axis=1, count=bits, bitorder="little")
    return np.packbits(stream.reshape(-1), bitorder="little")


def unpack(data, name, bits, shape):
    """The array of type ml_dtypes.`name` and `shape` that the bytes `data` hold."""
    count = int(np.prod(shape, dtype=np.int64))
    stream = np.unpackbits(data, count=count * bits, bitorder="little").reshape(count, bits)
    codes = np.packbits(stream, axis=1, bitorder="little").reshape(-1)
    return codes.view(getattr(ml_dtypes, name)).reshape(shape)
