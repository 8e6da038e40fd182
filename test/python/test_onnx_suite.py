"""ONNX's own node tests: what has passed once keeps passing (onnx_suite_passing.txt)."""

import onnx_suite
import pytest

pytest.importorskip("onnx.backend.test")


def test_passing(program, monkeypatch):
    monkeypatch.setenv("QUANTC_BIN", str(program))
    names = onnx_suite.passing()
    assert len(names) > 1000
    failures = [
        f"{name}: {status}: {reason.strip()[:500]}"
        for name, status, reason in onnx_suite.run(names)
        if status != "pass"
    ]
    assert not failures, "\n".join([f"{len(failures)} of {len(names)} tests:", *failures])
