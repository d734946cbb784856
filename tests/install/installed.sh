#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# installed.sh - installs a build into a folder, moves that, and builds and runs outside programs against it:
# by find_package and by pkg-config, shared and static.
# Usage: installed.sh BUILD_FOLDER CMAKE CC
set -euo pipefail
build=$1 cmake=$2 cc=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$cmake" --install "$build" --prefix "$work/first" > "$work/install.log"
prefix=$work/moved # a copy that only worked where it was installed would be found out
mv "$work/first" "$prefix"

echo "== find_package"
"$cmake" -S "$here" -B "$work/outside" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release > "$work/configure.log"
"$cmake" --build "$work/outside" > "$work/build.log"
(cd "$work/outside" && ctest --output-on-failure --no-tests=error)

echo "== pkg-config"
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name flashgmm.pc)")
export PKG_CONFIG_PATH
libraries=$(pkg-config --variable=libdir flashgmm)
# shellcheck disable=SC2046 # the flags are words
"$cc" "$here/outside.c" $(pkg-config --cflags --libs flashgmm) -Wl,-rpath,"$libraries" -o "$work/by_pkg_config"
"$work/by_pkg_config"
# -static would ask for static system libraries too; naming the archive asks for ours alone
# shellcheck disable=SC2046
"$cc" "$here/outside.c" $(pkg-config --cflags flashgmm) "$libraries/libflashgmm.a" \
    $(pkg-config --static --libs flashgmm | sed 's/ -lflashgmm / /') -o "$work/by_pkg_config_static"
"$work/by_pkg_config_static"

echo "== the tool"
"$prefix/bin/flashgmm" --help > "$work/help.txt"
"$prefix/bin/flashgmm" info "$prefix/share/flashgmm/demo/glove-20k.npy"
