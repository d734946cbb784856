#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the demo's data: the most frequent GloVe words as 16-bit floats.

usage: make_demo_data.py VECTORS.fvecs WORDS.txt [--rows 20000] [--output demo]

VECTORS holds GloVe 6B 100d rows in their original order (frequent words first), WORDS the words, one a
line. Writes glove-20k.npy and glove-20k.words.txt. Needs numpy.
"""

import argparse
import pathlib

import numpy

DIMENSIONS = 100


def read_fvecs(path, rows):
    """The first rows of an .fvecs file: each is an i32 dimension and its f32 values."""
    records = numpy.fromfile(path, dtype="<i4", count=rows * (DIMENSIONS + 1))
    records = records.reshape(rows, DIMENSIONS + 1)
    if not (records[:, 0] == DIMENSIONS).all():
        raise SystemExit(f"{path}: not every row has {DIMENSIONS} dimensions")
    return records[:, 1:].copy().view("<f4")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("vectors", type=pathlib.Path)
    parser.add_argument("words", type=pathlib.Path)
    parser.add_argument("--rows", type=int, default=20000)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("demo"))
    args = parser.parse_args()

    vectors = read_fvecs(args.vectors, args.rows)
    words = args.words.read_text(encoding="utf-8").split("\n")[: args.rows]
    if len(words) != args.rows or "" in words:
        raise SystemExit(f"{args.words}: holds fewer than {args.rows} words")

    halved = vectors.astype("<f2")
    error = numpy.abs(halved.astype("f4") - vectors).max()
    numpy.save(args.output / "glove-20k.npy", halved)
    (args.output / "glove-20k.words.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    print(f"{args.rows} words; rounding to f16 moved no value by more than {error:.2g}")


if __name__ == "__main__":
    main()
