"""Rotations change nothing but the rounding: decoders of many shapes, before and after.

    check_rotate.py FOLDER

Models are generated, brought to the qgraph level, rotated and exported back to ONNX.
onnx.reference computes both. What merged rotations leave alone: the input of each MLP's last layer,
which is then rotated while the model runs, or not at all.
"""

import sys
from pathlib import Path
import subprocess

import numpy as np
import onnx

from check_channel_factors import Model, compute, run

LAYERS = 2


def decoder(rng, online):
    m = Model(rng)
    groups, repeats, size = int(rng.integers(1, 4)), int(rng.integers(1, 4)), int(rng.integers(2, 9))
    heads, width, inner = groups * repeats, int(rng.integers(8, 40)), int(rng.integers(3, 30))
    if online:  # at least blocks of 8, for a quarter of the products
        width, inner = width + 40, 8 * (inner // 3)
    table = m.weight(50, width)
    x = m.op("Gather", table, "ids")
    if rng.random() < 0.5:
        x = m.op("Mul", x, m.weight())

    def norm(x):
        return m.op("RMSNormalization", x, m.weight(width, low=-0.5))

    def split(t, count):
        t = m.op("Reshape", t, m.ints(0, 0, count, size))
        return m.op("Transpose", t, perm="[0, 2, 1, 3]")

    for _ in range(LAYERS):
        h = norm(x)
        q, k, v = (m.linear(h, width, n * size) for n in (heads, groups, groups))
        q, k, v = split(q, heads), split(k, groups), split(v, groups)
        a = m.op("Attention", q, k, v, is_causal=1)
        a = m.op("Reshape", m.op("Transpose", a, perm="[0, 2, 1, 3]"), m.ints(0, 0, heads * size))
        x = m.op("Add", x, m.linear(a, heads * size, width))
        h = norm(x)
        g, u = m.linear(h, width, inner), m.linear(h, width, inner)
        p = m.op("Mul", m.op("Mul", g, m.op("Sigmoid", g)), u)
        x = m.op("Add", m.linear(p, inner, width), x)
    h = norm(x)
    if rng.random() < 0.5:  # the last position only
        h = m.op("Slice", h, m.ints(-1), m.ints(1 << 40), m.ints(1))
    if rng.random() < 0.5:
        m.op("MatMul", h, m.op("Transpose", table, perm="[1, 0]"))
    else:
        m.linear(h, width, 50)
    return m.build("int64[B, S] ids", f"float[B, T, 50] {m.new_name()}")


def main(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        stem = folder / f"decoder{seed}"
        before, after = f"{stem}.mlir", f"{stem}.after.mlir"
        online = seed % 2 == 1
        onnx.save(decoder(rng, online), f"{stem}.onnx")
        run("quantc", "compile", f"{stem}.onnx", "-o", before, "--emit", "qgraph", "--recipe", "fp32", "--quiet")
        options = f"seed={seed} online={'needed' if online else 'none'}"
        done = subprocess.run(["quant-opt", before, f"--qgraph-rotate={options}", "-o", after],
                              capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        left = done.stderr.count("is rotated while the model runs, in blocks of" if online
                                 else "is not rotated: no rotation passes onnx.node")
        # A target has no place in ONNX.
        run("sed", "-i", "s/, qkernel.target = #qkernel.target<[^>]*>//", after)
        run("quant-translate", "--export-onnx", after, "-o", f"{stem}.after.onnx")
        inputs = {"ids": rng.integers(0, 50, (2, 5))}
        x, y = compute(onnx.load(f"{stem}.onnx"), inputs), compute(onnx.load(f"{stem}.after.onnx"), inputs)
        error = abs(x - y).max() / np.sqrt(np.mean(x * x))
        print(f"decoder{seed}: {left} layers {'rotated online' if online else 'left'}, error {error:.1e}")
        if not error < 2e-5:
            sys.exit(f"decoder{seed}: differs by {error:.2e} of the root mean square")
        if left != LAYERS or done.stderr.count("remark:") != LAYERS:
            sys.exit(f"decoder{seed}: must leave {LAYERS}: {done.stderr}")
    print("all equal")


main(*sys.argv[1:])
