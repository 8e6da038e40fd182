"""Factors on channels change nothing but the rounding: models of many shapes, before and after.

    check_channel_factors.py FOLDER PASS LEFT [SEEDS]

Models are generated, brought to the qgraph level, given calibration sites and random statistics,
changed by the pass, and exported back to ONNX. onnx.reference computes both. PASS has STATISTICS
where the file of statistics goes; LEFT says how many sites of a model of each family get no factors.
"""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
from onnx.reference import ReferenceEvaluator

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "Inputs"))
import make_statistics  # noqa: E402


class Model:
    """The text of a graph under construction."""

    def __init__(self, rng):
        self.rng, self.lines, self.weights, self.count = rng, [], {}, 0

    def new(self):
        self.count += 1
        return f"v{self.count}"

    def weight(self, *shape, low=None):
        name = f"w{len(self.weights)}"
        array = self.rng.standard_normal(shape) / np.sqrt(shape[0] if shape else 1)
        if low is not None:
            array = self.rng.uniform(low, low + 1.5, shape)
        self.weights[name] = array.astype(np.float32)
        return name

    def ints(self, *values):
        name = f"w{len(self.weights)}"
        self.weights[name] = np.array(values, np.int64)
        return name

    def op(self, kind, *inputs, results=1, **attributes):
        names = [self.new() for _ in range(results)]
        text = ", ".join(f"{k} = {v}" for k, v in attributes.items())
        self.lines.append(f"{', '.join(names)} = {kind} {f'<{text}>' if text else ''} ({', '.join(inputs)})")
        return names[0] if results == 1 else names

    def linear(self, x, width, out, bias=None):
        y = self.op("MatMul", x, self.weight(width, out))
        bias = self.rng.random() < 0.5 if bias is None else bias
        return self.op("Add", y, self.weight(out)) if bias else y

    def norm(self, x, width):
        if self.rng.random() < 0.5:
            return self.op("LayerNormalization", x, self.weight(width, low=0.5), self.weight(width))
        return self.op("RMSNormalization", x, self.weight(width, low=0.5))

    def new_name(self):
        """The last result."""
        return f"v{self.count}"

    def build(self, inputs, outputs):
        text = '<ir_version: 10, opset_import: ["" : 23]>\n'
        text += f"g ({inputs}) => ({outputs}) {{\n" + "\n".join(self.lines) + "\n}"
        model = onnx.parser.parse_model(text)
        for name, array in self.weights.items():
            model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
        return model


def mlp(rng):
    m, width, inner = Model(rng), int(rng.integers(3, 40)), int(rng.integers(2, 30)) * 2
    h = m.norm("x", width)
    a = m.linear(h, width, inner)
    kind = rng.integers(4)
    if kind == 0:
        a = m.op("Relu", a)
    elif kind == 1:
        a = m.op("LeakyRelu", a, alpha=0.1)
    elif kind == 2:  # halves of the channels go different ways and meet again
        left, right = m.op("Split", a, axis=-1, num_outputs=2, results=2)
        a = m.op("Concat", m.op("Relu", right), m.op("Abs", left), axis=-1)
    if rng.random() < 0.5:
        a = m.op("Mul", a, m.weight())
    b = m.linear(a, inner, width)
    y = m.op("Add", "x", b)
    z = m.norm(y, width)
    c, d = m.linear(z, width, 5), m.linear(z, width, 7)
    m.op("Concat", c, d, axis=-1)
    return m.build(f"float[N, {width}] x", f"float[N, 12] {m.new_name()}"), {"x": (3, width)}


def decoder(rng):
    m = Model(rng)
    groups, repeats, size = int(rng.integers(1, 4)), int(rng.integers(1, 4)), 2 * int(rng.integers(1, 5))
    heads, width, inner = groups * repeats, int(rng.integers(4, 24)), int(rng.integers(3, 30))
    h = m.norm("x", width)
    fused = rng.random() < 0.4
    if fused:
        all_ = m.linear(h, width, (heads + 2 * groups) * size)
        sizes = m.ints(heads * size, groups * size, groups * size)
        q, k, v = m.op("Split", all_, sizes, axis=-1, results=3)
    else:
        q = m.linear(h, width, heads * size)
        k = m.linear(h, width, groups * size)
        v = m.linear(h, width, groups * size)

    def split(t, count):
        t = m.op("Reshape", t, m.ints(0, 0, count, size))
        return m.op("Transpose", t, perm="[0, 2, 1, 3]")

    q, k, v = split(q, heads), split(k, groups), split(v, groups)
    a = m.op("Attention", q, k, v, is_causal=int(rng.integers(2)))
    a = m.op("Reshape", m.op("Transpose", a, perm="[0, 2, 1, 3]"), m.ints(0, 0, heads * size))
    y = m.op("Add", "x", m.linear(a, heads * size, width))
    z = m.norm(y, width)
    if rng.random() < 0.5:
        both = m.linear(z, width, 2 * inner)
        g, u = m.op("Split", both, axis=-1, num_outputs=2, results=2)
    else:
        g, u = m.linear(z, width, inner), m.linear(z, width, inner)
    s = m.op("Mul", g, m.op("Sigmoid", g))
    p = m.op("Mul", s, u) if rng.random() < 0.5 else m.op("Mul", u, s)
    m.op("Add", y, m.linear(p, inner, width))
    return (
        m.build(f"float[B, S, {width}] x", f"float[B, S, {width}] {m.new_name()}"),
        {"x": (2, 5, width)},
    )


