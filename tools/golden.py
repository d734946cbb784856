#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""golden.py - writes what tests/test_golden.c compares with: mixtures as scikit-learn fits them, in float64.

Usage: golden.py [--glove FILE.fvecs] [--sift FILE.bvecs]

Every set of rows is fitted twice, diagonal and spherical, from a given start, with reg_covar=0 and tol=0:

    tests/golden/SET.fvecs or .bvecs   the rows
    tests/golden/SET-COVARIANCE.npy    f64: the mixture at the start and after 1, 2 and 10 iterations, one below the
                                       other; a line is a component: its weight, its mean, its variances
    tests/golden/golden.txt            one line a fit: the rows, the covariance, k, and the mean log-likelihood
                                       (nats) after 0, 1, ... 10 iterations

The samples of real rows are drawn anew only if a file to draw them from is given. Needs numpy and scikit-learn;
golden.txt records their versions. Knows file layouts and scikit-learn; knows nothing of the library.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden"
SAMPLE_ROWS = 1500
SNAPSHOTS = (1, 2, 10)
ITERATIONS = 10


def read_vecs(path, item):
    """Rows of an .fvecs or .bvecs file: each an int32 dimension and its elements."""
    raw = np.memmap(path, dtype=np.uint8, mode="r")
    cols = int(raw[:4].view("<i4")[0])
    row_bytes = 4 + cols * np.dtype(item).itemsize
    body = raw.reshape(-1, row_bytes)[:, 4:]
    return np.ascontiguousarray(body).view(item)


def write_vecs(path, rows):
    cols = np.full((len(rows), 1), rows.shape[1], dtype="<i4")
    np.hstack([cols.view(np.uint8), np.ascontiguousarray(rows).view(np.uint8)]).tofile(path)


def draw_sample(source, item, target):
    """Evenly spaced rows, so that frequent and rare words, and many pictures, are among them."""
    rows = read_vecs(source, item)
    write_vecs(target, rows[:: len(rows) // SAMPLE_ROWS][:SAMPLE_ROWS])


def blobs(rng, rows, cols, centers, spread):
    """Rows about random centers; the centers' standard deviation is `spread` of a row's own."""
    mean = rng.standard_normal((centers, cols)) * spread
    return mean[rng.integers(centers, size=rows)] + rng.standard_normal((rows, cols))


def adversarial_sets():
    """Name, rows, k: each set is one thing that goes wrong in careless arithmetic."""
    rng = np.random.default_rng(20240607)
    yield "offset", 1e4 + blobs(rng, 600, 8, 4, 3.0), 4
    yield "scales", blobs(rng, 600, 7, 5, 2.0) * np.logspace(-3, 3, 7), 5
    twins = np.repeat(rng.standard_normal((60, 5)) * 3.0, 10, axis=0)
    yield "twins", twins + 1e-3 * rng.standard_normal(twins.shape), 6
    yield "overlap", rng.standard_normal((300, 4)), 30
    yield "line", blobs(rng, 500, 1, 3, 4.0), 3
    yield "plane", blobs(rng, 500, 2, 4, 3.0), 4
    outlier = blobs(rng, 500, 3, 2, 5.0)
    outlier[:80] *= 30.0  # wide enough to hold the far row: alone in a component it would have no variance
    outlier[37] = [600.0, -2000.0, 1000.0]
    yield "outlier", outlier, 3


def start_of(rows, k, covariance):
    """Rows as means, the data's variance, weights that differ."""
    weights = 1.0 + np.arange(k) % 3
    means = rows[len(rows) // (2 * k) :: len(rows) // k][:k]
    variances = np.tile(rows.var(axis=0), (k, 1))
    if covariance == "spherical":
        variances = variances.mean(axis=1)
    return weights / weights.sum(), means, variances


def as_lines(weights, means, variances):
    return np.hstack([weights[:, None], means, variances.reshape(len(weights), -1)])


def fit(rows, start, covariance, iterations):
    weights, means, variances = start
    model = GaussianMixture(
        n_components=len(weights),
        covariance_type=covariance,
        reg_covar=0.0,
        tol=0.0,
        max_iter=iterations,
        weights_init=weights,
        means_init=means,
        precisions_init=1.0 / variances,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # tol=0 never converges
        return model.fit(rows)


def golden_fit(rows, k, covariance):
    """The snapshots as one matrix, and the log-likelihood before every M-step and after the last."""
    start = start_of(rows, k, covariance)
    snapshots = [as_lines(*start)]
    for iterations in SNAPSHOTS:
        model = fit(rows, start, covariance, iterations)
        snapshots.append(as_lines(model.weights_, model.means_, model.covariances_))
    return np.vstack(snapshots), [*model.lower_bounds_, model.score(rows)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--glove", metavar="FILE.fvecs", help="draw the GloVe sample anew from here")
    parser.add_argument("--sift", metavar="FILE.bvecs", help="draw the SIFT sample anew from here")
    args = parser.parse_args()
    if args.glove:
        draw_sample(args.glove, "<f4", GOLDEN / "glove.fvecs")
    if args.sift:
        draw_sample(args.sift, "u1", GOLDEN / "sift.bvecs")

    sets = [("glove.fvecs", 12), ("sift.bvecs", 12)]
    for name, rows, k in adversarial_sets():
        write_vecs(GOLDEN / f"{name}.fvecs", rows.astype("<f4"))
        sets.append((f"{name}.fvecs", k))

    lines = [f"# tools/golden.py with numpy {np.__version__}, scikit-learn {sklearn.__version__}"]
    for file, k in sets:
        item = "<f4" if file.endswith(".fvecs") else "u1"
        rows = read_vecs(GOLDEN / file, item).astype(np.float64)
        for covariance in ("diag", "spherical"):
            snapshots, history = golden_fit(rows, k, covariance)
            np.save(GOLDEN / f"{Path(file).stem}-{covariance}.npy", snapshots)
            lines.append(" ".join([file, covariance, str(k), *map(repr, map(float, history))]))
    (GOLDEN / "golden.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
