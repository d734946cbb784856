#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What this machine's CPU does: ours beside FAISS k-means, scikit-learn's EM and matrix products, part by part.

    cpu.py FLASHGMM BENCH_KERNELS [--runs R] [--output FILE] [PART ...]

PARTS: faiss (a million rows of 128 dimensions, 1024 components), sklearn (100000 x 256 x 64), soft (rows to which most
components matter), small (a whole fit), rows (types of rows, threads), wide (768 dimensions), avx2 (beside a matrix
product); all unless named. Ours and the peers get the same rows and starts, run in turn; the table shows medians. A share is of
the measured multiply-add ceiling of all cores at once, printed first beside one core's, counting 2*N*K*D operations, 4*N*K*D
for diagonal. In FILE, a part replaces what was there of it. Needs numpy, faiss-cpu and scikit-learn.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np

import measure

warnings.filterwarnings("ignore")
FOREVER = ["--tol", -1, "--tol-relative", -1]


class Machine:
    """The programs, and what the cores can do at most."""

    def __init__(self, flashgmm, bench_kernels):
        self.flashgmm, self.bench_kernels = flashgmm, bench_kernels
        self.cores = len(os.sched_getaffinity(0))
        self.one_core = float(self.kernels("--peak"))
        self.gflops = float(self.kernels("--peak", str(self.cores)))  # less than so many times one, where cores share

    def kernels(self, *options):
        return subprocess.run([self.bench_kernels, *options], capture_output=True, text=True, check=True).stdout


class Case:
    """Rows near K Gaussian means, and the same start for everybody."""

    def __init__(self, machine, folder, shape, noise=0.7):
        self.flashgmm, self.folder = machine.flashgmm, folder
        self.n, self.k, self.d = map(int, shape.split("x"))
        rng = np.random.default_rng(0)
        means = rng.standard_normal((self.k, self.d), "f4")
        self.x = rng.standard_normal((self.n, self.d), "f4")
        self.x *= noise
        for begin in range(0, self.n, 65536):
            some = self.x[begin:begin + 65536]
            some += means[rng.integers(0, self.k, len(some))]
        self.rows = self.path("rows.npy")
        np.save(self.rows, self.x)
        for covariance in ("spherical", "diag"):
            measure.tool(self.flashgmm, "fit", self.rows, "-k", self.k, "--covariance", covariance, "--kmeans-iter", 3,
                         "--sample", min(self.n, 50 * self.k), "--max-iter", 1, *FOREVER, "-o", self.start(covariance))
        self.means = measure.model(self.start("spherical"))[1].astype("f4")

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, covariance):
        return self.path(f"start-{covariance}.fgm")

    def em(self, covariance="spherical", iterations=4, rows=None, options=()):
        return measure.tool(self.flashgmm, "fit", rows or self.rows, "--init", self.start(covariance), "--max-iter",
                            iterations, *FOREVER, "-o", self.path("model.fgm"), *options)

    def iteration(self, covariance="spherical", **how):
        return lambda: self.em(covariance, **how)["seconds_per_iteration"]

    def lloyd(self):
        def run(iterations):
            return measure.tool(self.flashgmm, "kmeans", self.rows, "-k", self.k, "--init", "random", "--tol", -1,
                                "--max-iter", iterations, "-o", self.path("centroids.fvecs"))["seconds"]
        return (run(6) - run(2)) / 4

    def faiss_lloyd(self):
        import faiss

        def run(iterations):
            return measure.seconds(lambda: faiss.Kmeans(
                self.d, self.k, niter=iterations, max_points_per_centroid=10**9).train(
                    self.x, init_centroids=self.means))
        return (run(3) - run(1)) / 2

    def product(self):
        tile = 4096
        out = np.empty((tile, self.k), "f4")
        return measure.seconds(lambda: [np.matmul(self.x[i:i + tile], self.means.T, out=out[:min(tile, self.n - i)])
                                        for i in range(0, self.n, tile)])

    def sklearn(self, covariance, iterations):
        from sklearn.mixture import GaussianMixture
        weights, means, variances = measure.model(self.start(covariance))
        precisions = 1 / variances[:, 0] if covariance == "spherical" else 1 / variances
        mixture = GaussianMixture(self.k, covariance_type=covariance, max_iter=iterations, tol=0, reg_covar=1e-6,
                                  weights_init=weights, means_init=means, precisions_init=precisions)
        return mixture.fit(self.x)

    def sklearn_em(self, covariance):
        run = lambda iterations: measure.seconds(lambda: self.sklearn(covariance, iterations))
        return (run(4) - run(1)) / 3

    def check(self):
        """Ends the script unless both libraries find the same log-likelihood."""
        for covariance in ("spherical", "diag"):
            mine = self.em(covariance, 2)["history"][1]  # before the second update, as lower_bound_ is
            theirs = self.sklearn(covariance, 2).lower_bound_
            if abs(mine - theirs) > 1e-5 * abs(theirs):
                sys.exit(f"wrong: {covariance} log-likelihood {mine}, scikit-learn's {theirs}")


