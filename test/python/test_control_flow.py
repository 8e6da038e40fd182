"""If, Loop, Scan, sequences, optionals and operators of data-dependent size against ONNX Runtime:
dynamic dimensions, nesting, captured values, no iterations, shapes that grow, several threads."""

import numpy as np
import onnx
import pytest

quantc = pytest.importorskip("quantc")
onnxruntime = pytest.importorskip("onnxruntime")


def f32(*shape):
    return np.random.RandomState(0).randn(*shape).astype(np.float32)


def i64(*values):
    return np.array(values, np.int64)


MODELS = {
    # A branch each of other size, one that computes, one that captures.
    "if": (
        """(bool c, float[n,m] x) => (float[a,b] y) {
          y = If (c) <then_branch = t () => (float[a1,b1] p) { p = Transpose (x) },
                      else_branch = e () => (float[a2,b2] q) { q = Concat<axis=0>(x,x) }> }""",
        [(np.array(c), f32(*s)) for c in (True, False) for s in ((3, 4), (5, 2))],
    ),
    # If in Loop in If in Loop; a carried value that is swapped with its captured beginning.
    "nested": (
        """(int64 M, float[n] x) => (float[n] y, float[k,n] all) {
          c = Constant<value = bool {1}>()
          y, all = Loop (M, c, x) <body = b (int64 i, bool ci, float[n] s)
              => (bool co, float[n] so, float[n] piece) {
            one = Constant<value = int64 {1}>()
            two = Constant<value = int64 {2}>()
            co = Identity(ci)
            m = Mod(i, two)
            odd = Equal(m, one)
            so = If (odd) <
              then_branch = t () => (float[n] p) {
                p = Loop (i, ci, s) <body = inner (int64 j, bool cj, float[n] q)
                    => (bool ck, float[n] qo) {
                  ck = Identity(cj)
                  z = Add(q, x)
                  qo = If (odd) <then_branch = t3 () => (float[n] p3) { p3 = Sub(z, s) },
                                 else_branch = e3 () => (float[n] q3) { q3 = Identity(s) }> }> },
              else_branch = e () => (float[n] p2) { p2 = Neg(s) }>
            piece = Add(so, s) }> }""",
        [(np.array(n), f32(k)) for n, k in ((5, 3), (0, 3), (1, 6))],
    ),
    # A condition that data ends; what is collected has as many rows as there were iterations.
    "until": (
        """(float[n] x) => (float[n] y, float[k,n] all, float[k] sums) {
          M = Constant<value = int64 {100}>()
          c = Constant<value = bool {1}>()
          y, all, sums = Loop (M, c, x) <body = b (int64 i, bool ci, float[n] s)
              => (bool co, float[n] so, float[n] piece, float sum) {
            two = Constant<value = float {2}>()
            lim = Constant<value = float {50}>()
            so = Mul(s, two)
            piece = Add(so, x)
            ab = Abs(so)
            sum = ReduceMax<keepdims=0>(ab)
            co = Less(sum, lim) }> }""",
        [(f32(4),), (f32(2) * 30,), (f32(9) * 0.1,)],
    ),
    # Carried tensors that grow, and two that change places.
    "grow": (
        """(int64 M, float[n] x, float[n] z) => (float[k] y, float[n] a, float[n] b) {
          y, a, b = Loop (M, , x, x, z) <body = b (int64 i, bool ci, float[l] s, float[n] t,
              float[n] u) => (bool ci, float[l2] so, float[n] u2, float[n] t2) {
            so = Concat<axis=0>(s, x)
            u2 = Identity(u)
            t2 = Identity(t) }> }""",
        [(np.array(n), f32(k), -f32(k)) for n, k in ((3, 2), (0, 2), (7, 3))],
    ),
    "scan": (
        """(float[n,m] x, float[m] s0) => (float[m] s, float[m,n] all) {
          s, all = Scan<num_scan_inputs=1, scan_input_directions=[1], scan_output_axes=[1],
                        scan_output_directions=[1],
                        body = b (float[m] s_in, float[m] xi) => (float[m] so, float[m] o) {
            so = Add(s_in, xi)
            o = Mul(so, xi) }>(s0, x) }""",
        [(f32(4, 3), f32(3)), (f32(1, 5), f32(5))],
    ),
    # Several states and results, of other types.
    "scan_several": (
        """(float[n,m] x, float[n,m] z, float[m] s0, int64 c0)
          => (float[m] s, int64 c, float[n,m] all, int64[n] cs) {
          s, c, all, cs = Scan<num_scan_inputs=2, body = b (float[m] a, int64 k, float[m] xi,
              float[m] zi) => (float[m] ao, int64 ko, float[m] o, int64 kk) {
            one = Constant<value = int64 {1}>()
            ko = Add(k, one)
            kk = Identity(k)
            ao = Add(a, xi)
            o = Mul(ao, zi) }>(s0, c0, x, z) }""",
        [(f32(4, 3), f32(4, 3), f32(3), np.array(5))],
    ),
    # A branch that is not taken, whose size would be nonsense.
    "untaken": (
        """(int64[1] s, float[n] x) => (float[m] y) {
          one = Constant<value = int64[1] {1}>()
          sm = Mul(s, one)
          z = Constant<value = int64 {0}>()
          s0 = ReduceMax<keepdims=0>(sm)
          c = Greater(s0, z)
          y = If (c) <then_branch = t () => (float[a] p) {
                        p1 = Constant<value = float {2}>()
                        p = Expand(p1, sm) },
                      else_branch = e () => (float[b] q) { q = Neg(x) }> }""",
        [(i64(3), f32(2)), (i64(-7), f32(2)), (i64(-(1 << 40)), f32(3))],
    ),
    # A sequence that a loop makes, and one that a loop takes elements of.
    "sequence_loop": (
        """(float[n,m] x, int64 k) => (float[a,m] y, float[q] last, int64 count) {
          s = SplitToSequence<axis=0>(x, k)
          count = SequenceLength(s)
          c = Constant<value = bool {1}>()
          z = Constant<value = float[1] {0}>()
          e = SequenceEmpty<dtype=1>()
          last, made = Loop (count, c, z, e) <body = b (int64 i, bool ci, float[w] a,
              seq(float[r,m]) q0) => (bool co, float[w2] a1, seq(float[r2,m]) q1) {
            co = Identity(ci)
            p = SequenceAt(s, i)
            t = ReduceSum<keepdims=0>(p)
            one = Constant<value = int64[1] {1}>()
            t1 = Reshape(t, one)
            a1 = Concat<axis=0>(a, t1)
            q1 = SequenceInsert(q0, p) }>
          y = ConcatFromSequence<axis=0>(made) }""",
        [(f32(5, 3), np.array(2)), (f32(6, 3), np.array(3))],
    ),
    # Positions, gathered; a shape and a count that data computes.
    "nonzero": (
        """(float[n,m] x) => (float[k] y, int64[2,k] p, float[l] v, float[a,b] w) {
          zero = Constant<value = float {0}>()
          pos = Greater(x, zero)
          p = NonZero(pos)
          t = Transpose(p)
          y = GatherND(x, t)
          flat = Constant<value = int64[1] {-1}>()
          xs = Reshape(x, flat)
          one = Constant<value = int64[1] {1}>()
          counts = Cast<to=7>(pos)
          k = ReduceSum<keepdims=0>(counts)
          k1 = Reshape(k, one)
          v, vi = TopK(xs, k1)
          sh = Concat<axis=0>(k1, one)
          w = Reshape(v, sh) }""",
        [(f32(3, 4),), (-np.abs(f32(3, 4)),), (f32(40, 50),)],
    ),
    "unique": (
        """(int64[n,m] x, float[l] z) => (int64[a,m] y, int64[a] f, int64[n] inv, int64[a] cnt,
                                        float[b] u, int64[b] uf, int64[l] ui, int64[b] uc) {
          y,f,inv,cnt = Unique<axis=0>(x)
          u,uf,ui,uc = Unique<sorted=0>(z) }""",
        [
            (np.random.RandomState(0).randint(0, 3, (n, 2)), np.round(f32(n) * 2))
            for n in (1, 9, 100)
        ],
    ),
    # Sequences that come in, grow in a loop, and are put together.
    "sequence": (
        """(seq(float[k]) s, int64 i, float[n] x) => (float[l] y, seq(float[k]) r, int64 n0) {
          at = SequenceAt(s, i)
          both = SequenceInsert(s, x, i)
          r = SequenceErase(both, i)
          n0 = SequenceLength(both)
          y = ConcatFromSequence<axis=0>(both) }""",
        [
            ([f32(2), f32(3) + 1, f32(1)], np.array(1), f32(4)),
            ([f32(2)], np.array(0), f32(5)),
        ],
    ),
    "split": (
        """(float[n,m] x, int64 k) => (seq(float[a,m]) s, float[n,m] y, float[p,q] z) {
          s = SplitToSequence<axis=0>(x, k)
          y = ConcatFromSequence<axis=0>(s)
          t = SplitToSequence<axis=1, keepdims=0>(x)
          z = ConcatFromSequence<axis=0, new_axis=1>(t) }""",
        [(f32(5, 3), np.array(2)), (f32(4, 2), np.array(4)), (f32(1, 1), np.array(3))],
    ),
}


