# SPDX-License-Identifier: Apache-2.0
"""The small files that the cases work on: the same bytes on every machine. Standard library alone."""

import ast
import math
import struct

CENTRES = [(0, 0, 0, 0), (3, 0, 0, 2), (0, 4, 1, 0)]


class Numbers:
    """Numbers between -1 and 1, from a generator that no other version of Python can change."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 11) / 2**52 - 1

    def bell(self):
        return sum(self.next() for _ in range(4))


def blobs(rows, seed):
    """Three clouds of points that overlap a little, in turn."""
    numbers = Numbers(seed)
    return [[c + numbers.bell() for c in CENTRES[i % 3]] for i in range(rows)]


def write_vecs(path, code, rows):
    with open(path, "wb") as file:
        for row in rows:
            file.write(struct.pack(f"<i{len(row)}{code}", len(row), *row))


def write_bin(path, code, rows):
    with open(path, "wb") as file:
        file.write(struct.pack("<II", len(rows), len(rows[0])))
        for row in rows:
            file.write(struct.pack(f"<{len(row)}{code}", *row))


def write_npy(path, code, descr, rows):
    head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({len(rows)}, {len(rows[0])}), }}"
    head = head.ljust(117) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
        for row in rows:
            file.write(struct.pack(f"<{len(row)}{code}", *row))


def read(path):
    """The rows of a file that one of the functions here, or the tool, has written."""
    with open(path, "rb") as file:
        content = file.read()
    if path.endswith(".npy"):
        (length,) = struct.unpack_from("<H", content, 8)
        head = ast.literal_eval(content[10 : 10 + length].decode())
        rows, cols = head["shape"]
        code = {"f4": "f", "f8": "d", "i4": "i", "i8": "q", "u1": "B", "i1": "b"}[head["descr"][1:]]
        start, gap = 10 + length, 0
    elif path.endswith("bin"):
        rows, cols = struct.unpack_from("<II", content)
        code = {"f": "f", "u": "B", "i": "b" if path.endswith("i8bin") else "i"}[path.split(".")[-1][0]]
        start, gap = 8, 0
    else:
        (cols,) = struct.unpack_from("<i", content)
        code = {"f": "f", "b": "B", "i": "i"}[path.split(".")[-1][0]]
        start, gap = 4, 4
        rows = len(content) // (4 + cols * struct.calcsize(code))
    step = cols * struct.calcsize(code) + gap
    return [list(struct.unpack_from(f"<{cols}{code}", content, start + i * step)) for i in range(rows)]


def write_demo(folder, words):
    """A stand-in for the demo's words: as many as it takes to fill its lists."""
    numbers = Numbers(5)
    rows = [[numbers.bell() for _ in range(16)] for _ in range(words)]
    write_npy(f"{folder}/glove-20k.npy", "f", "<f4", rows)
    letters = "abcdefghijklmnopqrstuvwxyz"
    with open(f"{folder}/glove-20k.words.txt", "w", encoding="utf-8") as file:
        for i in range(words):
            file.write("word" + letters[i // 26 % 26] + letters[i % 26] + "\n")


def write_all(folder):
    base, queries = blobs(300, 1), blobs(20, 2)
    write_vecs(f"{folder}/base.fvecs", "f", base)
    write_vecs(f"{folder}/queries.fvecs", "f", queries)
    write_vecs(f"{folder}/one.fvecs", "f", [[1.5, 2.5, -3.0, 0.25]])
    write_vecs(f"{folder}/bytes.bvecs", "B", [[int(8 * v + 64) for v in row] for row in base])
    write_vecs(f"{folder}/ids.ivecs", "i", [[1000 + i] for i in range(300)])
    write_vecs(f"{folder}/flat.fvecs", "f", [row[:3] for row in queries])
    write_vecs(f"{folder}/holes.fvecs", "f", base[:5] + [[0, math.nan, 0, 0]] + base[5:])
    with open(f"{folder}/base.fvecs", "rb") as file:
        content = file.read()
    with open(f"{folder}/cut.fvecs", "wb") as file:
        file.write(content[:-3])
