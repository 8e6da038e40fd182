"""Runs node tests of ONNX's own backend suite, each in a process that may die of it.

    python test/python/onnx_suite.py [--recipe R] [NAME...]   runs these tests (default: all) and
                                                              prints what came of each
    python test/python/onnx_suite.py --update                 runs all, and writes those that pass
                                                              to onnx_suite_passing.txt

A result is a pair of a status and a reason:
    pass; wrong (other values, shape or type); refused (exit status 1: it says what it lacks);
    defect (exit status 3); failed (compiled, but does not run); crash; timeout; unread (the data
    of the test is not tensors)
"""

import argparse
import collections
import json
import os
import pathlib
import queue
import subprocess
import sys
import threading
import warnings

HERE = pathlib.Path(__file__).resolve().parent
PASSING = HERE / "onnx_suite_passing.txt"
TIMEOUT = 120  # seconds a test


def passing():
    """The names in the list of tests that pass."""
    return [line for line in PASSING.read_text().splitlines() if line and line[0] != "#"]


def run(names, recipe="fp32", workers=2):
    """Yields (name, status, reason) of each test, as they end. Needs conftest's environment."""
    todo, done = queue.Queue(), queue.Queue()
    for name in names:
        todo.put(name)
    threads = [
        threading.Thread(target=_feed, args=(todo, done, recipe), daemon=True)
        for _ in range(workers)
    ]
    for thread in threads:
        thread.start()
    for _ in names:
        yield done.get()
    for thread in threads:
        thread.join()


def _feed(todo, done, recipe):
    """Gives a worker process one name at a time; starts another where one has died."""
    worker = None
    while True:
        try:
            name = todo.get_nowait()
        except queue.Empty:
            break
        if worker is None:
            worker = subprocess.Popen(
                [sys.executable, str(HERE / "onnx_suite.py"), "--worker", "--recipe", recipe],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        timer = threading.Timer(TIMEOUT, worker.kill)
        timer.start()
        try:
            worker.stdin.write(name + "\n")
            worker.stdin.flush()
            answer = worker.stdout.readline()
        except BrokenPipeError:
            answer = ""
        expired = not timer.is_alive()
        timer.cancel()
        if answer:
            done.put((name, *json.loads(answer)))
        else:
            status = worker.wait()
            done.put((name, "timeout" if expired else "crash", f"the process ended with {status}"))
            worker = None
    if worker is not None:
        worker.stdin.close()
        worker.wait()


def _work(recipe):
    from onnx.backend.test.loader import load_model_tests

    cases = {case.name: case for case in load_model_tests(kind="node")}
    for line in sys.stdin:
        name = line.strip()
        try:
            result = _run_case(cases[name], recipe) if name in cases else ("unread", "no such test")
        except Exception as error:  # of any kind: the other tests go on
            result = ("failed", f"{type(error).__name__}: {error}")
        print(json.dumps(result), flush=True)


def _tensors(folder, kind, count):
    import onnx

    return [
        onnx.numpy_helper.to_array(onnx.load_tensor(str(folder / f"{kind}_{i}.pb")))
        for i in range(count)
    ]


def _run_case(case, recipe):
    import onnx

    import quantc

    model = case.model or onnx.load(case.model_dir + "/model.onnx")
    graph = model.graph
    values = [*graph.input, *graph.output]
    if any(value.type.WhichOneof("value") != "tensor_type" for value in values):
        return "unread", "an input or output is no tensor"
    data = case.data_sets or [
        (_tensors(folder, "input", len(graph.input)), _tensors(folder, "output", len(graph.output)))
        for folder in sorted(pathlib.Path(case.model_dir).glob("test_data_set_*"))
    ]
    try:
        prepared = quantc.backend.prepare(model, "CPU", threads=1, recipe=recipe, jobs=1)
    except quantc.Error as error:
        return ("defect" if error.status == 3 else "refused"), str(error)
    for inputs, expected in data:
        try:
            results = prepared.run(inputs)
        except quantc.Error as error:
            return "failed", str(error)
        if len(results) != len(expected):
            return "wrong", f"{len(results)} outputs, expected {len(expected)}"
        for result, wanted in zip(results, expected):
            problem = _differs(result, wanted, case.rtol, case.atol)
            if problem:
                return "wrong", problem
    return "pass", ""


def _differs(result, expected, rtol, atol):
    import numpy as np
    import onnx

    if isinstance(expected, onnx.TensorProto):
        expected = onnx.numpy_helper.to_array(expected)
    expected = np.asarray(expected)
    if result.dtype != expected.dtype or result.shape != expected.shape:
        return (
            f"{result.dtype}{list(result.shape)}, expected {expected.dtype}{list(expected.shape)}"
        )
    # The suite's tolerance is for f32. Half precision may differ by two units in the last place:
    # ONNX's reference rounds after every step, quantc where it stores.
    rtol = max(rtol, {"float16": 2.0**-9, "bfloat16": 2.0**-6}.get(result.dtype.name, 0))
    if result.dtype.kind not in "biufc":  # of ml_dtypes
        result, expected = result.astype(np.float64), expected.astype(np.float64)
    try:
        np.testing.assert_allclose(result, expected, rtol=rtol, atol=atol)
    except AssertionError as error:
        return str(error)
    return ""


def _all_names():
    from onnx.backend.test.loader import load_model_tests

    return [case.name for case in load_model_tests(kind="node")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--recipe", default="fp32")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--update", action="store_true", help="write the list of what passes")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # the suite's own examples divide by zero
    sys.path.insert(0, str(HERE))
    import conftest

    os.environ.setdefault("QUANTC_BIN", str(conftest.BUILD / "bin" / "quantc"))
    if arguments.worker:
        return _work(arguments.recipe)
    count, passed = collections.Counter(), []
    for name, status, reason in run(
        arguments.names or _all_names(), arguments.recipe, arguments.workers
    ):
        count[status] += 1
        if status == "pass":
            passed.append(name)
        print(status, name, *reason.strip().splitlines()[:1], flush=True)
    print(dict(count))
    if arguments.update:
        head = "# Node tests of ONNX's suite that pass; onnx_suite.py --update writes this file.\n"
        PASSING.write_text(head + "".join(name + "\n" for name in sorted(passed)))
    return None


if __name__ == "__main__":
    main()
