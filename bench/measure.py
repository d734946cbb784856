# SPDX-License-Identifier: Apache-2.0
"""What the benchmark scripts share: running our tool, reading its models, timing, and naming the machine."""
import json
import math
import os
import platform
import statistics
import struct
import subprocess
import sys
import time

import numpy as np


def tool(flashgmm, *arguments):
    """Runs the command-line tool and gives its JSON back; a failure ends the script with the tool's sentence."""
    command = [flashgmm, *map(str, arguments), "--quiet", "--json", "-"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout)


def shape_of(path):
    """Rows and dimensions of a file of vectors: .npy, or TexMex's .bvecs and .fvecs."""
    if path.endswith(".npy"):
        return np.load(path, mmap_mode="r").shape
    d = int(np.fromfile(path, "<i4", 1)[0])
    return os.path.getsize(path) // (4 + d * {"b": 1, "f": 4}[path[-5]]), d


def model(path):
    """Weights, means and variances of a model file (docs/format.md), as float64 arrays."""
    data = open(path, "rb").read()
    count, table = struct.unpack_from("<I4xQ", data, 24)
    sections = {}
    for i in range(count):
        tag, offset, size = struct.unpack_from("<4s4xQQ", data, table + 32 * i)
        sections[tag] = data[offset:offset + size]
    kind, k, d, _ = struct.unpack("<4I", sections[b"PSHP"])
    numbers = sections[b"PARM"]
    columns = 1 if kind == 1 else d
    block = np.frombuffer(numbers, "<f8", k * (1 + d + columns))
    center = np.frombuffer(numbers, "<f4", d, offset=8 * len(block))
    means = block[k:k + k * d].reshape(k, d) + center
    return np.exp(block[:k]), means, block[k + k * d:].reshape(k, columns)


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def alternate(works, runs):
    """Median seconds of each work, run in turn, so that a change of the machine's pace meets all alike."""
    times = {name: [] for name in works}
    for _ in range(runs):
        for name, work in works.items():
            times[name].append(work())
    return {name: statistics.median(values) for name, values in times.items()}


def machine():
    """The processor's name, cores and caches, and the versions that matter."""
    name = platform.processor() or platform.machine()
    with open("/proc/cpuinfo") as info:
        for line in info:
            if line.startswith("model name"):
                name = line.split(":")[1].strip()
                break
    return {"cpu": name, "cores": len(os.sched_getaffinity(0)), "system": platform.system(),
            "python": platform.python_version(), "numpy": np.__version__}


def texmex(path, dtype):
    """A .fvecs, .bvecs or .ivecs file as a matrix."""
    raw = np.fromfile(path, np.uint8)
    d = int(raw[:4].view("<i4")[0])
    return raw.reshape(-1, 4 + d * np.dtype(dtype).itemsize)[:, 4:].copy().view(dtype)


def head():
    """What stands above rows of results: the command, the day, the machine."""
    command = " ".join(os.path.basename(word) for word in sys.argv)  # paths are the machine's own business
    return {"command": command, "date": time.strftime("%Y-%m-%d"), **machine()}


def write_rows(rows, path):
    """One JSON object a line, after a line for the machine and the command."""
    with open(path, "w") as out:
        for row in [head(), *rows]:
            out.write(json.dumps(row) + "\n")


def append_rows(rows, path):
    """The same, after what the file holds already."""
    fresh = not os.path.exists(path)
    with open(path, "a") as out:
        for row in [head(), *rows] if fresh else rows:
            out.write(json.dumps(row) + "\n")


def digits(value):
    """Three significant digits, for tables."""
    if not math.isfinite(value) or value == 0:
        return str(value)
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"
