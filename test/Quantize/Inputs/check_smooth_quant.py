"""Holds the factors of qgraph-smooth-quant to the formulas of its documentation, in NumPy.

    check_smooth_quant.py FOLDER
"""

import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "Inputs"))
import make_statistics  # noqa: E402

K, N = 7, (4, 5)  # two readers of one input


def text_of(weights):
    rows = []
    for i, w in enumerate(weights):
        n = len(w)
        elements = ", ".join(f"[{', '.join(repr(float(v)) for v in row)}]" for row in w)
        rows.append(f"  %w{i} = qgraph.constant dense<[{elements}]> : tensor<{n}x{K}xf32>")
        rows.append(f"  %y{i} = qgraph.linear %o, %w{i} : (tensor<?x{K}xf32>, tensor<{n}x{K}xf32>)"
                    f" -> tensor<?x{n}xf32>")
    types = ", ".join(f"tensor<?x{n}xf32>" for n in N)
    body = "\n".join(rows)
    return f"""func.func @main(%x: tensor<?x{K}xf32>) -> ({types}) {{
  %n = qgraph.norm rms %x {{epsilon = 1.0e-5 : f32}} : (tensor<?x{K}xf32>) -> tensor<?x{K}xf32>
  %o = qgraph.observe "site" %n : tensor<?x{K}xf32>
{body}
  return {", ".join(f"%y{i}" for i in range(len(N)))} : {types}
}}
"""


def scales(x, weights, alpha):
    column = np.max([abs(w).max(0) for w in weights], 0)
    return abs(x).max(0) ** alpha / column ** (1 - alpha)


def token_square(x, s):
    """E[max_j (x_j / s_j)^2] of independent Weibulls with the mean and mean square of |x_j|."""
    values = np.linspace(0, (abs(x).max(0) / s).max(), 20001)[1:]
    inside = np.ones_like(values)
    for mean, square, scale in zip(abs(x).mean(0), (x * x).mean(0), s):
        low, high = 0.1, 20.0
        for _ in range(80):
            c = (low + high) / 2
            small = math.gamma(1 + 1 / c) / math.sqrt(math.gamma(1 + 2 / c)) < mean / math.sqrt(square)
            low, high = (c, high) if small else (low, c)
        b = math.sqrt(square / math.gamma(1 + 2 / low))
        inside *= 1 - np.exp(-((values * scale / b) ** low))
    return (2 * values * (1 - inside)).sum() * (values[1] - values[0])


def error(x, weights, s, activations):
    """Of results in codes of 8 bits, rounding errors taken as independent and even."""
    largest = token_square(x, s) if activations == "token" else abs(x / s).max() ** 2
    total = 0
    for w in weights:
        total += largest / 127**2 / 12 * ((w * s) ** 2).sum()
        total += ((abs(w * s).max(1) / 127) ** 2).sum() / 12 * ((x / s) ** 2).mean(0).sum()
    return total


def main(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    chosen = set()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        outliers = 10 ** rng.uniform(0, rng.choice([0.0, 1.0, 3.0]), K)
        x = (rng.standard_normal((16, K)) * outliers).astype(np.float32)
        weights = [rng.standard_normal((n, K)) * 10 ** rng.uniform(-1, 0, K) for n in N]
        weights = [w.astype(np.float32) for w in weights]
        ir, statistics = folder / f"{seed}.mlir", folder / f"{seed}.statistics"
        ir.write_text(text_of(weights))
        make_statistics.write(statistics, {"site": x})
        x, weights = x.astype(np.float64), [w.astype(np.float64) for w in weights]
        tried = {f"{i / 20}": scales(x, weights, i / 20) for i in range(21)}
        tried["none"] = np.ones(K)
        for alpha, kind in (("0.35", "token"), ("auto", "token"), ("auto", "tensor")):
            result = subprocess.run(
                ["quant-opt", ir, f"--qgraph-smooth-quant=statistics={statistics} "
                 f"alpha={alpha} activations={kind}"],
                capture_output=True, text=True, check=True).stdout
            factor = re.search(r"factor = dense<\[?([^\]>]*)\]?>", result)[1]
            s = 1 / np.array([float(v) for v in factor.split(",")])
            choices = {a: t for a, t in tried.items() if np.allclose(s, t, rtol=1e-5)}
            if alpha != "auto":
                if not np.allclose(s, scales(x, weights, 0.35), rtol=1e-5):
                    sys.exit(f"seed {seed}, alpha {alpha}: s = {s}, must be {scales(x, weights, 0.35)}")
                continue
            # Nobody's integral is exact: two alphas may be as good.
            errors = {a: error(x, weights, t, kind) for a, t in tried.items()}
            best = min(errors, key=errors.get)
            if not any(errors[a] <= errors[best] * 1.005 for a in choices):
                sys.exit(f"seed {seed}, {kind}: chose {list(choices)}, {best} is better: {errors}")
            chosen.add(best)
    print(f"factors equal; {len(chosen) > 3 and 'several' or chosen} alphas chosen")


main(*sys.argv[1:])
