"""Convolutional models for the benchmarks, of the real topologies and with weights from a seed.

The topologies of ResNet-50 and SqueezeNet are those of the `onnx` package's backend tests,
MobileNetV2's is written here after its paper (arXiv:1801.04381, table 2). Nobody's trained
weights are needed: convolutions are drawn with He's variance, and batch normalizations get
the statistics that their inputs have on random images, so that activations are as large at
the end of a model as at its beginning.
"""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 13  # the first with scales for each channel
INPUT = "image"


def tensor(name, array):
    return numpy_helper.from_array(np.ascontiguousarray(array), name)


def image(seed=0, batch=1):
    generator = np.random.default_rng(seed)
    return generator.standard_normal((batch, 3, 224, 224), dtype=np.float32)


# --- Topologies ---------------------------------------------------------------


def light(name):
    """A topology of the onnx package; its weights are shapes only (ConstantOfShape)."""
    folder = pathlib.Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    model = onnx.load(folder / f"light_{name}.onnx")
    graph = model.graph
    initial = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    shapes = {n.output[0]: tuple(int(d) for d in initial[n.input[0]])
              for n in graph.node if n.op_type == "ConstantOfShape"}
    nodes = [n for n in graph.node if n.op_type != "ConstantOfShape"]
    read = {i for n in nodes for i in n.input}
    weights = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    weights |= {name: value for name, value in initial.items() if name in read}
    (data,) = [i for i in graph.input if i.name not in initial]
    for node in nodes:
        node.input[:] = [INPUT if i == data.name else i for i in node.input]
    return nodes, weights, graph.output[0].name


def mobilenet_v2():
    """Width 1.0, 224 x 224."""
    nodes, weights = [], {}
    channels = 3
    current = INPUT

    def add(kind, *inputs, **attributes):
        name = f"t{len(nodes)}"
        nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def weight(kind, shape):
        name = f"w{len(weights)}_{kind}"
        weights[name] = np.zeros(shape, np.float32)
        return name

    def block(x, channels, outputs, kernel, stride=1, groups=1, activation=True):
        x = add("Conv", x, weight("conv", (outputs, channels // groups, kernel, kernel)),
                kernel_shape=[kernel] * 2, strides=[stride] * 2, group=groups,
                pads=[kernel // 2] * 4)
        x = add("BatchNormalization", x,
                *(weight(k, (outputs,)) for k in ("scale", "bias", "mean", "variance")))
        return add("Clip", x, "zero", "six") if activation else x

    weights["zero"], weights["six"] = np.float32(0), np.float32(6)
    current, channels = block(current, 3, 32, 3, 2), 32
    for factor, outputs, count, stride in [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2),
                                           (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
                                           (6, 320, 1, 1)]:
        for i in range(count):
            step, hidden = stride if i == 0 else 1, channels * factor
            x = block(current, channels, hidden, 1) if factor > 1 else current
            x = block(x, hidden, hidden, 3, step, groups=hidden)
            x = block(x, hidden, outputs, 1, activation=False)
            same = step == 1 and channels == outputs
            current, channels = add("Add", current, x) if same else x, outputs
    current = block(current, channels, 1280, 1)
    current = add("Flatten", add("GlobalAveragePool", current))
    current = add("Gemm", current, weight("fc", (1000, 1280)), weight("fc_bias", (1000,)),
                  transB=1)
    return nodes, weights, current


TOPOLOGIES = {"resnet50": lambda: light("resnet50"), "squeezenet": lambda: light("squeezenet"),
              "mobilenet_v2": mobilenet_v2}


# --- Weights ------------------------------------------------------------------


def draw(nodes, weights, seed):
    """He's initialization; statistics of normalizations come later."""
    generator = np.random.default_rng(seed)
    for node in nodes:
        if node.op_type in ("Conv", "Gemm"):
            shape = weights[node.input[1]].shape
            deviation = np.sqrt(2 / np.prod(shape[1:]))
            weights[node.input[1]] = (
                deviation * generator.standard_normal(shape)).astype(np.float32)
            for bias in node.input[2:]:
                weights[bias] = 0.05 * generator.standard_normal(
                    weights[bias].shape, dtype=np.float32)
        elif node.op_type == "BatchNormalization":
            shape = weights[node.input[1]].shape
            weights[node.input[1]] = generator.uniform(0.5, 1.5, shape).astype(np.float32)
            weights[node.input[2]] = 0.1 * generator.standard_normal(shape, dtype=np.float32)


def build(nodes, weights, outputs):
    value = helper.make_tensor_value_info
    read = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes, "model", [value(INPUT, TensorProto.FLOAT, [1, 3, 224, 224])],
        [value(name, TensorProto.FLOAT, None) for name in outputs],
        [tensor(name, array) for name, array in weights.items() if name in read])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)],
                             ir_version=8)