def cnn(rng):
    m, c, d = Model(rng), int(rng.integers(2, 9)), int(rng.integers(2, 9))

    def conv(x, i, o, taps, group=1):
        weight = m.weight(o, i // group, taps, taps)
        bias = [m.weight(o)] if rng.random() < 0.7 else []
        return m.op("Conv", x, weight, *bias, pads=f"[{taps // 2},{taps // 2},{taps // 2},{taps // 2}]",
                    group=group)

    def act(x):
        kind = rng.integers(3)
        if kind == 0:
            return m.op("Relu", x)
        if kind == 1:
            return m.op("LeakyRelu", x, alpha=0.2)
        low, high = m.weight(), m.weight()
        m.weights[low], m.weights[high] = np.float32(0.0).reshape(()), np.float32(1.5).reshape(())
        return m.op("Clip", x, low, high)

    x = act(conv("x", 3, c, 3))
    x = act(conv(x, c, c, 3, group=c))
    if rng.random() < 0.5:
        x = m.op("Slice", x, m.ints(0, 0), m.ints(8, 8), m.ints(2, 3), m.ints(2, 2))
    y = act(conv(x, c, d, 1))
    y = conv(act(conv(y, d, d, 3)), d, c, 1)
    x = act(m.op("Add", x, y))
    if rng.random() < 0.5:
        x = m.op("Concat", x, act(conv(x, c, d, 1)), axis=1)
        c += d
    x = m.op("GlobalAveragePool", x)
    x = m.op("Flatten", x)
    m.op("Gemm", x, m.weight(4, c), m.weight(4), transB=1)
    return m.build("float[N, 3, 8, 8] x", f"float[N, 4] {m.new_name()}"), {"x": (2, 3, 8, 8)}


LAYER = re.compile(r"( *)(%\S+) = qgraph\.(linear|conv) (%\S+), (.*) : \((tensor<[^>]*>), (.*)")


def observe(path):
    """Puts a site before every layer, one a value; their channels."""
    sites, seen, lines = {}, {}, []
    text = path.read_text()
    # A target has no place in ONNX.
    text = re.sub(r", qkernel\.target = #qkernel\.target<[^>]*>", "", text)
    for line in text.splitlines():
        found = LAYER.match(line)
        if found:
            indent, result, kind, value, rest, type_, types = found.groups()
            if value not in seen:
                site = f"site{len(sites)}"
                seen[value] = f"%site{len(sites)}"
                sites[site] = int(re.search(r"x?(\d+)xf32>", type_)[1])
                lines.append(f'{indent}{seen[value]} = qgraph.observe "{site}" {value} : {type_}')
            line = f"{indent}{result} = qgraph.{kind} {seen[value]}, {rest} : ({type_}, {types}"
        lines.append(line)
    path.write_text("\n".join(lines))
    return sites


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")


def compute(model, inputs):
    return ReferenceEvaluator(model).run(None, inputs)[0].astype(np.float64)


def main(folder, pass_, left, seeds="4"):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for family, unscaled in zip((mlp, decoder, cnn), left.split(",")):
        for seed in range(int(seeds)):
            rng = np.random.default_rng([seed, *family.__name__.encode()])
            model, shapes = family(rng)
            stem = folder / f"{family.__name__}{seed}"
            before, after = stem.with_suffix(".mlir"), stem.with_suffix(".after.mlir")
            onnx.save(model, stem.with_suffix(".onnx"))
            run("quantc", "compile", f"{stem}.onnx", "-o", str(before),
                "--emit", "qgraph", "--recipe", "fp32", "--quiet")
            sites = observe(before)
            rows = {s: make_statistics.random_rows(f"{stem.name}/{s}", c) for s, c in sites.items()}
            make_statistics.write(stem.with_suffix(".statistics"), rows)
            text = pass_.replace("STATISTICS", f"{stem}.statistics")
            run("quant-opt", str(before), text, "-o", str(after))
            run("quant-translate", "--export-onnx", str(after), "-o", f"{stem}.after.onnx")
            inputs = {n: rng.standard_normal(s).astype(np.float32) for n, s in shapes.items()}
            x, y = compute(model, inputs), compute(onnx.load(f"{stem}.after.onnx"), inputs)
            error = abs(x - y).max() / np.sqrt(np.mean(x * x))
            scaled = sum(" factor = " in line or "{factor = " in line
                         for line in after.read_text().splitlines())
            print(f"{stem.name}: {scaled} of {len(sites)} sites have factors, error {error:.1e}")
            if not error < 2e-5:
                sys.exit(f"{stem.name}: differs by {error:.2e} of the root mean square")
            if len(sites) - scaled != int(unscaled):
                sys.exit(f"{stem.name}: {len(sites) - scaled} sites have none, must be {unscaled}")
    print("all equal")


if __name__ == "__main__":
    main(*sys.argv[1:])
