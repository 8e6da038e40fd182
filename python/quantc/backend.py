"""An ONNX backend, so that ONNX's own suite, and whoever speaks its interface, runs on quantc.

    import quantc
    outputs = quantc.backend.run_model(onnx.load("model.onnx"), [x])

`quantc.backend` is the class below, a subclass of onnx.backend.base.Backend. Its keyword
arguments beyond ONNX's: `recipe` (default `fp32`), `target` (default `native:highest`: what this
machine runs best, and nothing else), other options of quantc.compile, and `threads` of quantc.load.
"""

import collections
import hashlib
import os
import sys
import tempfile

import numpy as np
import onnx
import onnx.backend.base

from quantc import load
from quantc._compile import compile, program
from quantc._error import Error


def _array(value):
    """ONNX's suite has inputs of the types that NumPy lacks as messages."""
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


class BackendRep(onnx.backend.base.BackendRep):
    """A compiled model, as onnx.backend.base.Backend.prepare returns it."""

    def __init__(self, model):
        self.model = model

    def run(self, inputs, **kwargs):
        """Runs on inputs in the order of the model (a dict: by name); the outputs likewise."""
        if not isinstance(inputs, dict):
            if not isinstance(inputs, (list, tuple)):
                inputs = [inputs]
            names = [tensor.name for tensor in self.model.inputs]
            if len(inputs) > len(names):
                raise Error(f"{len(inputs)} inputs are given; the model has {len(names)}: {names}")
            inputs = dict(zip(names, inputs))
        inputs = {name: _array(value) for name, value in inputs.items()}
        return tuple(self.model(inputs).values())


class Backend(onnx.backend.base.Backend):
    """Compiles with quantc and runs on this machine's CPU."""

    # The last models prepared, by what they were made of: whoever asks is_compatible first, as
    # ONNX's suite does, compiles once.
    _prepared = collections.OrderedDict()
    _KEPT = 8

    @classmethod
    def _key(cls, model, *options):
        if not isinstance(model, onnx.ModelProto):
            return None  # a file may change
        status = os.stat(program())
        digest = hashlib.sha256(model.SerializeToString()).digest()
        return digest, status.st_mtime_ns, status.st_size, repr(options)

    @classmethod
    def is_compatible(cls, model, device="CPU", **kwargs):
        """Whether quantc can compile the model. It tries, for there is no cheaper way to know."""
        try:
            cls.prepare(model, device, **kwargs)
        except Error:
            return False
        return True

    @classmethod
    def prepare(
        cls, model, device="CPU", *, threads=0, recipe="fp32", target="native:highest", **kwargs
    ):
        if not cls.supports_device(device):
            raise Error(f"quantc's ONNX backend runs on the CPU, not on '{device}'", 2)
        key = cls._key(model, threads, recipe, target, sorted(kwargs.items()))
        if key in cls._prepared:
            cls._prepared.move_to_end(key)
            return cls._prepared[key]
        # Once loaded, the files are mapped and need no name.
        with tempfile.TemporaryDirectory(prefix="quantc-") as folder:
            prefix = os.path.join(folder, "model")
            path = compile(model, prefix, recipe=recipe, target=target, **kwargs)
            prepared = BackendRep(load(path, threads))
        if key:
            cls._prepared[key] = prepared
            while len(cls._prepared) > cls._KEPT:
                cls._prepared.popitem(last=False)
        return prepared

    @classmethod
    def run_node(cls, node, inputs, device="CPU", outputs_info=None, **kwargs):
        """Runs one node on arrays. `outputs_info`: (dtype, shape) of each output, where the
        operator's own shape inference does not know; `opset_version` as ONNX has it."""
        opset = kwargs.pop("opset_version", onnx.defs.onnx_opset_version())
        names = [name for name in node.input if name]
        if len(names) != len(inputs):
            raise Error(f"the node has {len(names)} inputs, {names}, and {len(inputs)} are given")
        arrays = [np.asarray(_array(value)) for value in inputs]
        helper = onnx.helper
        graph_inputs = [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
            )
            for name, array in zip(names, arrays)
        ]
        graph_outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
        for value, (dtype, shape) in zip(graph_outputs, outputs_info or ()):
            value.CopyFrom(
                helper.make_tensor_value_info(
                    value.name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape
                )
            )
        graph = helper.make_graph([node], "node", graph_inputs, graph_outputs)
        imports = [helper.make_opsetid(node.domain, opset)]
        model = helper.make_model(graph, opset_imports=imports)
        model.ir_version = min(model.ir_version, onnx.IR_VERSION)
        if not outputs_info:
            model = onnx.shape_inference.infer_shapes(model)
        return cls.run_model(model, dict(zip(names, arrays)), device, **kwargs)

    @classmethod
    def run_model(cls, model, inputs, device="CPU", **kwargs):
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def supports_device(cls, device):
        kind, _, number = device.partition(":")
        return kind == "CPU" and number in ("", "0")


Backend.BackendRep = BackendRep

# `quantc.backend` is to be an onnx Backend, also after `import quantc.backend`.
sys.modules[__name__] = Backend
