#!/usr/bin/env bash
# Installs what quantc is built with, and says what it does:
#   1. system packages, with apt where there is apt and permission; otherwise it
#      prints what is missing and how to get it, and stops;
#   2. the Python packages of requirements.txt, into build/venv;
#   3. the ONNX C++ library, built from its source distribution into build/deps.
# With --full also those of requirements-full.txt, for `make check-full`.
# Each step is skipped when what it made last time is still what is asked for,
# so a second run installs nothing and needs no network. Apart from apt, nothing
# is written outside the tree.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
venv=$root/build/venv
deps=$root/build/deps

ONNX_VERSION=1.23.2
ONNX_SHA256=008cb0467b2bbee41448acc7da8b6f4e704624cb0d327a2d5adafc7ce19bc5b8

say() { echo "deps: $*" >&2; }
die() { say "$@"; exit 1; }

# --- 1. System packages -------------------------------------------------------

# Debian's name, then a file or program that shows it is there whoever installed
# it (a name with a slash is a file pattern, any other a program).
packages="
clang-22                clang++-22
clang-tidy-22           clang-tidy-22
clang-format-22         clang-format-22
lld-22                  ld.lld-22
llvm-22                 /usr/lib/llvm-22/bin/llvm-config
llvm-22-dev             /usr/lib/llvm-22/lib/cmake/llvm/LLVMConfig.cmake
llvm-22-tools           /usr/lib/llvm-22/bin/FileCheck
libmlir-22-dev          /usr/lib/llvm-22/lib/cmake/mlir/MLIRConfig.cmake
mlir-22-tools           /usr/lib/llvm-22/bin/mlir-tblgen
libclang-rt-22-dev      /usr/lib/llvm-22/lib/clang/22/lib/*/libclang_rt.builtins*.a
ccache                  ccache
ninja-build             ninja
cmake                   cmake
qemu-user               qemu-aarch64
libc6-dev-arm64-cross   /usr/aarch64-linux-gnu/include/stdio.h
libprotobuf-dev         /usr/include/google/protobuf/message.h
protobuf-compiler       protoc
libgtest-dev            /usr/include/gtest/gtest.h
libopenblas-dev         /usr/lib/*/libopenblas.so,/usr/lib/libopenblas.so
libcli11-dev            /usr/include/CLI/CLI.hpp
libbenchmark-dev        /usr/include/benchmark/benchmark.h
zlib1g-dev              /usr/include/zlib.h
libzstd-dev             /usr/include/zstd.h
libxml2-dev             /usr/include/libxml2/libxml/parser.h
libedit-dev             /usr/include/editline/readline.h
libcurl4-openssl-dev    /usr/include/*curl/curl.h,/usr/include/*/curl/curl.h
python3-venv            python:venv,ensurepip
python3-dev             python:header
"

