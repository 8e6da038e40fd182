"""Writes y = x · w + b with 64 x 48 random weights and a dynamic number of rows.

    small.py FILE [SEED]
"""

import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper


def main(path, seed="0"):
    random = numpy.random.default_rng(int(seed))
    w = random.standard_normal((64, 48), numpy.float32)
    b = random.standard_normal(48, numpy.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["h"], name="fc"),
            helper.make_node("Add", ["h", "b"], ["y"], name="bias"),
        ],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 48])],
        [numpy_helper.from_array(w, "w"), numpy_helper.from_array(b, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.save(model, path)


main(*sys.argv[1:])
