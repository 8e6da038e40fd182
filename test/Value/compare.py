"""Compiles a model with several recipes, runs it, and compares the values with ONNX's own.

    python compare.py MODEL.onnxtxt -o PREFIX [OPTIONS]

The model is compiled by `quantc compile` for this machine, once for each recipe. It is run on
seeded inputs of the types and shapes that the model states, with each set of dynamic dimensions
(`--dims N=1,5 M=7`: two runs, 1x7 and 5x7), on each instruction set level of the library that
this CPU runs, on two threads. Then:

  * recipes `reference` and `fp32` give what onnx.reference gives (`--against ort`: what ONNX
    Runtime gives): shapes and types alike, integers and bools exactly, NaN where NaN is, floats
    within `--rtol` and `--atol` of an element (defaults: TOLERANCE below), with `--exact` equal,
    the sign of zero included;
  * both give the same bits (`--bits-differ` says that a test knows better), and every recipe
    gives the same bits on every level;
  * quantized recipes (with `--set` handed on) are near the float result: QUANTIZED below says how
    near and why, and `--quantized N` says how many weights must have been stored quantized.

Dynamic dimensions are bounded or pinned by `--pin NAME=N`. With `--raises TEXT` every run must fail
with that message.

Values of inputs (`--values x=KIND`), and of inputs that become initializers (`--weights w=KIND`):

  normal[:SCALE]   normally distributed; what floats are by default (of scale 1)
  uniform:LO:HI    floats
  edges            a normal or small number, or one of the type's special ones: zeros, infinities,
                   NaN, subnormals, the largest; for integers the extremes, -1, 0, 1
  finite           as edges, without infinities and NaN
  int:LO:HI        integers, both ends included; by default those of -100..100 that the type has
  index:D          integers in -D..D-1 (0..D-1 if unsigned), of a dimension D or a number
  perm             0..n-1 in random order, along the last axis
  is:A:B:...       these values, repeated as often as there is room
"""

import argparse
import os
import re
import sys
import warnings
import zlib

import ml_dtypes
import numpy as np
import onnx
import onnx.parser

import quantc

# What a float kernel may be off by: a few roundings of its type. relative, absolute.
TOLERANCE = {
    "float64": (1e-12, 1e-13),
    "float32": (2e-6, 1e-6),
    "float16": (2e-3, 1e-3),
    "bfloat16": (2e-2, 1e-2),
}

# What rounding to integers costs, for normally distributed weights and activations: the least
# cosine, and the largest error of an element relative to the root mean square of all.
# 8 bits: steps of max/127, max about 3 deviations, so that each operand has noise of
# 3/127/sqrt(12) = 0.7 %, both together 1 %; the worst of 10^4 elements is 4.5 times that.
# 4 bits in groups of 32: steps of 2.1/8 deviations, noise of 2.1/8/sqrt(12) = 7.6 %.
# A model of two layers has sqrt(2) times the noise; the bounds have room for that.
QUANTIZED = {"w8a8-dynamic": (0.9997, 0.1), "w4-rtn": (0.985, 0.7)}


def fail(message):
    sys.exit(f"compare.py: {message}")


def np_type(element):
    return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(element))


def is_float(dtype):
    return dtype.kind == "f" or dtype.name.startswith(("bfloat", "float"))


def specials(dtype):
    if not is_float(dtype):
        info = ml_dtypes.iinfo(dtype)
        return np.array([x for x in (info.min, info.max, -1, 0, 1) if x >= info.min], dtype)
    info = ml_dtypes.finfo(dtype)
    small, tiny, large = info.smallest_subnormal, info.smallest_normal, info.max
    values = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, small, -small, tiny, -tiny, large]
    return np.array([*values, -large, np.inf, -np.inf, np.nan], dtype)


def make(kind, dtype, shape, rng, dims):
    """An array of what `kind` says."""
    kind, *args = (kind or ("normal" if is_float(dtype) else "int:-100:100")).split(":")
    if dtype == bool:
        return rng.random(shape) < 0.5
    if kind in ("edges", "finite"):
        special = specials(dtype)
        if kind == "finite" and is_float(dtype):
            special = special[np.isfinite(special)]
        usual = make(None, dtype, shape, rng, dims)
        picks = special[rng.integers(len(special), size=shape)]
        return np.where(rng.random(shape) < 0.5, picks, usual).astype(dtype)
    if kind == "normal":
        scale = float(args[0]) if args else 1.0
        return np.asarray(rng.standard_normal(shape) * scale).astype(dtype)
    if kind == "uniform":
        return np.asarray(rng.uniform(float(args[0]), float(args[1]), shape)).astype(dtype)
    if kind == "perm":
        count = shape[-1] if shape else 1
        order = rng.permuted(np.broadcast_to(np.arange(count), (*shape[:-1], count)), axis=-1)
        return order.reshape(shape).astype(dtype)
    if kind == "is":
        values = np.array([float(a) if is_float(dtype) else int(a) for a in args]).astype(dtype)
        return np.resize(values, shape)
    signed = is_float(dtype) or ml_dtypes.iinfo(dtype).min < 0
    if kind == "int":
        low, high = int(args[0]), int(args[1])
    elif kind == "index":
        high = int(dims.get(args[0], args[0])) - 1
        low = -high - 1 if signed else 0
    else:
        fail(f"no kind of values '{kind}'")
    if not is_float(dtype):
        info = ml_dtypes.iinfo(dtype)
        low, high = max(low, int(info.min)), min(high, int(info.max))
    return np.asarray(rng.integers(low, high, size=shape, endpoint=True)).astype(dtype)


