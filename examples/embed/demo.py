#!/usr/bin/env python3
"""The main job on a real model, beside ONNX Runtime.

Exports all-MiniLM-L6-v2 to ONNX, compiles it in float, with 8 and with 4 bits, embeds
sentences with each library through Python and through C, and prints one table. Every
way must find the sentence that answers the query. Works without a network.
"""

import argparse
import pathlib
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import minilm
from minilm import say

RECIPES = ["fp32", "w8a8-dynamic", "w4-rtn"]

QUERY = "What should I do when my bike has a flat tyre?"
ANSWER = "Take the wheel off, find the hole in the tube and glue a patch on it."
SENTENCES = [
    "Bread rises because yeast turns sugar into gas.",
    "The harbour freezes over in most winters.",
    ANSWER,
    "Interest rates went up by a quarter of a percent.",
    "Most cars now start without a key.",
    "She practised the violin for two hours every day.",
    "A compiler translates a program from one language to another.",
    "The referee showed him a red card shortly before half-time.",
    "Bats find their way in the dark by listening for echoes.",
]
# What latency is measured on: one text of 128 tokens.
LENGTH = 128
RUNS = 30


def milliseconds(run, runs):
    """The median time of a call."""
    run()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


class Row:
    """A line of the table: one model on one engine."""

    def __init__(self, name, size, vectors, python_ms, c_ms=None):
        self.name, self.size, self.vectors = name, size, vectors
        self.python_ms, self.c_ms = python_ms, c_ms

    def nearest(self):
        """The sentence nearest to the query; row 0 of the vectors is the query's."""
        return SENTENCES[int(np.argmax(minilm.cosine(self.vectors[1:], self.vectors[0])))]

    def cells(self, reference):
        cosines = minilm.cosine(self.vectors, reference)
        return [
            self.name,
            f"{self.size / 1e6:.1f} MB",
            f"{self.python_ms:.2f} ms",
            f"{self.c_ms:.2f} ms" if self.c_ms is not None else "",
            f"{cosines.min():.4f}",
            "right" if self.nearest() == ANSWER else "WRONG",
        ]


def ort_row(name, path, batch, long, threads, runs):
    session = minilm.ort_session(path, threads)
    vectors = session.run(None, batch)[0]
    run, _ = minilm.ort_bound(session, long)
    return Row(f"ONNX Runtime {name}", path.stat().st_size, vectors, milliseconds(run, runs))


def quantc_row(quantc, recipe, folder, rows, long_row, program, threads, runs):
    prefix = folder / f"minilm-{recipe}"
    start = time.perf_counter()
    library = quantc.compile(minilm.onnx_file(), prefix, recipe=recipe)
    say(f"compiled {recipe} in {time.perf_counter() - start:.1f} s")
    model = quantc.load(library, threads=threads)
    vectors = model(minilm.feeds(rows))["sentence_embedding"]
    python_ms = milliseconds(model.bind(minilm.feeds([long_row])).run, runs)

    tokens, out = folder / "tokens.txt", folder / "vectors.bin"
    minilm.write_tokens(tokens, rows)
    _, from_c = minilm.run_embed(program, library, tokens, out, threads)
    if not np.array_equal(from_c, vectors):
        raise RuntimeError(f"{recipe}: C and Python give different embeddings")
    minilm.write_tokens(tokens, [long_row])
    measured, _ = minilm.run_embed(program, library, tokens, out, threads, runs)

    files = [prefix.with_name(prefix.name + suffix) for suffix in (".so", ".safetensors")]
    size = sum(file.stat().st_size for file in files if file.exists())
    return Row(f"quantc {recipe}", size, vectors, python_ms, float(measured["run_ms"]))


def print_table(lines):
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        cells = [line[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(line[1:], widths[1:])]
        print("  ".join(cells).rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=minilm.ROOT / "build" / "release",
                        help="the build tree of quantc")
    parser.add_argument("--threads", type=int, default=1, help="threads of each engine")
    parser.add_argument("--runs", type=int, default=RUNS, help="runs that latency is measured on")
    parser.add_argument("--recipes", nargs="+", default=RECIPES, metavar="RECIPE")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    quantc = minilm.import_quantc(build)
    folder = minilm.ROOT / "build" / "demo"
    folder.mkdir(parents=True, exist_ok=True)

    tokenizer = minilm.Tokenizer()
    rows = tokenizer.tokens([QUERY] + SENTENCES)
    long_row = (sum(tokenizer.tokens(SENTENCES), []) * 2)[:LENGTH]
    batch, long = minilm.feeds(rows), minilm.feeds([long_row])

    how = (arguments.threads, arguments.runs)
    table = [ort_row("float", minilm.onnx_file(), batch, long, *how)]
    table.append(ort_row("dynamic int8", minilm.ort_int8_file(), batch, long, *how))
    program = minilm.build_embed(build, folder)
    failed = []
    for recipe in arguments.recipes:
        try:
            table.append(quantc_row(quantc, recipe, folder, rows, long_row, program, *how))
        except (quantc.Error, RuntimeError) as error:
            failed.append(recipe)
            say(f"demo: {recipe} failed: {error}")

    reference = table[0].vectors
    threads = f"{arguments.threads} thread" + ("s" if arguments.threads > 1 else "")
    print(f"\nall-MiniLM-L6-v2; latency of 1 x {LENGTH} tokens on {threads}; "
          "cosine to ONNX Runtime float, the worst sentence\n")
    head = ["", "size", "Python", "C", "cosine", "nearest"]
    print_table([head] + [row.cells(reference) for row in table])
    print(f"\nquery:   {QUERY}\nnearest: {table[-1].nearest()}")
    for row in table:
        if row.nearest() != ANSWER:
            failed.append(row.name)
            say(f"demo: {row.name} finds a wrong sentence: {row.nearest()}")
    if failed:
        sys.exit("demo: failed, see above: " + ", ".join(failed))


if __name__ == "__main__":
    main()
