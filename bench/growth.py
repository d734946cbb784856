#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How time and memory of an EM pass grow with rows, components and dimensions, two decades of each.

    growth.py FLASHGMM [--output FILE] [--figure FILE.svg]
    growth.py --figure FILE.svg --from FILE         (draws what was measured before)

Each row of the table changes one of N, K and D of a middle shape. Time is per pass, wall clock and of all cores together;
the exponent is that of a power law between neighbours: 1 is linear. The workspace is what the library held beside the
mapped file; the resident set is what the system saw, less the file's pages. The dense matrix is what others would hold.
"""
import argparse
import json
import os
import re
import resource
import subprocess
import tempfile

import numpy as np

import measure

MIDDLE = {"N": 100000, "K": 256, "D": 64}
SWEEPS = {"N": (10000, 30000, 100000, 300000, 1000000), "K": (16, 64, 256, 1024, 1600), "D": (8, 32, 128, 512, 800)}
ROWS_TIMED = 600000  # over all passes of a measurement, which are at least four


def write_rows(n, k, d, path):
    """Rows near k Gaussian means, written a block at a time."""
    rng = np.random.default_rng(0)
    means = rng.standard_normal((k, d), "f4")
    rows = np.lib.format.open_memmap(path, "w+", "f4", (n, d))
    for begin in range(0, n, 65536):
        count = min(65536, n - begin)
        rows[begin:begin + count] = (means[rng.integers(0, k, count)] +
                                     0.7 * rng.standard_normal((count, d), "f4"))
    rows.flush()


def resident_bytes(command):
    """The largest resident set of anonymous memory of a process: mapped files not counted."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    most = 0
    while process.poll() is None:
        try:
            with open(f"/proc/{process.pid}/status") as status:
                found = re.search(r"RssAnon:\s+(\d+) kB", status.read())
            most = max(most, int(found.group(1)) * 1024 if found else 0)
        except (FileNotFoundError, ProcessLookupError):
            break
        try:
            process.wait(0.01)
        except subprocess.TimeoutExpired:
            pass
    return most


def cpu_seconds(work):
    """What `work` gives, and the processor time of its child processes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return result, after.ru_utime - before.ru_utime


def measure_shape(flashgmm, folder, n, k, d):
    rows, start, model = (os.path.join(folder, name) for name in ("rows.npy", "start.fgm", "model.fgm"))
    write_rows(n, k, d, rows)
    measure.tool(flashgmm, "fit", rows, "-k", k, "--kmeans-iter", 2, "--max-iter", 1, "-o", start)

    def fit(passes):
        return measure.tool(flashgmm, "fit", rows, "--init", start, "--max-iter", passes, "--tol", -1,
                            "--tol-relative", -1, "-o", model)
    passes = max(4, ROWS_TIMED // n)
    _, few = cpu_seconds(lambda: fit(1))
    report, many = cpu_seconds(lambda: fit(1 + passes))
    resident = resident_bytes([flashgmm, "fit", rows, "--init", start, "--max-iter", "1", "-o", model, "--quiet"])
    return {"N": n, "K": k, "D": d, "seconds": report["seconds_per_iteration"],
            "cpu_seconds": (many - few) / passes, "workspace_bytes": report["peak_workspace_bytes"],
            "resident_bytes": resident, "dense_bytes": 4 * n * k}


def draw(rows, path):
    """Time and workspace over each letter, on logarithmic axes, beside a line of slope 1."""
    import matplotlib
    matplotlib.use("svg")
    import matplotlib.pyplot as plt
    plt.rcParams.update({"svg.hashsalt": "growth", "svg.fonttype": "none"})  # the same rows, the same file
    figure, axes = plt.subplots(1, len(SWEEPS), figsize=(11, 3.6))
    for axis, letter in zip(axes, SWEEPS):
        swept = [row for row in rows if row.get("sweep") == letter]
        values = np.array([row[letter] for row in swept])
        times = np.array([row["cpu_seconds"] for row in swept])
        axis.loglog(values, times, "o-", label="a pass, cpu seconds")
        axis.loglog(values, times[-1] * values / values[-1], "k:", label="linear")
        axis.loglog(values, [row["workspace_bytes"] / 1e9 for row in swept], "s--", label="workspace, GB")
        axis.set_xlabel({"N": "rows", "K": "components", "D": "dimensions"}[letter])
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    figure.suptitle(", ".join(f"{letter} = {value}" for letter, value in MIDDLE.items()) + ", one of them changed")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("flashgmm", nargs="?")
    parser.add_argument("--output", help="JSON lines")
    parser.add_argument("--figure", help="SVG; needs matplotlib")
    parser.add_argument("--from", dest="measured", help="JSON lines of an earlier run")
    args = parser.parse_args()
    if args.measured:
        with open(args.measured) as lines:
            draw([json.loads(line) for line in lines], args.figure)
        return
    if not args.flashgmm:
        parser.error("what is to be measured? FLASHGMM is the tool's path")
    rows = []
    print(f"{'N':>9}{'K':>6}{'D':>5}{'s/pass':>10}{'cpu s/pass':>12}{'exponent':>10}{'workspace MB':>14}"
          f"{'resident MB':>13}{'dense MB':>10}")
    for letter, values in SWEEPS.items():
        last = None
        for value in values:
            shape = {**MIDDLE, letter: value}
            with tempfile.TemporaryDirectory() as folder:
                row = measure_shape(args.flashgmm, folder, shape["N"], shape["K"], shape["D"])
            grown = np.log(row["cpu_seconds"] / last["cpu_seconds"]) / np.log(value / last[letter]) if last else None
            row["sweep"], row["exponent"], last = letter, grown, row
            rows.append(row)
            print(f"{row['N']:9}{row['K']:6}{row['D']:5}{measure.digits(row['seconds']):>10}"
                  f"{measure.digits(row['cpu_seconds']):>12}{'' if grown is None else f'{grown:.2f}':>10}"
                  f"{row['workspace_bytes'] / 1e6:14.1f}{row['resident_bytes'] / 1e6:13.1f}"
                  f"{row['dense_bytes'] / 1e6:10.1f}", flush=True)
    if args.output:
        measure.write_rows(rows, args.output)
    if args.figure:
        draw(rows, args.figure)


main()