def shape_of(value, dims):
    shape = []
    for dim in value.type.tensor_type.shape.dim:
        if dim.HasField("dim_value"):
            shape.append(dim.dim_value)
        elif dim.dim_param in dims:
            shape.append(dims[dim.dim_param])
        else:
            fail(f"'{value.name}' has a dimension '{dim.dim_param}' that --dims does not give")
    return shape


def inputs_of(model, kinds, dims, run):
    """Inputs by name; those of one name and run are the same in every test."""
    given = {tensor.name for tensor in model.graph.initializer}
    arrays = {}
    for value in model.graph.input:
        if value.name not in given:
            rng = np.random.default_rng([zlib.crc32(value.name.encode()), run])
            dtype = np_type(value.type.tensor_type.elem_type)
            kind = kinds.get(value.name, kinds.get("*"))
            arrays[value.name] = make(kind, dtype, shape_of(value, dims), rng, dims)
    return arrays


def with_weights(model, kinds):
    """Moves inputs of the model into its initializers."""
    for value in list(model.graph.input):
        if value.name in kinds:
            rng = np.random.default_rng(zlib.crc32(value.name.encode()))
            dtype = np_type(value.type.tensor_type.elem_type)
            array = make(kinds[value.name], dtype, shape_of(value, {}), rng, {})
            model.graph.initializer.append(onnx.numpy_helper.from_array(array, value.name))
            model.graph.input.remove(value)


def oracle(model, against):
    """A function from inputs by name to outputs in order."""
    if against == "ort":
        import onnxruntime

        session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        return lambda inputs: session.run(None, inputs)
    import onnx.reference

    evaluator = onnx.reference.ReferenceEvaluator(model)
    return lambda inputs: evaluator.run(None, inputs)


def bits(array):
    """What must be equal where two arrays have the same bits: a NaN is a NaN."""
    array = np.ascontiguousarray(array)
    if is_float(array.dtype):
        array = np.where(np.isnan(array), np.array(np.nan, array.dtype), array)
    return array.dtype.name, array.shape, array.tobytes()


def describe(name, what, got, expected, bad):
    places = np.argwhere(bad)
    lines = [f"output '{name}' {what}: {len(places)} of {got.size} elements differ"]
    for place in map(tuple, places[:6]):
        lines.append(f"  {list(map(int, place))}: {got[place]!r}, must be {expected[place]!r}")
    fail("\n".join(lines))


def check_close(name, what, got, expected, args):
    expected = np.asarray(expected)
    if got.dtype != expected.dtype or got.shape != expected.shape:
        fail(
            f"output '{name}' {what} is {got.dtype}{list(got.shape)}, must be "
            f"{expected.dtype}{list(expected.shape)}"
        )
    if not is_float(got.dtype):
        if (bad := got != expected).any():
            describe(name, what, got, expected, bad)
        return
    x, y = (np.asarray(a).astype(np.float64) for a in (got, expected))
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    if args.exact:
        same &= np.isnan(x) | (np.signbit(x) == np.signbit(y))
    else:
        rtol, atol = TOLERANCE.get(got.dtype.name, (0, 0))
        rtol = rtol if args.rtol is None else args.rtol
        atol = atol if args.atol is None else args.atol
        with np.errstate(invalid="ignore", over="ignore"):
            same |= np.isfinite(x) & np.isfinite(y) & (abs(x - y) <= atol + rtol * abs(y))
    if not same.all():
        describe(name, what, got, expected, ~same)


def check_near(name, what, got, expected, recipe, args):
    """A quantized result against the float one."""
    if got.dtype != expected.dtype or got.shape != expected.shape:
        fail(f"output '{name}' {what} is {got.dtype}{list(got.shape)}")
    if not is_float(got.dtype):
        if (bad := got != expected).any():
            describe(name, what, got, expected, bad)
        return
    least, most = QUANTIZED[recipe.split(":")[0]]
    least = least if args.cosine is None else args.cosine
    x, y = got.astype(np.float64).ravel(), np.asarray(expected).astype(np.float64).ravel()
    if not x.size:
        return
    rms = np.sqrt(np.mean(y * y))
    if rms == 0:
        if x.any():
            fail(f"output '{name}' {what} must be zero")
        return
    cosine = x @ y / np.sqrt((x @ x) * (y @ y))
    error = np.abs(x - y).max() / rms
    if not cosine >= least or not error <= most:
        fail(f"output '{name}' {what}: cosine {cosine:.6f} (at least {least}), largest error "
             f"{error:.4f} of the root mean square (at most {most})")


