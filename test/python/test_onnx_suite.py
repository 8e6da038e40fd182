"""ONNX's own suite: what is in onnx_suite_failing.txt does not pass, and all else does."""

import onnx_suite
import pytest

pytest.importorskip("onnx.backend.test")


def check(capsys, recipe):
    results = list(onnx_suite.run(recipe=recipe))
    with capsys.disabled():
        print(f"\nONNX's backend suite, recipe {recipe}: {onnx_suite.counts(results)}")
    problems = onnx_suite.judge(results, onnx_suite.failing())
    assert not problems, "\n".join([f"{len(problems)} of {len(results)} tests:", *problems])


def test_suite(program, monkeypatch, capsys):
    monkeypatch.setenv("QUANTC_BIN", str(program))
    check(capsys, "fp32")


@pytest.mark.long
def test_suite_reference(program, monkeypatch, capsys):
    monkeypatch.setenv("QUANTC_BIN", str(program))
    check(capsys, "reference")


def test_judge():
    known = {"node/a": "why", "node/gone": "why"}
    results = [("node/a", "pass", ""), ("node/b", "wrong", "1 is not 2"), ("simple/c", "pass", "")]
    assert sorted(onnx_suite.judge(results, known)) == [
        "node/a passes: take it out of onnx_suite_failing.txt",
        "node/b: wrong: 1 is not 2",
        "node/gone is no test: take it out of onnx_suite_failing.txt",
    ]
    assert onnx_suite.judge(results[1:], {"node/b": "why"}) == []
    assert onnx_suite.counts(results) == "node 1 of 2, simple 1 of 1"
