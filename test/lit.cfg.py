"""The lit suite of quantc: what runs, with which tools, and what this machine can do.

Features, for `// REQUIRES:`:
  avx2 avx2vnni avx512 avx512vnni amx, neon dotprod i8mm sve sme
                     instruction sets of this CPU, named as QUANTC_ISA names them
  qemu-aarch64       programs for AArch64 can be run
  py-NAME            the Python module NAME is there
  tool-NAME          NAME of quantc's own programs was built
  asan               built with sanitizers

Substitutions beside lit's own: %python, %cc, %cxx, %cmake, %src (the source tree),
%build (the build tree), %lib (the build's libraries), %compare (test/Value/compare.py).
"""

import importlib.util
import os
import platform
import shutil

import lit.formats

config.name = "quantc"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test", ".c", ".onnxtxt"]
# Inputs of tests are no tests; pytest's own folder is run by pytest.
config.excludes = ["Inputs", "python", "CMakeLists.txt"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.quantc_bin_root, "test")

config.substitutions += [
    ("%python", config.python),
    ("%cmake", config.cmake),
    ("%cxx", config.cxx),
    ("%cc", config.cc),
    ("%src", config.quantc_src_root),
    ("%build", config.quantc_bin_root),
    ("%lib", os.path.join(config.quantc_bin_root, "lib")),
    # Compiles this file's model, runs it, and compares it with another implementation.
    ("%compare", f"{config.python} {config.test_source_root}/Value/compare.py %s -o %t"),
]

# Tests see a fixed environment: a user's QUANTC_ISA must not decide what passes.
for variable in ("HOME", "TMPDIR", "CCACHE_DIR", "ASAN_OPTIONS", "UBSAN_OPTIONS"):
    if variable in os.environ:
        config.environment[variable] = os.environ[variable]
# Our code is instrumented and the packaged LLVM is not: it does not know of memory that
# LLVM's headers poison in our code, and frees its statics in its own way.
if config.quantc_sanitize == "ON":
    config.environment.setdefault(
        "ASAN_OPTIONS", "allow_user_poisoning=0:detect_leaks=0")
config.environment["PYTHONPATH"] = os.path.join(config.quantc_bin_root, "python")
config.environment["PYTHONDONTWRITEBYTECODE"] = "1"

# Our programs, then LLVM 22's (FileCheck, not, count, split-file), then the system's.
config.environment["PATH"] = os.pathsep.join(
    [
        os.path.join(config.quantc_bin_root, "bin"),
        config.llvm_tools_dir,
        os.environ.get("PATH", ""),
    ]
)


def cpu_flags():
    """The words of this CPU's `flags` (x86) or `Features` (AArch64) line."""
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith(("flags", "Features")):
                    return set(line.split(":", 1)[1].split())
    except OSError:
        pass
    return set()


# Level -> the flags that the kernel lists when the CPU has all it needs.
ISA_LEVELS = {
    "x86_64": {
        "avx2": {"avx2", "fma", "f16c"},
        "avx2vnni": {"avx2", "fma", "f16c", "avx_vnni"},
        "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl"},
        "avx512vnni": {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni"},
        "amx": {"avx512f", "avx512_vnni", "amx_tile", "amx_int8"},
    },
    "aarch64": {
        "neon": {"asimd"},
        "dotprod": {"asimd", "asimddp"},
        "i8mm": {"asimd", "i8mm"},
        "sve": {"sve"},
        "sme": {"sme"},
    },
}
flags = cpu_flags()
for level, needed in ISA_LEVELS.get(platform.machine(), {}).items():
    if needed <= flags:
        config.available_features.add(level)

config.available_features.add(platform.machine())
if shutil.which("qemu-aarch64"):
    config.available_features.add("qemu-aarch64")
for module in ("numpy", "onnx", "onnxruntime", "torch", "transformers"):
    if importlib.util.find_spec(module):
        config.available_features.add("py-" + module)
for tool in config.quantc_tools:
    config.available_features.add("tool-" + tool)
if config.quantc_sanitize == "ON":
    config.available_features.add("asan")