def table(machine, case, works, base, runs):
    """Rows of medians; base: how many times its seconds each takes is told as a ratio, of a function of the name."""
    times = measure.alternate(works, runs)
    rows = []
    print(f"\n{case.n}x{case.k}x{case.d}\n{'':34}{'seconds':>10}{'GFLOP/s':>10}{'of ceiling':>12}{'times':>8}  faster than")
    for what, took in times.items():
        flop = 2e-9 * case.n * case.k * case.d * (2 if what.startswith("diagonal") else 1)
        other = base(what)
        faster = times[other] / took
        print(f"{what:34}{measure.digits(took):>10}{flop / took:10.0f}{flop / took / machine.gflops:12.0%}"
              f"{faster:8.2f}  {other}", flush=True)
        rows.append({"what": what, "N": case.n, "K": case.k, "D": case.d, "seconds": took, "runs": runs,
                     "gflops": flop / took, "share": flop / took / machine.gflops, "times": faster, "faster_than": other})
    return rows


def part_faiss(machine, folder, runs):
    case = Case(machine, folder, "1000000x1024x128")
    works = {"matrix product (BLAS)": case.product, "FAISS k-means": case.faiss_lloyd, "k-means": case.lloyd,
             "spherical EM": case.iteration(), "diagonal EM": case.iteration("diag")}
    return table(machine, case, works, lambda what: "FAISS k-means", min(runs, 2))


def with_sklearn(machine, folder, runs, shape):
    case = Case(machine, folder, shape)
    case.check()
    works = {"spherical EM": case.iteration(), "diagonal EM": case.iteration("diag"),
             "spherical EM, scikit-learn": lambda: case.sklearn_em("spherical"),
             "diagonal EM, scikit-learn": lambda: case.sklearn_em("diag")}
    return table(machine, case, works, lambda what: what.split(",")[0] + ", scikit-learn", min(runs, 3))


def part_sklearn(machine, folder, runs):
    return with_sklearn(machine, folder, runs, "100000x256x64")


def part_soft(machine, folder, runs):
    return with_sklearn(machine, folder, runs, "300000x64x8") + with_sklearn(machine, folder, runs, "100000x256x16")


def part_small(machine, folder, runs):
    case = Case(machine, folder, "10000x64x32")
    fit = lambda *options: measure.tool(machine.flashgmm, "fit", case.rows, "-k", case.k, "--max-iter", 50, *FOREVER,
                                        "-o", case.path("model.fgm"), *options)["seconds"] / 50
    works = {"spherical EM, whole fit / 50": lambda: fit(),
             "spherical EM, whole fit, 1 thread": lambda: fit("--threads", 1),
             "diagonal EM, whole fit / 50": lambda: fit("--covariance", "diag")}
    return table(machine, case, works, lambda what: "spherical EM, whole fit, 1 thread", max(runs, 7))


