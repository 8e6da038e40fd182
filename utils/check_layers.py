#!/usr/bin/env python3
"""Holds the layers of docs/design.md: no include and no link goes up or sideways.

    check_layers.py [ROOT]

Reads every source file and CMakeLists.txt under include/, lib/, tools/, python/ and
runtime/ of ROOT (default: this tree). Prints one line for each violation, with the
rule it breaks, and exits 1 if there is one.

The parts and who may use whom:
  0  Numerics                              plain C++ and BLAS: no MLIR, no LLVM
  1  Support < Dialect/ONNX < Dialect/QGraph < Dialect/QKernel, each those before it
  2  Analysis
  3  Import, Export, Quantize, Conversion  never each other
  4  Target, Package                       never each other; an ISA never another ISA
  5  Pipelines
  6  Driver, tools, python
  -  runtime                               only itself and the C library; used from 4 up,
                                           but for SHARED, which every layer may read
"""

import os
import re
import sys

# Part -> (layer, place inside the layer or None where siblings exclude each other).
PARTS = {
    "Numerics": (0, None),
    "Support": (1, 0),
    "Dialect/ONNX": (1, 1),
    "Dialect/QGraph": (1, 2),
    "Dialect/QKernel": (1, 3),
    "Analysis": (2, None),
    "Import": (3, None),
    "Export": (3, None),
    "Quantize": (3, None),
    "Conversion": (3, None),
    "Target": (4, None),
    "Package": (4, None),
    "Pipelines": (5, None),
    "Driver": (6, 0),
    "tools": (6, 1),
    "python": (6, 1),
}
RUNTIME = "runtime"
RUNTIME_USERS_FROM = 4
# Plain C headers that say what a file looks like, to those who write it and to the
# runtime that reads it.
SHARED = {"runtime/include/quantc/hash.h"}

SOURCES = (".h", ".hpp", ".c", ".cpp", ".cc", ".td", ".inc", ".def")
INCLUDE = re.compile(r'^\s*(?:#\s*)?include\s+(["<])([^">]+)[">]')
DECLARES = re.compile(
    r"\b(quantc_add_library|quantc_add_tool|add_library|add_executable|nanobind_add_module"
    r"|target_link_libraries)\s*\(([^)]*)\)"
)


def part_of(path):
    """The part a path below the root belongs to, or None: `lib/Target/CPU/X86/A.cpp` -> Target."""
    pieces = path.split("/")
    if pieces[0] == RUNTIME:
        return RUNTIME
    if pieces[0] in ("tools", "python"):
        return pieces[0]
    if pieces[0] == "lib":
        pieces = pieces[1:]
    elif pieces[:2] == ["include", "quantc"]:
        pieces = pieces[2:]
    else:
        return None
    for length in (2, 1):
        if "/".join(pieces[:length]) in PARTS and len(pieces) > length:
            return "/".join(pieces[:length])
    return None


def device_of(path):
    """The folders that name an ISA or device: `lib/Target/CPU/X86/A.cpp` -> [CPU, X86]."""
    pieces = os.path.dirname(path).split("/")
    return pieces[pieces.index("Target") + 1 :] if "Target" in pieces else []


def why_not(user_path, used_path):
    """Why the file `user_path` may not use the file `used_path`, or None if it may."""
    user, used = part_of(user_path), part_of(used_path)
    if user is None or used is None or user == used and user != "Target":
        return None
    if user == RUNTIME:
        return "runtime uses nothing of the compiler"
    layer, place = PARTS[user]
    if used == RUNTIME:
        if layer < RUNTIME_USERS_FROM and used_path not in SHARED:
            return f"{user} is below layer {RUNTIME_USERS_FROM} and may not know the runtime"
        return None
    used_layer, used_place = PARTS[used]
    if user == used:
        mine, other = device_of(user_path), device_of(used_path)
        shared = min(len(mine), len(other))
        if mine[:shared] != other[:shared]:
            return f"Target/{'/'.join(mine)} and Target/{'/'.join(other)} are siblings"
        return None
    if used_layer > layer:
        return f"{user} (layer {layer}) may not use {used} (layer {used_layer}) above it"
    if used_layer == layer:
        if place is None or used_place is None or place == used_place:
            return f"{user} and {used} are siblings of layer {layer}"
        if used_place > place:
            return f"{used} comes after {user} in layer {layer}"
    return None


def foreign(user_path, name):
    """Why `user_path` may not include the header or link the library `name` of others."""
    part = part_of(user_path)
    if part not in ("Numerics", RUNTIME):
        return None
    if re.match(r"(mlir|llvm)(-c)?/|(MLIR|LLVM)", name):
        return f"{part} knows neither MLIR nor LLVM"
    if part == RUNTIME and re.match(r"(onnx|google)/|onnx::|ONNX::|protobuf|LAPACK|BLAS", name):
        return "runtime needs the C library only"
    return None


def walk(root):
    for top in ("include", "lib", "tools", "python", RUNTIME):
        for folder, folders, files in os.walk(os.path.join(root, top)):
            folders[:] = sorted(f for f in folders if not f.startswith((".", "__")))
            for name in sorted(files):
                yield os.path.relpath(os.path.join(folder, name), root)


def resolve(root, path, kind, name):
    """The path below the root of an included header of ours, or None."""
    if kind == '"':
        beside = os.path.normpath(os.path.join(os.path.dirname(path), name))
        if os.path.exists(os.path.join(root, beside)):
            return beside
    if not name.startswith("quantc/"):
        return None
    if os.path.exists(os.path.join(root, RUNTIME, "include", name)):
        return f"{RUNTIME}/include/{name}"
    return "include/" + name


def check_includes(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            used = resolve(root, path, *match.groups())
            reason = why_not(path, used) if used else foreign(path, match.group(2))
            if reason:
                yield f"{path}:{number}: includes {match.group(2)}: {reason}"


def declarations(root, path):
    """(line, library or program, what it links) of each declaration in a CMakeLists.txt."""
    with open(os.path.join(root, path), encoding="utf-8") as file:
        text = re.sub(r"#[^\n]*", "", file.read())
    for match in DECLARES.finditer(text):
        words = match.group(2).split()
        if not words:
            continue
        line = text.count("\n", 0, match.start()) + 1
        if match.group(1) == "target_link_libraries":
            yield line, words[0], words[1:]
        else:
            links = words[words.index("LINK") + 1 :] if "LINK" in words else []
            yield line, words[0], links


def check_links(root, lists):
    home = {}
    for path in lists:
        for _, name, _ in declarations(root, path):
            home.setdefault(name, path)
    for path in lists:
        for line, name, links in declarations(root, path):
            for link in links:
                target = link.split("::")[-1] if link.startswith("Quantc::") else link
                if target in home:
                    reason = why_not(path, home[target])
                else:
                    reason = foreign(path, link)
                if reason:
                    yield f"{path}:{line}: {name} links {link}: {reason}"


def main(arguments):
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    root = arguments[0] if arguments else here
    paths = list(walk(root))
    if not paths:
        print(f"{root}: no include/, lib/, tools/, python/ or runtime/ there", file=sys.stderr)
        return 2
    violations = []
    for path in paths:
        if path.endswith(SOURCES):
            violations += check_includes(root, path)
    violations += check_links(root, [p for p in paths if os.path.basename(p) == "CMakeLists.txt"])
    for violation in violations:
        print(violation)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
