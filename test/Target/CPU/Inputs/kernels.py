"""Writes a function with every fast kernel, its plain twin, and inputs for both.

    kernels.py DIRECTORY signed|unsigned

plain.mlir and plain.bin are the same for both kinds of packed weights; fast.mlir
and fast.bin have them as `signed` (AArch64) or `unsigned` (x86) weights. The
results of both functions are equal, bit for bit.
"""

import os
import sys

import numpy

rng = numpy.random.default_rng(1)
ROWS = 7


def floats(*shape):
    return rng.uniform(-2, 2, shape).astype("f4")


def pack(format, w, scales, bias, group, offset):
    """Panels of 16 columns, as docs/kernels.md has them."""
    n, k = w.shape
    bits = {"f32": 0, "si8": 8, "si4": 4}[format]
    length = group or k
    out = b""
    for first in range(0, n, 16):
        columns = numpy.zeros((16, k), w.dtype)
        columns[: min(16, n - first)] = w[first : first + 16]
        if not bits:
            out += columns.T.astype("f4").tobytes()
        for g in range(-(-k // length) if bits else 0):
            step = 32 // bits  # values of k in the 4 bytes of a column
            padded = -(-length // step) * step
            part = numpy.zeros((16, padded), "i4")
            values = columns[:, g * length : (g + 1) * length]
            part[:, : values.shape[1]] = values
            part = (part + offset * (1 << bits - 1)) & ((1 << bits) - 1)
            part = part.reshape(16, -1, step).transpose(1, 0, 2)
            if bits == 4:
                part = part[:, :, :4] | part[:, :, 4:] << 4
            out += part.astype("u1").tobytes()
            own = numpy.zeros(16, scales.dtype)
            own[: min(16, n - first)] = scales[first : first + 16, g]
            out += own.tobytes()
        own = numpy.zeros(16, "f4")
        own[: min(16, n - first)] = bias[first : first + 16]
        out += own.tobytes()
    return numpy.frombuffer(out, "u1")


class Function:
    """A function under construction: arguments with their values, and a body."""

    def __init__(self):
        self.arguments, self.body, self.results = [], [], []

    def argument(self, value, type=None, shape=None):
        kinds = {"float32": "f32", "float16": "f16", "int8": "si8", "uint8": "ui8", "bool": "i1"}
        shape = shape or "x".join(map(str, value.shape))
        type = f"tensor<{shape}x{type or kinds[str(value.dtype)]}>"
        self.arguments.append((type, value))
        return f"%a{len(self.arguments) - 1}", type

    def result(self, text, type, size):
        self.results.append((f"%r{len(self.results)}", type, size))
        self.body.append(f"  {self.results[-1][0]} = {text} -> {type}")

    def write(self, path):
        arguments = ", ".join(f"%a{i}: {type}" for i, (type, _) in enumerate(self.arguments))
        types = ", ".join(type for _, type, _ in self.results)
        with open(path + ".mlir", "w") as file:
            file.write(f"func.func @model({arguments}) -> ({types}) {{\n")
            file.write("\n".join(self.body))
            names = ", ".join(name for name, _, _ in self.results)
            file.write(f"\n  return {names} : {types}\n}}\n")
        with open(path + ".bin", "wb") as file:
            def number(*values):
                file.write(numpy.array(values, "i8").tobytes())

            number(len(self.arguments))
            for _, value in self.arguments:
                number(value.ndim, *value.shape, value.nbytes)
                file.write(value.tobytes())
            number(len(self.results))
            for _, type, size in self.results:
                number(type.count("x"), size)


def linear(plain, fast, offset, format, n, k, group=0, half=False):
    bias = floats(n)
    out = f"tensor<?x{n}xf32>"
    if format == "f32":
        x, w = floats(ROWS, k), floats(n, k)
        a, b, c = plain.argument(x, shape=f"?x{k}"), plain.argument(w), plain.argument(bias)
        plain.result(f"qgraph.linear {a[0]}, {b[0]} bias {c[0]} : ({a[1]}, {b[1]}, {c[1]})", out, 4)
        a, p = fast.argument(x, shape=f"?x{k}"), fast.argument(pack(format, w, None, bias, 0, 0))
        fast.result(
            f'qkernel.linear {a[0]}, {p[0]} {{format = "f32", group = 0, input_group = 0,'
            f" k = {k}, n = {n}}} : ({a[1]}, {p[1]})",
            out,
            4,
        )
        return
    limit = 128 if format == "si8" else 8
    x = rng.integers(-128, 128, (ROWS, k)).astype("i1")
    w = rng.integers(-limit, limit, (n, k)).astype("i1")
    x[0], w[0] = -128, -limit
    groups = -(-k // group) if group else 1
    scales = rng.uniform(0.01, 0.1, (n, groups)).astype("f2" if half else "f4")
    own = rng.uniform(0.01, 0.1, (ROWS, groups)).astype("f4")
    a, s = plain.argument(x, shape=f"?x{k}"), plain.argument(own, shape=f"?x{groups}")
    b, t, c = plain.argument(w, format), plain.argument(scales), plain.argument(bias)
    plain.result(
        f"qgraph.quantized_linear {a[0]} scale {s[0]}, {b[0]} scale {t[0]} bias {c[0]}"
        f" {{input_block = array<i64: 1, {group}>, weight_block = array<i64: 1, {group}>}}"
        f" : ({a[1]}, {s[1]}, {b[1]}, {t[1]}, {c[1]})",
        out,
        4,
    )
    a, s = fast.argument(x, shape=f"?x{k}"), fast.argument(own, shape=f"?x{groups}")
    p = fast.argument(pack(format, w, scales, bias, group, offset))
    fast.result(
        f'qkernel.linear {a[0]} scale {s[0]}, {p[0]} {{format = "{format}", group = {group},'
        f" input_group = {group}, k = {k}, n = {n}{', scale_type = f16' if half else ''}}}"
        f" : ({a[1]}, {s[1]}, {p[1]})",
        out,
        4,
    )


def common(function):
    """The ops that have one form."""
    x = function.argument(floats(ROWS, 45), shape="?x45")
    g = function.argument(floats(45))
    function.result(
        f"qgraph.norm layer {x[0]} weight {g[0]} {{epsilon = 1.0e-5 : f32}} : ({x[1]}, {g[1]})",
        "tensor<?x45xf32>",
        4,
    )
    s = function.argument(numpy.abs(floats(ROWS, 1)), shape="?x1")
    function.result(
        f"qgraph.quantize {x[0]} scale {s[0]} {{block = array<i64: 1, 0>}} : ({x[1]}, {s[1]})",
        "tensor<?x45xsi8>",
        1,
    )
    function.result(
        f"qgraph.matmul {x[0]}, {x[0]} {{transpose_rhs}} : ({x[1]}, {x[1]})", "tensor<?x?xf32>", 4
    )
    q = function.argument(floats(1, 13, 2, 20))
    k, v = function.argument(floats(1, 75, 1, 20)), function.argument(floats(1, 75, 1, 24))
    m = function.argument(rng.integers(0, 2, (13, 75)).astype("?"))
    function.result(
        f"qgraph.attention {q[0]}, {k[0]}, {v[0]} mask {m[0]} {{scale = 0.25 : f32}}"
        f" : ({q[1]}, {k[1]}, {v[1]}, {m[1]})",
        "tensor<1x13x2x24xf32>",
        4,
    )
    f = function.argument(rng.integers(0, 256, (ROWS, 45)).astype("u1"), "f8E4M3FN", "?x45")
    function.result(
        f"qgraph.dequantize {f[0]} scale {s[0]} {{block = array<i64: 1, 0>}} : ({f[1]}, {s[1]})",
        "tensor<?x45xbf16>",
        2,
    )
    quantized_matmul(function, "u1", "i1", 45, "?x?", "?x?", True)
    quantized_matmul(function, "i1", "u1", 48, "?x48", "48x?", False)
    quantized_matmul(function, "i1", "i1", 70, "?x70", "70x33", False)
    quantized_matmul(function, "u1", "u1", 64, "?x64", "?x64", True)


def quantized_matmul(function, lhs, rhs, k, shape, rhs_shape, transposed):
    """Codes of any kind, with zero points of rows and of columns."""
    def codes(type, *shape):
        low, high = (0, 256) if type == "u1" else (-128, 128)
        values = rng.integers(low, high, shape).astype(type)
        values[0] = low
        return values

    n = 33
    a = function.argument(codes(lhs, ROWS, k), shape=shape)
    sa = function.argument(rng.uniform(0.01, 0.1, (ROWS, 1)).astype("f4"), shape="?x1")
    za = function.argument(codes(lhs, ROWS, 1), shape="?x1")
    across, columns = ((n, k), (n, 1)) if transposed else ((k, n), (1, n))
    b = function.argument(codes(rhs, *across), shape=rhs_shape)
    known = "x".join("?" if size == n and "?" in rhs_shape else str(size) for size in columns)
    sb = function.argument(rng.uniform(0.01, 0.1, columns).astype("f4"), shape=known)
    zb = function.argument(codes(rhs, *columns), shape=known)
    width = "?" if "?" in rhs_shape else str(n)
    attributes = "{transpose_rhs} " if transposed else ""
    operands = f"{a[0]} scale {sa[0]} zero_point {za[0]}, {b[0]} scale {sb[0]} zero_point {zb[0]}"
    types = ", ".join(value[1] for value in (a, sa, za, b, sb, zb))
    function.result(
        f"qgraph.quantized_matmul {operands} {attributes}: ({types})", f"tensor<?x{width}xf32>", 4
    )


def main():
    directory, kind = sys.argv[1:]
    offset = {"signed": 0, "unsigned": 1}[kind]
    plain, fast = Function(), Function()
    linear(plain, fast, offset, "f32", 21, 270)
    linear(plain, fast, offset, "si8", 33, 77)
    linear(plain, fast, offset, "si8", 16, 64)
    linear(plain, fast, offset, "si8", 40, 44, group=16)
    linear(plain, fast, offset, "si4", 17, 70, group=32, half=True)
    linear(plain, fast, offset, "si4", 48, 45)
    state = rng.bit_generator.state
    for function in plain, fast:
        rng.bit_generator.state = state
        common(function)
    os.makedirs(directory, exist_ok=True)
    plain.write(os.path.join(directory, "plain"))
    fast.write(os.path.join(directory, "fast"))


main()
