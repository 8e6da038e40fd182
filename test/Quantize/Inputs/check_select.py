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

CANDIDATES = ("si2", "si4", "si8", "si4,group-size=3", "si4,block=2x3", "si8,granularity=tensor")


def select(folder, options):
    """Of each layer: candidate, error, loss, foretold time and the weight as it is stored then."""
    done = subprocess.run(
        ["quant-opt", folder / "model.mlir", f"--qgraph-quantize-weights={FORMAT}",
         "--qgraph-insert-observers",
         f"--qgraph-select-granularity=data={folder / 'data'} scheme=symmetric {options}"],
        check=True, capture_output=True, text=True)
    said = re.findall(r"'(fc\d)' .* is (\S+): error (\S+), loss (\S+), foretold (\S+) us",
                      done.stderr)
    constants = dict(re.findall(r"(%\w+) = qgraph.constant dense<(.*)> :", done.stdout))
    stored = re.findall(r"qgraph.dequantize (%\w+) scale (%\w+) {block = array<i64: (\d+), (\d+)>"
                        r".*: \(tensor<\d+x\d+x(\w+)>, tensor<(\d+)x(\d+)x", done.stdout)
    said.sort()
    found = []
    for (_, text, error, loss, time), (codes, scale, rows, columns, format_, *shape) in zip(
            said, stored, strict=True):
        assert text.split(",")[0] == format_
        weight = numbers(constants[codes]).reshape(-1, K)
        scales = numbers(constants[scale]).reshape([int(extent) for extent in shape])
        scales = scales.repeat(int(rows) or len(weight), 0).repeat(int(columns) or K, 1)
        found.append((text, float(error), float(loss), float(time),
                      weight * scales[: len(weight), :K]))
    return found


def bits_of(candidate, rows):
    """Codes and scales of f32."""
    text, _, block = candidate.partition(",")
    scales = {"": rows, "group-size=3": rows * -(-K // 3), "granularity=tensor": 1,
              "block=2x3": -(-rows // 2) * -(-K // 3)}[block]
    return rows * K * int(text[2:]) + 32 * scales


def best_choice(candidates, sizes, losses, budget):
    """The least loss under a budget of bits, by brute force."""
    return min(
        (sum(losses[c][i] for i, c in enumerate(choice)), choice)
        for choice in itertools.product(range(len(candidates)), repeat=len(sizes))
        if sum(bits_of(candidates[c], rows) for rows, c in zip(sizes, choice, strict=True))
        <= budget * sum(sizes) * K)


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

    losses, times = [], []
    for candidate in CANDIDATES:
        found = select(folder, f"candidates={candidate} bits-per-weight=99")
        for i, (text, error, loss, _, weight) in enumerate(found):
            assert text == candidate
            noise, signal = (
                (weighted[i][:, None] * (inputs[i] @ matrix.T) ** 2).sum()
                for matrix in (layers[i] - weight, layers[i]))
            np.testing.assert_allclose(error, noise / signal, rtol=1e-3, err_msg=f"{text} {i}")
            np.testing.assert_allclose(loss, error * shares[i], rtol=1e-3, err_msg=f"{text} {i}")
        losses.append([loss for _, _, loss, _, _ in found])
        times.append([time for _, _, _, time, _ in found])

    rows = [len(matrix) for matrix in layers]
    different = set()
    for budget in (7.5, 8.2, 9.2, 10, 11.5, 13.4):
        for weight in (0, 3e3):
            loss, best = best_choice(CANDIDATES, rows, losses, budget)
            time = sum(times[c][i] for i, c in enumerate(best))
            weighed = np.array(losses) + weight * loss * np.array(times) / time
            _, best = best_choice(CANDIDATES, rows, weighed, budget)
            found = select(folder, f"candidates={';'.join(CANDIDATES)} bits-per-weight={budget} "
                           f"time-weight={weight}")
            assert [text for text, *_ in found] == [CANDIDATES[c] for c in best], (budget, best)
            different.add(best)
    print(f"losses equal; {len(different)} different selections, each the best")


if __name__ == "__main__":
    main()
