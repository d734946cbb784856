#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make.py - writes the seed files of the fuzzers for formats: valid files and damaged ones.

Usage: make.py, in any folder; the files go beside this script and are committed.
Checksums of containers are left 0: the fuzzer tries every input as it is and with right checksums.
"""

import struct
from pathlib import Path

HERE = Path(__file__).resolve().parent


def vecs():
    row = struct.pack("<i4f", 4, 1.5, -2.0, 0.0, 1e30)
    byte_row = struct.pack("<i6B", 6, 1, 2, 3, 254, 255, 0)
    yield "fvecs", row * 5
    yield "bvecs", byte_row * 7
    yield "ivecs-one-column", struct.pack("<ii", 1, 7) * 3
    yield "one-row", row
    yield "empty", b""
    yield "dimension-alone", row[:4]
    yield "cut-in-row", (row * 3)[:-5]
    yield "cut-in-dimension", row * 2 + row[:3]
    yield "mixed-dimensions", row + struct.pack("<i", 3) + row[4:]
    yield "dimension-zero", struct.pack("<i", 0) * 4
    yield "dimension-negative", struct.pack("<i", -1) + row[4:]
    yield "dimension-huge", struct.pack("<i", 0x7FFFFFFF) + row[4:]


def xbin():
    yield "fbin", struct.pack("<II6f", 2, 3, *range(6))
    yield "u8bin", struct.pack("<II12B", 4, 3, *range(12))
    yield "one-element", struct.pack("<IIB", 1, 1, 9)
    yield "empty", b""
    yield "head-alone", struct.pack("<II", 2, 3)
    yield "cut-head", struct.pack("<I", 2)
    yield "no-rows", struct.pack("<II", 0, 3)
    yield "no-columns", struct.pack("<II4B", 4, 0, 1, 2, 3, 4)
    yield "too-short", struct.pack("<II5f", 2, 3, *range(5))
    yield "too-long", struct.pack("<II7f", 2, 3, *range(7))
    yield "huge", struct.pack("<II4B", 0xFFFFFFFF, 0xFFFFFFFF, 1, 2, 3, 4)


def npy_file(version, header, elements):
    length = struct.Struct("<H" if version == 1 else "<I")
    begin = 8 + length.size
    header += " " * (-(begin + len(header) + 1) % 64) + "\n"
    return (
        b"\x93NUMPY" + bytes([version, 0]) + length.pack(len(header)) + header.encode() + elements
    )


def npy_header(descr, shape, order="False"):
    return f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}"


def npy():
    floats = struct.pack("<6f", *range(6))
    for version in (1, 2, 3):
        yield f"version-{version}", npy_file(version, npy_header("<f4", "(2, 3)"), floats)
    for descr, shape in (
        ("<f2", "(4, 3)"),
        ("|u1", "(8, 3)"),
        ("|i1", "(12, 2)"),
        ("<i4", "(6,)"),
        ("<i8", "(3,)"),
        ("=f8", "(3, 1)"),
        (">f4", "(2, 3)"),
        ("<c8", "(3,)"),
    ):
        name = "type-" + descr.strip("<>=|") + ("-big" if descr[0] == ">" else "")
        yield name, npy_file(1, npy_header(descr, shape), floats)
    yield "by-columns", npy_file(1, npy_header("<f4", "(2, 3)", "True"), floats)
    yield "records", npy_file(1, "{'descr': [('x', '<f4')], 'shape': (6,), }", floats)
    for name, shape in (
        ("scalar", "()"),
        ("cube", "(2, 3, 1)"),
        ("no-rows", "(0, 3)"),
        ("too-many-rows", "(3, 3)"),
        ("too-few-rows", "(1, 3)"),
        ("rows-overflow", "(99999999999999999999, 3)"),
        ("size-overflows", "(9223372036854775807, 1048576)"),
        ("negative", "(-2, 3)"),
    ):
        yield "shape-" + name, npy_file(1, npy_header("<f4", shape), floats)
    whole = npy_file(2, npy_header("<f4", "(2, 3)"), floats)
    yield "cut-magic", whole[:5]
    yield "cut-header", whole[:40]
    yield "length-too-large", whole[:8] + struct.pack("<I", 0xFFFFFFFF) + whole[12:]
    yield "unknown-version", whole[:6] + b"\x04" + whole[7:]


def container_file(sections, version=1, magic=b"FGMMODEL"):
    """Sections: (tag, bytes). Any of them may be given another (offset, size) than it has."""
    body, table = b"", b""
    for tag, data, *lie in sections:
        body += b"\0" * (-len(body) % 64)
        offset, size = lie or (64 + len(body), len(data))
        table += struct.pack("<4sIQQQ", tag, 0, offset, size, 0)
        body += data
    body += b"\0" * (-len(body) % 64)
    table_offset = 64 + len(body)
    head = struct.pack(
        "<8sIIQIIQQ16x",
        magic, version, 64, table_offset + len(table), len(sections), 0, table_offset, 0,
    )  # fmt: skip
    return head + body + table


def container():
    data = bytes(range(100))
    whole = container_file([(b"AAAA", data), (b"BBBB", b""), (b"CCCC", b"xyz")])
    yield "three-sections", whole
    yield "no-section", container_file([])
    yield "cut", whole[:-1]
    yield "cut-head", whole[:40]
    yield "newer", container_file([(b"AAAA", data)], version=2)
    yield "foreign", container_file([(b"AAAA", data)], magic=b"OTHERONE")
    yield "same-tag", container_file([(b"AAAA", data), (b"AAAA", data)])
    yield "overlap", container_file([(b"AAAA", data), (b"BBBB", data, 64, 100)])
    yield "outside", container_file([(b"AAAA", data, 64, 1 << 20)])
    yield "overflow", container_file([(b"AAAA", data, 64, (1 << 64) - 64)])
    yield "misaligned", container_file([(b"AAAA", data, 68, 90)])


def tuning(theta=2.0, lists=2):
    points = [struct.pack("<ddii", 0.5 + i / 60, theta + i / 8, lists, 0) for i in range(24)]
    return struct.pack("<iiqd", 1, 0, 50, 4.0) + b"".join(points)


def shares(places=(0.9, 1.75), best=None, cost=9, cut=0):
    """For filters that leave one row in 4 and in 16; `best` is the last recall of each."""
    data = b""
    for place in places:
        points = [struct.pack("<ddii", 0.5 + i / 60, 3.0 + i / 8, 2, cost) for i in range(24)]
        if best is not None:
            points[-1] = struct.pack("<ddii", best, 6.0, 2, cost)
        data += struct.pack("<d", place) + b"".join(points)
    return data[: len(data) - cut]


def graph(efforts=((1, 1), (2, 2)), degrees=(1, 1), edges=(1, 0)):
    """Of two centroids; 12 efforts: width and cost."""
    numbers = [number for effort in (*efforts, *[(0, 0)] * (12 - len(efforts))) for number in effort]
    return struct.pack(f"<{24 + len(degrees) + len(edges)}i", *numbers, *degrees, *edges)


def index_file(
    sets, *, kind=0, metric=0, dtype=1, assign=1, ids=None, next_id=100, entries=None,
    facing=None, home=None, near=(1, 0), cell=(0, 1, 2, 3, 4, 5, 0, 0), offset=-1.5, tune=None, shares=None,
    graph=None,
):  # fmt: skip
    """Two lists in two dimensions. Sets: (rows, lists)."""
    lists = [[], []]
    for number, (rows, members) in enumerate(sets):
        for member in members:
            lists[member % 2] += [10 * number + row for row in range(min(max(rows, 0), 9))]
    stored = ids or lists[0] + lists[1]
    variances = {0: [], 1: [0.5, 2.0], 2: [0.5, 1.0, 1.5, 2.0]}[kind]
    numbers = [-0.25, -1.5, -1.0, -2.0, 1.0, 2.0, *variances]
    element = {1: "f", 2: "e", 4: "b", 5: "B"}[dtype]
    faced = [1 - members[0] if len(members) == 1 and members[0] < 2 else -1 for _, members in sets]
    meta = struct.pack(
        "<4i5qd2i",
        dtype, metric, assign, 2, len(sets), sum(len(m) for _, m in sets),
        sum(rows for rows, _ in sets), len(stored) if entries is None else entries, next_id, 0.5, 0, 0,
    )  # fmt: skip
    sections = [
        (b"META", meta),
        (b"PSHP", struct.pack("<4I", kind, 2, 2, metric == 2)),
        (b"PARM", struct.pack(f"<{len(numbers)}d2f", *numbers, 3.0, 4.0)),
        (
            b"SETS",
            b"".join(struct.pack("<q", rows) for rows, _ in sets)
            + b"".join(struct.pack("<i", len(members)) for _, members in sets)
            + b"".join(struct.pack("<i", face) for face in facing or faced)
            + b"".join(struct.pack(f"<{len(members)}i", *members) for _, members in sets),
        ),
        (b"NEAR", struct.pack("<i", near[0]) * 64 + struct.pack("<i", near[1]) * 64),
        (
            b"CELL",
            b"".join(
                struct.pack("<i8B7f", (members or [0])[0] if home is None else home, *cell, 0.25, *[0.0] * 5, offset)
                for _, members in sets
            ),
        ),
        (b"IDS_", struct.pack(f"<{len(stored)}q", *stored)),
        (b"CODE", b"".join(struct.pack(f"<2{element}", id % 7, id % 5) for id in stored)),
    ]
    if metric == 2:
        sections.append((b"INVN", struct.pack(f"<{len(stored)}f", *[0.25] * len(stored))))
    if tune:
        sections.append((b"TUNE", tune))
    if shares:
        sections.append((b"SHAR", shares))
    if graph:
        sections.append((b"GRPH", graph))
    return container_file(sections, magic=b"FGMINDEX")


def ivf():
    sets = [(3, [0]), (2, [0, 1]), (1, [1])]
    yield "kmeans-f32", index_file(sets)
    yield "kmeans-u8-ip", index_file(sets, metric=1, dtype=5)
    yield "kmeans-i8-cosine", index_file(sets, metric=2, dtype=4)
    yield "spherical-f16", index_file(sets, kind=1, assign=3, dtype=2)
    yield "diagonal-f32-cosine", index_file(sets, kind=2, assign=3, metric=2)
    yield "one-empty-list", index_file([(4, [1])], assign=0)
    yield "no-rows", index_file([])
    yield "posterior-without-mixture", index_file(sets, assign=3)
    yield "list-out-of-range", index_file([(3, [0]), (2, [0, 2])])
    yield "lists-not-ascending", index_file([(3, [0]), (2, [1, 0])])
    yield "list-twice", index_file([(2, [1, 1])])
    yield "set-twice", index_file([(3, [0]), (2, [0])])
    yield "set-without-lists", index_file([(3, [0]), (2, [])])
    yield "set-without-rows", index_file([(3, [0]), (0, [1])])
    yield "set-negative", index_file([(3, [0]), (-1, [1])])
    yield "rows-overflow", index_file([(3, [0]), (1 << 62, [])])
    yield "too-many-entries", index_file(sets, entries=9)
    yield "too-few-entries", index_file(sets, entries=7)
    yield "id-too-large", index_file(sets, next_id=20)
    yield "tuned", index_file(sets, tune=tuning())
    yield "tuned-with-nan", index_file(sets, tune=tuning(theta=float("nan")))
    yield "tuned-for-more-lists", index_file(sets, tune=tuning(lists=3))
    many = [(9, [0]), (9, [0, 1]), (9, [1])]
    yield "shares", index_file(many, tune=tuning(), shares=shares())
    yield "shares-u8-cosine", index_file(many, metric=2, dtype=5, tune=tuning(), shares=shares())
    yield "shares-few-rows", index_file(sets, tune=tuning(), shares=shares(places=(0.5,)))
    yield "shares-without-tuning", index_file(many, shares=shares())
    yield "shares-too-many", index_file(many, tune=tuning(), shares=shares(places=range(1, 10)))
    yield "shares-cut", index_file(many, tune=tuning(), shares=shares(cut=8))
    yield "shares-places-fall", index_file(many, tune=tuning(), shares=shares(places=(2, 1)))
    yield "shares-place-huge", index_file(many, tune=tuning(), shares=shares(places=(0.9, 1e300)))
    yield "shares-of-less-recall", index_file(many, tune=tuning(), shares=shares(best=0.88))
    yield "shares-cost-negative", index_file(many, tune=tuning(), shares=shares(cost=-1))
    yield "shares-ids-twice", index_file(many, ids=[5] * 36, tune=tuning(), shares=shares())
    yield "graph", index_file(sets, graph=graph())
    yield "graph-without-edges", index_file(sets, graph=graph(degrees=(0, 0), edges=()))
    yield "graph-edge-leads-nowhere", index_file(sets, graph=graph(edges=(1, 2)))
    yield "graph-too-many-edges", index_file(sets, graph=graph(degrees=(1, 3)))
    yield "graph-too-few-edges", index_file(sets, graph=graph(edges=(1,)))
    yield "graph-degree-negative", index_file(sets, graph=graph(degrees=(3, -1)))
    yield "graph-too-narrow", index_file(sets, graph=graph(efforts=((1, 1), (1, 1))))
    yield "graph-width-after-the-last", index_file(sets, graph=graph(efforts=((0, 0), (2, 2))))
    yield "facing-itself", index_file(sets, facing=[0, -1, 0])
    yield "facing-nothing-there", index_file(sets, facing=[1, 2, 0])
    yield "cell-out-of-range", index_file(sets, cell=(0, 64, 0, 0, 0, 0, 0, 0))
    yield "cell-with-more-terms", index_file(sets, cell=(0, 0, 0, 0, 0, 0, 1, 0))
    yield "cell-infinite", index_file(sets, offset=float("inf"))
    yield "cell-at-home-elsewhere", index_file(sets, home=1)
    yield "near-out-of-range", index_file(sets, near=(1, 2))
    yield "copies-differ", index_file(sets, ids=[0, 1, 2, 10, 11, 10, 12, 20])


def mixture_file(kind=2, k=2, d=2, *, weights=(-0.25, -1.5), means=(-1.0, -2.0, 1.0, 2.0),
                 variances=None, states=(0, 1), normalize=0, stop=1, without=b""):  # fmt: skip
    if variances is None:
        variances = {1: [0.5, 2.0], 2: [0.5, 1.0, 1.5, 2.0]}.get(kind, [])
    numbers = [*weights, *means, *variances]
    sections = [
        (b"GMET", struct.pack("<2iqd", 7, stop, 1000, -3.5)),
        (b"STAT", struct.pack(f"<{len(states)}i", *states)),
        (b"PSHP", struct.pack("<4I", kind, k, d, normalize)),
        (b"PARM", struct.pack(f"<{len(numbers)}d2f", *numbers, 3.0, 4.0)),
    ]
    return container_file([section for section in sections if section[0] != without])


def gmm():
    infinity, nan = float("inf"), float("nan")
    yield "diagonal", mixture_file()
    yield "spherical", mixture_file(1)
    yield "normalised", mixture_file(normalize=1)
    yield "one-dead", mixture_file(weights=(0.0, -infinity), states=(0, 2))
    yield "all-dead", mixture_file(weights=(-infinity, -infinity))
    yield "centroids", mixture_file(0)
    yield "kind-unknown", mixture_file(3)
    yield "weight-above-one", mixture_file(weights=(0.5, -1.0))
    yield "weight-nan", mixture_file(weights=(nan, -1.0))
    yield "mean-huge", mixture_file(means=(-1.0, 1e31, 1.0, 2.0))
    yield "mean-large", mixture_file(means=(-1.0, 1e30, 1.0, -1e30))
    yield "weight-tiny", mixture_file(weights=(-745.0, -1.0))
    yield "weight-too-tiny", mixture_file(weights=(-1e308, -1.0))
    yield "variance-zero", mixture_file(variances=[0.5, 1.0, 0.0, 2.0])
    yield "variance-extreme", mixture_file(variances=[2.0**-100, 1.0, 2.0**200, 2.0])
    yield "state-unknown", mixture_file(states=(0, 3))
    yield "states-too-few", mixture_file(states=(0,))
    yield "stop-unknown", mixture_file(stop=4)
    yield "no-component", mixture_file(k=0)
    yield "more-components", mixture_file(k=3)
    yield "more-dimensions", mixture_file(d=1 << 20)
    for tag in (b"GMET", b"STAT", b"PSHP", b"PARM"):
        yield f"without-{tag.decode()}", mixture_file(without=tag)


def faiss_head(name, cols, count, metric=1, trained=1):
    argument = struct.pack("<f", 2.5) if metric > 1 else b""
    return name + struct.pack("<iqqqBi", cols, count, 7, 7, trained, metric) + argument


def faiss_flat(name, cols, count, *, floats=None, **head):
    numbers = struct.pack(f"<{cols * count}f", *(i / 4 for i in range(cols * count)))
    total = cols * count if floats is None else floats
    return faiss_head(name, cols, count, **head) + struct.pack("<Q", total) + numbers


def faiss_inverted(name, quantizer, *, cols=3, lists=2, entries=3, metric=1):
    """Three entries, all in the list with number 1."""
    begin = faiss_head(name, cols, entries, metric) + struct.pack("<QQ", lists, 1) + quantizer
    lists_begin = struct.pack("<BQ4sQQ4sQQQ", 0, 0, b"ilar", lists, 4 * cols, b"sprs", 2, 1, 3)
    return begin + lists_begin + struct.pack("<9f3q", *range(9), 0, 1, 2)


def faiss():
    flat = faiss_flat(b"IxF2", 3, 2)
    yield "flat-l2", flat
    yield "flat-ip", faiss_flat(b"IxFI", 1, 5, metric=0)
    yield "flat-other-metric", faiss_flat(b"IxFl", 2, 2, metric=4)
    yield "flat-untrained", faiss_flat(b"IxF2", 3, 2, trained=0)
    yield "flat-and-more", flat + b"more"
    yield "inverted", faiss_inverted(b"IwFl", flat)
    yield "inverted-ip", faiss_inverted(b"IwFl", faiss_flat(b"IxFI", 3, 2, metric=0), metric=0)
    yield "inverted-other-metric", faiss_inverted(b"IwSq", flat, metric=2)
    yield "quantizer-of-another-kind", faiss_inverted(b"IwFl", b"IHNf" + flat[4:])
    yield "quantizer-of-another-size", faiss_inverted(b"IwFl", flat, lists=3)
    yield "quantizer-of-another-dimension", faiss_inverted(b"IwFl", flat, cols=4)
    yield "no-lists", faiss_inverted(b"IwFl", faiss_flat(b"IxF2", 3, 0), lists=0)
    yield "no-vectors", faiss_flat(b"IxF2", 3, 0)
    yield "another-index", b"IxPq" + flat[4:]
    yield "empty", b""
    yield "name-alone", flat[:4]
    yield "cut-head", flat[:20]
    yield "cut-floats", flat[:-1]
    yield "cut-metric", faiss_flat(b"IxFl", 2, 2, metric=4)[:38]
    yield "dimension-zero", faiss_flat(b"IxF2", 0, 2)
    yield "dimension-huge", faiss_head(b"IxF2", 0x7FFFFFFF, 2) + flat[37:]
    yield "count-negative", faiss_head(b"IxF2", 3, -1) + flat[37:]
    yield "count-overflows", faiss_head(b"IxF2", 3, (1 << 63) - 1) + flat[37:]
    yield "floats-too-few", faiss_flat(b"IxF2", 3, 2, floats=5)
    yield "floats-overflow", faiss_flat(b"IxF2", 3, 2, floats=(1 << 62) + 6)
    yield "neither-true-nor-false", faiss_flat(b"IxF2", 3, 2, trained=2)


def main():
    for target in (vecs, xbin, npy, container, ivf, gmm, faiss):
        folder = HERE / target.__name__
        folder.mkdir(exist_ok=True)
        for name, data in target():
            (folder / name).write_bytes(data)


main()
