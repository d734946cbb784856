#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""First centroids: what they cost, how good they are, and what is left of that after some passes.

k-means++ and random rows, and the k-means++ of another build of the tool (--before), on one thread: seconds of seeding and of
the passes, the mean squared distance with the seeds and after each pass, the log-likelihood of EM after passes. Wall clock of
one thread, so other work on the machine's cores counts little; memory is shared.

    bench/study_seeding.py build/release/bin/flashgmm DATA --output bench/results/study_seeding.jsonl
"""
import collections
import functools
import os

import measure
import study

Case = collections.namedtuple("Case", "set lists passes seeds")
KMEANS = [Case("glove", 1024, 25, 3), Case("sift", 1024, 25, 2), Case("glove", 4096, 25, 1), Case("sift", 4096, 5, 1),
          Case("sift", 16384, 2, 1)]
EM = [Case("glove", 256, 50, 3), Case("sift", 512, 50, 1)]


def one(args, command, case, how, seed, folder):
    rows = os.path.join(args.data, study.SETS[case.set].base)
    binary = args.before if how == "before" else args.flashgmm
    init = "random" if how == "random" else "kmeans++"
    told = measure.tool(binary, command, rows, "-k", case.lists, "--init", init, "--seed", seed, "--threads", 1, "--device", "cpu",
                        "--max-iter", case.passes, "--tol", -1, "-o", os.path.join(folder, "out.fvecs"))
    return [{"command": command, "set": case.set, "K": case.lists, "how": how, "seed": seed, "isa": told["isa"],
             "seconds": told["seconds"], "seconds_init": told["seconds_init"], "history": told["history"]}]


def main():
    parser = study.arguments(__doc__)
    parser.add_argument("--before", help="another build of the tool, whose k-means++ is measured too")
    args = parser.parse_args()
    pieces = []
    for command, cases in (("kmeans", KMEANS), ("fit", EM)):
        for case in cases:
            for seed in range(min(args.seeds, case.seeds)):
                for how in ("kmeans++", "random", *(["before"] if args.before else [])):
                    key = [command, case.set, case.lists, seed, how]
                    pieces.append((tuple(key), functools.partial(one, args, command, case, how, seed)))
    rows = study.run(args, pieces)
    print("| | set | K | seeds by | seeding, s | a pass, s | objective, by passes |\n|---|---|---|---|---|---|---|")
    for key in dict.fromkeys((row["command"], row["set"], row["K"], row["how"]) for row in rows):
        mine = [row for row in rows if (row["command"], row["set"], row["K"], row["how"]) == key]
        mean = lambda take: sum(map(take, mine)) / len(mine)
        passes = [p for p in (0, 1, 5, 10, 24, 50) if p < len(mine[0]["history"])]
        values = ", ".join(f"{p}: {mean(lambda row: row['history'][p]):.6g}" for p in passes)
        a_pass = mean(lambda row: (row["seconds"] - row["seconds_init"]) / len(row["history"]))
        print(f"| {' | '.join(map(str, key))} | {mean(lambda row: row['seconds_init']):.3g} | {a_pass:.3g} | {values} |")


if __name__ == "__main__":
    main()
