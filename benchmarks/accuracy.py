#!/usr/bin/env python3
"""The accuracy table of docs/benchmarks.md: a language model quantized by quantc and by its peers.

    accuracy.py --calibration TOKENS.npy --validation TOKENS.npy [--rows NAME ...] [--write]

The model is SmolLM2-135M with weights off the grid of 4 bits (reference_model.py), the linear
layers of its blocks are quantized, and what comes out is compared with the float model's logits,
which transformers computes, on the validation tokens. Files of tokens, int64 [samples, length],
are made by utils/tokens.py of any text:

    utils/tokens.py BOOK.txt build/accuracy/reference build/accuracy/calibration.npy --samples 128
    utils/tokens.py OTHER.txt build/accuracy/reference build/accuracy/validation.npy --samples 20

What has been measured is kept in build/accuracy, so that a run that was interrupted goes on and
--rows can be measured one by one; --again measures anew. A row that fails is named, and the rest
goes on; the exit status is then 1.
"""

import argparse
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import venv
from dataclasses import dataclass, field

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT / "examples" / "embed"), str(ROOT / "utils")]
import checkpoints
import measure
import reference_model
import report
import static_int8
import tokens as samples
from divergence import Divergence
from minilm import import_quantc, say

# All but the linear layers of the blocks, by the names of their nodes in the exported model.
KEPT = "node_embedding|node_linear_210"
WEIGHT_ONLY = ":activations=float"
GROUPS = WEIGHT_ONLY + ",group-size=64"
STATIC = ("minilm", "resnet50")  # rows of static_int8.py
MB = 1e6


@dataclass
class Row:
    name: str
    recipe: str
    wanted: float = None  # the most that KL may be
    arguments: list = field(default_factory=list)
    calibrates: bool = True
    quantizes: bool = True

    @property
    def text(self):
        """What the user says: also what its result is filed under."""
        return " ".join([self.recipe, *self.arguments])
    peer: str = None  # a key of PEERS: beside it in the table


ROWS = [
    Row("float", "fp32", 1e-6, calibrates=False, quantizes=False),
    Row("int8", "w8a8-dynamic" + WEIGHT_ONLY, 0.0031, calibrates=False),
    Row("q8_0", "q8_0" + WEIGHT_ONLY, None, calibrates=False),
    Row("w8a8", "w8a8-smoothquant:activations=token", 0.0160),
    # The recipe alone would keep the values of the attention at 8 bits.
    Row("w4-rtn", "w4-rtn" + GROUPS + ",search=false", 0.387, ["--set", ".=si4,group-size=64"], calibrates=False),
    Row("w4-gptq", "w4-gptq" + GROUPS, 0.170, peer="gptqmodel"),
    Row("w4-awq", "w4-awq" + GROUPS),
    Row("nf4", "nf4:group-size=64", calibrates=False),
    Row("q4_k_m", "q4_k_m" + WEIGHT_ONLY, calibrates=False),
    Row("q5_k_m", "q5_k_m" + WEIGHT_ONLY, calibrates=False),
    Row("q6_k", "q6_k" + WEIGHT_ONLY, calibrates=False),
    Row("w4", "w4" + GROUPS, 0.130, peer="auto_round"),
    Row("auto-4.63", "auto" + GROUPS, 0.100, ["--bits-per-weight", "4.63"]),
    Row("auto-5.53", "auto" + GROUPS, 0.0350, ["--bits-per-weight", "5.53"]),
    Row("w3-gptq", "w4-gptq" + GROUPS, None, ["--set", ".=si3,group-size=64"]),
]
# The title of each, its program and the bits a weight takes there.
PEERS = {
    "gptqmodel": ("GPTQModel 7.7.0, GPTQ, symmetric", "run_gptqmodel.py", 4 + 16 / 64),
    "auto_round": ("AutoRound 0.16.1, 30 iterations", "run_auto_round.py", 4 + 16 / 64),
}


# Bits a weight of formats whose groups are their own, their scales included.
FIXED_BITS = {"q4_0": 4.5, "q4_1": 5, "q5_0": 5.5, "q5_1": 6, "q8_0": 8.5, "q4_k": 4.5, "q5_k": 5.5,
              "q6_k": 6.5625, "nf4": 4 + 8 / 64}


def bits_of(layer):
    """Bits a weight of a layer of a lock: codes, and scales of 16 bits in groups, else of 32."""
    if layer["format"] in FIXED_BITS:
        return FIXED_BITS[layer["format"]]
    bits = 32 if layer["format"] == "float" else int(layer["format"][2:])
    kind, _, size = layer.get("scales", "").partition(" ")
    if kind == "group":
        return bits + 16 / int(size)
    return bits + (32 / layer["shape"][-1] if kind == "channel" else 0)


