#!/usr/bin/env python3
"""Runs every ```mlir example of the dialects' TableGen files through quant-opt.

    check_op_docs.py QUANT_OPT FILE.td...

An example that is a fragment is put into a function; the types of the values
that it uses without defining them are what the parser says it expects.
"""

import re
import subprocess
import sys

BLOCK = re.compile(r"^( *)```mlir\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
DEFINED = re.compile(r"^\s*(%\w+(?::\d+)?(?:\s*,\s*%\w+)*)\s*=", re.MULTILINE)
MISMATCH = re.compile(
    r"use of value '(%\w+)' expects different type than prior uses: '(.*)' vs '"
)


def examples(path):
    """Yields (line number, text) of each example."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start()) + 2
        indent = match.group(1)
        lines = [l.removeprefix(indent) for l in match.group(2).splitlines()]
        yield line, "\n".join(lines)


def run(quant_opt, text):
    """Parses, verifies, prints and parses again; returns the errors or None."""
    command = [quant_opt, "-", "--verify-roundtrip"]
    result = subprocess.run(command, input=text, capture_output=True, text=True)
    return None if result.returncode == 0 else result.stderr or "exit status"


def check(quant_opt, text):
    """Returns the errors of an example, or None."""
    if re.search(r"^(func\.func|module)", text, re.MULTILINE):
        return run(quant_opt, text)
    defined = set()
    for names in DEFINED.findall(text):
        defined.update(re.findall(r"%\w+", names))
    free = [n for n in dict.fromkeys(re.findall(r"%\w+", text)) if n not in defined]
    types = {name: "none" for name in free}
    while True:
        arguments = ", ".join(f"{name}: {types[name]}" for name in free)
        errors = run(quant_opt, f"func.func @example({arguments}) {{\n{text}\nreturn\n}}\n")
        wrong = MISMATCH.search(errors) if errors else None
        if not wrong or types.get(wrong.group(1)) != "none":
            return errors
        types[wrong.group(1)] = wrong.group(2)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    quant_opt, *files = sys.argv[1:]
    count = failed = 0
    for path in files:
        for line, text in examples(path):
            count += 1
            errors = check(quant_opt, text)
            if errors:
                failed += 1
                print(f"{path}:{line}: the example is wrong:\n{text}\n{errors}", file=sys.stderr)
    print(f"{count} examples, {failed} wrong")
    return 1 if failed or not count else 0


if __name__ == "__main__":
    sys.exit(main())
