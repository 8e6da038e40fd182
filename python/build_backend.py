"""A PEP 517 build backend that packs a CMake build tree into a wheel; it needs no package.

    make && pip install ./python
    pip install ./python -C build=build/dev        another build tree than build/release
    pip install -e ./python                        the package in the build tree itself

The wheel holds the package with its extension module, the program `quantc`, and what that
links into models: the runtime archives, the runtime's headers, and libquantc-rt.
"""

import base64
import hashlib
import pathlib
import sys
import sysconfig
import tomllib
import zipfile

SOURCE = pathlib.Path(__file__).resolve().parent
ROOT = SOURCE.parent


def _project():
    return tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]


def _build_tree(config_settings):
    """The build tree, checked to hold a package for the Python that runs this."""
    given = (config_settings or {}).get("build")
    tree = (ROOT / (given or "build/release")).resolve()
    extension = "_native" + sysconfig.get_config_var("EXT_SUFFIX")
    needed = [tree / "python" / "quantc" / extension, tree / "bin" / "quantc"]
    for path in needed:
        if not path.exists():
            sys.exit(
                f"quantc: there is no {path}. Build quantc with this Python "
                f"({sys.executable}) first: run `make`, which uses the one of build/venv; "
                "or name a build tree: pip install ./python -C build=build/dev"
            )
    return tree


def _metadata(project):
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {project['name']}",
        f"Version: {project['version']}",
        f"Summary: {project['description']}",
        f"License-Expression: {project['license']}",
        f"Requires-Python: {project['requires-python']}",
    ]
    lines += [f"Requires-Dist: {name}" for name in project["dependencies"]]
    for extra, names in project["optional-dependencies"].items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f"Requires-Dist: {name}; extra == '{extra}'" for name in names]
    return "\n".join(lines) + "\n"


class _Wheel:
    """A wheel being written: a zip file with a record of its files' hashes."""

    def __init__(self, folder):
        self.project = _project()
        abi = f"cp{sys.version_info.major}{sys.version_info.minor}"
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        self.tag = f"{abi}-{abi}-{platform}"
        self.stem = f"{self.project['name']}-{self.project['version']}"
        self.name = f"{self.stem}-{self.tag}.whl"
        self.zip = zipfile.ZipFile(pathlib.Path(folder) / self.name, "w", zipfile.ZIP_DEFLATED)
        self.record = []

    def add(self, name, data, mode=0o644):
        info = zipfile.ZipInfo(name)  # no times: the same input gives the same bytes
        info.external_attr = (0o100000 | mode) << 16
        info.compress_type = zipfile.ZIP_DEFLATED
        self.zip.writestr(info, data)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        self.record.append(f"{name},sha256={digest},{len(data)}")

    def add_tree(self, folder, prefix, patterns=("*",)):
        for path in sorted({p for pattern in patterns for p in folder.rglob(pattern)}):
            if path.is_file() and "__pycache__" not in path.parts:
                mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
                self.add(f"{prefix}/{path.relative_to(folder)}", path.read_bytes(), mode)

    def add_data(self, path, name):
        """A file that is installed as <prefix of the environment>/NAME."""
        mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
        self.add(f"{self.stem}.data/data/{name}", path.read_bytes(), mode)

    def finish(self):
        info = f"{self.stem}.dist-info"
        self.add(f"{info}/METADATA", _metadata(self.project).encode())
        self.add(f"{info}/licenses/LICENSE", (ROOT / "LICENSE").read_bytes())
        wheel = f"Wheel-Version: 1.0\nGenerator: quantc\nRoot-Is-Purelib: false\nTag: {self.tag}\n"
        self.add(f"{info}/WHEEL", wheel.encode())
        self.zip.writestr(f"{info}/RECORD", "\n".join(self.record + [f"{info}/RECORD,,"]) + "\n")
        self.zip.close()
        return self.name


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    tree = _build_tree(config_settings)
    wheel = _Wheel(wheel_directory)
    wheel.add_tree(tree / "python" / "quantc", "quantc")
    wheel.add_data(tree / "bin" / "quantc", "bin/quantc")
    data = f"{wheel.stem}.data/data"
    wheel.add_tree(tree / "lib" / "quantc", f"{data}/lib/quantc")
    wheel.add_tree(ROOT / "runtime" / "include", f"{data}/include", ("*.h", "*.def"))
    for library in sorted((tree / "lib").glob("libquantc-rt.*")):
        wheel.add_data(library, f"lib/{library.name}")
    return wheel.finish()


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    tree = _build_tree(config_settings)
    wheel = _Wheel(wheel_directory)
    wheel.add("quantc.pth", f"{tree / 'python'}\n".encode())
    return wheel.finish()


def build_sdist(sdist_directory, config_settings=None):
    sys.exit("quantc: the Python package is built from the whole source tree, not from an sdist")
