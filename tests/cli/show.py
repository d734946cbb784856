# SPDX-License-Identifier: Apache-2.0
"""Prints the rows of files, the first few of each: show.py FILE..."""

import sys

import data

SHOWN = 4

for path in sys.argv[1:]:
    rows = data.read(path)
    print(f"{path}: {len(rows)} x {len(rows[0])}")
    for row in rows[:SHOWN]:
        print(" ", " ".join(f"{value:.4g}" for value in row))
