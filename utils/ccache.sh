#!/bin/sh
# Compiler launcher of the CMake presets: ccache, told that precompiled headers
# are safe to cache (they are built with -fno-pch-timestamp and nothing in the
# tree reads __TIME__), with its cache inside the tree. Without ccache the
# compiler runs by itself.
if ! command -v ccache >/dev/null 2>&1; then
  exec "$@"
fi
root=$(cd "$(dirname "$0")/.." && pwd)
CCACHE_SLOPPINESS=pch_defines,time_macros
: "${CCACHE_DIR:=$root/build/ccache}"
: "${CCACHE_BASEDIR:=$root}"
: "${CCACHE_MAXSIZE:=5G}"
export CCACHE_SLOPPINESS CCACHE_DIR CCACHE_BASEDIR CCACHE_MAXSIZE
exec ccache "$@"
