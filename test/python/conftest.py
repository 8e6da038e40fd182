"""What the tests of the Python package share.

They test the package of the build tree that QUANTC_BUILD_DIR names (default build/dev).
"""

import os
import pathlib
import platform
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("QUANTC_BUILD_DIR") or ROOT / "build" / "dev").resolve()
sys.path.insert(0, str(BUILD / "python"))

# Tests see a fixed environment: a user's settings must not decide what passes.
for variable in ("QUANTC_ISA", "QUANTC_BIN"):
    os.environ.pop(variable, None)


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="run the tests that take long, too")


def pytest_configure(config):
    config.addinivalue_line("markers", "long: of `make check-full` only")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--long"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="it takes long; make check-full runs it"))


def pytest_ignore_collect(collection_path, config):
    return None if list((BUILD / "python" / "quantc").glob("_native*.so")) else True


def pytest_terminal_summary(terminalreporter):
    if not list((BUILD / "python" / "quantc").glob("_native*.so")):
        terminalreporter.write_line(f"skipped: the Python package is not built in {BUILD}")


@pytest.fixture(scope="session")
def hand_written(tmp_path_factory):
    """Builds models that are written in C, as the runtime's own tests do: path by name."""
    compiler = shutil.which("clang-22") or shutil.which("clang")
    triple = f"{platform.machine()}-linux-gnu"
    archive = BUILD / "lib" / "quantc" / "runtime" / triple / "libquantc-model-rt.a"
    if not compiler or not archive.exists():
        pytest.skip(f"needs clang and {archive}")
    folder = tmp_path_factory.mktemp("models")

    def build(source, path, *flags):
        subprocess.run(
            [compiler, "-std=c11", "-O1", "-fPIC", "-fvisibility=hidden", "-shared", *flags,
             f"-I{ROOT / 'runtime' / 'include'}", str(source), str(archive),
             "-Wl,-u,quantc_entry", "-o", str(path)],
            check=True,
        )
        return path

    # The weights of fake_model.c: 1, 2, 3, 4.
    weights = bytes.fromhex("0000803f000000400000404000008040")
    (folder / "weights.safetensors").write_bytes(
        (56).to_bytes(8, "little") + b"{}".ljust(56) + weights
    )
    fake = ROOT / "runtime" / "test" / "fake_model.c"
    return {
        "fake": build(fake, folder / "fake.so", "-DMODEL=fake", "-DBIAS=0"),
        "other": build(fake, folder / "other.so", "-DMODEL=other", "-DBIAS=100"),
        "types": build(pathlib.Path(__file__).with_name("types_model.c"), folder / "types.so"),
    }


@pytest.fixture(scope="session")
def program():
    """The path of the `quantc` program of the build tree."""
    path = BUILD / "bin" / "quantc"
    if not path.exists():
        pytest.skip(f"{path} is not built")
    return path
