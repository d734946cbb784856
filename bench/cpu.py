#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One iteration on this machine's CPU: ours beside FAISS k-means, scikit-learn's EM and a matrix product.

    cpu.py FLASHGMM BENCH_KERNELS [--runs R] [--output FILE] [SHAPE ...]     SHAPE is N x K x D: 1000000x1024x128

Ours and the peers get the same rows and starts, run in turn; the table shows medians. The share is of the
measured multiply-add ceiling of all cores, counting 2*N*K*D operations, 4*N*K*D for diagonal. First, our
log-likelihood after two iterations is compared with scikit-learn's from the same start.
Needs numpy, faiss-cpu and scikit-learn.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings

import faiss
import numpy as np
from sklearn.mixture import GaussianMixture

import measure

warnings.filterwarnings("ignore")
SKLEARN_LIMIT = 5e7  # responsibilities it is given at most, as it holds them all
FOREVER = ["--tol", -1, "--tol-relative", -1]


def ceiling(bench_kernels):
    """GFLOP/s of multiply-adds on all cores, from the register-only loop of bench_kernels."""
    lines = subprocess.run([bench_kernels, "--json"], capture_output=True, text=True, check=True).stdout
    rows = [json.loads(line) for line in lines.splitlines()]
    peak = max(row["gflops"] for row in rows if row["kernel"] == "fma_peak")
    return peak * len(os.sched_getaffinity(0))


class Case:
    """Rows near K Gaussian means, and the same start for everybody."""

    def __init__(self, flashgmm, folder, shape):
        self.flashgmm, self.folder = flashgmm, folder
        self.n, self.k, self.d = map(int, shape.split("x"))
        rng = np.random.default_rng(0)
        means = rng.standard_normal((self.k, self.d), "f4")
        self.x = means[rng.integers(0, self.k, self.n)] + 0.7 * rng.standard_normal((self.n, self.d), "f4")
        self.rows = self.path("rows.npy")
        np.save(self.rows, self.x)
        for covariance in ("spherical", "diag"):
            measure.tool(flashgmm, "fit", self.rows, "-k", self.k, "--covariance", covariance, "--kmeans-iter", 3,
                         "--max-iter", 1, *FOREVER, "-o", self.start(covariance))
        self.means = measure.model(self.start("spherical"))[1].astype("f4")

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, covariance):
        return self.path(f"start-{covariance}.fgm")

    def em(self, covariance, iterations=4):
        return measure.tool(self.flashgmm, "fit", self.rows, "--init", self.start(covariance), "--max-iter",
                            iterations, *FOREVER, "-o", self.path("model.fgm"))

    def lloyd(self):
        def run(iterations):
            return measure.tool(self.flashgmm, "kmeans", self.rows, "-k", self.k, "--init", "random", "--tol", -1,
                                "--max-iter", iterations, "-o", self.path("centroids.fvecs"))["seconds"]
        return (run(6) - run(2)) / 4

    def faiss_lloyd(self):
        def run(iterations):
            return measure.seconds(lambda: faiss.Kmeans(
                self.d, self.k, niter=iterations, max_points_per_centroid=10**9).train(
                    self.x, init_centroids=self.means))
        return (run(4) - run(1)) / 3

    def product(self):
        tile = 4096
        return measure.seconds(lambda: [self.x[i:i + tile] @ self.means.T for i in range(0, self.n, tile)])

    def sklearn(self, covariance, iterations):
        weights, means, variances = measure.model(self.start(covariance))
        precisions = 1 / variances[:, 0] if covariance == "spherical" else 1 / variances
        mixture = GaussianMixture(self.k, covariance_type=covariance, max_iter=iterations, tol=0, reg_covar=0,
                                  weights_init=weights, means_init=means, precisions_init=precisions)
        return mixture.fit(self.x)

    def sklearn_em(self, covariance):
        run = lambda iterations: measure.seconds(lambda: self.sklearn(covariance, iterations))
        return (run(5) - run(2)) / 3

    def check(self):
        """Ends the script unless both libraries find the same log-likelihood."""
        if self.n * self.k > SKLEARN_LIMIT:
            return
        for covariance in ("spherical", "diag"):
            mine = self.em(covariance, 2)["history"][1]  # before the second update, as lower_bound_ is
            theirs = self.sklearn(covariance, 2).lower_bound_
            if abs(mine - theirs) > 1e-5 * abs(theirs):
                sys.exit(f"wrong: {covariance} log-likelihood {mine}, scikit-learn's {theirs}")

    def works(self):
        works = {
            "matrix product (BLAS)": self.product,
            "k-means, FAISS": self.faiss_lloyd,
            "k-means, ours": self.lloyd,
            "spherical EM, ours": lambda: self.em("spherical")["seconds_per_iteration"],
            "diagonal EM, ours": lambda: self.em("diag")["seconds_per_iteration"],
        }
        if self.n * self.k <= SKLEARN_LIMIT:
            works["spherical EM, scikit-learn"] = lambda: self.sklearn_em("spherical")
            works["diagonal EM, scikit-learn"] = lambda: self.sklearn_em("diag")
        return works


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("flashgmm")
    parser.add_argument("bench_kernels")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--output", help="JSON lines")
    parser.add_argument("shapes", nargs="*", default=["100000x256x64", "1000000x1024x128"])
    args = parser.parse_intermixed_args()
    peak = ceiling(args.bench_kernels)
    rows = [{"what": "multiply-add ceiling", "gflops": peak, "faiss": faiss.__version__}]
    print(f"multiply-add ceiling, all cores: {peak:.0f} GFLOP/s")
    for shape in args.shapes:
        with tempfile.TemporaryDirectory() as folder:
            case = Case(args.flashgmm, folder, shape)
            case.check()
            times = measure.alternate(case.works(), args.runs)
        print(f"\n{shape}\n{'':28}{'seconds':>10}{'GFLOP/s':>10}{'of ceiling':>12}{'x FAISS':>9}")
        for what, took in times.items():
            flop = 2e-9 * case.n * case.k * case.d * (2 if what.startswith("diagonal") else 1)
            faster = times["k-means, FAISS"] / took
            print(f"{what:28}{measure.digits(took):>10}{flop / took:10.0f}{flop / took / peak:12.0%}{faster:9.2f}")
            rows.append({"what": what, "N": case.n, "K": case.k, "D": case.d, "seconds": took, "runs": args.runs,
                         "gflops": flop / took, "share": flop / took / peak, "times_faiss": faster})
    if args.output:
        measure.write_rows(rows, args.output)


main()
