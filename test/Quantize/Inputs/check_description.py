"""What qgraph-describe-layers says of the layers of describe-layers.mlir, against NumPy."""

import json
import sys

import numpy as np

quantized, plain = json.load(open(sys.argv[1]))["layers"]

original = np.array([[0.6, 1.1, 0.7, 1.0], [5.0, 6.0, -3.4, 4.5]], np.float32).astype(float)
codes = np.array([[1, 2, 3, 4], [5, 6, 7, -8]])
scales = np.repeat([[0.5, 0.25], [1.0, -0.5]], 2, axis=1)
noise = ((codes * scales - original) ** 2).sum()

weight = quantized["weight"]
assert quantized["name"] == "fc" and quantized["op"] == "linear" and quantized["shape"] == [2, 4]
assert quantized["bytes_before"] == 32
assert (weight["format"], weight["scales"], weight["scheme"]) == ("si4", "group 2", "symmetric")
assert weight["bits"] == (8 * 4 + 4 * 32) / 8 and weight["bytes"] == 20
assert np.isclose(weight["snr"], 10 * np.log10((original**2).sum() / noise), atol=1e-6)
assert quantized["predicted_seconds"] > 0

# In steps; the codes of si4 are -8 to 7, the axis has an eighth of 16 and a half on both sides.
histogram = weight["histogram"]
assert histogram["unit"] == "step" and histogram["clip"] == [-8, 7]
assert (histogram["low"], histogram["high"]) == (-10.5, 9.5)
expected, _ = np.histogram(original / scales, bins=80, range=(-10.5, 9.5))
assert histogram["counts"] == expected.tolist()

assert quantized["input"] == {"format": "ui8 tensor static"}

assert plain["weight"]["format"] == "float" and plain["weight"]["scales"] == ""
assert plain["weight"]["bits"] == 32 and "snr" not in plain["weight"]
histogram = plain["weight"]["histogram"]
assert (histogram["low"], histogram["high"], histogram["unit"]) == (-2, 2, "value")
values = np.array([1, -2, 0, 0.5])
assert histogram["counts"] == np.histogram(values, bins=80, range=(-2, 2))[0].tolist()
assert plain["input"] == {"format": "float"}
