"""Unpacks `fc@...@pack` by the layout of docs/design.md and compares it with what went in.

    check_panels.py PACKED.safetensors STORED.safetensors FORMAT GROUP UNSIGNED

FORMAT is f32, si8 or si4; STORED holds `fc`, or `fc@quantize-weights` and its scale; GROUP is
0 for one scale a column. The layer is [20, 64] with the bias 0.5, 1.5, 2.5, ...
"""

import sys

import numpy
from safetensors.numpy import load_file

N, K, PANELS = 20, 64, 2


def take(stream, count, element):
    """The next `count` elements of the panels, and the rest of each panel."""
    size = count * numpy.dtype(element).itemsize
    return numpy.ascontiguousarray(stream[:, :size]).view(element), stream[:, size:]


def columns(parts):
    """[panels, K, 16] as [N, K]; the columns that only fill the last panel are checked."""
    values = numpy.concatenate(parts, 1).transpose(0, 2, 1).reshape(PANELS * 16, -1)
    assert (values[N:] == 0).all(), "padding is not zero"
    return values[:N]


def main(packed, stored, element, group, unsigned):
    group, unsigned = int(group), unsigned == "true"
    stored = load_file(stored)
    (stream,) = [v for k, v in load_file(packed).items() if k.startswith("fc") and k.endswith("@pack")]
    stream = stream.reshape(PANELS, -1)
    weights, scales = [], []
    if element == "f32":
        values, stream = take(stream, K * 16, "f4")
        weights.append(values.reshape(PANELS, K, 16))
        want = stored["fc"]
    else:
        for _ in range(K // group if group else 1):
            length = group or K
            if element == "si8":
                values, stream = take(stream, length * 16, "u1")
                values = values.reshape(PANELS, -1, 16, 4).transpose(0, 1, 3, 2)
            else:
                values, stream = take(stream, length * 8, "u1")
                values = values.reshape(PANELS, -1, 16, 4)
                values = numpy.stack([values & 15, values >> 4], 2).transpose(0, 1, 2, 4, 3)
            offset = 128 if element == "si8" else 8
            values = values.reshape(PANELS, length, 16).astype(int)
            values = values - offset if unsigned else (values ^ offset) - offset
            weights.append(values)
            values, stream = take(stream, 16, "f2" if element == "si4" and group else "f4")
            scales.append(values.reshape(PANELS, 1, 16))
        want = stored["fc@quantize-weights"]
        if element == "si8":
            want = want.view("i1")
        else:
            want = numpy.stack([want & 15, want >> 4], -1).reshape(N, K).astype(int)
            want = (want ^ 8) - 8
    print("weights", "equal" if (columns(weights) == want).all() else "DIFFER")
    if "fc@quantize-weights.scale" in stored:
        want = stored["fc@quantize-weights.scale"].reshape(N, -1)
        print("scales", "equal" if (columns(scales) == want).all() else "DIFFER")
    bias, stream = take(stream, 16, "f4")
    want = numpy.arange(N) + 0.5
    print("bias", "equal" if (columns([bias.reshape(PANELS, 1, 16)])[:, 0] == want).all() else "DIFFER")
    print("left over:", stream.size)


main(*sys.argv[1:])
