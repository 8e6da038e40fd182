"""Holds the factors and codes of qgraph-awq to the formulas of its documentation, in NumPy.

    check_awq.py FOLDER

A gated layer behind a norm: the norm's gain takes the factors of its readers, the rows of `up`
those of `down`.
"""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

K, GROUP, RATIOS = 8, 4, 10
LAYERS = ("up", "gate", "down")


def text_of(gain, weights):
    tensor = lambda a: f"dense<{np.array2string(a, separator=',', floatmode='unique')}>"
    t = f"tensor<?x{K}xf32>"
    constants = "\n".join(
        f"  %{name} = qgraph.constant {tensor(w)} : tensor<{K}x{K}xf32>" for name, w in weights.items())
    linear = lambda y, x, w: f'  %{y} = qgraph.linear %{x}, %{w} {{name = "{w}"}} : ({t}, tensor<{K}x{K}xf32>) -> {t}'
    return f"""func.func @main(%x: {t} {{onnx.name = "x"}}) -> {t} {{
  %gain = qgraph.constant {tensor(gain)} : tensor<{K}xf32>
{constants}
  %zero = arith.constant 0 : index
  %d = tensor.dim %x, %zero : {t}
  %n = qgraph.norm rms %x weight %gain {{epsilon = 1.0e-5 : f32}} : ({t}, tensor<{K}xf32>) -> {t}
{linear("u", "n", "up")}
{linear("g", "n", "gate")}
  %s = onnx.node "Sigmoid"(%g) dims(%d) {{version = 13 : i64}} : ({t}) -> {t}
  %m = onnx.node "Mul"(%u, %s) dims(%d) {{version = 14 : i64}} : ({t}, {t}) -> {t}
{linear("z", "m", "down")}
  return %z : {t}
}}
"""


def rounded(w, scheme):
    """quantize and dequantize with the scheme's formula, a scale for each group of a row."""
    groups = w.reshape(len(w), -1, GROUP)
    extreme = np.take_along_axis(groups, abs(groups).argmax(-1)[..., None], -1)
    scale = (extreme / -8 if scheme == "signed_scale" else abs(extreme) / 7).astype(np.float32)
    codes = np.clip(np.rint(groups / scale), -8, 7)
    return (codes * scale).reshape(w.shape)


def choose(x, weights, scheme):
    """Of all ratios the error of the outputs, and s."""
    tried = []
    for step in range(RATIOS):
        s = abs(x).mean(0) ** (step / RATIOS)
        s /= np.sqrt(s.min() * s.max())
        error = sum(((x @ (w - rounded(w * s, scheme) / s).T) ** 2).sum() for w in weights)
        tried.append((error, s))
    return tried


def read(ir):
    """The constants and dequantized weights of printed IR, by the layers' names, and the gain."""
    values = {}
    for name, elements, shape in re.findall(r"(%\w+) = qgraph\.constant dense<([^>]*)> : tensor<([\dx]*)x\w+>", ir):
        numbers = np.array([float(v) for v in re.findall(r"[-+\d.eE]+", elements)])
        values[name] = np.broadcast_to(numbers if numbers.size == 1 else numbers.reshape(
            [int(n) for n in shape.split("x")]), [int(n) for n in shape.split("x")])
    for name, stored, scale in re.findall(r"(%\w+) = qgraph\.dequantize (%\w+) scale (%\w+)", ir):
        values[name] = values[stored] * values[scale].repeat(GROUP, 1)
    found = {name: values[w] for w, name in re.findall(r'qgraph\.linear %\w+, (%\w+) {name = "(\w+)"}', ir)}
    found["gain"] = values[re.search(r"qgraph\.norm rms %\w+ weight (%\w+)", ir)[1]]
    return found


def check(seed, what, found, wanted):
    if not np.allclose(found, wanted, rtol=1e-4, atol=1e-6):
        sys.exit(f"seed {seed}: {what} is {found}, must be {wanted}")


def main(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    ratios = set()
    for seed in range(6):
        rng = np.random.default_rng(seed)
        scheme = ("signed_scale", "symmetric")[seed % 2]
        x = (rng.standard_normal((16, K)) * 10 ** rng.uniform(-1, 1, K)).astype(np.float32)
        gain = rng.uniform(0.5, 2, K).astype(np.float32)
        weights = {name: rng.standard_normal((K, K)).astype(np.float32) for name in LAYERS}
        ir, samples = folder / f"{seed}.mlir", folder / f"{seed}.samples"
        ir.write_text(text_of(gain, weights))
        save_file({"x": x}, samples)
        x = x.astype(np.float64)
        n = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * gain
        m = n @ weights["up"].T / (1 + np.exp(-(n @ weights["gate"].T)))

        result = subprocess.run(
            ["quant-opt", ir, f"--qgraph-quantize-weights=format=si4 granularity=group group-size={GROUP} "
             f"scheme={scheme} cost-model=false keep-original=true", "--qgraph-insert-observers",
             f"--qgraph-awq=data={samples} scheme={scheme} ratios={RATIOS} rows=0 scales=formula"],
            capture_output=True, text=True, check=True).stdout
        found = read(result)
        s = {}
        for site, tensor, readers in (("gain", n, ("up", "gate")), ("down", m, ("down",))):
            tried = choose(tensor, [weights[r] for r in readers], scheme)
            if site == "gain":
                chosen = gain / found["gain"]
            else:
                factor = re.search(r'"down/input".*factor = dense<\[?([^\]>]*)', result)
                chosen = 1 / np.array([float(v) for v in factor[1].split(",")]) if factor else np.ones(K)
            chosen = chosen * np.ones(K)
            # Sums in f32: two ratios may be as good.
            least = min(error for error, _ in tried)
            same = [i for i, (error, one) in enumerate(tried) if np.allclose(one, chosen, rtol=1e-4)]
            if not any(tried[i][0] <= least * 1.001 for i in same):
                sys.exit(f"seed {seed}: {site} has {chosen}, ratios {same} of {tried}")
            s[site] = chosen
            ratios.update(same)
        ones = np.ones(K)
        for name, columns, rows in (("up", s["gain"], s["down"]), ("gate", s["gain"], ones), ("down", s["down"], ones)):
            check(seed, name, found[name], rounded(weights[name] * columns / rows[:, None], scheme))
    print(f"factors and codes equal; {'several' if len(ratios) > 2 else ratios} ratios chosen")


main(*sys.argv[1:])