def bits_per_weight(lock):
    """Bits of codes and scales a weight of the quantized linear layers."""
    layers = [layer for layer in lock["layers"] if not re.search(KEPT, layer["name"])]
    counts = [int(np.prod(layer["shape"])) for layer in layers]
    return float(np.average([bits_of(layer) for layer in layers], weights=counts))


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.folder = arguments.folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.reference = (arguments.reference or self.folder / "reference").resolve()
        if arguments.reference is None:
            reference_model.make(self.reference)
        self.calibration = self.tokens("calibration", arguments.samples)
        self.validation = self.tokens("validation", arguments.sequences)
        self.quantc = import_quantc(arguments.build.resolve())
        self.inputs = samples.inputs_of(self.reference / "model.onnx")
        with open(self.reference / "model.safetensors", "rb") as file:
            self.model_digest = hashlib.file_digest(file, "sha256")
        self.module = None
        self.failures = []
        self.path = self.folder / "results.json"
        self.results = json.loads(self.path.read_text()) if self.path.exists() else {}

    def tokens(self, name, count):
        """The tokens of a file, and where as many as are used are as a file."""
        path = getattr(self.arguments, name) or self.folder / f"{name}.npy"
        try:
            tokens = np.load(path).astype(np.int64)[:count]
        except (OSError, ValueError) as error:
            sys.exit(
                f"accuracy: there are no {name} tokens: {error}\nMake them of any text:\n"
                f"  utils/tokens.py TEXT {self.reference} {path} --samples 128 --length 512"
            )
        if tokens.ndim != 2 or not len(tokens) or tokens.shape[1] < 2:
            sys.exit(f"accuracy: '{path}' has shape {tokens.shape}, not [samples, length]")
        return tokens

    # --- What has been measured ------------------------------------------------

    def digest(self, *arrays):
        """Of the model and of tokens."""
        digest = self.model_digest.copy()
        for array in arrays:
            digest.update(repr(array.shape).encode() + array.tobytes())
        return digest.hexdigest()[:12]

    def key(self, name):
        """Of a result: what it depends on beside the programs."""
        return f"{name} {self.digest(self.calibration, self.validation)}"

    def known(self, name):
        return self.results.get(self.key(name))

    def keep(self, name, result):
        self.results[self.key(name)] = result
        unfinished = self.path.with_name(self.path.name + ".part")
        unfinished.write_text(json.dumps(self.results, indent=1) + "\n")
        unfinished.replace(self.path)

    def once(self, name, make):
        """Measures, unless it is known; a failure is noted."""
        if self.known(name) and not self.arguments.again:
            say(f"{name}: known")
            return
        say(f"{name} ...")
        try:
            self.keep(name, make())
            say(f"{name}: {json.dumps(self.known(name))}")
        except (self.quantc.Error, RuntimeError, subprocess.CalledProcessError) as error:
            self.failures.append(name)
            say(f"accuracy: {name} failed: {error}")

    # --- The float model ---------------------------------------------------------

    def torch_module(self):
        if self.module is None:
            os.environ["HF_HUB_OFFLINE"] = "1"
            import torch
            import transformers

            torch.set_num_threads(self.arguments.threads)
            self.module = transformers.AutoModelForCausalLM.from_pretrained(
                self.reference, dtype=torch.float32
            ).eval()
        return self.module

    def torch_logits(self, tokens):
        import torch

        with torch.no_grad():
            ids = torch.from_numpy(tokens[None])
            return self.torch_module()(input_ids=ids, use_cache=False).logits[0].numpy()

    def reference_logits(self):
        """float32 [sequences, length, vocabulary], in a file; computed once."""
        path = self.folder / f"logits-{self.digest(self.validation)}.npy"
        if not path.exists():
            say(f"computing the float model's logits of {len(self.validation)} sequences")
            unfinished = path.with_suffix(".part")
            shape = (*self.validation.shape, self.torch_module().config.vocab_size)
            logits = np.lib.format.open_memmap(unfinished, "w+", np.float32, shape)
            for i, sequence in enumerate(self.validation):
                logits[i] = self.torch_logits(sequence)
            logits.flush()
            unfinished.replace(path)
        return np.load(path, mmap_mode="r")

    def evaluate(self, logits_of):
        """Of a function from tokens to logits."""
        found = Divergence()
        for reference, sequence in zip(self.reference_logits(), self.validation):
            found.add(reference, logits_of(sequence), sequence)
        return {"kl": found.kl, "perplexity": found.perplexity, "agreement": found.agreement}

    # --- quantc --------------------------------------------------------------------

    def run_row(self, row):
        data = self.folder / f"calibration-{len(self.calibration)}.npz"
        samples.write(data, samples.complete(self.inputs, self.calibration))
        prefix = self.folder / row.name
        command = [self.quantc._compile.program(), "compile", self.reference / "model.onnx"]
        command += ["-o", prefix, "--recipe", row.recipe, "--target", "native:highest", "--quiet"]
        command += row.arguments
        lock = pathlib.Path(f"{prefix}.lock")
        lock.unlink(missing_ok=True)
        command += ["--lock", lock]
        if row.quantizes:
            command += ["--keep-float", KEPT]
        if row.calibrates:
            command += ["--calibration", data]
        seconds, cpu, peak = measure.run_watched(command, self.folder / f"{row.name}.log")
        result = {"cpu": cpu, "seconds": seconds, "peak": peak,
                  "bits": bits_per_weight(json.loads(lock.read_text()))}
        with self.quantc.load(f"{prefix}.so", threads=self.arguments.threads) as model:

            def logits_of(sequence):
                outputs = model(samples.complete(self.inputs, sequence[None]))
                return next(iter(outputs.values()))[0]

            return {**result, **self.evaluate(logits_of)}

    # --- Peers ---------------------------------------------------------------------

    def peer_python(self, name):
        """The interpreter of a peer's environment, which is made the first time."""
        folder = self.arguments.peers.resolve() / name
        python = folder / "bin" / "python"
        done = folder / "installed"
        requirements = HERE / "peers" / f"{name}.requirements.txt"
        wanted = requirements.read_text()
        if done.exists() and done.read_text() == wanted:
            return python
        say(f"installing {name} into {folder}")
        venv.create(folder, with_pip=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        with open(self.folder / f"{name}.install.log", "wb") as log:
            # GPTQModel's packages need a newer setuptools and torch to be there when they are
            # built.
            subprocess.run([*pip, "--upgrade", "pip", "setuptools", "wheel"], check=True,
                           stdout=log, stderr=log)
            subprocess.run([*pip, "--no-build-isolation", "-r", requirements], check=True,
                           stdout=log, stderr=log)
        done.write_text(wanted)
        return python

    def run_peer(self, name):
        python = self.peer_python(name)
        _, program, bits = PEERS[name]
        tokens = self.folder / f"tokens-{len(self.calibration)}.npy"
        samples.write(tokens, {"tokens": self.calibration})
        out = self.folder / name
        environment = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "",
                       "HF_HUB_OFFLINE": "1"}
        command = [python, HERE / "peers" / program, self.reference, tokens, out]
        seconds, cpu, peak = measure.run_watched(
            command, self.folder / f"{name}.log", environment
        )
        return {"cpu": cpu, "seconds": seconds, "peak": peak, "bits": bits,
                **self.evaluate_checkpoint(out)}

    def evaluate_checkpoint(self, folder):
        """The float model with the weights of a checkpoint: what the peer computes with."""
        import torch

        if folder.joinpath("config.json").exists():
            folders = [folder]
        else:
            folders = [path.parent for path in folder.glob("*/config.json")]
        weights = checkpoints.weights_of(folders[0])
        parameters = dict(self.torch_module().named_parameters())
        try:
            with torch.no_grad():
                for name, weight in weights.items():
                    parameters[name].copy_(torch.from_numpy(weight))
            return self.evaluate(self.torch_logits)
        finally:
            self.module = None  # its weights are no longer the float model's

    # --- All of it -----------------------------------------------------------------

    def run(self):
        static = static_int8.StaticInt8(self.quantc, self.folder)
        for name in self.arguments.static:
            self.once(name, getattr(static, name))
        if self.arguments.rows:
            self.reference_logits()
        for row in self.arguments.rows:
            self.once(row.text, lambda: self.run_row(row))
            if row.peer and not self.arguments.no_peers:
                self.once(row.peer, lambda: self.run_peer(row.peer))

    def static_text(self):
        """The tables of static_int8.py."""
        texts = []
        if found := self.known("minilm"):
            table = report.Table("", "sentence embeddings of MiniLM", "median cosine to float",
                                 "least", "wanted")
            for name, (median, least) in found.items():
                wanted = ("≥ 0.995: " + ("met" if median >= 0.995 else "MISSED")
                          if "smoothquant" in name else "")
                table.add(name, f"{median:.5f}", f"{least:.5f}", wanted)
            texts.append(table)
        if found := self.known("resnet50"):
            table = report.Table("", "seeded ResNet-50", "relative error of the output", "wanted")
            best = min(error for name, error in found.items() if "ONNX Runtime" in name)
            ours = min(error for name, error in found.items() if "quantc" in name)
            for name, error in found.items():
                wanted = (f"≤ {best:.4f}: " + ("met" if error <= best else "MISSED")
                          if error == ours else "")
                table.add(name, f"{error:.4f}", wanted)
            texts.append(table)
        rows = "\n".join(table.markdown().partition("\n\n")[2] for table in texts)
        return "### Static 8 bits\n\nbenchmarks/static_int8.py says on what data.\n\n" + rows

    def text(self):
        table = report.Table(
            "Accuracy", "", "bits a weight", "KL", "wanted", "perplexity", "same token",
            "processor seconds", "peak memory",
        )

        def add(title, result, wanted):
            table.add(
                title, f"{result['bits']:.2f}", f"{result['kl']:.5f}", wanted,
                f"{result['perplexity']:.3f}", f"{100 * result['agreement']:.1f} %",
                f"{result['cpu']:.0f}", f"{result['peak'] / MB:.0f} MB",
            )

        for row in ROWS:
            result = self.known(row.text)
            if result:
                wanted = ""
                if row.wanted is not None:
                    met = result["kl"] <= row.wanted
                    wanted = f"≤ {row.wanted:g}: " + ("met" if met else "MISSED")
                add(f"quantc `{row.text}`", result, wanted)
            if row.peer and self.known(row.peer):
                add(PEERS[row.peer][0], self.known(row.peer), "")
        calibration, validation = (
            " × ".join(map(str, array.shape)) for array in (self.calibration, self.validation)
        )
        about = (
            "SmolLM2-135M, its weights off the grid of 4 bits (benchmarks/reference_model.py), the "
            f"210 linear layers of its\nblocks quantized; {calibration} tokens of calibration, "
            f"{validation} of validation, of another document. KL is that of the\nfloat model's "
            "next-token distributions to the quantized model's, in nats, the mean over all "
            "positions. Bits are those\nof codes and scales; processor seconds those of the whole "
            "quantization, peers on one thread; memory is anonymous.\nMeasured row by row by `make "
            f"bench-accuracy` on {measure.machine()}.\n"
        )
        title, _, rows = table.markdown().partition("\n\n")
        return f"{title}\n\n{about}\n{rows}\n{self.static_text()}"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = {row.name: row for row in ROWS}
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release",
                        help="the build tree of quantc")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build" / "accuracy",
                        help="where models, results and logs go")
    parser.add_argument("--reference", type=pathlib.Path,
                        help="a folder with the model for transformers and as model.onnx "
                             "(default: made)")
    parser.add_argument("--calibration", type=pathlib.Path, metavar="TOKENS.npy",
                        help="default: calibration.npy in the folder")
    parser.add_argument("--validation", type=pathlib.Path, metavar="TOKENS.npy",
                        help="default: validation.npy in the folder")
    parser.add_argument("--rows", nargs="+", default=[*names, *STATIC], choices=[*names, *STATIC],
                        metavar="ROW", help="only these: " + ", ".join([*names, *STATIC]))
    parser.add_argument("--samples", type=int, help="how many samples calibrate (default: all)")
    parser.add_argument("--sequences", type=int,
                        help="how many sequences validate (default: all)")
    parser.add_argument("--peers", type=pathlib.Path, default=ROOT / "build" / "peers",
                        help="where the peers are installed")
    parser.add_argument("--no-peers", action="store_true", help="leave the peers out")
    parser.add_argument("--threads", type=int, default=2, help="threads of the evaluation")
    parser.add_argument("--again", action="store_true", help="measure what is known already")
    parser.add_argument("--write", action="store_true",
                        help="write the table into docs/benchmarks.md")
    arguments = parser.parse_args()
    arguments.static = [name for name in arguments.rows if name in STATIC]
    arguments.rows = [names[name] for name in arguments.rows if name in names]
    bench = Bench(arguments)
    bench.run()
    text = bench.text()
    print(text)
    if bench.failures:
        sys.exit("accuracy: failed, see above: " + ", ".join(bench.failures))
    if arguments.write:
        path = ROOT / "docs" / "benchmarks.md"
        report.write_part(path, "accuracy", text)
        say(f"wrote {path}")


if __name__ == "__main__":
    main()
