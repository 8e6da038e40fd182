"""Kills quantc after some of its records, runs it again, and compares with a run that was not killed.

usage: resume.py MAKE_LARGE_MODEL FOLDER

Prints a line for each case.
"""

import os
import pathlib
import subprocess
import sys

make_model, folder = sys.argv[1], pathlib.Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
os.chdir(folder)
MODEL = [
    *("--layers", "1", "--hidden", "64", "--inner", "96", "--heads", "4"),
    *("--vocabulary", "256", "--positions", "64", "--length", "16", "--count", "3"),
]
subprocess.run(
    [sys.executable, make_model, "m.onnx", *MODEL, "--samples", "m.npz"], check=True
)


def quantc(*arguments, die_after=None):
    environment = dict(os.environ, QUANTC_PARTIAL_ABOVE="0")
    if die_after:
        environment["QUANTC_TEST_DIE_AFTER"] = str(die_after)
    return subprocess.run(
        ["quantc", *arguments], env=environment, capture_output=True, text=True
    )


def outputs(stem):
    files = (pathlib.Path(stem), pathlib.Path(stem + ".safetensors"))
    return [file.read_bytes().replace(stem.encode(), b"") for file in files if file.exists()]


def commands(recipe, stem):
    if recipe == "calibrate":
        return ["calibrate", "m.onnx", "--data", "m.npz", "-o", stem]
    data = [] if recipe == "w4-rtn" else ["--calibration", "m.npz"]
    return ["compile", "m.onnx", "--emit=qgraph", "-r", recipe, *data, "-o", stem]


def damage(partial, how):
    """Spoils each second file but the key."""
    for path in sorted(p for p in partial.iterdir() if p.name != "key.txt")[::2]:
        data = bytearray(path.read_bytes())
        if how == "shorten":
            data = data[: len(data) - min(len(data), 70)]
        else:
            data[-1] ^= 1
        path.write_bytes(data)


def check(recipe, die_after, how=None):
    stem = f"killed-{recipe}-{die_after}-{how}"
    partial = pathlib.Path(stem + ".partial")
    killed = quantc(*commands(recipe, stem), die_after=die_after)
    assert killed.returncode == 1, killed
    assert f"the same command goes on from '{partial}'" in killed.stderr, killed.stderr
    assert not pathlib.Path(stem).exists()
    if how:
        damage(partial, how)
    again = quantc(*commands(recipe, stem))
    assert again.returncode == 0, again
    assert outputs(stem) == whole[recipe], stem
    assert not partial.exists(), stem
    taken = [line for line in again.stderr.splitlines() if "taken over" in line]
    steps = int(taken[0].split()[-3]) if taken else 0
    assert how or steps == die_after, (stem, steps)
    assert not how or steps < die_after, (stem, steps)
    return again.stderr


CASES = {"w4-rtn": (3,), "w4": (12,), "w4-awq": (11, 18), "auto": (20,), "calibrate": (1,)}
whole = {}
for recipe in CASES:
    result = quantc(*commands(recipe, f"whole-{recipe}"))
    assert result.returncode == 0, result
    assert not pathlib.Path(f"whole-{recipe}.partial").exists()
    whole[recipe] = outputs(f"whole-{recipe}")
for recipe, places in CASES.items():
    for die_after in places:
        check(recipe, die_after)
    print(recipe, "the same after", *places)
for how in ("shorten", "flip"):
    check("w4", 12, how)
    check("w4-awq", 18, how)
    print("the same after damage:", how)

# What another command, and what somebody else has left.
stem = "other"
quantc(*commands("w4", stem), die_after=10)
result = quantc(*commands("w4-rtn", stem))
assert result.returncode == 0 and outputs(stem) == whole["w4-rtn"]
print(next(line for line in result.stderr.splitlines() if "other.partial" in line))
pathlib.Path("foreign.partial").mkdir()
pathlib.Path("foreign.partial/precious").write_text("mine")
result = quantc(*commands("w4-rtn", "foreign"))
assert result.returncode == 0 and outputs("foreign") == whole["w4-rtn"]
assert pathlib.Path("foreign.partial/precious").read_text() == "mine"
print(next(line for line in result.stderr.splitlines() if "foreign.partial" in line))

# What a lock says is a part of the command.
lock = pathlib.Path("m.lock")
quantc(*commands("w4-rtn", "first"), "--lock", str(lock))
quantc(*commands("w4-rtn", "locked"), "--lock", str(lock), die_after=6)
assert pathlib.Path("locked.partial").exists()
text = lock.read_text()
at = text.index('"layers.0.k"')
lock.write_text(text[:at] + text[at:].replace('"si4"', '"si8"', 1))
quantc(*commands("w4-rtn", "clean"), "--lock", str(lock))
result = quantc(*commands("w4-rtn", "locked"), "--lock", str(lock))
assert result.returncode == 0, result
assert outputs("locked") == outputs("clean") != outputs("first")
print("another lock:", next(line for line in result.stderr.splitlines() if ".partial" in line))
