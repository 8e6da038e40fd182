"""Evaluating: how far a quantized model is from the float one."""

import json
import os
import tempfile

from quantc._compile import _model_file, _option_arguments, _samples_file, run


def evaluate(
    model,
    data,
    *,
    library=None,
    metric=None,
    recipe=None,
    calibration=None,
    statistics=None,
    keep_float=None,
    set=None,
    bits_per_weight=None,
    size=None,
    lock=None,
    dim=None,
    samples=None,
    logits=None,
    tokens=None,
    bisect=False,
    bisect_share=None,
    plugin=None,
):
    """Runs a model in float and quantized, as `quantc eval` does, and says how they differ.

    model: the path of an ONNX file, or an onnx.ModelProto.
    data: samples to compare on, as `calibration`; other ones, or the result flatters.
    library: a library that was compiled from the model: it is compared instead, end to end only.
    metric: a function of a dict of output arrays and the number of the sample that returns a
        number, the higher the better or the worse, as you like.
    recipe, calibration, statistics, keep_float, set, bits_per_weight, size, dim: see compile.
    lock: the path of a lock that compile has written, with or without a recipe.
    samples: N, the first N, or "LO..HI", both ends included; None = all.
    bisect: find the layers that the error comes from.
    The others are options of the command line, see `quantc eval --help`.

    Returns a dict:
        samples: how many;
        layers: a list of dicts, in the order of the model: name; alone, with the inputs of the
            float model, and up_to, with everything before it quantized, too: dicts with snr
            (dB, None where there is no error) and cosine;
        outputs: a list of dicts: name, snr, cosine;
        logits, where there are any: output, rows, kl (nats), top1_agreement and, where tokens are
            known, perplexity and float_perplexity;
        bisection, if asked for: measure (what errors are), error, error_without (with the layers
            below in float), layers: dicts of name and alone, the error with only that one
            quantized;
        metric, if there is one: float and quantized, its means over the samples.
    Raises Error.
    """
    arguments = ["eval", "--json"]
    with tempfile.TemporaryDirectory(prefix="quantc-") as folder:
        arguments.append(_model_file(model, 0, folder))
        if library is not None:
            arguments.append(os.fspath(library))
        outputs = os.path.join(folder, "outputs")
        options = {
            "--data": _samples_file(data, folder, "data"),
            "--recipe": recipe,
            "--calibration": _samples_file(calibration, folder, "calibration"),
            "--statistics": statistics,
            "--keep-float": keep_float,
            "--bits-per-weight": bits_per_weight,
            "--size": size,
            "--lock": lock,
            "--samples": samples,
            "--logits": logits,
            "--tokens": tokens,
            "--bisect-share": bisect_share,
            "--plugin": plugin,
            "--save-outputs": outputs if metric else None,
        }
        arguments += _option_arguments(options, dim, set)
        if bisect:
            arguments.append("--bisect")
        result = json.loads(run(arguments))
        if metric:
            result["metric"] = {
                which: _mean(metric, os.path.join(outputs, which))
                for which in ("float", "quantized")
            }
    return result


def _mean(metric, folder):
    """The mean of a metric over the samples N.npz."""
    import numpy as np

    numbers = sorted(int(name.removesuffix(".npz")) for name in os.listdir(folder))
    values = []
    for number in numbers:
        with np.load(os.path.join(folder, f"{number}.npz")) as arrays:
            values.append(float(metric(dict(arrays), number)))
    return sum(values) / len(values)
