"""quantc.backend, on node tests of ONNX's own suite and on models as its interface has them."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import quantc

onnx_backend_test = pytest.importorskip("onnx.backend.test")

# A few of each kind. ONNX's names; the models and data come with the onnx package.
NODE_TESTS = [
    "test_add", "test_add_bcast", "test_sub", "test_mul", "test_div", "test_relu", "test_sigmoid",
    "test_tanh", "test_matmul_2d", "test_matmul_3d", "test_transpose_default", "test_softmax_axis_1",
    "test_flatten_axis1", "test_gather_0", "test_concat_2d_axis_0",
    "test_layer_normalization_2d_axis1", "test_erf", "test_gelu_default_1", "test_where_example",
]


@pytest.fixture(autouse=True)
def use_program(program, monkeypatch):
    monkeypatch.setenv("QUANTC_BIN", str(program))


@pytest.fixture(scope="module")
def cases():
    from onnx.backend.test.loader import load_model_tests

    return {case.name: case for case in load_model_tests(kind="node")}


@pytest.mark.parametrize("recipe", ["reference", "fp32"])
@pytest.mark.parametrize("name", NODE_TESTS)
def test_node(cases, name, recipe):
    from onnx import numpy_helper

    case = cases[name]
    model = case.model or onnx.load(case.model_dir + "/model.onnx")
    prepared = quantc.backend.prepare(model, "CPU", recipe=recipe)
    if case.data_sets:
        data = case.data_sets
    else:
        folder = case.model_dir + "/test_data_set_0/"

        def arrays(kind, count):
            return [
                numpy_helper.to_array(onnx.load_tensor(f"{folder}{kind}_{i}.pb"))
                for i in range(count)
            ]

        data = [(arrays("input", len(model.graph.input)), arrays("output", len(model.graph.output)))]
    for inputs, outputs in data:
        results = prepared.run(inputs)
        assert len(results) == len(outputs)
        for result, output in zip(results, outputs):
            assert result.dtype == output.dtype
            np.testing.assert_allclose(result, output, rtol=case.rtol, atol=case.atol)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the suite's own examples
def test_it_is_a_backend():
    assert issubclass(quantc.backend, onnx.backend.base.Backend)
    import quantc.backend as imported

    assert imported is quantc.backend
    # ONNX's suite can be made of it.
    from onnx.backend.test import BackendTest

    suite = BackendTest(quantc.backend, __name__)
    assert any("test_add_cpu" in dir(c) for c in suite.test_cases.values())


def test_devices():
    assert quantc.backend.supports_device("CPU") and quantc.backend.supports_device("CPU:0")
    assert not quantc.backend.supports_device("CUDA")
    with pytest.raises(quantc.Error, match="not on 'CUDA'"):
        quantc.backend.prepare(add_model(), "CUDA")


def add_model():
    x = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n"]) for n in "abc"]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["c"])], "g", x[:2], x[2:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])


def test_run_model():
    a, b = np.arange(3, dtype=np.float32), np.ones(3, np.float32)
    (c,) = quantc.backend.run_model(add_model(), [a, b])
    np.testing.assert_array_equal(c, a + b)
    with pytest.raises(quantc.Error, match="input 'b' of model 'model' is missing"):
        quantc.backend.run_model(add_model(), [a])
    with pytest.raises(quantc.Error, match="3 inputs are given; the model has 2"):
        quantc.backend.run_model(add_model(), [a, b, b])


def test_run_node():
    node = helper.make_node("Mul", ["x", "y"], ["z"])
    x = np.array([[1, 2], [3, 4]], np.float32)
    (z,) = quantc.backend.run_node(node, [x, x])
    np.testing.assert_array_equal(z, x * x)
    (z,) = quantc.backend.run_node(node, [x, x], outputs_info=[(x.dtype, x.shape)])
    np.testing.assert_array_equal(z, x * x)


def test_is_compatible():
    assert quantc.backend.is_compatible(add_model())
    # A string tensor is what no recipe can do.
    x = helper.make_tensor_value_info("x", TensorProto.STRING, [1])
    y = helper.make_tensor_value_info("y", TensorProto.STRING, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    assert not quantc.backend.is_compatible(model)


def test_models_are_kept():
    first = quantc.backend.prepare(add_model(), threads=1)
    assert quantc.backend.prepare(add_model(), threads=1) is first
    assert quantc.backend.prepare(add_model(), threads=2) is not first
    assert quantc.backend.prepare(add_model(), threads=1, recipe="reference") is not first
