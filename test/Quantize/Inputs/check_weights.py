"""Holds rounded weights to the formulas of qgraph.choose_params and quantize, in NumPy.

    check_weights.py FLOAT.safetensors NEW.safetensors NAME=FORMAT:SCHEME:GROUP:SCALETYPE...
"""

import sys

import numpy
from safetensors.numpy import load_file

F32 = numpy.float32


def formulas(values, scheme, bits, signed, scale_type):
    """Codes, scale and zero point of one group of f32 values."""
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    least, greatest, zero = values.min(), values.max(), 0
    if scheme == "symmetric":
        scale = max(-least, greatest) / F32(high)
    elif scheme == "signed_scale":
        scale = (least if -least >= greatest else greatest) / F32(low)
    else:
        least, greatest = min(least, F32(0)), max(greatest, F32(0))
        scale = (greatest - least) / F32(high - low)
    scale = F32(scale.astype(scale_type)) or F32(1)
    if scheme == "asymmetric":
        zero = int(numpy.rint(numpy.clip(F32(low) - least / scale, low, high)))
    return numpy.clip(numpy.rint(values / scale) + zero, low, high).astype(int), scale


def unpack(stored, shape, bits, signed):
    """Integer codes of a stored tensor; 4-bit ones are packed, the low nibble first."""
    if bits == 8:
        return stored.reshape(shape).astype(int)
    codes = numpy.stack([stored & 15, stored >> 4], -1).reshape(-1)[: shape[0] * shape[1]]
    codes = codes.astype(int).reshape(shape)
    return (codes ^ 8) - 8 if signed else codes


def main(before, after, *wanted):
    weights, new = load_file(before), load_file(after)
    for entry in wanted:
        name, description = entry.split("=")
        stored, scheme, group, scale_type = description.split(":")
        signed, bits, group = stored[0] == "s", int(stored[2:]), int(group)
        weight = weights[name].astype(F32)
        codes = unpack(new[name + "@quantize-weights"], weight.shape, bits, signed)
        groups = -(-weight.shape[1] // group)
        scales = new.get(name + "@quantize-weights.scale")
        same_codes = same_scales = True
        for row in range(weight.shape[0]):
            for g in range(groups):
                part = slice(g * group, (g + 1) * group)
                want, scale = formulas(
                    weight[row, part], scheme, bits, signed, {"f16": "f2", "f32": "f4"}[scale_type]
                )
                same_codes &= (codes[row, part] == want).all()
                if scales is not None:
                    same_scales &= bool(F32(scales[row, g]) == scale)
        print(f"{name}: codes {'equal' if same_codes else 'DIFFER'},"
              f" scales {'equal' if same_scales else 'DIFFER'}")


main(*sys.argv[1:])
