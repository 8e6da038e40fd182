#!/usr/bin/env python3
"""The figures of docs/benchmarks.md: MiniLM and convolutional models, side by side with ONNX
Runtime in one run.

Speed is compared in short bursts, in turn, with ONNX Runtime's best settings (every graph
optimization, inputs and outputs bound), and given as the median of the rounds' ratios.
A recipe that fails is named, and the rest goes on; the exit status is then 1.
"""

import argparse
import os
import pathlib
import platform
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "examples" / "embed")]
import measure
import minilm
import report
import vision
from minilm import say
from report import Table

INT8, INT4, FLOAT = "w8a8-dynamic", "w4-rtn", "fp32"
SHAPES = [(1, 16), (1, 128), (8, 128)]
THREADS = [1, 2]
X86_LEVELS = ["avx2", "avx2vnni", "avx512", "avx512vnni", "amx"]
AARCH64_LEVELS = ["neon", "dotprod"]
# Topology, how it is stored, and what is wanted of it against ONNX Runtime on the same file.
VISION = [("resnet50", "float", 0.9), ("resnet50", "u8", 1.2), ("resnet50", "s8", 1.2),
          ("squeezenet", "float", 1.0), ("squeezenet", "u8", None),
          ("mobilenet_v2", "float", 1.0), ("mobilenet_v2", "u8", None)]
# Every x86 level that there is: the targets bound the time and memory of such a compile.
ALL_X86 = "sapphirerapids"