def part_rows(machine, folder, runs):
    case = Case(machine, folder, "300000x1024x128")
    scaled = np.clip(np.round(case.x * 24 + 128), 0, 255)
    np.save(case.path("bytes.npy"), scaled.astype("u1"))
    np.save(case.path("floats.npy"), scaled.astype("f4"))
    fresh = lambda rows: measure.tool(machine.flashgmm, "fit", case.path(rows), "-k", case.k, "--kmeans-iter", 1, "--init",
                                      "random", "--max-iter", 3, *FOREVER, "-o",
                                      case.path("model.fgm"))["seconds_per_iteration"]
    works = {"spherical EM, whole numbers in f32": lambda: fresh("floats.npy"),
             "spherical EM, the same in u8": lambda: fresh("bytes.npy")}
    rows = table(machine, case, works, lambda what: "spherical EM, whole numbers in f32", runs)
    works = {"spherical EM, 1 thread": case.iteration(options=("--threads", 1)),
             "spherical EM, all threads": case.iteration()}
    return rows + table(machine, case, works, lambda what: "spherical EM, 1 thread", runs)


def part_wide(machine, folder, runs):
    case = Case(machine, folder, "50000x1024x768")
    works = {"spherical EM": case.iteration(), "diagonal EM": case.iteration("diag"),
             "matrix product (BLAS)": case.product}
    return table(machine, case, works, lambda what: "matrix product (BLAS)", runs)


def blas_gflops(core):
    """One thread's rate of products of 192 x 128 by 128 x 1024, as the kernel does them; core: OpenBLAS's name for a CPU."""
    script = ("import numpy as np, time\n"
              "a, b, c = np.ones((192, 128), 'f4'), np.ones((128, 1024), 'f4'), np.empty((192, 1024), 'f4')\n"
              "def run():\n    t = time.perf_counter()\n    for _ in range(200): np.matmul(a, b, out=c)\n"
              "    return time.perf_counter() - t\n"
              "print(2e-9 * 192 * 128 * 1024 * 200 / sorted(run() for _ in range(9))[4])")
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OPENBLAS_CORETYPE": core}
    return float(subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True,
                                check=True).stdout)


def part_avx2(machine, folder, runs):
    cases = map(json.loads, machine.kernels("--json", "avx2").splitlines())
    ours = next(case["gflops"] for case in cases if case["kernel"] == "scores" and case["d"] == 128)
    rows = [{"what": "scores, AVX2, one core", "gflops": ours}]
    for core, name in (("Haswell", "AVX2"), ("SkylakeX", "AVX-512")):
        rows.append({"what": f"matrix product (OpenBLAS, {name}), one core", "gflops": blas_gflops(core)})
    print("\n192x128 by 128x1024")
    for row in rows:
        row["times"], row["faster_than"] = row["gflops"] / rows[1]["gflops"], rows[1]["what"]
        print(f"{row['what']:44}{row['gflops']:10.0f} GFLOP/s{row['times']:8.2f}")
    return rows


PARTS = {"faiss": part_faiss, "sklearn": part_sklearn, "soft": part_soft, "small": part_small, "rows": part_rows,
         "wide": part_wide, "avx2": part_avx2}


def kept(path, parts):
    """What a file of results holds of other parts."""
    if not path or not os.path.exists(path):
        return []
    with open(path) as lines:
        return [row for row in map(json.loads, lines) if row.get("part") not in (None, *parts)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("flashgmm")
    parser.add_argument("bench_kernels")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--output", help="JSON lines")
    parser.add_argument("parts", nargs="*", metavar="PART", choices=[*PARTS, []], default=[])
    args = parser.parse_intermixed_args()
    parts = args.parts or list(PARTS)
    machine = Machine(args.flashgmm, args.bench_kernels)
    print(f"multiply-add ceiling: one core {machine.one_core:.0f} GFLOP/s, all {machine.cores} at once "
          f"{machine.gflops:.0f}, {machine.gflops / machine.one_core:.2f} times that")
    rows = kept(args.output, parts)
    for part in parts:
        with tempfile.TemporaryDirectory() as folder:
            for row in PARTS[part](machine, folder, args.runs):
                rows.append({"part": part, **row, "ceiling_gflops": machine.gflops,
                             "ceiling_one_core": machine.one_core})
    if args.output:
        import faiss
        import sklearn
        rows.sort(key=lambda row: list(PARTS).index(row["part"]))
        for row in rows:
            row["peers"] = f"faiss {faiss.__version__}, scikit-learn {sklearn.__version__}"
        measure.write_rows(rows, args.output)


main()
