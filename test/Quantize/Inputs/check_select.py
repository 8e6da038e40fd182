"""Holds qgraph-select-granularity to its documentation: losses in NumPy, the choice by brute force.

    check_select.py FOLDER
"""

import itertools
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from check_gptq import FORMAT, K, N, norm, numbers, text_of

CANDIDATES = ("si2", "si4", "si8")


def select(folder, options):
    """Of each layer: format, error, loss and the weight as it is stored then."""
    done = subprocess.run(
        ["quant-opt", folder / "model.mlir", f"--qgraph-quantize-weights={FORMAT}",
         "--qgraph-insert-observers",
         f"--qgraph-select-granularity=data={folder / 'data'} scheme=symmetric {options}"],
        check=True, capture_output=True, text=True)
    said = re.findall(r"'(fc\d)' .* is (\w+): error (\S+), loss (\S+)", done.stderr)
    constants = dict(re.findall(r"(%\w+) = qgraph.constant dense<(.*)> :", done.stdout))
    stored = re.findall(r"qgraph.dequantize (%\w+) scale (%\w+) .*: \(tensor<\d+x\d+x(\w+)>,",
                        done.stdout)
    weights = [numbers(constants[codes]).reshape(-1, K) * numbers(constants[scale])[:, None]
               for codes, scale, _ in stored]
    said.sort()
    assert [text for _, text, _, _ in said] == [text for _, _, text in stored]
    return [(text, float(error), float(loss), weight)
            for (_, text, error, loss), weight in zip(said, weights, strict=True)]


def share(w, x, stream):
    """By how much x wᵀ makes up the stream, token by token."""
    weights = 1 / (stream**2).mean(1)
    return (weights[:, None] * (x @ w.T) ** 2).sum() / (len(x) * len(w))


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(3)
    x = random.standard_normal((4, 16, K)).astype(np.float32)
    x[:, 0] *= 100
    layers = [random.standard_normal((rows, K)).astype(np.float32) for rows in (K, K, N)]
    layers[1] *= 0.1
    save_file({"x": x}, folder / "data")
    (folder / "model.mlir").write_text(text_of(*layers))

    now = x.reshape(-1, K).astype(float)
    first = now + now @ layers[0].T
    second = first + norm(first) @ layers[1].T
    inputs = [now, norm(first), norm(second)]
    weighted = [1 / (first**2).mean(1), 1 / (second**2).mean(1), np.ones(len(now))]
    shares = [share(layers[0], now, first), share(layers[1], norm(first), second), 1.0]

    losses = []
    for candidate in CANDIDATES:
        found = select(folder, f"candidates={candidate} bits-per-weight=99")
        for i, (text, error, loss, weight) in enumerate(found):
            assert text == candidate
            noise, signal = (
                (weighted[i][:, None] * (inputs[i] @ matrix.T) ** 2).sum()
                for matrix in (layers[i] - weight, layers[i]))
            np.testing.assert_allclose(error, noise / signal, rtol=1e-3, err_msg=f"{text} {i}")
            np.testing.assert_allclose(loss, error * shares[i], rtol=1e-3, err_msg=f"{text} {i}")
        losses.append([loss for _, _, loss, _ in found])

    sizes = [matrix.size for matrix in layers]
    scales = [32 * len(matrix) for matrix in layers]
    different = set()
    for budget in (9, 10, 11, 12, 13.4):
        best = min(
            (sum(losses[c][i] for i, c in enumerate(choice)), choice)
            for choice in itertools.product(range(len(CANDIDATES)), repeat=3)
            if sum(sizes[i] * int(CANDIDATES[c][2:]) + scales[i] for i, c in enumerate(choice))
            <= budget * sum(sizes))
        found = select(folder, f"candidates={';'.join(CANDIDATES)} bits-per-weight={budget}")
        assert [text for text, *_ in found] == [CANDIDATES[c] for c in best[1]], (budget, best)
        different.add(best[1])
    print(f"losses equal; {len(different)} different selections, each the best")


if __name__ == "__main__":
    main()
