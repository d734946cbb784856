#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How time and memory of a fit grow with the number of rows, on real rows.

    growth.py FLASHGMM ROWS.bvecs [--k K] [--output FILE]

Fits K components to a tenth, a third and all of the rows. The workspace is what the library held beside the mapped
file; the resident set is what the system saw, less the file's pages. The dense matrix is what others would hold.
"""
import argparse
import os
import re
import subprocess
import tempfile

import measure


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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("flashgmm")
    parser.add_argument("data")
    parser.add_argument("--k", type=int, default=1024)
    parser.add_argument("--output", help="JSON lines")
    args = parser.parse_args()
    with open(args.data, "rb") as data:
        row_bytes = 4 + int.from_bytes(data.read(4), "little")
    total = os.path.getsize(args.data) // row_bytes
    rows = []
    print(f"{'rows':>9}{'s/iteration':>13}{'workspace MB':>14}{'resident MB':>13}{'dense matrix MB':>17}")
    with tempfile.TemporaryDirectory() as folder:
        for n in (total // 10, total // 3, total):
            part, model = os.path.join(folder, "part.bvecs"), os.path.join(folder, "model.fgm")
            with open(args.data, "rb") as data, open(part, "wb") as out:
                out.write(data.read(n * row_bytes))
            options = ["fit", part, "-k", args.k, "--max-iter", 5, "--tol", -1, "--tol-relative", -1, "-o", model]
            fit = measure.tool(args.flashgmm, *options)
            resident = resident_bytes([args.flashgmm, *map(str, options), "--quiet"])
            row = {"N": n, "K": args.k, "D": fit["dims"], "seconds_per_iteration": fit["seconds_per_iteration"],
                   "workspace_bytes": fit["peak_workspace_bytes"], "resident_bytes": resident,
                   "dense_bytes": 4 * n * args.k}
            rows.append(row)
            print(f"{n:9}{row['seconds_per_iteration']:13.4f}{row['workspace_bytes'] / 1e6:14.1f}"
                  f"{resident / 1e6:13.1f}{row['dense_bytes'] / 1e6:17.0f}")
    if args.output:
        measure.write_rows(rows, args.output)


main()
