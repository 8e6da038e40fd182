#!/usr/bin/env python3
"""Reads the innermost loops of an assembly file (x86-64 AT&T, AArch64).

    check_hot_loop.py FILE.s FUNCTION INSTRUCTION [INSTRUCTION...]

Of the innermost loops of FUNCTION (a regular expression that one function
matches), takes the one with most of the first INSTRUCTION and prints

    FUNCTION: N INSTRUCTION, ..., N stack references

so that a test holds the counts with FileCheck. A stack reference in such a loop
is a spill: the tile does not fit the registers. Instructions are counted by the
start of their name: `vfmadd` counts vfmadd231ps too.

An innermost loop is what stands between a label and the last jump back to it,
with no such pair inside. Exit status 1 if there is no such function or loop.
"""

import re
import sys

JUMP = re.compile(r"^(?:j[a-z]+|b(?:\.[a-z]+)?|cbn?z|tbn?z)\s+(?:.*,\s*)?(\.LBB\w+)$")


def functions(lines):
    """Name -> lines of the body, without comments and directives."""
    result, name = {}, None
    for line in lines:
        line = re.split(r"\s(?:# |//)", line, maxsplit=1)[0].strip()
        label = re.match(r"^([A-Za-z_][\w.$]*):$", line)
        if label:
            name = label.group(1)
            result[name] = []
        elif line.startswith(".Lfunc_end"):
            name = None
        elif name and line and (not line.startswith(".") or line.endswith(":")):
            result[name].append(line)
    return result


def innermost_loops(body):
    labels = {line[:-1]: i for i, line in enumerate(body) if line.endswith(":")}
    loops = {}
    for i, line in enumerate(body):
        jump = JUMP.match(line)
        if jump and labels.get(jump.group(1), i) < i:
            loops[labels[jump.group(1)]] = i
    spans = list(loops.items())
    return [
        body[begin : end + 1]
        for begin, end in spans
        if not any(begin <= b and e <= end and (b, e) != (begin, end) for b, e in spans)
    ]


def stack_references(body, loop):
    registers = ["%rsp", "sp"]
    # The frame pointer is one only where the function makes it one.
    if any(re.match(r"movq\s+%rsp, %rbp$", line) for line in body):
        registers.append("%rbp")
    if any(re.match(r"(mov\s+x29, sp|add\s+x29, sp,.*)$", line) for line in body):
        registers.append("x29")
    pattern = "|".join(rf"\({r}[,)]" if r[0] == "%" else rf"\[{r}[,\]]" for r in registers)
    return sum(bool(re.search(pattern, line)) for line in loop)


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    path, wanted, *names = sys.argv[1:]
    with open(path) as file:
        found = {n: b for n, b in functions(file).items() if re.fullmatch(wanted, n)}
    if len(found) != 1:
        sys.exit(f"{path}: {len(found)} functions match '{wanted}': {', '.join(found)}")
    ((function, body),) = found.items()

    def count(loop, name):
        return sum(line.removeprefix("{vex}").lstrip().startswith(name) for line in loop)

    loops = [loop for loop in innermost_loops(body) if count(loop, names[0])]
    if not loops:
        sys.exit(f"{path}: no loop of {function} has an instruction {names[0]}")
    hot = max(loops, key=lambda loop: count(loop, names[0]))
    counts = [f"{count(hot, name)} {name}" for name in names]
    print(f"{function}: {', '.join(counts)}, {stack_references(body, hot)} stack references")


main()
