"""Holds the factors of qgraph-smooth-quant to the formulas of its documentation, in NumPy.

    check_smooth_quant.py FOLDER
"""

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


def error(x, weights, s):
    """Of results in codes of 8 bits, rounding errors taken as independent and even."""
    step, total = abs(x / s).max() / 127, 0
    for w in weights:
        total += step**2 / 12 * ((w * s) ** 2).sum()
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
        best = min(tried, key=lambda name: error(x, weights, tried[name]))
        chosen.add(best)
        for alpha, wanted in (("0.35", scales(x, weights, 0.35)), ("auto", tried[best])):
            result = subprocess.run(
                ["quant-opt", ir, f"--qgraph-smooth-quant=statistics={statistics} alpha={alpha}"],
                capture_output=True, text=True, check=True).stdout
            factor = re.search(r"factor = dense<\[?([^\]>]*)\]?>", result)[1]
            factor = np.array([float(v) for v in factor.split(",")])
            if not np.allclose(factor, 1 / wanted, rtol=1e-5):
                sys.exit(f"seed {seed}, alpha {alpha}: factors {factor}, must be {1 / wanted}")
    print(f"factors equal; {len(chosen) > 3 and 'several' or chosen} alphas chosen")


main(*sys.argv[1:])
