"""`pip install ./python`, without a network and without build isolation's packages."""

import os
import pathlib
import subprocess
import sys
import sysconfig
import zipfile

import pytest

from conftest import BUILD, ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    if not (BUILD / "bin" / "quantc").exists():
        pytest.skip(f"{BUILD / 'bin' / 'quantc'} is not built")
    folder = tmp_path_factory.mktemp("prefix")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps",
         "--no-index", "--no-cache-dir", "--prefix", str(folder), "-C", f"build={BUILD}",
         str(ROOT / "python")],
        check=True,
    )
    return folder


def site(prefix):
    variables = {"base": str(prefix), "platbase": str(prefix)}
    return pathlib.Path(sysconfig.get_path("platlib", "posix_prefix", variables))


def python(folder, code):
    environment = dict(os.environ, PYTHONPATH=str(site(folder)), PATH="/usr/bin:/bin")
    environment.pop("QUANTC_BIN", None)
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True,
                          text=True, cwd=folder)


def test_load(installed, hand_written):
    result = python(installed, "import quantc; print(quantc.__file__); "
                    f"print(quantc.load({str(hand_written['fake'])!r}).name)")
    assert result.stdout.split() == [str(site(installed) / "quantc" / "__init__.py"), "fake"]


def test_program_is_the_installed_one(installed):
    result = python(installed, "import quantc._compile as c; print(c.program())")
    assert result.stdout.strip() == str(installed / "bin" / "quantc")
    help_ = subprocess.run([installed / "bin" / "quantc", "--help"], capture_output=True)
    assert help_.returncode == 0


def test_what_it_holds(installed):
    for name in ["_native.pyi", "py.typed"]:
        assert (site(installed) / "quantc" / name).exists(), name
    for name in ["include/quantc/runtime.h", "lib/libquantc-rt.a"]:
        assert (installed / name).exists(), name
    assert list(installed.glob("lib/quantc/runtime/*/libquantc-model-rt.a"))


def test_same_bytes_and_no_build(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "python"))
    import build_backend

    if (BUILD / "bin" / "quantc").exists():
        wheels = []
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            wheel = build_backend.build_editable(tmp_path / name, {"build": str(BUILD)})
            wheels.append((tmp_path / name / wheel).read_bytes())
            assert zipfile.ZipFile(tmp_path / name / wheel).testzip() is None
        assert wheels[0] == wheels[1]
    with pytest.raises(SystemExit, match="Build quantc with this Python"):
        build_backend.build_wheel(tmp_path, {"build": str(tmp_path)})