def equal(got, wanted):
    if isinstance(wanted, list):
        assert len(got) == len(wanted)
        for a, b in zip(got, wanted):
            equal(a, b)
        return
    assert got.shape == wanted.shape and got.dtype == wanted.dtype
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("recipe", ["fp32", "reference"])
def test_against_onnxruntime(name, recipe):
    text, runs = MODELS[name]
    model = onnx.parser.parse_model('<ir_version: 8, opset_import: ["" : 17]>\ng ' + text)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [value.name for value in model.graph.input]
    for threads in (1, 3) if recipe == "fp32" else (2,):
        prepared = quantc.backend.prepare(model, recipe=recipe, threads=threads)
        for _ in range(2):
            for run in runs:
                equal(list(prepared.run(list(run))), session.run(None, dict(zip(names, run))))


@pytest.mark.parametrize("direction", [0, 1])
def test_scan_8(direction):
    """Sequences of several lengths; zeros stand behind what is collected."""
    text = """<ir_version: 5, opset_import: ["" : 8]>
      g (int64[n] lens, float[n,2] s0, float[n,t,2] x) => (float[n,2] s, float[n,t,2] all) {
        s, all = Scan<num_scan_inputs=1, directions=[DIRECTION], body = b (float[2] a, float[2] xi)
            => (float[2] o, float[2] p) {
          o = Add(a, xi)
          p = Sub(xi, a) }> (lens, s0, x) }"""
    model = onnx.parser.parse_model(text.replace("DIRECTION", str(direction)))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    compiled = quantc.backend.prepare(model)
    for lengths, longest in ((i64(3, 1, 2), 3), (i64(2), 4), (i64(5, 5), 5)):
        inputs = lengths, f32(len(lengths), 2), f32(len(lengths), longest, 2)
        expected = session.run(None, dict(zip(("lens", "s0", "x"), inputs)))
        for got, wanted in zip(compiled.run(list(inputs)), expected):
            np.testing.assert_array_equal(got, wanted)
    with pytest.raises(quantc.Error, match="a sequence is 4 long"):
        compiled.run([i64(1, 4), f32(2, 2), f32(2, 3, 2)])


