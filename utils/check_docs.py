#!/usr/bin/env python3
"""Holds the pages for people to the tree: README.md, CONTRIBUTING.md, docs/, README.md of folders.

    check_docs.py [ROOT] [--quantc QUANTC] [--tool PROGRAM]...

* Every relative link leads to a file or folder, and a `#part` of a page to a heading of it.
* Every path that is named in code (`lib/Target/CPU/Levels.cpp`, `Numerics/Order.h`,
  `lib/{A,B}/x.h`) is there.
* With --quantc: every verb and option of `quantc` that is named in code stands in its --help.
* With --tool, once for quant-opt and the like: an option that is named alone is one of theirs,
  of quantc's or of a script of the tree.

Prints one line for each thing that is not so, and exits 1 if there is one.
"""

import argparse
import glob
import itertools
import os
import re
import subprocess
import sys

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
SPAN = re.compile(r"`+([^`]+)`+")
# What begins a path of the tree, from its root or from where #include looks.
TOPS = ("lib", "include", "runtime", "tools", "python", "test", "unittests", "benchmarks", "docs",
        "examples", "utils", "cmake")
PLACES = ("", "include/quantc", "lib", "runtime/include")
FILES = re.compile(r"^[\w./{},*+-]+\.(cpp|h|c|td|def|py|md|mlir|test|txt|toml|svg|symbols|in|sh)$")
OPTION = re.compile(r"(?<![\w-])(-{1,2}[A-Za-z][\w-]*)")


def pages(root):
    found = [p for p in ("README.md", "CONTRIBUTING.md") if os.path.exists(os.path.join(root, p))]
    for top in ("docs", "examples", "lib", "runtime", "test", "benchmarks"):
        for folder, folders, names in os.walk(os.path.join(root, top)):
            folders.sort()
            found += [os.path.relpath(os.path.join(folder, name), root)
                      for name in sorted(names) if name.endswith(".md")]
    return found


def split_code(text):
    """(prose with its spans, fenced or indented blocks), each a list of (line number, text)."""
    prose, code, fenced = [], [], False
    after_blank = True
    indented = False
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"\s*```", line):
            fenced = not fenced
            continue
        indented = not fenced and line.startswith("    ") and (indented or after_blank)
        after_blank = not line.strip()
        (code if fenced or indented else prose).append((number, line))
    return prose, code


def pieces(prose):
    """(line number, text, "link" or "span") in order. A span or link may go on in the next line,
    but not in the next paragraph or row of a table."""
    paragraphs, last = [], -1
    for number, line in prose:
        if number != last + 1 or not line.strip() or line.startswith(("|", "#")):
            paragraphs.append([])
        paragraphs[-1].append((number, line))
        last = number
    for paragraph in paragraphs:
        text = "\n".join(line for _, line in paragraph)
        spans = [(m.start(), m.group(1), "span") for m in SPAN.finditer(text)]
        # What looks like a link in a span is none.
        plain = SPAN.sub(lambda m: re.sub(r"[^\n]", "x", m.group()), text)
        links = [(m.start(), m.group(1), "link") for m in LINK.finditer(plain)]
        for start, found, kind in sorted(spans + links):
            yield paragraph[text.count("\n", 0, start)][0], " ".join(found.split()), kind


def anchors(path):
    """What GitHub calls the headings of a page."""
    with open(path, encoding="utf-8") as file:
        headings = re.findall(r"^#+ (.*)$", file.read(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.replace("`", "")).strip().lower().replace(" ", "-")
            for h in headings}


def check_link(root, page, target):
    if re.match(r"[a-z]+:", target):
        return None
    path, _, part = target.partition("#")
    full = os.path.normpath(os.path.join(root, os.path.dirname(page), path)) if path else os.path.join(root, page)
    if not os.path.exists(full):
        return f"the link {target} leads nowhere"
    if part and part not in anchors(full):
        return f"the link {target}: {os.path.relpath(full, root)} has no such heading"
    return None


def alternatives(text):
    """`lib/{A,B}.{h,cpp}` -> the four."""
    pieces = re.split(r"\{([^{}]*)\}", text)
    choices = [[p] if i % 2 == 0 else p.split(",") for i, p in enumerate(pieces)]
    return ["".join(c) for c in itertools.product(*choices)]


def is_path(text):
    """True if a span names something of this tree."""
    if not re.match(r"^[\w./{},*+-]+$", text) or "..." in text:
        return False
    first = text.split("/")[0]
    if "/" in text and first in TOPS:
        return True
    return "/" in text and bool(FILES.match(text)) and first[0].isupper()


