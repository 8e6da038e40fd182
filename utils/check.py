#!/usr/bin/env python3
"""Builds preset `dev` and runs every test: lit (with the unit tests), then pytest.

Prints why each skipped test was skipped and how each failed one failed, and closes
with one line, `N passed, N failed[, N skipped]`. Exits 1 if anything failed.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PASSED = {"PASS", "FLAKYPASS", "XFAIL"}
SKIPPED = {"UNSUPPORTED", "SKIPPED", "EXCLUDED"}


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def skip(self, name, reason):
        self.skipped += 1
        print(f"SKIPPED {name}: {reason or 'no reason was given'}")

    def line(self):
        text = f"{self.passed} passed, {self.failed} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")


def run(command, **options):
    print("+ " + " ".join(command), flush=True)
    return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, **options).returncode


def build(arguments):
    jobs = ["-j", str(arguments.j)] if arguments.j else []
    return (
        run([arguments.cmake, "--preset", arguments.preset]) == 0
        and run([arguments.cmake, "--build", "--preset", arguments.preset] + jobs) == 0
    )


def run_lit(arguments, build_dir, count):
    """lit prints the failures itself; the counts and reasons are read from its JSON."""
    results = os.path.join(build_dir, "lit-results.json")
    if os.path.exists(results):
        os.remove(results)
    command = [os.path.join(os.path.dirname(sys.executable), "lit"), "-sv", "--output", results]
    command += ["--timeout", str(arguments.timeout)]
    command += ["-j", str(arguments.j)] if arguments.j else []
    status = run(command + [os.path.join(build_dir, d) for d in ("test", "unittests")])
    try:
        with open(results) as file:
            tests = json.load(file)["tests"]
    except (OSError, ValueError, KeyError):
        print(f"lit exited {status} without results")
        count.failed += 1
        return
    failed_before = count.failed
    for test in tests:
        if test["code"] in PASSED:
            count.passed += 1
        elif test["code"] in SKIPPED:
            reason = re.sub(r"^Test requires the following unavailable features: ",
                            "this machine or build lacks ", test.get("output", "").strip())
            count.skip(test["name"], reason)
        else:
            count.failed += 1
    if status != 0 and count.failed == failed_before:
        print(f"lit exited {status}")
        count.failed += 1


def run_pytest(arguments, build_dir, count):
    folders = [d for d in ("test/python",) if os.path.isdir(os.path.join(ROOT, d))]
    if not folders:
        return
    results = os.path.join(build_dir, "pytest-results.xml")
    if os.path.exists(results):
        os.remove(results)
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.path.join(build_dir, "python")
    environment["PATH"] = os.path.join(build_dir, "bin") + os.pathsep + environment["PATH"]
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    environment["QUANTC_BUILD_DIR"] = build_dir
    status = run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
         "--junit-xml", results] + (["--long"] if arguments.full else []) + folders,
        env=environment,
    )
    try:
        cases = list(ET.parse(results).iter("testcase"))
    except (OSError, ET.ParseError):
        print(f"pytest exited {status} without results")
        count.failed += 1
        return
    failed_before = count.failed
    for case in cases:
        name = f"{case.get('classname')}.{case.get('name')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            count.failed += 1
        elif skipped is not None and skipped.get("type") != "pytest.xfail":
            count.skip(name, skipped.get("message"))
        else:
            count.passed += 1
    if status not in (0, 5) and count.failed == failed_before:
        print(f"pytest exited {status}")
        count.failed += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="dev", help="the CMake preset to build and test")
    parser.add_argument("--cmake", default="cmake", help="the CMake to build with")
    parser.add_argument("--timeout", type=int, default=600, help="seconds one lit test may take")
    parser.add_argument("--full", action="store_true", help="also the tests that take long")
    parser.add_argument("-j", type=int, help="jobs, of the build and of lit")
    arguments = parser.parse_args()
    build_dir = os.path.join(ROOT, "build", arguments.preset)
    count = Count()
    if build(arguments):
        run_lit(arguments, build_dir, count)
        run_pytest(arguments, build_dir, count)
    else:
        print("the build failed; nothing was tested")
        count.failed += 1
    sys.stdout.flush()
    print(count.line())
    return 1 if count.failed else 0


if __name__ == "__main__":
    sys.exit(main())