present() { # probe
  local pattern
  case $1 in
  python:header)
    python3 -c 'import os, sysconfig, sys
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' 2>/dev/null ;;
  python:*)
    python3 -c "import ${1#python:}" 2>/dev/null ;;
  */*)
    for pattern in ${1//,/ }; do
      compgen -G "$pattern" >/dev/null && return 0
    done
    return 1 ;;
  *)
    command -v "$1" >/dev/null 2>&1 ;;
  esac
}

missing_packages() {
  local name probe
  while read -r name probe; do
    [ -z "$name" ] || present "$probe" || echo "$name"
  done <<<"$packages"
}

explain_missing() { # names...
  cat >&2 <<TEXT
deps: these packages are missing and were not installed ($why):
deps:     $*
deps: As an administrator of a Debian or Ubuntu system, run
deps:     apt-get update && apt-get install $*
deps: clang, LLVM and MLIR 22 are in LLVM's own package archive, for systems whose
deps: archive has older ones: see the page "LLVM Debian/Ubuntu packages" of the LLVM
deps: project. On another system install the same programs and libraries under the
deps: same names (clang++-22, ..., /usr/lib/llvm-22), then run \`make deps\` again.
TEXT
}

missing=$(missing_packages | tr '\n' ' ')
if [ -n "$missing" ]; then
  why=""
  as_root=()
  if ! command -v apt-get >/dev/null 2>&1; then
    why="there is no apt-get"
  elif [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
      as_root=(sudo -n env DEBIAN_FRONTEND=noninteractive)
    else
      why="not run as root, and sudo wants a password"
    fi
  else
    as_root=(env DEBIAN_FRONTEND=noninteractive)
  fi
  if [ -z "$why" ]; then
    say "installing with apt: $missing"
    # Lists that are there may do, and then no network is asked for them.
    # shellcheck disable=SC2086  # a list of names
    "${as_root[@]}" apt-get install -y -q --no-install-recommends $missing </dev/null >&2 ||
      { "${as_root[@]}" apt-get update -q </dev/null >&2 &&
        "${as_root[@]}" apt-get install -y -q --no-install-recommends $missing </dev/null >&2; } ||
      why="apt-get failed, see above"
  fi
  missing=$(missing_packages | tr '\n' ' ')
  if [ -n "$missing" ]; then
    : "${why:=apt-get succeeded, but they are not where they were expected}"
    # shellcheck disable=SC2086
    explain_missing $missing
    exit 1
  fi
fi

# --- 2. Python packages -------------------------------------------------------

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  die "python3 is $(python3 --version 2>&1), and 3.11 or later is needed: install it and put it first on PATH"

stamp_of() { sha256sum | cut -d' ' -f1; }

venv_stamp=$({ python3 --version; cat requirements.txt; } | stamp_of)
if [ "$(cat "$venv/.stamp" 2>/dev/null)" != "$venv_stamp" ]; then
  if [ -x "$venv/bin/python" ] &&
    [ "$("$venv/bin/python" --version)" != "$(python3 --version)" ]; then
    say "python3 has changed: making build/venv anew"
    rm -rf "$venv"
  fi
  say "installing the Python packages of requirements.txt into build/venv"
  [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
  "$venv/bin/python" -m pip install -q --disable-pip-version-check --no-cache-dir \
    -r requirements.txt </dev/null >&2 ||
    die "pip could not install requirements.txt; see its message above. With no network: run once where there is one"
  echo "$venv_stamp" >"$venv/.stamp"
fi

# What only long tests need.
if [ "${1:-}" = --full ]; then
  full_stamp=$({ echo "$venv_stamp"; cat requirements-full.txt; } | stamp_of)
  if [ "$(cat "$venv/.stamp-full" 2>/dev/null)" != "$full_stamp" ]; then
    say "installing the Python packages of requirements-full.txt into build/venv"
    "$venv/bin/python" -m pip install -q --disable-pip-version-check --no-cache-dir --no-deps \
      -r requirements-full.txt </dev/null >&2 ||
      die "pip could not install requirements-full.txt; see its message above. With no network: run once where there is one"
    echo "$full_stamp" >"$venv/.stamp-full"
  fi
fi

# --- 3. The ONNX C++ library --------------------------------------------------

onnx_options=(
  -DCMAKE_BUILD_TYPE=Release
  -DCMAKE_C_COMPILER=clang-22
  -DCMAKE_CXX_COMPILER=clang++-22
  -DCMAKE_CXX_STANDARD=17
  -DCMAKE_CXX_FLAGS=-frtti\ -fexceptions
  -DCMAKE_POSITION_INDEPENDENT_CODE=ON
  -DCMAKE_INSTALL_LIBDIR=lib
  -DBUILD_SHARED_LIBS=OFF
  -DONNX_ML=ON
  -DONNX_BUILD_PYTHON=OFF
  -DONNX_BUILD_TESTS=OFF
  -DONNX_BUILD_CUSTOM_PROTOBUF=OFF
  -DONNX_USE_PROTOBUF_SHARED_LIBS=ON
  -DONNX_GEN_PB_TYPE_STUBS=OFF
  # Never fetch a protobuf: Debian's is the one.
  -DFETCHCONTENT_FULLY_DISCONNECTED=ON
)

system_onnx() {
  local file
  for file in /usr/lib/cmake/ONNX /usr/lib/*/cmake/ONNX /usr/local/lib/cmake/ONNX; do
    grep -qs 'PACKAGE_VERSION "1\.23' "$file/ONNXConfigVersion.cmake" && return 0
  done
  return 1
}

onnx_stamp=$(echo "$ONNX_VERSION $ONNX_SHA256 ${onnx_options[*]}" | stamp_of)
if ! system_onnx && [ "$(cat "$deps/.stamp" 2>/dev/null)" != "$onnx_stamp" ]; then
  say "building the ONNX C++ library $ONNX_VERSION into build/deps (two minutes)"
  work=$root/build/deps-work
  rm -rf "$work"
  mkdir -p "$work"
  "$venv/bin/python" -m pip download -q --disable-pip-version-check --no-cache-dir --no-deps \
    --no-binary onnx -d "$work" "onnx==$ONNX_VERSION" </dev/null >&2 ||
    die "pip could not download the source distribution of onnx $ONNX_VERSION; see its message above"
  echo "$ONNX_SHA256  $work/onnx-$ONNX_VERSION.tar.gz" | sha256sum --check --quiet >&2 ||
    die "the source distribution of onnx $ONNX_VERSION is not the one this tree was written for (ONNX_SHA256 in utils/deps.sh)"
  tar -xf "$work/onnx-$ONNX_VERSION.tar.gz" -C "$work"
  # ONNX wants a CMake newer than Debian's; the one of the venv is.
  {
    "$venv/bin/cmake" -S "$work/onnx-$ONNX_VERSION" -B "$work/build" -G Ninja \
      -DCMAKE_INSTALL_PREFIX="$work/install" \
      -DCMAKE_C_COMPILER_LAUNCHER="$root/utils/ccache.sh" \
      -DCMAKE_CXX_COMPILER_LAUNCHER="$root/utils/ccache.sh" \
      -DPython3_EXECUTABLE="$venv/bin/python" \
      "${onnx_options[@]}" &&
      "$venv/bin/cmake" --build "$work/build" --target install
  } </dev/null >"$work/log" 2>&1 || {
    tail -40 "$work/log" >&2
    die "the ONNX library did not build; the whole log is build/deps-work/log"
  }
  echo "$onnx_stamp" >"$work/install/.stamp"
  rm -rf "$deps"
  mv "$work/install" "$deps"
  rm -rf "$work"
fi
