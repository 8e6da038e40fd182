"""Runs ONNX's own backend suite on quantc.backend, each test in a process that may die of it.

    python test/python/onnx_suite.py [--recipe R] [NAME...]   runs these tests (default: all) and
                                                              prints what came of each
    python test/python/onnx_suite.py --update                 runs all, and brings the list of
                                                              what does not pass up to date

A name is KIND/TEST, as node/test_add; KIND alone means all of its tests. The kinds are those of
KINDS, below. onnx_suite_failing.txt has a line `KIND/TEST: reason` for each test that does not
pass; --update drops those that pass by now and adds those that fail with the first line of their
message as the reason.

A result is one of: pass; wrong (other values, shapes or types); refused (quantc exits with 1: it
says what it lacks); defect (it exits with 3); failed (any other exception); crash; timeout.
"""

import argparse
import collections
import gc
import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import time
import warnings

HERE = pathlib.Path(__file__).resolve().parent
FAILING = HERE / "onnx_suite_failing.txt"
TIMEOUT = 120  # seconds a test

# The kinds of ONNX's runner, and the names of its test cases for them. Its kind `real` is left
# out: its models are downloaded.
KINDS = {
    "node": "NodeModel",
    "converted": "PyTorchConvertedModel",
    "operator": "PyTorchOperatorModel",
    "simple": "SimpleModel",
}


def failing():
    """What is known not to pass: reason by name."""
    lines = [line for line in FAILING.read_text().splitlines() if line and line[0] != "#"]
    return dict(line.split(": ", 1) for line in lines)


def judge(results, known):
    """What is wrong with (name, status, message) of all tests, given the list of failing ones."""
    problems = []
    seen = set()
    for name, status, message in results:
        seen.add(name)
        if status != "pass" and name not in known:
            problems.append(f"{name}: {status}: {message.strip()[:500]}")
        if status == "pass" and name in known:
            problems.append(f"{name} passes: take it out of {FAILING.name}")
    problems += [f"{name} is no test: take it out of {FAILING.name}" for name in set(known) - seen]
    return problems


def counts(results):
    """One line: how many tests of each kind pass."""
    total, passed = collections.Counter(), collections.Counter()
    for name, status, _ in results:
        kind = name.split("/")[0]
        total[kind] += 1
        passed[kind] += status == "pass"
    return ", ".join(f"{kind} {passed[kind]} of {total[kind]}" for kind in KINDS if total[kind])


def run(names=(), recipe="fp32", workers=2):
    """The (name, status, message) of each test, as they end, from a program of its own: the
    caller may have threads. Needs conftest's environment."""
    command = [sys.executable, str(HERE / "onnx_suite.py"), "--json", "--recipe", recipe]
    command += ["--workers", str(workers), *names]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        for line in program.stdout:
            yield tuple(json.loads(line))
    if program.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {program.returncode}")


def _load(recipe):
    """The functions of ONNX's runner by name. ONNX makes the node tests as it loads them, which
    takes seconds; so this is done once, and each test is run in a fork."""
    import onnx.backend.test

    import quantc

    class Backend(quantc.backend):
        # The runner would ask whether a model can be compiled, and skip those that cannot.
        is_compatible = None

        @classmethod
        def prepare(cls, model, device="CPU", **options):
            return super().prepare(model, device, threads=1, recipe=recipe, jobs=1, **options)

    runner = onnx.backend.test.BackendTest(Backend, __name__)
    tests = {}
    for kind, category in KINDS.items():
        case = runner.test_cases[f"OnnxBackend{category}Test"]
        for name in dir(case):
            if name.startswith("test_") and name.endswith("_cpu"):
                tests[f"{kind}/{name.removesuffix('_cpu')}"] = case(name)
    return tests


def _outcome(test):
    """Runs one test: its status and message."""
    import quantc

    try:
        getattr(test, test._testMethodName)()
    except AssertionError as error:
        return "wrong", str(error)
    except quantc.Error as error:
        return ("defect" if error.status == 3 else "refused"), str(error)
    except Exception as error:  # of any kind: the other tests go on
        return "failed", f"{type(error).__name__}: {error}"
    return "pass", ""


def _fork(test):
    """Starts a test: (its process, the file that its outcome is read from)."""
    out, into = os.pipe()
    process = os.fork()
    if process:
        os.close(into)
        return process, out
    os.setpgid(0, 0)  # a timeout ends the compiler too
    os.close(out)
    with os.fdopen(into, "w") as file:
        json.dump(_outcome(test), file)
    os._exit(0)


def _end(process, out):
    """The outcome of a test whose process has ended or closed its pipe, or has taken too long."""
    with os.fdopen(out) as file:
        text = file.read()
    _, status = os.waitpid(process, 0)
    if text:
        return json.loads(text)
    return "crash", f"the process ended with {os.waitstatus_to_exitcode(status)}"


def _run(tests, names, workers):
    """Yields (name, status, message), `workers` tests at a time."""
    todo = collections.deque(names)
    running = {}  # by pipe: name, process, deadline
    while todo or running:
        while todo and len(running) < workers:
            name = todo.popleft()
            process, out = _fork(tests[name])
            running[out] = name, process, time.monotonic() + TIMEOUT
        patience = min(deadline for _, _, deadline in running.values()) - time.monotonic()
        ready, _, _ = select.select(list(running), [], [], max(0, patience))
        for out in ready:
            name, process, _ = running.pop(out)
            yield name, *_end(process, out)
        for out, (name, process, deadline) in list(running.items()):
            if time.monotonic() > deadline:
                del running[out]
                os.killpg(process, signal.SIGKILL)
                _end(process, out)
                yield name, "timeout", f"no result after {TIMEOUT} s"


def _choose(tests, wanted):
    """The names of all tests that are asked for."""
    names = []
    for word in wanted or KINDS:
        found = [name for name in tests if word in (name, name.split("/")[0])]
        if not found:
            sys.exit(f"there is no test '{word}'; the kinds are {', '.join(KINDS)}")
        names += found
    return names


def _update(results):
    known, lines = failing(), []
    for name, status, message in sorted(results):
        if status != "pass":
            first = (message.strip() or status).splitlines()[0]
            lines.append(f"{name}: {known.get(name) or first}\n")
    head = "# Tests of ONNX's suite that do not pass, and why; see onnx_suite.py.\n"
    FAILING.write_text(head + "".join(lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--recipe", default="fp32")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--update", action="store_true", help="write the list of what fails")
    parser.add_argument("--json", action="store_true", help="print results as lines of JSON")
    arguments = parser.parse_args()
    if arguments.update and (arguments.names or arguments.recipe != "fp32"):
        parser.error("--update is of all tests, with the recipe fp32")
    warnings.simplefilter("ignore")  # the suite's own examples divide by zero
    sys.path.insert(0, str(HERE))
    import conftest

    os.environ.setdefault("QUANTC_BIN", str(conftest.BUILD / "bin" / "quantc"))
    tests = _load(arguments.recipe)
    names = _choose(tests, arguments.names)
    gc.freeze()  # forks share what is there
    results = []
    for result in _run(tests, names, arguments.workers):
        results.append(result)
        if arguments.json:
            print(json.dumps(result), flush=True)
        else:
            name, status, message = result
            print(status, name, *message.strip().splitlines()[:1], flush=True)
    if not arguments.json:
        print(counts(results))
    if arguments.update:
        _update(results)


if __name__ == "__main__":
    main()
