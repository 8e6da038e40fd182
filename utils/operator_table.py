#!/usr/bin/env python3
"""Writes docs/onnx.md: every ONNX operator, how it is handled, and how many of ONNX's tests pass.

    operator_table.py QUANTC            writes the page
    operator_table.py QUANTC --check    fails if it is not up to date

What handles an operator is what `quantc operators` says; what does not pass of ONNX's own suite
is in test/python/onnx_suite_failing.txt, which the tests keep true.
"""

import collections
import json
import pathlib
import subprocess
import sys
import warnings

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "onnx.md"

HEAD = """\
# ONNX operators

`utils/operator_table.py` writes this page, from what `quantc operators` prints and from the list
of what does not pass of ONNX's own backend suite; a test keeps it up to date.

* **Versions**: those of the operator in its domain's opsets that quantc knows. Models of opset 7
  to {opset} are read.
* **Types**: those of the first input in the newest version, as ONNX allows them. Strings and
  complex numbers are refused, whatever the operator.
* **Handled by**: *walk*: raised to `qgraph`, or brought to a canonical form, while the graph is
  walked; *elementwise* (a row of the table of elementwise operators), *kernel*: loops of its own;
  *body*: the function body of its schema. Several are tried in this order; what a handler of the
  walk leaves, loops or the body do. -: not handled, and refused by name.
* **Tests**: of those of ONNX's suite whose model has the operator, anywhere, how many pass.

ONNX's suite: {counts}.
"""

# Sets of types by name; what is left is written out.
FLOATS = {"float16", "float", "double", "bfloat16"}
SIGNED = {"int8", "int16", "int32", "int64"}
UNSIGNED = {"uint8", "uint16", "uint32", "uint64"}
SMALL = {
    "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "float8e8m0", "float6e2m3",
    "float6e3m2", "float4e2m1", "int4", "uint4", "int2", "uint2",
}
GROUPS = [
    ("floats", FLOATS), ("integers", SIGNED | UNSIGNED), ("signed integers", SIGNED),
    ("unsigned integers", UNSIGNED), ("small types", SMALL),
    ("8-bit floats", {t for t in SMALL if t.startswith("float8")}),
    ("4-bit integers", {"int4", "uint4"}), ("2-bit integers", {"int2", "uint2"}),
    ("complex", {"complex64", "complex128"}),
]  # fmt: skip


def types_text(types):
    """`floats, integers, bool` of `tensor(float16)`, ..."""
    kinds, left = [], set()
    for name in types:
        kind, _, rest = name.partition("(")
        if kind == "tensor" and rest:
            left.add(rest.removesuffix(")"))
        elif kind in ("seq", "optional", "map", "sparse_tensor"):
            kinds.append({"seq": "sequences", "optional": "optionals", "map": "maps"}.get(kind, kind))
    texts = []
    for name, group in GROUPS:
        if group <= left:
            texts.append(name)
            left -= group
    texts += sorted(left) + sorted(set(kinds))
    return ", ".join(texts) or "-"


def operators_of(graph):
    """(domain, operator) of all nodes, also in subgraphs."""
    found = set()
    for node in graph.node:
        found.add((node.domain if node.domain != "ai.onnx" else "", node.op_type))
        for attribute in node.attribute:
            for subgraph in [attribute.g, *attribute.graphs]:
                found |= operators_of(subgraph)
    return found


def suite():
    """Yields (kind/name, its operators) of all tests of ONNX's suite."""
    import onnx
    from onnx.backend.test.loader import load_model_tests

    import onnx_suite

    folders = {"converted": "pytorch-converted", "operator": "pytorch-operator"}
    for kind in onnx_suite.KINDS:
        for case in load_model_tests(kind=folders.get(kind, kind)):
            model = case.model or onnx.load(case.model_dir + "/model.onnx")
            found = operators_of(model.graph)
            for function in model.functions:
                found |= operators_of(function)
            yield f"{kind}/{case.name}", found


def page(quantc):
    import onnx_suite

    text = subprocess.run([quantc, "operators", "--json"], check=True, capture_output=True).stdout
    operators = json.loads(text)
    failing = onnx_suite.failing()
    total, passed, results = collections.Counter(), collections.Counter(), []
    for name, found in suite():
        results.append((name, "fail" if name in failing else "pass", ""))
        total.update(found)
        passed.update(found if name not in failing else ())
    domains = collections.defaultdict(list)
    for operator in operators:
        domains[operator["domain"]].append(operator)
    newest = max(version for operator in domains[""] for version in operator["versions"])
    lines = [HEAD.format(opset=newest, counts=onnx_suite.counts(results))]
    for domain in sorted(domains):
        lines.append(f"## {domain or 'ai.onnx (the standard domain)'}\n")
        lines += ["| Operator | Versions | Types | Handled by | Tests |", "|---|---|---|---|---|"]
        for operator in domains[domain]:
            key = (domain, operator["name"])
            handling = ", ".join(operator["handling"]) or "-"
            if operator["deprecated"]:
                handling = "(deprecated)"
            versions = ", ".join(map(str, operator["versions"]))
            tests = f"{passed[key]} of {total[key]}" if total[key] else ""
            types = types_text(operator["types"])
            lines.append(f"| {operator['name']} | {versions} | {types} | {handling} | {tests} |")
        lines.append("")
    return "\n".join(lines)


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--check"]):
        sys.exit(__doc__)
    warnings.simplefilter("ignore")  # the suite's own examples divide by zero
    sys.path.insert(0, str(ROOT / "test" / "python"))
    text = page(sys.argv[1])
    if len(sys.argv) == 2:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        sys.exit(f"{PAGE} is not up to date: run utils/operator_table.py {sys.argv[1]}")


if __name__ == "__main__":
    main()
