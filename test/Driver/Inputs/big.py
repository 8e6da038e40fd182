"""Writes a model of one linear layer whose weight, 4096 x 4096 floats, is external.

    big.py FOLDER        FOLDER/model.onnx and FOLDER/weights.bin
"""

import os
import sys

import numpy
import onnx
from onnx import TensorProto, helper


def main(folder, n=4096):
    os.makedirs(folder, exist_ok=True)
    random = numpy.random.default_rng(0)
    random.standard_normal((n, n), numpy.float32).tofile(os.path.join(folder, "weights.bin"))
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[n, n])
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="weights.bin")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="fc")],
        "big",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", n])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", n])],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.save(model, os.path.join(folder, "model.onnx"))


main(sys.argv[1])