def measure_statistics(nodes, weights):
    """Gives each batch normalization the mean and variance of what it normalizes: one run
    of a model that has them computed instead."""
    import onnxruntime

    epsilon = "epsilon_"
    constants = {epsilon: np.float32(1e-5), "column_": np.array([1, -1, 1, 1], np.int64)}
    measured, measuring = [], []
    for node in nodes:
        if node.op_type != "BatchNormalization":
            measuring.append(node)
            continue
        x, scale, bias = node.input[:3]
        out = node.output[0]

        def add(kind, suffix, *inputs, **attributes):
            name = out if suffix is None else f"{out}_{suffix}"
            measuring.append(helper.make_node(kind, list(inputs), [name], **attributes))
            return name

        mean = add("ReduceMean", "mean", x, axes=[0, 2, 3])
        centred = add("Sub", "centred", x, mean)
        variance = add("ReduceMean", "variance", add("Mul", "square", centred, centred),
                       axes=[0, 2, 3])
        root = add("Sqrt", "root", add("Add", "sum", variance, epsilon))
        unit = add("Div", "unit", centred, root)
        column = add("Reshape", "scale", scale, "column_")
        shift = add("Reshape", "bias", bias, "column_")
        add("Add", None, add("Mul", "scaled", unit, column), shift)
        measured.append((node, mean, variance))
    if not measured:
        return
    model = build(measuring, weights | constants,
                  [name for _, mean, variance in measured for name in (mean, variance)])
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"])
    values = session.run(None, {INPUT: image(seed=1)})
    for i, (node, _, _) in enumerate(measured):
        weights[node.input[3]] = values[2 * i].reshape(-1)
        weights[node.input[4]] = values[2 * i + 1].reshape(-1)


def float_file(name, folder, seed=7):
    """Writes <folder>/<name>.onnx, once, and returns its path."""
    path = folder / f"{name}.onnx"
    if not path.exists():
        nodes, weights, output = TOPOLOGIES[name]()
        for node in nodes:
            modernize(node, weights)
        draw(nodes, weights, seed)
        measure_statistics(nodes, weights)
        model = onnx.shape_inference.infer_shapes(build(nodes, weights, [output]))
        onnx.checker.check_model(model)
        onnx.save(model, path)
    return path


def modernize(node, weights):
    """From opset 9 to 13, for what the topologies have."""
    if node.op_type == "Softmax":  # from the axis on, not of the axis: the same here
        node.attribute.append(helper.make_attribute("axis", 1))
    if node.op_type == "Dropout":
        for attribute in list(node.attribute):
            node.attribute.remove(attribute)
        del node.output[1:]


# --- Quantized ----------------------------------------------------------------


def qdq_file(name, folder, activations):
    """Writes the model in QDQ form, quantized statically by ONNX Runtime's own tool on
    random images: int8 weights with a scale each channel, `activations` "u8" or "s8"."""
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    path = folder / f"{name}-{activations}.onnx"
    if path.exists():
        return path

    class Images(quantization.CalibrationDataReader):
        def __init__(self):
            self.feeds = iter([{INPUT: image(seed)} for seed in range(2, 6)])

        def get_next(self):
            return next(self.feeds, None)

    prepared = folder / f"{name}-prepared.onnx"
    quant_pre_process(str(float_file(name, folder)), str(prepared))
    kind = {"u8": quantization.QuantType.QUInt8, "s8": quantization.QuantType.QInt8}
    quantization.quantize_static(
        str(prepared), str(path), Images(), quant_format=quantization.QuantFormat.QDQ,
        per_channel=True, activation_type=kind[activations],
        weight_type=quantization.QuantType.QInt8)
    return path


def ort_bound(session, inputs):
    """A function that runs the session with inputs and output bound, and the output."""
    import onnxruntime as ort

    binding = session.io_binding()
    for name, array in inputs.items():
        binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(array))
    output = session.run(None, inputs)[0]
    value = ort.OrtValue.ortvalue_from_numpy(np.empty_like(output))
    binding.bind_ortvalue_output(session.get_outputs()[0].name, value)
    return lambda: session.run_with_iobinding(binding), value
