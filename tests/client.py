# SPDX-License-Identifier: Apache-2.0
"""client.py - the calls of the library that tests and benchmarks against its peers need, through ctypes.
Needs numpy."""

import ctypes as c

import numpy as np

L2, IP, COSINE = 0, 1, 2
HARD, NEAREST, MARGIN = 0, 1, 2
DTYPES = {"float32": 1, "float16": 2, "int8": 4, "uint8": 5, "int64": 7, "float64": 8}
LATER = ("later", c.c_uint64 * 32)  # room for what the library appends: zero is always the default


class View(c.Structure):
    """fg_view or fg_out of an array."""

    _fields_ = [
        ("data", c.c_void_p), ("rows", c.c_int64), ("row_stride", c.c_int64),
        ("cols", c.c_int32), ("dtype", c.c_int16), ("place", c.c_int16),
    ]  # fmt: skip

    def __init__(self, array):
        assert array.flags.c_contiguous
        rows, cols = array.shape
        super().__init__(array.ctypes.data, rows, 0, cols, DTYPES[str(array.dtype)], 0)
        self.array = array  # keeps it alive


class ContextOptions(c.Structure):
    _fields_ = [
        ("struct_size", c.c_size_t), ("backend", c.c_int32), ("device", c.c_int32),
        ("threads", c.c_int32), ("precision", c.c_int32), ("isa", c.c_char_p), LATER,
    ]  # fmt: skip


class SourceInfo(c.Structure):
    _fields_ = [
        ("struct_size", c.c_size_t), ("rows", c.c_int64), ("cols", c.c_int32), ("dtype", c.c_int32),
        LATER,
    ]  # fmt: skip


class IvfOptions(c.Structure):
    _fields_ = [
        ("struct_size", c.c_size_t), ("lists", c.c_int32), ("coarse", c.c_int32),
        ("assign", c.c_int32), ("max_lists", c.c_int32), ("threshold", c.c_double),
        ("copies", c.c_double), ("metric", c.c_int32), ("covariance", c.c_int32),
        ("kmeans_iter", c.c_int32), ("em_iter", c.c_int32), ("sample_rows", c.c_int64),
        ("seed", c.c_uint64), ("model", c.c_void_p), ("centroids", c.POINTER(View)),
        ("ids", c.c_void_p), ("progress", c.c_void_p), ("user", c.c_void_p), LATER,
    ]  # fmt: skip


class SearchOptions(c.Structure):
    _fields_ = [
        ("struct_size", c.c_size_t), ("n", c.c_int32), ("probes", c.c_int32),
        ("order", c.c_int32), ("reserved", c.c_int32), ("allow", c.c_void_p),
        ("allow_bits", c.c_int64), ("recall", c.c_double), LATER,
    ]  # fmt: skip


class TuneOptions(c.Structure):
    _fields_ = [
        ("struct_size", c.c_size_t), ("n", c.c_int32), ("reserved", c.c_int32),
        ("recall", c.c_double), ("sample_rows", c.c_int64), ("seed", c.c_uint64), LATER,
    ]  # fmt: skip


class SearchStats(c.Structure):
    _fields_ = [
        ("struct_size", c.c_size_t), ("queries", c.c_int64), ("entries", c.c_int64),
        ("distances", c.c_int64), ("centroids", c.c_int64), LATER,
    ]  # fmt: skip


def sized(struct, **fields):
    return struct(struct_size=c.sizeof(struct), **fields)


class Library:
    """The calls that are needed; each raises what the library says."""

    def __init__(self, path, threads=0):
        self.so = c.CDLL(path)
        self.so.fg_last_error.restype = c.c_char_p
        self.context = self.make_context(threads)

    def call(self, name, *arguments):
        if getattr(self.so, name)(*arguments) != 0:
            raise RuntimeError(f"{name}: {self.so.fg_last_error().decode()}")

    def make_context(self, threads):
        context, cpu = c.c_void_p(), 1
        options = sized(ContextOptions, backend=cpu, threads=threads)
        self.call("fg_context_create", c.byref(options), c.byref(context))
        return context

    def build(self, rows, **options):
        source, index = c.c_void_p(), c.c_void_p()
        view = View(rows)
        wanted = sized(IvfOptions, **options)
        self.call("fg_source_memory", c.byref(view), c.byref(source))
        self.call("fg_ivf_build", self.context, source, c.byref(wanted), c.byref(index), None)
        self.so.fg_source_destroy(source)
        return index

    def centroids(self, index, lists, cols):
        out = np.empty((lists, cols), np.float32)
        self.call("fg_ivf_get_lists", index, None, c.byref(View(out)))
        return out

    def search(self, index, queries, n, probes, recall=0.0, allow=None):
        """allow: bytes of bits, the lowest id in the lowest bit of the first."""
        ids = np.empty((len(queries), n), np.int64)
        scores = np.empty((len(queries), n), np.float32)
        options, stats = sized(SearchOptions, n=n, probes=probes, recall=recall), sized(SearchStats)
        if allow is not None:
            words = np.concatenate([allow, np.zeros(-len(allow) % 8, np.uint8)])
            options.allow, options.allow_bits = words.ctypes.data, 8 * len(allow)
        self.call(
            "fg_ivf_search", self.context, index, c.byref(View(queries)), c.byref(options),
            c.byref(View(ids)), c.byref(View(scores)), c.byref(stats),
        )  # fmt: skip
        return ids, scores, stats

    def tune(self, index, queries, n, recall):
        """queries None: rows of the index."""
        view = c.byref(View(queries)) if queries is not None else None
        options = sized(TuneOptions, n=n, recall=recall)
        self.call("fg_ivf_tune", self.context, index, view, c.byref(options), None)

    def export(self, index, path, probes):
        self.call("fg_ivf_export_faiss", index, str(path).encode(), probes)

    def read_rows(self, path):
        """All rows of a file, as f32."""
        source, info = c.c_void_p(), sized(SourceInfo)
        self.call("fg_source_file", str(path).encode(), None, c.byref(source))
        self.call("fg_source_get_info", source, c.byref(info))
        out = np.empty((info.rows, info.cols), np.float32)
        self.call("fg_source_read", source, c.c_int64(0), c.byref(View(out)))
        self.so.fg_source_destroy(source)
        return out

    def destroy(self, index):
        self.so.fg_ivf_destroy(index)


def read_vecs(path):
    """Rows of .fvecs or .bvecs."""
    raw = np.fromfile(path, np.uint8)
    cols = int(raw[:4].view(np.int32)[0])
    item = 4 if path.suffix == ".fvecs" else 1
    body = np.ascontiguousarray(raw.reshape(-1, 4 + cols * item)[:, 4:])
    return body.view(np.float32) if item == 4 else body


def as_compared(rows, metric):
    """The rows that FAISS is given: f32, of length 1 under cosine."""
    rows = rows.astype(np.float32)
    if metric == COSINE:
        rows /= np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True).astype(np.float32)
    return rows
