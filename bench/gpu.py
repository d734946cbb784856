#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One iteration on this machine's GPU: ours beside IBM's Flash-GMM and two hard k-means, in one run.

    gpu.py BENCH_GPU --peers DIR [--runs R] [--spread S] [--output FILE] [SHAPE ...]

SHAPE is N x K x D: 1000000x1024x128; or K components of real rows: 1024:FILE. Rows are on the device, of one distribution for
all: near K means of variance S^2 (1), noise 0.7, starts a little off, and of hard k-means also K rows ("moving": centroids do so for
many iterations, and hardly any comes to rest); for peers also in place of real ones, since they do the
same work whatever rows are. Hard k-means is left out where rows overlap or are real: it takes the same kernels as ever. First ours
is checked: the log-likelihood of two iterations on the GPU against the CPU's. Then every shape is timed by everybody that
serves it; ours in both precisions. BENCH_GPU is the program built from bench/bench_gpu.c; DIR holds the peers' sources
(bench/gpu_peers.py). Needs PyTorch, Triton.
"""
import argparse
import json
import subprocess
import sys

import gpu_peers
import measure

SHAPES = ["10000000x1024x128", "1000000x1024x128", "1000000x4096x128", "1000000x16384x128", "1000000x1024x64",
          "1000000x1024x256", "500000x1024x768", "500000x4096x384", "200000x1024x1536", "100000x1024x128"]


def ours(bench_gpu, *arguments):
    done = subprocess.run([bench_gpu, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{bench_gpu} {' '.join(map(str, arguments))}\n{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def time_ours(bench_gpu, runs, covariances, job, shape):
    n, k, d = shape
    starts = [(covariance, ()) for covariance in covariances]
    if "hard" in covariances:
        starts.insert(1, ("hard", ("--from-rows",)))
    for covariance, start in starts:
        for precision in ("default", "fast"):
            for row in ours(bench_gpu, "--covariance", covariance, "--precision", precision, "--runs", runs, *start, *job):
                yield {"who": f"flashgmm {precision}", "covariance": covariance, "from_rows": bool(start),
                       "n": n, "k": k, "d": d, **row}


def job_of(name, spread):
    """What bench_gpu is to be told, the shape, and which covariances are timed."""
    if ":" in name:
        k, path = name.split(":", 1)
        n, d = measure.shape_of(path)
        return ["--rows", path, k], (n, int(k), d), ("spherical", "diagonal")
    shape = tuple(map(int, name.split("x")))
    if spread == 1:
        return list(shape), shape, ("hard", "spherical", "diagonal")
    return ["--spread", spread, *shape], shape, ("spherical", "diagonal")


def share(row, ceilings):
    """Of the measured f16 product rate, counting one product for hard clustering and two for soft."""
    products = 2 if row["covariance"] == "hard" else 4
    return products * row["n"] * row["k"] * row["d"] / row["ms"] * 1e-9 / ceilings["f16_tflops"]


def show(rows, ceilings):
    print(f"{'':22} {'covariance':10} {'ms':>9} {'of f16 rate':>12}  times the best peer of its kind")
    for row in rows:
        if "ms" not in row:
            print(f"{row['who']:22} {row['covariance']:10} {row['failed'][:60]}")
            continue
        soft = [r["ms"] for r in rows if "ms" in r and not r["who"].startswith("flashgmm")
                and (r["covariance"] == "hard") == (row["covariance"] == "hard")]
        ratio = f"{min(soft) / row['ms']:.2f}" if soft and row["who"].startswith("flashgmm") else ""
        name = "moving" if row.get("from_rows") else row["covariance"]
        print(f"{row['who']:22} {name:10} {measure.digits(row['ms']):>9} {share(row, ceilings):>12.2f}  {ratio}",
              flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench_gpu")
    parser.add_argument("--peers", required=True)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--spread", type=float, default=1)
    parser.add_argument("--output")
    parser.add_argument("shapes", nargs="*", metavar="SHAPE", default=SHAPES)
    options = parser.parse_intermixed_args()
    ceilings = gpu_peers.ceilings()
    results = [{**gpu_peers.device(), **ceilings}]
    print(json.dumps(results[0]), flush=True)
    results += ours(options.bench_gpu, "--check")
    print(json.dumps(results[-1]), flush=True)
    for shape in options.shapes:
        job, (n, k, d), covariances = job_of(shape, options.spread)
        print(f"\n{shape}", flush=True)
        rows = list(time_ours(options.bench_gpu, options.runs, covariances, job, (n, k, d)))
        rows += [row for row in gpu_peers.measure(options.peers, n, k, d, covariances)]
        show(rows, ceilings)
        results += [{"rows": shape, "spread": options.spread, **row} for row in rows]
        if options.output:
            measure.write_rows(results, options.output)


if __name__ == "__main__":
    main()
