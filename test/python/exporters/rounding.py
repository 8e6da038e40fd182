"""A model with the roundings of recipe w8a8-dynamic written out in float operators."""

import numpy as np
import onnx
from onnx import helper, numpy_helper


def rounded(array, axis):
    """To 8 bits, a scale for what lies along the axis."""
    scale = np.abs(array).max(axis=axis, keepdims=True) / np.float32(127)
    return np.round(array / np.where(scale == 0, np.float32(1), scale)) * scale


def with_rounding(path, result):
    """The model with the roundings of w8a8-dynamic written out in float: weights by column, rows of
    the table, and before each product its input by token."""
    model = onnx.load(path)
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    made_by = {output: node for node in graph.node for output in node.output}
    constants = [("levels", np.float32(127)), ("last", np.array([-1])), ("least", np.float32(1e-30))]
    nodes, done = [], {}

    def constant(name):
        """The name of the initializer behind a value, and whether it is transposed there."""
        node = made_by.get(name)
        if node is not None and node.op_type == "Transpose":
            return node.input[0], True
        return name, False

    def store(name, axis):
        key = f"{name}/{axis}"
        if key not in done:
            done[key] = key
            array = rounded(numpy_helper.to_array(weights[name]), axis)
            graph.initializer.append(numpy_helper.from_array(array, key))
        return key

    for node in graph.node:
        if node.op_type == "Gather" and node.input[0] in weights and "embed" in node.input[0]:
            node.input[0] = store(node.input[0], 1)
        if node.op_type == "MatMul":
            name, transposed = constant(node.input[1])
            if name in weights:
                stored = store(name, 1 if transposed else 0)
                x = node.input[0]
                if transposed:
                    weight = node.output[0] + "/w"
                    nodes.append(helper.make_node("Transpose", [stored], [weight], perm=[1, 0]))
                    stored = weight
                if x + "/r" not in done:
                    done[x + "/r"] = True
                    nodes += [
                        # Its greatest magnitude is 127 steps.
                        helper.make_node("Abs", [x], [x + "/a"]),
                        helper.make_node("ReduceMax", [x + "/a", "last"], [x + "/m"], keepdims=1),
                        helper.make_node("Div", [x + "/m", "levels"], [x + "/e"]),
                        helper.make_node("Max", [x + "/e", "least"], [x + "/s"]),
                        helper.make_node("Div", [x, x + "/s"], [x + "/d"]),
                        helper.make_node("Round", [x + "/d"], [x + "/q"]),
                        helper.make_node("Mul", [x + "/q", x + "/s"], [x + "/r"]),
                    ]
                node.input[0], node.input[1] = x + "/r", stored
        nodes.append(node)
    for name, array in constants:
        graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    onnx.save(model, result)
