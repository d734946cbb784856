#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Errors of the log-normaliser (log-density of a row, nats) against float64, beside a plain loop in f32.

    errors.py FLASHGMM DATA [--device WHERE] [--precision P] [--covariance C] [--crowded PROGRAM] [--rows N] [-k K]
              [--output FILE]

Five kinds of data, K components each: a centred mixture of unit variance, the same 3 and 100 standard deviations off, SIFT
in u8 and GloVe (from the folder DATA), and the first in 768 dimensions, on mixtures fitted to them. The plain loop sums squared differences in f32, row and mean
as they are, one dimension after the other; "centred" does so after the data's mean was taken off in float64. With --crowded, the
program built from bench/bench_gpu_rows.c, ours is what EM on a GPU sees of rows that many components matter to, in place of what
`flashgmm score` tells. Needs numpy.
"""
import argparse
import os
import subprocess
import tempfile

import numpy as np

import measure


def mixture(rng, rows, k, offset, d=128):
    means = rng.standard_normal((k, d)) + offset
    return (means[rng.integers(0, k, rows)] + 0.7 * rng.standard_normal((rows, d))).astype("f4")


def data_sets(folder, rows, k):
    rng = np.random.default_rng(5)
    for offset in (0, 3, 100):
        yield f"mixture, {offset} off", mixture(rng, rows, k, offset)
    sift = measure.texmex(os.path.join(folder, "sift-photos_base.bvecs"), "u1")
    yield "SIFT, u8", np.ascontiguousarray(sift[::len(sift) // rows][:rows])
    glove = measure.texmex(os.path.join(folder, "glove-100_base.fvecs"), "f4")
    yield "GloVe", np.ascontiguousarray(glove[::len(glove) // rows][:rows])
    yield "mixture, 768 dims", mixture(rng, rows, k, 0, 768)


def log_sum_exp(logits):
    top = logits.max(1)
    return top + np.log(np.exp(logits - top[:, None]).sum(1))


def constants(weights, variances, d):
    """Of each component; variances has one column, or d."""
    return np.log(weights) - 0.5 * d * np.log(2 * np.pi * variances).mean(1)


def reference(x, weights, means, variances):
    """In float64, from differences."""
    out = []
    constant = constants(weights, variances, x.shape[1])
    for tile in np.array_split(x.astype("f8"), max(1, len(x) // 64)):
        squares = np.stack([((tile - mean) ** 2 / variance).sum(1) for mean, variance in zip(means, variances)], 1)
        out.append(log_sum_exp(constant - 0.5 * squares))
    return np.concatenate(out)


def plain(x, weights, means, variances):
    """In f32, as written first by most: differences, squared and summed in the order of dimensions."""
    x, means = x.astype("f4"), means.astype("f4")
    constant = constants(weights, variances, x.shape[1]).astype("f4")
    inverse = (0.5 / variances).astype("f4")
    each = inverse.shape[1] > 1
    out = []
    for tile in np.array_split(x, max(1, len(x) // 1024)):
        squares = np.zeros((len(tile), len(means)), "f4")
        for i in range(x.shape[1]):
            difference = tile[:, i, None] - means[None, :, i]
            squares += difference * difference * (inverse[:, i] if each else np.float32(1))
        out.append(log_sum_exp(constant - (squares if each else inverse[:, 0] * squares)))
    return np.concatenate(out)


def spread(values, exact):
    off = np.abs(values.astype("f8") - exact)
    return {"mean": float(off.mean()), "p99.9": float(np.quantile(off, 0.999)), "max": float(off.max())}


def measure_one(options, folder, name, x):
    rows, model, scores = (os.path.join(folder, n) for n in ("rows.npy", "model.fgm", "scores.npy"))
    np.save(rows, x)
    where = ["--device", options.device, "--precision", options.precision]
    measure.tool(options.flashgmm, "fit", rows, "-k", options.k, "--covariance", options.covariance, "--max-iter", 10, "-o",
                 model, *where)
    weights, means, variances = measure.model(model)
    alive = weights > 0
    mixed = weights[alive], means[alive], variances[alive]
    exact = reference(x, *mixed)
    if options.crowded:
        subprocess.run([options.crowded, model, rows, scores, options.precision], check=True)
        ours = np.fromfile(scores)
    else:
        measure.tool(options.flashgmm, "score", model, rows, "-o", scores, *where)
        ours = np.load(scores).ravel()
    told = np.isfinite(ours)
    center = x.astype("f8").mean(0)
    return {"data": name, "rows": len(x), "k": options.k, "d": x.shape[1], "least_variance": float(variances[alive].min()),
            "left_to_others": int((~told).sum()), "ours": spread(ours[told], exact[told]),
            "plain_f32": spread(plain(x, *mixed), exact),
            "plain_f32_centred": spread(plain(x - center, mixed[0], mixed[1] - center, mixed[2]), exact)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("flashgmm")
    parser.add_argument("data")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="default")
    parser.add_argument("--covariance", default="spherical")
    parser.add_argument("--crowded", metavar="PROGRAM")
    parser.add_argument("--rows", type=int, default=20000)
    parser.add_argument("-k", type=int, default=1024)
    parser.add_argument("--output")
    options = parser.parse_args()
    results = []
    print(f"log-normaliser, {options.device}, {options.precision}: mean, 99.9th percentile and largest error in nats")
    with tempfile.TemporaryDirectory() as folder:
        for name, x in data_sets(options.data, options.rows, options.k):
            row = measure_one(options, folder, name, x)
            results.append({"device": options.device, "precision": options.precision, "covariance": options.covariance,
                            "crowded": bool(options.crowded), **row})
            for who in ("ours", "plain_f32", "plain_f32_centred"):
                print(f"{name:18} {who:18} " + "  ".join(f"{v:9.2g}" for v in row[who].values()), flush=True)
    if options.output:
        measure.write_rows(results, options.output)


if __name__ == "__main__":
    main()
