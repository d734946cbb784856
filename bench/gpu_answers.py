#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What rows in host memory are asked on this machine's GPU: ours beside PyTorch, in one run.

    gpu_answers.py BENCH_GPU [--runs R] [--output FILE] [CASE ...]

CASE is N x K x D, with "+u8" for rows of bytes and "+S" for means of variance S^2 (1), which overlap if that is small. Asked are the
label (the best component and its responsibility), the density, and the 8 best; of spherical components. PyTorch has the rows in pinned
memory, a chunk on its way while the last is computed, and makes all K log-densities of a chunk by one product, in f32 and in TF32.
The link is what copies from pinned memory reach: nobody is faster than its rows. BENCH_GPU is the program built from
bench/bench_gpu.c. Needs PyTorch.
"""
import argparse
import json
import statistics

import torch

import gpu
import gpu_peers
import measure

CASES = ["1000000x1024x128", "1000000x1024x128+u8", "1000000x1024x128+0.15", "1000000x16384x128"]
CHUNK_BYTES = 256 << 20  # of log-densities


def parse(case):
    shape, *how = case.split("+")
    n, k, d = map(int, shape.split("x"))
    spreads = [float(word) for word in how if word != "u8"]
    return n, k, d, "u8" if "u8" in how else "f32", spreads[0] if spreads else 1.0


def milliseconds(work, runs):
    """Median over runs, until the device is at rest."""
    def finish():
        work()
        torch.cuda.synchronize()
    finish()  # warms up
    return 1e3 * statistics.median(measure.seconds(finish) for _ in range(runs))


def pinned_rows(n, d, dtype):
    rows = torch.empty(n, d, dtype=torch.uint8 if dtype == "u8" else torch.float32, pin_memory=True)
    return rows.random_(0, 255) if dtype == "u8" else rows.normal_()


def answer(what, values):
    """What is told of a chunk, from its log-densities."""
    if what == "density":
        return (torch.logsumexp(values, 1),)
    if what == "label":
        best, component = values.max(1)
        return torch.exp(best - torch.logsumexp(values, 1)), component.int()
    best, component = values.topk(8, 1)
    return torch.exp(best - torch.logsumexp(values, 1, keepdim=True)), component.int()


def ask_torch(what, rows, means, constants):
    """log density of a component: its constant and x . mean - |x|^2 / 2, for variance 1."""
    chunk = max(1024, CHUNK_BYTES // (4 * len(means)))
    copying, told = torch.cuda.Stream(), []
    arrived = None
    for first in range(0, len(rows) + chunk, chunk):
        ahead = rows[first:first + chunk]
        with torch.cuda.stream(copying):
            coming = ahead.to("cuda", non_blocking=True) if len(ahead) else None
        if arrived is not None:
            x = arrived.float()
            values = torch.addmm(constants, x, means.T) - 0.5 * x.square().sum(1, keepdim=True)
            told.append([part.to("cpu", non_blocking=True) for part in answer(what, values)])
        torch.cuda.current_stream().wait_stream(copying)
        if coming is not None:
            coming.record_stream(torch.cuda.current_stream())
        arrived = coming
    return told


def time_torch(n, k, d, dtype, what, runs):
    rows = pinned_rows(n, d, dtype)
    means = torch.randn(k, d, device="cuda")
    constants = -0.5 * means.square().sum(1)
    for name, tf32 in (("PyTorch, f32", False), ("PyTorch, TF32", True)):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        yield {"who": name, "ms": milliseconds(lambda: ask_torch(what, rows, means, constants), runs)}


def time_ours(bench_gpu, n, k, d, dtype, spread, what, runs):
    for row in gpu.ours(bench_gpu, "--ask", what, "--dtype", dtype, "--spread", spread, "--runs", runs, n, k, d):
        yield {"who": "flashgmm", **row}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench_gpu")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--output")
    parser.add_argument("cases", nargs="*", metavar="CASE", default=CASES)
    options = parser.parse_intermixed_args()
    results = [{**gpu_peers.device(), **gpu_peers.link()}]
    print(json.dumps(results[0]), flush=True)
    for case in options.cases:
        n, k, d, dtype, spread = parse(case)
        least_ms = n * d * (1 if dtype == "u8" else 4) / results[0]["pinned_to_device_gbs"] * 1e-6
        print(f"\n{case}: rows alone take {measure.digits(least_ms)} ms", flush=True)
        for what in ("label", "density", "top"):
            rows = list(time_ours(options.bench_gpu, n, k, d, dtype, spread, what, options.runs))
            rows += time_torch(n, k, d, dtype, what, options.runs)
            for row in rows:
                print(f"{what:8} {row['who']:14} {measure.digits(row['ms']):>8} ms  {least_ms / row['ms']:.2f} of the link",
                      flush=True)
            results += [{"case": case, "ask": what, "rows_alone_ms": least_ms, **row} for row in rows]
            if options.output:
                measure.write_rows(results, options.output)


if __name__ == "__main__":
    main()