def levels_of(library):
    """The levels of a library that this CPU runs."""
    os.environ.pop("QUANTC_ISA", None)
    with quantc.load(library) as model:
        names, best = [level["name"] for level in model.manifest["levels"]], model.isa
    found = []
    for name in names:
        os.environ["QUANTC_ISA"] = name
        try:
            with quantc.load(library):
                found.append(name)
        except quantc.Error:
            if name == best:
                raise
    return found


def run_levels(library, inputs, names, raises):
    """The outputs, which are the same on every level."""
    first = None
    for level in levels_of(library):
        os.environ["QUANTC_ISA"] = level
        with quantc.load(library, threads=2) as model:
            try:
                found = model(inputs)
            except quantc.Error as error:
                if not raises or raises not in str(error):
                    fail(f"the run on level {level} fails: {error}")
                continue
            if raises:
                fail(f"the run on level {level} must fail with '{raises}'")
            if list(found) != names:
                fail(f"outputs are {list(found)}, must be {names}")
        if first is None:
            first, first_level = found, level
        for name in names:
            if bits(found[name]) != bits(first[name]):
                got, expected = found[name], first[name]
                bad = ~((got == expected) | ((got != got) & (expected != expected)))
                describe(name, f"of {level} against {first_level}", got, expected, bad)
    return first


def pairs(items, what):
    for item in items:
        if "=" not in item:
            fail(f"{what} takes NAME=..., not '{item}'")
    return dict(item.split("=", 1) for item in items)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("model")
    parser.add_argument("-o", dest="prefix", required=True)
    parser.add_argument("--recipes", default="reference,fp32")
    parser.add_argument("--dims", nargs="+", default=[], action="extend")
    parser.add_argument("--pin", nargs="+", default=[], action="extend")
    parser.add_argument("--set", nargs="+", default=[], action="extend")
    parser.add_argument("--values", nargs="+", default=[], action="extend")
    parser.add_argument("--weights", nargs="+", default=[], action="extend")
    parser.add_argument("--against", choices=["onnx", "ort"], default="onnx")
    parser.add_argument("--rtol", type=float)
    parser.add_argument("--atol", type=float)
    parser.add_argument("--cosine", type=float)
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--bits-differ", action="store_true")
    parser.add_argument("--quantized", type=int)
    parser.add_argument("--raises")
    args = parser.parse_args()

    with open(args.model, encoding="utf-8") as file:
        model = onnx.parser.parse_model(file.read())
    path = args.model
    if args.weights:
        with_weights(model, pairs(args.weights, "--weights"))
        path = args.prefix + ".onnx"
        onnx.save(model, path)

    recipes = args.recipes.split(",")
    libraries = {}
    for number, recipe in enumerate(recipes):
        prefix = f"{args.prefix}.{number}"
        libraries[recipe] = quantc.compile(
            path,
            prefix,
            recipe=recipe,
            dim=pairs(args.pin, "--pin"),
            set=pairs(args.set, "--set") if recipe.split(":")[0] in QUANTIZED else None,
        )

    sweep = {name: [int(v) for v in values.split(",")]
             for name, values in pairs(args.dims, "--dims").items()}
    names = [value.name for value in model.graph.output]
    evaluate = oracle(model, args.against) if not args.raises else None
    for run in range(max(map(len, sweep.values()), default=1)):
        dims = {name: values[run % len(values)] for name, values in sweep.items()}
        inputs = inputs_of(model, pairs(args.values, "--values"), dims, run)
        what = ", ".join(f"{n}={v}" for n, v in dims.items())
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            expected = dict(zip(names, evaluate(inputs))) if evaluate else {}
        exact = None
        for recipe in recipes:
            found = run_levels(libraries[recipe], inputs, names, args.raises)
            if args.raises:
                continue
            of = f"of {recipe}" + (f" ({what})" if what else "")
            for name in names:
                if recipe.split(":")[0] in QUANTIZED:
                    check_near(name, of, found[name], np.asarray(expected[name]), recipe, args)
                    continue
                check_close(name, of, found[name], expected[name], args)
                if exact and not args.bits_differ and bits(exact[name]) != bits(found[name]):
                    bad = ~((found[name] == exact[name]) | (found[name] != found[name]))
                    describe(name, f"{of} against {recipes[0]}", found[name], exact[name], bad)
            if recipe.split(":")[0] not in QUANTIZED and exact is None:
                exact = found

    if args.quantized is not None:
        for recipe in recipes:
            if recipe.split(":")[0] in QUANTIZED:
                with quantc.load(libraries[recipe]) as loaded:
                    tensors = loaded.manifest["tensors"]
                count = sum(bool(re.fullmatch("si[1-8]", t["format"])) for t in tensors)
                if count != args.quantized:
                    fail(f"{recipe} quantizes {count} weights, must be {args.quantized}: {tensors}")


if __name__ == "__main__":
    main()