def test_errors_end_the_run():
    """What only shows in the middle of a run fails it, for all threads; the next run is good."""
    text = """(int64 M, float[n] x, float[k] z) => (float[n] y) {
      y = Loop (M, , x) <body = b (int64 i, bool ci, float[n] s) => (bool ci, float[n] so) {
        so = Add(s, z) }> }"""
    model = onnx.parser.parse_model('<ir_version: 8, opset_import: ["" : 17]>\ng ' + text)
    prepared = quantc.backend.prepare(model, threads=3)
    for _ in range(3):
        with pytest.raises(quantc.Error, match="do not broadcast"):
            prepared.run([np.array(2), f32(3), f32(4)])
        (y,) = prepared.run([np.array(2), f32(3), f32(3)])
        np.testing.assert_allclose(y, 3 * f32(3), rtol=1e-6)
        (y,) = prepared.run([np.array(0), f32(3), f32(4)])
        np.testing.assert_array_equal(y, f32(3))


def test_optional():
    """What may be missing, in and out."""
    graph = onnx.parser.parse_graph("""g (optional(float[n]) o) => (bool h) {
      h = OptionalHasElement(o) }""")
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])
    model.ir_version = 8
    prepared = quantc.backend.prepare(model)
    assert prepared.run([None])[0] == np.array(False)
    assert prepared.run([f32(3)])[0] == np.array(True)


def test_no_allocation_when_steady():
    text, runs = MODELS["nonzero"]
    model = onnx.parser.parse_model('<ir_version: 8, opset_import: ["" : 17]>\ng ' + text)
    prepared = quantc.backend.prepare(model, threads=2)
    prepared.run(list(runs[-1]))
    memory = prepared.model.memory
    for run in runs:
        prepared.run(list(run))
    assert prepared.model.memory == memory
