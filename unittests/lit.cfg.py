"""lit's view of the GoogleTest programs: each `*Tests` under the build's unittests/."""

import os

import lit.formats

config.name = "quantc-unit"
config.test_exec_root = os.path.join(config.quantc_bin_root, "unittests")
config.test_source_root = config.test_exec_root
config.test_format = lit.formats.GoogleTest(".", "Tests")
for variable in ("QUANTC_ISA", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TMPDIR", "HOME"):
    if variable in os.environ:
        config.environment[variable] = os.environ[variable]
# As in test/lit.cfg.py: the packaged LLVM is not instrumented.
if config.quantc_sanitize == "ON":
    config.environment.setdefault(
        "ASAN_OPTIONS", "allow_user_poisoning=0:detect_leaks=0")
