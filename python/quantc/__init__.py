"""quantc: a compiler from trained ONNX models to native libraries of low-bit arithmetic.

    import quantc
    quantc.compile("model.onnx", "build/model", recipe="w8a8-dynamic")
    model = quantc.load("build/model.so", threads=2)
    out = model({"input_ids": ids, "attention_mask": mask})

`quantc.backend` is an onnx.backend.base.Backend. Failures raise `quantc.Error`.
"""

import importlib
import os

from quantc import _native
from quantc._compile import compile
from quantc._error import Error
from quantc._evaluate import evaluate
from quantc._native import Binding, Model, Tensor

__version__ = "0.1.0"
__all__ = ["Binding", "Error", "Model", "Tensor", "backend", "compile", "evaluate", "load"]


def load(path, threads=0, weights=None, entry=None, profile=False):
    """Loads a library that quantc compiled and returns a Model.

    path: the library, PREFIX.so.
    threads: of one call; 0 = as many as CPUs this process may use.
    weights: the weights file; None = the one beside the library.
    entry: which of the library's entries; None = the first.
    profile: count the time of each layer, see Model.profile.

    Raises Error: no such file, not a library of quantc, of another machine or version, weights
    missing or of another model, no such entry, no instruction set level that this CPU runs.
    """
    return _native.load(
        os.fspath(path),
        threads,
        "" if weights is None else os.fspath(weights),
        "" if entry is None else entry,
        profile,
    )


def __getattr__(name):
    # Only on demand: it needs the onnx package, which load and compile do not.
    if name == "backend":
        return importlib.import_module("quantc.backend")
    raise AttributeError(f"module 'quantc' has no attribute '{name}'")
