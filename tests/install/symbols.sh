#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# symbols.sh - the shared library exports exactly the functions that the header declares.
# Usage: symbols.sh LIBRARY HEADER CC
set -euo pipefail
library=$1 header=$2 cc=$3

# the compiler's own view of the header: every FG_API becomes a mark in front of a declaration
declared=$("$cc" -E -P -DFG_API=FG_MARK "$header" | tr '\n' ' ' | grep -oE 'FG_MARK [^;(]*\(' |
    grep -oE '[a-z0-9_]+\($' | tr -d '(' | sort)
exported=$(nm -D --defined-only "$library" | awk '{ print $3 }' | grep -vE '^(_init|_fini)$' | sort)

if ! diff <(echo "$declared") <(echo "$exported"); then
    echo "lines with <: declared FG_API and not exported; with >: exported and not declared" >&2
    exit 1
fi
echo "$(wc -l <<< "$exported") functions"
