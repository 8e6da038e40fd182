#!/usr/bin/env python3
"""Writes the models of ONNX's backend suite as seeds for unittests/Fuzz/ImportFuzzer.

    fuzz_corpus.py FOLDER [--at-most BYTES]

Larger models than BYTES (default 4096) are left out: mutations of their weights find nothing.
Equal models are written once.
"""

import argparse
import hashlib
import pathlib
import warnings

from onnx.backend.test.loader import load_model_tests


def models():
    for kind in ("node", "simple", "pytorch-converted", "pytorch-operator"):
        for case in load_model_tests(kind=kind):
            if case.model is not None:
                yield case.model.SerializeToString()
            else:
                yield pathlib.Path(case.model_dir, "model.onnx").read_bytes()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--at-most", type=int, default=4096, metavar="BYTES")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # the suite's own examples divide by zero
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for data in models():
        if len(data) <= arguments.at_most:
            name = hashlib.sha1(data).hexdigest()
            (arguments.folder / f"{name}.onnx").write_bytes(data)


if __name__ == "__main__":
    main()
