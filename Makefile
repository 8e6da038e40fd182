# A thin front for the CMake presets (CMakePresets.json), which work by themselves.
#
#   make         install what is missing, configure and build preset `release`
#   make deps    only install what is missing
#   make check   build preset `dev` and run every test
#   make check-full  the same, and the tests that take long
#   make demo    build, then the main job on a real model
#   make bench   build, then the figures of docs/benchmarks.md
#   make bench-accuracy  build, then its table of accuracy, peers included: hours;
#                ARGUMENTS='--calibration A.npy --validation B.npy' and more, see
#                benchmarks/accuracy.py
#   make clean   remove what was built, but not what was installed
#
# JOBS=N bounds the build's parallelism.

export PATH := $(CURDIR)/build/venv/bin:$(PATH)
PYTHON := build/venv/bin/python
JOBS   ?=
# The system's CMake, so that a build directory never sees two of them.
CMAKE  := $(shell PATH=/usr/local/bin:/usr/bin:/bin command -v cmake || echo build/venv/bin/cmake)

build_preset = $(CMAKE) --preset $(1) && $(CMAKE) --build --preset $(1) $(if $(JOBS),-j $(JOBS))

.PHONY: all deps check check-full demo bench bench-accuracy clean
all: deps
	$(call build_preset,release)

deps:
	@utils/deps.sh

check: deps
	@$(PYTHON) utils/check.py --cmake $(CMAKE) $(if $(JOBS),-j $(JOBS))

check-full: deps
	@utils/deps.sh --full
	@$(PYTHON) utils/check.py --full --cmake $(CMAKE) $(if $(JOBS),-j $(JOBS))

demo: all
	@$(PYTHON) examples/embed/demo.py --build build/release

bench: all
	@$(PYTHON) benchmarks/bench.py --build build/release

bench-accuracy: all
	@utils/deps.sh --full
	@$(PYTHON) benchmarks/accuracy.py --build build/release $(ARGUMENTS)

clean:
	rm -rf build/dev build/release build/asan build/deps-work
