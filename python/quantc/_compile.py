"""Compiling: the `quantc` program as a worker process.

A fatal error inside the compiler is thus an exception here, never the death of this process.
"""

import logging
import os
import pathlib
import shutil
import signal
import subprocess
import sysconfig
import tempfile

from quantc._error import Error

_log = logging.getLogger("quantc")


def program():
    """The path of the `quantc` program: $QUANTC_BIN, or the one of the build tree or
    installation that this package is in, or the one on the PATH."""
    if os.environ.get("QUANTC_BIN"):
        return os.environ["QUANTC_BIN"]
    # <build>/python/quantc, <prefix>/lib/python3.x/site-packages/quantc, `pip --target`.
    package = pathlib.Path(__file__).resolve().parent
    places = [parent / "bin" for parent in package.parents[:4]]
    places.append(pathlib.Path(sysconfig.get_path("scripts")))
    for place in places:
        if os.access(place / "quantc", os.X_OK):
            return str(place / "quantc")
    found = shutil.which("quantc")
    if not found:
        raise Error(
            f"the program 'quantc' is neither beside the package in {package} nor on the PATH; "
            "build or install it, or name it in QUANTC_BIN"
        )
    return found


def run(arguments):
    """Runs `quantc ARGUMENTS` and returns its standard output. Raises Error."""
    worker = subprocess.Popen(
        [program(), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    try:
        out, err = worker.communicate()
    except BaseException:  # KeyboardInterrupt above all: leave no worker behind
        worker.terminate()
        worker.communicate()
        raise
    # Remarks and progress come first, then the error.
    remarks, _, error = err.strip().partition("quantc: error: ")
    for line in remarks.splitlines():
        _log.info(line.removeprefix("quantc: "))
    if worker.returncode == 0:
        return out
    error = error.replace("\nquantc: error: ", "\n")
    if worker.returncode < 0:
        died = signal.Signals(-worker.returncode).name
        raise Error(f"the compiler was ended by {died}: {err.strip()}", 3)
    raise Error(
        error or f"'quantc {arguments[0]}' exited with {worker.returncode}: {err.strip()}",
        worker.returncode,
    )


def compile(
    model,
    output=None,
    *,
    recipe=None,
    calibration=None,
    statistics=None,
    target=None,
    dim=None,
    emit=None,
    keep_float=None,
    set=None,
    bits_per_weight=None,
    size=None,
    lock=None,
    check_lock=None,
    report=None,
    embed_weights=False,
    weights_out=None,
    plugin=None,
    jobs=None,
    memory=None,
):
    """Compiles an ONNX model to a native library, as `quantc compile` does.

    model: the path of an ONNX file, or an onnx.ModelProto; a list of them makes one library
        with several entries.
    output: PREFIX, of PREFIX.so, PREFIX.h, PREFIX.json and PREFIX.safetensors.
    recipe: how to quantize, `name` or `name:option=value,...`; see `quantc recipes`.
    calibration: samples: the path of a DATA file or folder, or an iterable of dicts of arrays,
        named as the inputs and all of one shape.
    dim: what dynamic dimensions are: a dict of name to an int (pinned), a pair (least, most)
        or the text "LO..HI".
    set: the format of some layers: a dict of regular expression to `FORMAT[,group-size=N]`.
    size: the weights' bytes that recipe `auto` may use, a number or text as "100MB".
    lock: the path of a file that keeps each layer's precision: written if it is not there, else
        followed. check_lock: such a file, that layers may not fall behind.
    emit: stop at this level; with output=None its text is returned.
    weights_out: where the weights go that returned text refers to.
    The others are options of the command line, see `quantc compile --help`.

    Returns the path of the library (of the written file with `emit`). Raises Error.
    """
    if output is None and emit is None:
        raise Error("quantc.compile needs 'output', the prefix of the files to write", 2)
    arguments = ["compile"]
    with tempfile.TemporaryDirectory(prefix="quantc-") as folder:
        models = model if isinstance(model, (list, tuple)) else [model]
        arguments += [_model_file(m, i, folder) for i, m in enumerate(models)]
        arguments += ["-o", "-" if output is None else os.fspath(output)]
        options = {
            "--recipe": recipe,
            "--calibration": _samples_file(calibration, folder, "calibration"),
            "--statistics": statistics,
            "--target": target,
            "--emit": emit,
            "--keep-float": keep_float,
            "--bits-per-weight": bits_per_weight,
            "--size": size,
            "--lock": lock,
            "--check-lock": check_lock,
            "--report": report,
            "--weights-out": weights_out,
            "--plugin": plugin,
            "-j": jobs,
            "--memory": memory,
        }
        arguments += _option_arguments(options, dim, set)
        if embed_weights:
            arguments.append("--embed-weights")
        text = run(arguments)
    if output is None:
        return text
    return pathlib.Path(output if emit else os.fspath(output) + ".so")


def _option_arguments(options, dim, set):
    """Options of the command line: None leaves one out; for `dim` and `set` see compile."""
    arguments = []
    for name, value in options.items():
        if value is not None:
            arguments += [name, str(value)]
    for name, value in (dim or {}).items():
        span = f"{value[0]}..{value[1]}" if isinstance(value, (list, tuple)) else value
        arguments += ["--dim", f"{name}={span}"]
    for pattern, format_ in (set or {}).items():
        arguments += ["--set", f"{pattern}={format_}"]
    return arguments


def _model_file(model, index, folder):
    """The path of a model that is a path or an onnx.ModelProto."""
    if isinstance(model, (str, os.PathLike)):
        return os.fspath(model)
    import onnx

    if not isinstance(model, onnx.ModelProto):
        raise Error(f"a model is a path or an onnx.ModelProto, not {type(model).__name__}", 2)
    path = os.path.join(folder, f"model{index}.onnx")
    try:
        onnx.save(model, path)
    except ValueError:  # larger than a protobuf message may be
        onnx.save(model, path, save_as_external_data=True)
    return path


def _samples_file(samples, folder, name):
    """DATA of the command line: a path or None as it is, else a file with the samples, each
    input's arrays stacked, samples first."""
    if samples is None or isinstance(samples, (str, os.PathLike)):
        return samples
    import numpy as np

    columns = {}
    for number, sample in enumerate(samples):
        if number and sample.keys() != columns.keys():
            raise Error(
                f"{name} sample {number} has inputs {sorted(sample)}; "
                f"sample 0 has {sorted(columns)}"
            )
        for key, array in sample.items():
            columns.setdefault(key, []).append(np.asarray(array))
            first, last = columns[key][0], columns[key][-1]
            if first.shape != last.shape or first.dtype != last.dtype:
                raise Error(
                    f"{name} sample {number} has input '{key}' of {last.dtype} "
                    f"{list(last.shape)}; sample 0 has {first.dtype} {list(first.shape)}; give "
                    "samples of one shape, or a folder of ONNX test_data_set_*"
                )
    if not columns:
        raise Error(f"there are no {name} samples")
    path = os.path.join(folder, f"{name}.npz")
    np.savez(path, **{key: np.stack(arrays) for key, arrays in columns.items()})
    return path
