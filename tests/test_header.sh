#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# test_header.sh - the public header compiles alone and twice, as C17 and as C++11, without a warning, and
# includes nothing but <stddef.h> and <stdint.h>.
# Usage: test_header.sh INCLUDE_FOLDER CC CXX
set -euo pipefail
include=$1 cc=$2 cxx=$3

warnings=(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)
twice=$'#include "flashgmm.h"\n#include "flashgmm.h"\n'

"$cc" -std=c17 "${warnings[@]}" -Wstrict-prototypes -I"$include" -fsyntax-only -x c - <<< "$twice"
"$cxx" -std=c++11 "${warnings[@]}" -I"$include" -fsyntax-only -x c++ - <<< "$twice"

others=$(grep '^#include' "$include/flashgmm.h" | grep -v -e '<stddef.h>' -e '<stdint.h>' || true)
if [ -n "$others" ]; then
    echo "flashgmm.h includes more than it may: $others" >&2
    exit 1
fi