MB = 1e6


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.build = arguments.build.resolve()
        self.quantc = minilm.import_quantc(self.build)
        self.folder = minilm.ROOT / "build" / "bench"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.model = minilm.onnx_file()
        self.tokenizer = minilm.Tokenizer()
        sentences = (HERE / "sentences.txt").read_text().splitlines()
        self.rows = self.tokenizer.tokens(sentences[: arguments.sentences])
        self.tables, self.failures, self.targets = [], [], []
        self.libraries = {}

    # --- Reporting ----------------------------------------------------------

    def table(self, *head):
        self.tables.append(Table(*head))
        return self.tables[-1]

    def fail(self, what, error):
        self.failures.append(what)
        say(f"bench: {what} failed: {error}")

    def target(self, name, wanted, measured, met):
        self.targets.append((name, wanted, measured, "met" if met else "MISSED"))

    # --- Compiling ----------------------------------------------------------

    def size(self, library):
        weights = library.with_suffix(".safetensors")
        return sum(path.stat().st_size for path in (library, weights) if path.exists())

    def compile(self, recipe, target, prefix, source=None):
        """The library, and the seconds and bytes that its compile took."""
        command = [self.quantc._compile.program(), "compile", str(source or self.model)]
        command += ["-o", str(prefix), "--recipe", recipe, "--target", target, "--quiet"]
        seconds, peak = measure.run_measured(command)
        return prefix.with_name(prefix.name + ".so"), seconds, peak

    def compiles(self):
        x86 = platform.machine() == "x86_64"
        target = ALL_X86 if x86 else "native"
        table = self.table(
            f"Compiling (target {target})", "recipe", "time", "peak memory", "library and weights"
        )
        for recipe in (FLOAT, INT8, INT4):
            say(f"compiling {recipe}")
            try:
                library, seconds, peak = self.compile(
                    recipe, target, self.folder / f"minilm-{recipe}"
                )
            except RuntimeError as error:
                self.fail(f"compile with {recipe}", error)
                continue
            self.libraries[recipe] = library
            size = self.size(library)
            table.add(
                recipe, f"{seconds:.1f} s", f"{peak / MB:.0f} MB", f"{size / MB:.1f} MB"
            )
            if recipe == INT8:
                what = "compile of int8" + (", all x86 levels" if x86 else "")
                self.target(what, "≤ 30 s", f"{seconds:.1f} s", seconds <= 30)
                self.target(what + ": memory", "≤ 800 MB", f"{peak / MB:.0f} MB", peak <= 800 * MB)
                self.target("int8 library with weights", "≤ 26 MB", f"{size / MB:.1f} MB",
                            size <= 26 * MB)

    # --- Speed --------------------------------------------------------------

    def speed(self):
        pairs = [(INT8, "dynamic int8", minilm.ort_int8_file(), 1.3),
                 (FLOAT, "float", self.model, 1.0),
                 (INT4, "dynamic int8", minilm.ort_int8_file(), None)]
        for recipe, peer, path, wanted in pairs:
            if recipe not in self.libraries:
                continue
            table = self.table(
                f"Speed: `{recipe}` against ONNX Runtime {peer}",
                "tokens", "threads", "quantc", "ONNX Runtime", "times as fast",
            )
            ratios = []
            for threads in THREADS:
                model = self.quantc.load(self.libraries[recipe], threads=threads)
                session = minilm.ort_session(path, threads)
                for shape in SHAPES:
                    say(f"speed of {recipe}: {shape[0]} x {shape[1]}, {threads} threads")
                    ours, theirs, ratio = self.compare(model, session, shape)
                    ratios.append(ratio)
                    table.add(f"{shape[0]} × {shape[1]}", threads, f"{1e3 * ours:.2f} ms",
                              f"{1e3 * theirs:.2f} ms", f"{ratio:.2f}×")
                    say(f"  {ratio:.2f} times as fast ({1e3 * ours:.2f} ms)")
                level = model.isa
                model.close()
            table.title += f" (level {level})"
            if wanted:
                self.target(f"speed of {recipe} against ONNX Runtime {peer}, the worst",
                            f"≥ {wanted}×", f"{min(ratios):.2f}×",
                            min(ratios) >= wanted)

    def compare(self, model, session, shape):
        ids = np.random.default_rng(0).integers(1000, 20000, shape)
        inputs = minilm.feeds(ids.tolist())
        ours = model.bind(inputs)
        theirs, output = minilm.ort_bound(session, inputs)
        result = measure.in_turn(ours.run, theirs, self.arguments.rounds, self.arguments.burst)
        # Both did the job: the embeddings point the same way.
        cosines = minilm.cosine(ours.outputs["sentence_embedding"], output.numpy())
        if not cosines.min() > 0.9:
            raise RuntimeError(f"the embeddings differ: cosine {cosines.min():.3f}")
        return result

    # --- Convolutional models -----------------------------------------------

    def vision(self):
        table = self.table("Convolutional models", "model", "stored as", "quantc",
                           "ONNX Runtime", "times as fast", "cosine")
        for name, kind, wanted in VISION:
            say(f"convolutions: {name}, {kind}")
            try:
                level, row, ratio = self.compare_vision(name, kind)
            except (self.quantc.Error, RuntimeError) as error:
                self.fail(f"{name}, {kind}", error)
                continue
            table.title = f"Convolutional models, one image, one thread (level {level})"
            table.add(name, kind, *row)
            say(f"  {ratio:.2f} times as fast")
            if wanted:
                self.target(f"speed of {name}, {kind}, against ONNX Runtime", f"≥ {wanted}×",
                            f"{ratio:.2f}×", ratio >= wanted)

    def compare_vision(self, name, kind):
        """A model against ONNX Runtime on the same file: float, or int8 in QDQ form."""
        path = (vision.float_file(name, self.folder) if kind == "float"
                else vision.qdq_file(name, self.folder, kind))
        prefix = self.folder / f"{path.stem}-quantc"
        library, _, _ = self.compile(FLOAT, "native", prefix, path)
        inputs = {vision.INPUT: vision.image()}
        theirs, output = vision.ort_bound(minilm.ort_session(path, 1), inputs)
        with self.quantc.load(library, threads=1) as model:
            ours = model.bind(inputs)
            times = measure.in_turn(ours.run, theirs, self.arguments.rounds,
                                    self.arguments.burst)
            (y,) = ours.outputs.values()
            cosine = minilm.cosine(y.reshape(1, -1), output.numpy().reshape(1, -1)).min()
            # Random weights make much of a code that is rounded the other way.
            if not cosine > (0.9999 if kind == "float" else 0.97):
                raise RuntimeError(f"the outputs differ: cosine {cosine:.6f}")
            row = [f"{1e3 * times[0]:.2f} ms", f"{1e3 * times[1]:.2f} ms", f"{times[2]:.2f}×",
                   f"{cosine:.6f}"]
            return model.isa, row, times[2]

    # --- Accuracy -----------------------------------------------------------

    def accuracy(self):
        session = minilm.ort_session(self.model, 1)
        batches = [minilm.feeds([row]) for row in self.rows]
        reference = np.concatenate([session.run(None, batch)[0] for batch in batches])
        table = self.table(
            f"Sentence embeddings against ONNX Runtime float, {len(batches)} sentences",
            "", "median cosine", "least cosine", "max abs difference",
        )

        def add(name, vectors):
            cosines = minilm.cosine(vectors, reference)
            difference = float(np.abs(vectors - reference).max())
            median = float(np.median(cosines))
            table.add(name, f"{median:.5f}", f"{cosines.min():.5f}", f"{difference:.1e}")
            return median, difference

        for recipe, library in self.libraries.items():
            with self.quantc.load(library, threads=1) as model:
                vectors = np.concatenate([model(b)["sentence_embedding"] for b in batches])
                padded = self.padded_difference(model, session) if recipe == FLOAT else 0
            median, difference = add(f"quantc {recipe}", vectors)
            if recipe == FLOAT:
                worst = max(difference, padded)
                self.target("float output against ONNX Runtime, max abs difference", "≤ 1e-4",
                            f"{worst:.1e}", worst <= 1e-4)
            else:
                wanted = {INT8: 0.995, INT4: 0.98}[recipe]
                self.target(f"cosine of {recipe} to float, median", f"≥ {wanted}",
                            f"{median:.4f}", median >= wanted)
        session = minilm.ort_session(minilm.ort_int8_file(), 1)
        add("ONNX Runtime dynamic int8", np.concatenate([session.run(None, b)[0] for b in batches]))

    def padded_difference(self, model, session):
        """The largest difference on batches of sentences of many lengths, padded."""
        worst = 0.0
        for start in range(0, len(self.rows), 8):
            batch = minilm.feeds(self.rows[start : start + 8])
            ours = model(batch)["sentence_embedding"]
            worst = max(worst, float(np.abs(ours - session.run(None, batch)[0]).max()))
        return worst

    # --- Equality -----------------------------------------------------------

    def equality(self):
        """Every level and number of threads gives the same bytes, in a process of its own."""
        inputs = {"16": [self.row(16)], "128": [self.row(128)], "8": self.rows[:8]}
        for name, rows in inputs.items():
            minilm.write_tokens(self.folder / f"tokens-{name}.txt", rows)
        program = minilm.build_embed(self.build, self.folder)
        x86 = platform.machine() == "x86_64"
        table = self.table(
            "The same bits at every level and number of threads",
            "recipe", "levels", "threads", "results",
        )
        for recipe in (INT8, INT4):
            if recipe not in self.libraries:
                continue
            say(f"equality of {recipe}")
            results, levels, threads = {}, [], [1, 2, 3, 8]
            for level in X86_LEVELS if x86 else AARCH64_LEVELS:
                try:
                    for name in inputs:
                        for n in threads:
                            self.record(results, name, program, self.libraries[recipe], level, n)
                except RuntimeError as error:
                    say(f"  level {level} does not run here: {error}")
                    continue
                levels.append(level)
            if x86:
                levels += self.equality_aarch64(recipe, results)
            equal = all(len(bytes_) == 1 for bytes_ in results.values()) and len(levels) > 0
            table.add(recipe, ", ".join(levels), ", ".join(map(str, threads)),
                      "equal" if equal else "DIFFERENT")
            self.target(f"outputs of {recipe} at every level and 1, 2, 3, 8 threads", "equal",
                        "equal" if equal else "different", equal)

    def record(self, results, name, program, library, level, threads):
        tokens = self.folder / f"tokens-{name}.txt"
        vectors = self.folder / "vectors.bin"
        measured, _ = minilm.run_embed(program, library, tokens, vectors, threads, isa=level)
        ran = (measured["level"], int(measured["threads"]))
        if ran != (level, threads):
            raise RuntimeError(f"{ran} ran instead of {(level, threads)}")
        results.setdefault(name, set()).add(vectors.read_bytes())

    def equality_aarch64(self, recipe, results):
        """AArch64 under qemu, on the shortest input: emulation is slow."""
        program = minilm.build_embed_aarch64(self.folder)
        if not program:
            say("  AArch64: needs clang, ld.lld, qemu-aarch64 and the C library for AArch64")
            return []
        try:
            library, _, _ = self.compile(
                recipe, "aarch64+dotprod", self.folder / f"minilm-{recipe}-aarch64"
            )
        except RuntimeError as error:
            self.fail(f"compile with {recipe} for AArch64", error)
            return []
        done = []
        for level in AARCH64_LEVELS:
            say(f"  {level} under qemu")
            try:
                for threads in (1, 2):
                    self.record(results, "16", program, library, level, threads)
                done.append(f"{level} (qemu)")
            except RuntimeError as error:
                self.fail(f"{recipe} at level {level} under qemu", error)
        return done

    def row(self, length):
        """Token ids of a text of that length, made of the sentences."""
        tokens = sum(self.rows, [])
        return (tokens * (1 + length // len(tokens)))[:length]

    # --- Loading ------------------------------------------------------------

    def loading(self):
        program = minilm.build_embed(self.build, self.folder)
        tokens = self.folder / "tokens-first.txt"
        minilm.write_tokens(tokens, [self.row(16)])
        table = self.table("From before loading to the first result, 1 × 16 tokens, two threads, "
                           "a new process", "recipe", "median")
        for recipe, library in self.libraries.items():
            times = [float(minilm.run_embed(program, library, tokens,
                                            self.folder / "vectors.bin", 2)[0]["first_ms"])
                     for _ in range(9)]
            median = float(np.median(times))
            table.add(recipe, f"{median:.1f} ms")
            if recipe == INT8:
                self.target("load to first result", "≤ 50 ms", f"{median:.1f} ms", median <= 50)

    # --- All of it ----------------------------------------------------------

    SECTIONS = ["compiles", "speed", "vision", "accuracy", "equality", "loading"]

    def run(self, sections):
        for section in self.SECTIONS:
            if section != "compiles" and section not in sections:
                continue
            try:
                getattr(self, section)()
            except (self.quantc.Error, RuntimeError) as error:
                self.fail(section, error)

    def text(self):
        import onnxruntime

        table = Table("Targets", "what", "wanted", "measured", "")
        for row in self.targets:
            table.add(*row)
        lines = [
            "# Benchmarks\n",
            "all-MiniLM-L6-v2 as `torch.onnx` exports it, beside ONNX Runtime "
            f"{onnxruntime.__version__}, in one run of `make bench` on",
            f"{measure.machine()}.\n",
            "Speed: the two run in short bursts, in turn, with inputs and outputs bound; ONNX "
            "Runtime with every graph",
            "optimization, sequential execution and as many intra-op threads. Times are medians, "
            "and the ratio is the",
            "median of the rounds' ratios. Its int8 is `quantize_dynamic`, per channel, QInt8. "
            "Peak memory is that of",
            "the largest process of a compile. The convolutional models have the topologies of "
            "the onnx package's",
            "light models and of MobileNetV2, weights from a seed, and as QDQ files what "
            "`quantize_static` makes of",
            "random images (weights int8 per channel).\n",
            table.markdown(),
        ]
        lines += [table.markdown() for table in self.tables if len(table.lines) > 1]
        return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=minilm.ROOT / "build" / "release",
                        help="the build tree of quantc")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each comparison")
    parser.add_argument("--burst", type=float, default=0.2, help="seconds of a burst")
    parser.add_argument("--sentences", type=int, default=100, help="how many sentences")
    parser.add_argument("--sections", nargs="+", default=Bench.SECTIONS, choices=Bench.SECTIONS,
                        help="only these (compiles are always done)")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    arguments = parser.parse_args()
    os.environ.pop("QUANTC_ISA", None)
    bench = Bench(arguments)
    bench.run(arguments.sections)
    text = bench.text()
    print(text)
    if bench.failures:
        sys.exit("bench: failed, see above: " + ", ".join(bench.failures))
    if arguments.write:
        path = minilm.ROOT / "docs" / "benchmarks.md"
        report.write_part(path, "bench", text)
        say(f"wrote {path}")


if __name__ == "__main__":
    main()
