"""Writes a safetensors file of random weights, the same for the same arguments.

    make_weights.py FILE NAME=SHAPExTYPE...      fc=24x96xf32 table=50x32xf16
"""

import sys

import numpy
from safetensors.numpy import save_file

TYPES = {"f64": numpy.float64, "f32": numpy.float32, "f16": numpy.float16}


def main(path, *weights):
    random = numpy.random.default_rng(7)
    tensors = {}
    for weight in weights:
        name, description = weight.split("=")
        *shape, element = description.split("x")
        values = random.standard_normal([int(extent) for extent in shape])
        tensors[name] = values.astype(TYPES[element])
    save_file(tensors, path)


main(*sys.argv[1:])
