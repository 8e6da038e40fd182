"""Holds the codes of qgraph-gptq to the formulas of its documentation, in NumPy.

    check_gptq.py FOLDER

Two layers that add to a residual stream, each followed by a normalization, and a layer that reads
the last; one token of each sample is a hundred times the others.
"""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

K, N, SAMPLES, TOKENS = 6, 4, 8, 5
FORMAT = "format=si4 granularity=channel scheme=symmetric cost-model=false keep-original=true"


def text_of(w, u, v):
    def dense(values):
        return ", ".join(f"[{', '.join(repr(float(x)) for x in row)}]" for row in values)

    x = f"tensor<?x{K}xf32>"
    return f"""func.func @main(%x: {x} {{onnx.name = "x"}}) -> tensor<?x{N}xf32> {{
  %w = qgraph.constant dense<[{dense(w)}]> : tensor<{K}x{K}xf32>
  %u = qgraph.constant dense<[{dense(u)}]> : tensor<{K}x{K}xf32>
  %v = qgraph.constant dense<[{dense(v)}]> : tensor<{N}x{K}xf32>
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : {x}
  %a = qgraph.linear %x, %w {{name = "fc1"}} : ({x}, tensor<{K}x{K}xf32>) -> {x}
  %r = onnx.node "Add"(%x, %a) dims(%n) {{version = 14 : i64}} : ({x}, {x}) -> {x}
  %m = qgraph.norm rms %r {{epsilon = 1.0e-5 : f32}} : ({x}) -> {x}
  %b = qgraph.linear %m, %u {{name = "fc2"}} : ({x}, tensor<{K}x{K}xf32>) -> {x}
  %s = onnx.node "Add"(%b, %r) dims(%n) {{version = 14 : i64}} : ({x}, {x}) -> {x}
  %o = qgraph.norm rms %s {{epsilon = 1.0e-5 : f32}} : ({x}) -> {x}
  %y = qgraph.linear %o, %v {{name = "fc3"}} : ({x}, tensor<{N}x{K}xf32>) -> tensor<?x{N}xf32>
  return %y : tensor<?x{N}xf32>
}}
"""


def norm(x):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5)


def gptq(target, h):
    """Codes and scales of the rows of `target`: 1 % damping, columns as they stand."""
    h = h + 0.01 * np.diag(h).mean() * np.eye(K)
    u = np.linalg.cholesky(np.linalg.inv(h)).T
    scale = (abs(target).max(1) / 7).astype(np.float32).astype(float)
    left, codes = target.copy(), np.zeros(target.shape, int)
    for j in range(K):
        codes[:, j] = np.clip(np.rint(left[:, j] / scale), -8, 7)
        error = (left[:, j] - codes[:, j] * scale) / u[j, j]
        left[:, j:] -= np.outer(error, u[j, j:])
    return codes, scale


def solve(w, now, was, residual, weights, target):
    """`now`, `was`: the layer's input; `residual`: the error of what its output is added to."""
    h = (now * weights[:, None]).T @ now
    wanted = w.copy()
    if target != "weights":
        e = (was - now) @ w.T
        if target == "residual" and residual is not None:
            e = e + residual
        more = 0.3 * np.diag(h).mean() * np.eye(K)
        wanted += (e * weights[:, None]).T @ now @ np.linalg.inv(h + more)
    return gptq(wanted, h)


def expected(x, layers, target, weigh):
    """The codes and scales of all layers; x [tokens, K]."""
    now = was = x
    results = []
    for i, w in enumerate(layers):
        reads = (now, was) if i == 0 else (norm(now), norm(was))
        adds = i < len(layers) - 1
        gives = was + reads[1] @ w.T if adds else None
        weights = 1 / (gives * gives).mean(1) if weigh and adds else np.ones(len(x))
        codes, scale = solve(w, *reads, was - now if adds else None, weights, target)
        results.append((codes, scale))
        if adds:
            now, was = now + reads[0] @ (codes * scale[:, None]).T, gives
    return results


def numbers(text):
    return np.array([float(n) for n in re.findall(r"-?\d[\d.]*(?:[eE][+-]?\d+)?", text)])


def found(folder, options):
    text = subprocess.run(
        ["quant-opt", folder / "model.mlir", f"--qgraph-quantize-weights={FORMAT}",
         "--qgraph-insert-observers", f"--qgraph-gptq=data={folder / 'data'} {options}"],
        check=True, capture_output=True, text=True).stdout
    constants = dict(re.findall(r"(%\w+) = qgraph.constant dense<(.*)> :", text))
    weights = re.findall(r"qgraph.dequantize (%\w+) scale (%\w+) .* -> tensor<(\d+)x", text)
    return [(numbers(constants[codes]).reshape(int(rows), K).astype(int), numbers(constants[scale]))
            for codes, scale, rows in weights]


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)
    x = random.standard_normal((SAMPLES, TOKENS, K)).astype(np.float32)
    x[:, 0] *= 100
    layers = [random.standard_normal((rows, K)).astype(np.float32) for rows in (K, K, N)]
    save_file({"x": x}, folder / "data")
    (folder / "model.mlir").write_text(text_of(*layers))
    seen = set()
    for target in ("weights", "inputs", "residual"):
        for weigh in (False, True):
            options = (f"target={target} weigh-tokens={str(weigh).lower()} scheme=symmetric "
                       "act-order=none scales=formula damping=0.01")
            want = expected(x.reshape(-1, K).astype(float), [w.astype(float) for w in layers],
                            target, weigh)
            got = found(folder, options)
            for (codes, scale), (their_codes, their_scale) in zip(want, got, strict=True):
                assert (codes == their_codes).all(), (options, codes, their_codes)
                np.testing.assert_allclose(their_scale, scale, rtol=1e-5, err_msg=options)
            seen.add(b"".join(codes.tobytes() for codes, _ in got))
    print(f"codes equal; {len(seen)} different results")


if __name__ == "__main__":
    main()
