"""Writes a model of MAKERS as an ONNX file, by either exporter of torch.onnx."""

import torch

from . import decoders, encoders, networks, smollm2  # register their models
from .model import MAKERS

assert decoders and encoders and networks and smollm2

OPSETS = {"dynamo": 23, "torchscript": 17}


def make(name):
    """The model and the inputs of each run, by name; the same whenever it is called."""
    torch.manual_seed(0)
    made = MAKERS[name]()
    made.module.eval()
    if not made.trained:
        with torch.no_grad():
            for parameter in made.module.parameters():
                if parameter.dim() > 1:
                    parameter.mul_(2)
    return made, [made.inputs(**dims) for dims in made.dims]


def export(name, style, path):
    """Exports by `style`, a key of OPSETS, and returns the inputs of each run."""
    made, runs = make(name)
    inputs = runs[0]
    options = dict(opset_version=OPSETS[style], output_names=made.outputs)
    if style == "dynamo":
        dynamic = [
            {axis: torch.export.Dim.DYNAMIC for axis in made.dynamic.get(key, {})} for key in inputs
        ]
        options.update(dynamo=True, dynamic_shapes=shapes_of(made.module, dynamic), verbose=False)
        options["custom_translation_table"] = networks.translations()
    else:
        options.update(dynamo=False, dynamic_axes=made.dynamic, do_constant_folding=True)
    with torch.no_grad():
        program = torch.onnx.export(
            made.module, tuple(inputs.values()), None if style == "dynamo" else str(path),
            input_names=list(inputs), **options,
        )
    if style == "dynamo":
        program.save(str(path), external_data=False)
    return runs


def shapes_of(module, dynamic):
    """One entry for each parameter of forward; those of *args together."""
    import inspect

    parameters = inspect.signature(module.forward).parameters.values()
    shapes, left = [], list(dynamic)
    for parameter in parameters:
        if parameter.kind == parameter.VAR_POSITIONAL:
            shapes.append(tuple(left))
            left = []
        else:
            shapes.append(left.pop(0))
    return tuple(shapes)