def exists(root, page, text):
    folder = os.path.dirname(page)
    for place in PLACES + ((folder,) if folder else ()):
        if glob.glob(os.path.join(root, place, text.rstrip("/"))):
            return True
    return False


def help_of(command):
    result = subprocess.run(command + ["--help"], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)} --help exited with {result.returncode}: {result.stderr}")
    return result.stdout


class Quantc:
    """The verbs of `quantc` and what stands in the help of each."""

    def __init__(self, program):
        text = help_of([program])
        names = re.findall(r"^  (\w+) {2,}", text.partition("Subcommands:")[2], re.MULTILINE)
        self.verbs = {name: set(OPTION.findall(help_of([program, name]))) for name in names}
        self.own = set(OPTION.findall(text))

    def check(self, command):
        """What is wrong with `quantc ...`, a line of shell or a span."""
        words = command.split()
        if len(words) < 2 or not re.match(r"^[a-z-]", words[1]) or words[1].startswith("-"):
            return [f"quantc has no option {w}" for w in words[1:2]
                    if w.startswith("-") and w.split("=")[0] not in self.own]
        verb = words[1]
        if verb not in self.verbs:
            return [f"quantc has no verb '{verb}'"]
        return [f"'quantc {verb}' has no option {option}"
                for option in OPTION.findall(" ".join(words[2:])) if option not in self.verbs[verb]]


def commands(line):
    """The calls of quantc in a line of shell, without comments and what stands in quotes."""
    line = re.sub(r"""'[^']*'|"[^"]*\"""", "''", line)
    line = re.sub(r"(^|\s)#.*", "", line)
    for part in re.split(r"[|;&()]+", line):
        words = part.split()
        while words and re.match(r"^(\w+=.*|\$|not|time)$", words[0]):
            words.pop(0)
        if words and words[0] == "quantc":
            yield " ".join(words)


def check_page(root, page, quantc, tool_options):
    with open(os.path.join(root, page), encoding="utf-8") as file:
        prose, code = split_code(file.read())
    known = tool_options | quantc.own.union(*quantc.verbs.values()) if quantc else None
    for number, text, kind in pieces(prose):
        if kind == "link":
            problem = check_link(root, page, text)
            if problem:
                yield number, problem
            continue
        for path in alternatives(text) if is_path(text) else ():
            if not exists(root, page, path):
                yield number, f"there is no {path}"
        if quantc and text.startswith("quantc "):
            for problem in quantc.check(text):
                yield number, problem
        option = re.match(r"^(--[a-z][\w-]*)", text)
        if known and option and not (option[1] in known
                                     or exists_elsewhere(root, page, option[1])):
            yield number, f"no program has the option {option[1]}"
    joined = "\n".join(f"{number}\t{line}" for number, line in code)
    joined = re.sub(r"\\\n\d+\t", " ", joined)
    for entry in joined.splitlines():
        number, _, line = entry.partition("\t")
        if quantc:
            for command in commands(line):
                for problem in quantc.check(command):
                    yield int(number), problem


def exists_elsewhere(root, page, option):
    """True for an option of a script of the tree, of a pass beside the page, or of CMake."""
    if option in ("--preset", "--build", "--install", "--prefix"):
        return True
    places = ("utils/*.py", "benchmarks/*.py", "examples/*/*.py",
              os.path.join(os.path.dirname(page), "*.td"))
    for script in itertools.chain(*(glob.glob(os.path.join(root, place)) for place in places)):
        with open(script, encoding="utf-8") as file:
            text = file.read()
        if f'"{option}"' in text or f'"{option.lstrip("-")}"' in text:
            return True
    return False


def main():
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", nargs="?", default=here)
    parser.add_argument("--quantc", help="the program whose verbs and options the pages name")
    parser.add_argument("--tool", action="append", help="a program whose options they name")
    arguments = parser.parse_args()
    quantc = Quantc(arguments.quantc) if arguments.quantc else None
    options = set()
    for tool in arguments.tool or ():
        options.update(OPTION.findall(help_of([tool])))
    wrong = 0
    found = pages(arguments.root)
    for page in found:
        for number, problem in sorted(check_page(arguments.root, page, quantc, options)):
            print(f"{page}:{number}: {problem}")
            wrong += 1
    print(f"{len(found)} pages, {wrong} wrong")
    return 1 if wrong or not found else 0


if __name__ == "__main__":
    sys.exit(main())
