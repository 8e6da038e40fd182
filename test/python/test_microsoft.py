"""Operators of com.microsoft that have no CPU kernel elsewhere, against what they are made of."""

import numpy as np
import onnx.parser
import onnxruntime
import pytest

import quantc

HEADER = '<ir_version: 10, opset_import: ["" : 23, "com.microsoft" : 1]>\n'

# Of each operator: a model with it, and one that must give the same.
CASES = {
    "split gelu": (
        """g (float[2, n, 12] x, float[12] b) => (float[2, n, 6] y)
          { y = com.microsoft.BiasSplitGelu (x, b) }""",
        """g (float[2, n, 12] x, float[12] b) => (float[2, n, 6] y) {
          s = Add (x, b)
          l, r = Split <axis = 2, num_outputs = 2> (s)
          e = Gelu (r)
          y = Mul (l, e)
        }""",
    ),
    "bias": (
        """g (float[2, n, 12] x, float[12] b, float[2, n, 12] r) => (float[2, n, 12] y)
          { y = com.microsoft.BiasAdd (x, b, r) }""",
        """g (float[2, n, 12] x, float[12] b, float[2, n, 12] r) => (float[2, n, 12] y) {
          s = Add (x, b)
          y = Add (s, r)
        }""",
    ),
    "channels last": (
        """g (float[n, 7, 7, 4] x, float[6, 2, 3, 3] w, float[6] b) => (float[n, 4, 4, 6] y) {
          y = com.microsoft.NhwcConv <group = 2, pads = [1, 1, 1, 1], strides = [2, 2]> (x, w, b)
        }""",
        """g (float[n, 7, 7, 4] x, float[6, 2, 3, 3] w, float[6] b) => (float[n, 4, 4, 6] y) {
          t = Transpose <perm = [0, 3, 1, 2]> (x)
          c = Conv <group = 2, pads = [1, 1, 1, 1], strides = [2, 2]> (t, w, b)
          y = Transpose <perm = [0, 2, 3, 1]> (c)
        }""",
    ),
    "activation of a product": (
        """g (float[n, 8] x, float[5, 8] w) => (float[n, 5] y) {
          y = com.microsoft.FusedMatMulActivation <transB = 1, alpha = 0.5, activation = "Elu",
            activation_alpha = 0.7> (x, w)
        }""",
        """g (float[n, 8] x, float[5, 8] w) => (float[n, 5] y) {
          p = Gemm <alpha = 0.5, transB = 1> (x, w)
          y = Elu <alpha = 0.7> (p)
        }""",
    ),
    "packed queries, keys and values": (
        """g (float[n, 5, 2, 3, 8] x, float[48] b) => (float[n, 5, 16] y) {
          y = com.microsoft.MultiHeadAttention <num_heads = 2> (x, , , b)
        }""",
        """g (float[n, 5, 2, 3, 8] x, float[48] b) => (float[n, 5, 16] y) {
          p, q, r = Split <axis = 3, num_outputs = 3> (x)
          s = Constant <value_ints = [0, 0, 16]> ()
          a = Reshape (p, s)
          k = Reshape (q, s)
          v = Reshape (r, s)
          y = com.microsoft.MultiHeadAttention <num_heads = 2> (a, k, v, b)
        }""",
    ),
    "packed keys and values": (
        """g (float[n, 3, 16] a, float[n, 5, 2, 2, 8] x)
          => (float[n, 3, 16] y, float[n, 2, 3, 5] w) {
          y, , , w = com.microsoft.MultiHeadAttention <num_heads = 2> (a, x)
        }""",
        """g (float[n, 3, 16] a, float[n, 5, 2, 2, 8] x)
          => (float[n, 3, 16] y, float[n, 2, 3, 5] w) {
          q, r = Split <axis = 3, num_outputs = 2> (x)
          s = Constant <value_ints = [0, 0, 16]> ()
          k = Reshape (q, s)
          v = Reshape (r, s)
          y, , , w = com.microsoft.MultiHeadAttention <num_heads = 2> (a, k, v)
        }""",
    ),
    "norms of queries and keys": (
        """g (float[n, 5, 32] q, float[n, 5, 16] k, float[n, 5, 16] v, int32[n] l, int32 t,
          float[16] a, float[16] b) => (float[n, 5, 32] y) {
          y, p, r = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 1,
            qk_norm_epsilon = 0.01> (q, k, v, , , l, t, , , , , , , , a, b)
        }""",
        """g (float[n, 5, 32] q, float[n, 5, 16] k, float[n, 5, 16] v, int32[n] l, int32 t,
          float[16] a, float[16] b) => (float[n, 5, 32] y) {
          h = Constant <value_ints = [0, 0, 2, 16]> ()
          f = Constant <value_ints = [0, 0, 32]> ()
          q4 = Reshape (q, h)
          qn = SimplifiedLayerNormalization <epsilon = 0.01> (q4, a)
          q3 = Reshape (qn, f)
          k3 = SimplifiedLayerNormalization <epsilon = 0.01> (k, b)
          y, p, r = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 1> (q3, k3,
            v, , , l, t)
        }""",
    ),
    "norm of groups": (
        """g (float[n, 5, 7, 6] x, float[6] s, float[6] b)
          => (float[n, 5, 7, 6] y, float[n, 5, 7, 6] z) {
          y = com.microsoft.GroupNorm <groups = 3, activation = 0, epsilon = 0.01> (x, s, b)
          t = Transpose <perm = [0, 3, 1, 2]> (x)
          u = com.microsoft.GroupNorm <groups = 2, activation = 1, channels_last = 0> (t, s, b)
          z = Transpose <perm = [0, 2, 3, 1]> (u)
        }""",
        """g (float[n, 5, 7, 6] x, float[6] s, float[6] b)
          => (float[n, 5, 7, 6] y, float[n, 5, 7, 6] z) {
          t = Transpose <perm = [0, 3, 1, 2]> (x)
          a = GroupNormalization <num_groups = 3, epsilon = 0.01> (t, s, b)
          y = Transpose <perm = [0, 2, 3, 1]> (a)
          c = GroupNormalization <num_groups = 2> (t, s, b)
          d = Sigmoid (c)
          e = Mul (c, d)
          z = Transpose <perm = [0, 2, 3, 1]> (e)
        }""",
    ),
    "norm of groups of a sum": (
        """g (float[n, 5, 7, 6] x, float[6] s, float[6] b, float[n, 6] r, float[6] c)
          => (float[n, 5, 7, 6] y, float[n, 5, 7, 6] z) {
          y, z = com.microsoft.SkipGroupNorm <groups = 3, activation = 0> (x, s, b, r, c)
        }""",
        """g (float[n, 5, 7, 6] x, float[6] s, float[6] b, float[n, 6] r, float[6] c)
          => (float[n, 5, 7, 6] y, float[n, 5, 7, 6] z) {
          axes = Constant <value_ints = [1, 2]> ()
          u = Unsqueeze (r, axes)
          v = Add (x, u)
          z = Add (v, c)
          t = Transpose <perm = [0, 3, 1, 2]> (z)
          a = GroupNormalization <num_groups = 3> (t, s, b)
          y = Transpose <perm = [0, 2, 3, 1]> (a)
        }""",
    ),
    "gates": (
        """g (float[n, 8] x, float[n, 4] a, float[n, 4] b) => (float[n, 4] y, float[n, 4] z) {
          y = com.microsoft.SwiGLU <limit = 0.5, activation_alpha = 1.7, activation_beta = 1.0> (x)
          z = com.microsoft.SwiGLU (a, b)
        }""",
        """g (float[n, 8] x, float[n, 4] a, float[n, 4] b) => (float[n, 4] y, float[n, 4] z) {
          p, q = Split <axis = 1, num_outputs = 2> (x)
          high = Constant <value_float = 0.5> ()
          low = Constant <value_float = -0.5> ()
          one = Constant <value_float = 1.0> ()
          g = Min (p, high)
          l = Clip (q, low, high)
          k = com.microsoft.QuickGelu <alpha = 1.7> (g)
          m = Add (l, one)
          y = Mul (k, m)
          w = com.microsoft.QuickGelu <alpha = 1.0> (a)
          z = Mul (w, b)
        }""",
    ),
    "softmax and dropout with a bias": (
        """g (float[n, 2, 3, 4] x, float[n, 1, 1, 4] b, float[4] c) => (float[n, 2, 3, 4] y,
          float[n, 2, 3, 4] z, float[n, 2, 3, 4] d) {
          y = com.microsoft.BiasSoftmax <axis = 3, is_inner_broadcast = 1> (x, b)
          z = com.microsoft.BiasSoftmax <axis = 2, is_inner_broadcast = 1> (x, b)
          d = com.microsoft.BiasDropout (x, c, x)
        }""",
        """g (float[n, 2, 3, 4] x, float[n, 1, 1, 4] b, float[4] c) => (float[n, 2, 3, 4] y,
          float[n, 2, 3, 4] z, float[n, 2, 3, 4] d) {
          s = Add (x, b)
          y = Softmax <axis = 3> (s)
          f = Constant <value_ints = [0, 0, 12]> ()
          r = Reshape (s, f)
          t = Softmax <axis = 2> (r)
          shape = Shape (x)
          z = Reshape (t, shape)
          a = Add (x, c)
          d = Add (a, x)
        }""",
    ),
    "products with activations": (
        """g (float[n, 7, 7, 4] x, float[6, 4, 3, 3] w, float[6] b, float[n, 5, 5, 6] r,
          float[n, 8] m, float[8, 6] v) => (float[n, 5, 5, 6] y, float[n, 6] z) {
          y = com.microsoft.NhwcFusedConv <activation = "Relu"> (x, w, b, r)
          z = com.microsoft.GemmFastGelu (m, v, b)
        }""",
        """g (float[n, 7, 7, 4] x, float[6, 4, 3, 3] w, float[6] b, float[n, 5, 5, 6] r,
          float[n, 8] m, float[8, 6] v) => (float[n, 5, 5, 6] y, float[n, 6] z) {
          t = Transpose <perm = [0, 3, 1, 2]> (x)
          c = Conv (t, w, b)
          u = Transpose <perm = [0, 2, 3, 1]> (c)
          s = Add (u, r)
          y = Relu (s)
          p = MatMul (m, v)
          z = com.microsoft.FastGelu (p, b)
        }""",
    ),
    "a table": (
        """g (float[9, 4] w, int32[n] l) => (float[n, 4] y) {
          i = Cast <to = 7> (l)
          y = com.microsoft.TorchEmbedding (w, i)
        }""",
        """g (float[9, 4] w, int32[n] l) => (float[n, 4] y) {
          y = Gather (w, l)
        }""",
    ),
    "a gate beside the first layer": (
        """g (float[n, 6] x, float[n, 1] p, float[1, 8, 6] a, float[1, 6, 8] b,
          float[1, 8, 6] c) => (float[n, 6] y) {
          y = com.microsoft.MoE <activation_type = "silu"> (x, p, a, , b, , c)
        }""",
        """g (float[n, 6] x, float[n, 1] p, float[1, 8, 6] a, float[1, 6, 8] b,
          float[1, 8, 6] c) => (float[n, 6] y) {
          axes = Constant <value_ints = [0]> ()
          a2 = Squeeze (a, axes)
          b2 = Squeeze (b, axes)
          c2 = Squeeze (c, axes)
          u = Gemm <transB = 1> (x, a2)
          s = Sigmoid (u)
          w = Mul (u, s)
          g = Gemm <transB = 1> (x, c2)
          h = Mul (w, g)
          y = Gemm <transB = 1> (h, b2)
        }""",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_same_as(case, tmp_path):
    model, same = (onnx.parser.parse_model(HEADER + text) for text in CASES[case])
    random = np.random.default_rng(0)
    inputs = {}
    for value in model.graph.input:
        shape = [d.dim_value or 3 for d in value.type.tensor_type.shape.dim]
        inputs[value.name] = random.standard_normal(shape).astype(np.float32)
        if value.type.tensor_type.elem_type == onnx.TensorProto.INT32:
            inputs[value.name] = np.full(shape, 5 - len(shape), np.int32)
    session = onnxruntime.InferenceSession(
        same.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    expected = session.run(None, inputs)
    found = quantc.load(quantc.compile(model, tmp_path / "model", recipe="fp32"))(inputs)
    for output, value in zip(session.get_outputs(), expected):
        np.testing.assert_allclose(found[output.name], value, 2e-5, 1e-5)


def test_relative_positions(tmp_path):
    """The buckets of T5, as its authors' code has them, on distances up to twice the largest."""
    text = """g (float[32, 3] t, float[n, 2] q) => (float[1, 3, n, n] both, float[1, 3, n, n] one) {
      s = Shape <start = 0, end = 1> (q)
      both = com.microsoft.RelativePositionBias <max_distance = 20, is_bidirectional = 1> (t, s, s)
      one = com.microsoft.RelativePositionBias <max_distance = 20> (t, s, s)
    }"""
    length = 41
    table = np.random.default_rng(0).standard_normal((3, 32)).astype(np.float32)
    inputs = {"t": table.reshape(32, 3), "q": np.zeros((length, 2), np.float32)}
    model = onnx.parser.parse_model(HEADER + text)
    found = quantc.load(quantc.compile(model, tmp_path / "model", recipe="fp32"))(inputs)
    relative = np.arange(length)[None, :] - np.arange(length)[:, None]

    def buckets(distance, count):
        exact = count // 2
        with np.errstate(divide="ignore"):
            far = np.log(distance.astype(np.float32) / exact) / np.log(20 / exact)
        far = exact + (far.clip(0) * (count - exact)).astype(int)
        return np.where(distance < exact, distance, far.clip(max=count - 1))

    both = buckets(abs(relative), 16) + 16 * (relative > 0)
    one = buckets((-relative).clip(0), 32)
    np.testing.assert_array_equal(found["both"][0], table[:, both])
    np.testing.assert_array_equal(found["one"][0], table[:, one])


# What is refused, and where it says why.
REFUSED = {
    "g (float[2, 8] x, float[9] b) => (float[2, 8] y) { y = com.microsoft.BiasGelu (x, b) }":
        "the bias has not the length of the data's rows: 9 is not 8",
    """g (float[2, 8] x, float[8] b) => (float[2, 8] y)
      { y = com.microsoft.FusedGemm <activation = "Shrink"> (x, x) }""":
        "there is no activation 'Shrink'",
    """g (float[n, 5, 32] q, int32[n] l, int32 t) => (float[n, 5, 32] y) {
      y, k, v = com.microsoft.GroupQueryAttention <num_heads = 3, kv_num_heads = 2> (q, , , , , l,
        t) }""":
        "num_heads must be a positive multiple of kv_num_heads",
    """g (float[n, 5, 32] q, float[n, 5, 16] k, int32[n] l, int32 t) => (float[n, 5, 32] y) {
      y, p, v = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 1> (q, k, , , ,
        l, t) }""":
        "key and value go together",
    """g (float[n, 5, 32] q, int32[n] l, int32 t) => (float[n, 5, 16] y) {
      y, k, v = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 1,
        do_rotary = 1> (q, , , , , l, t) }""":
        "cos_cache or sin_cache is missing",
    """g (float[n, 5, 30] q) => (float[n, 5, 30] y)
      { y = com.microsoft.MultiHeadAttention <num_heads = 4> (q, q, q) }""":
        "30 is no multiple of 4",
    """g (float[n, 5, 32] q) => (float[n, 5, 32] y)
      { y = com.microsoft.MultiHeadAttention <num_heads = 4> (q) }""":
        "it has no key, and query is not packed",
    """g (float[n, 5, 32] q) => (float[n, 5, 32] y) { y = com.microsoft.MultiHeadAttention (q, q,
      q) }""":
        "num_heads",
    """g (float[n, 5, 24] x, float[24, 95] w) => (float[n, 5, 32] y)
      { y = com.microsoft.Attention <num_heads = 4> (x, w) }""":
        "no multiple of 3",
    """g (float[n, 5, 24] x, float[23, 96] w) => (float[n, 5, 32] y)
      { y = com.microsoft.Attention <num_heads = 4> (x, w) }""":
        "the weights have not the width of the input: 23 is not 24",
    """g (float[n, 5, 24] x, float[24, 96] w, int32[m] l) => (float[n, 5, 32] y) {
      y = com.microsoft.Attention <num_heads = 4> (x, w, , l) }""":
        "must have the length of the batch, or twice that",
    "g (float[n, 5, 24] x) => (float[n, 5, 24] y) { y = com.microsoft.Snpe <DLC = \"\"> (x) }":
        "there is no such operator in this version; .* or name a library that has this one .--plugin",
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text, tmp_path):
    with pytest.raises(quantc.Error, match=REFUSED[text].replace("(", "\\(")):
        quantc.compile(onnx.parser.parse_model(HEADER + text), tmp_path / "model")
