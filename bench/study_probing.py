#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Study 3: storing by itself, soft probing by itself, both; and what storage brings.

    study_probing.py FLASHGMM DATA --output FILE [--figure FILE.svg] [--seeds N] [--seconds S]

K = 512 (SIFT-photos) and 256 (GloVe-100); all indexes of a set and a seed share k-means centroids. Probing is tuned on
1,000 queries and measured on 1,500 others, at the recalls that are asked for. Storage R: SOAR, its lambda set so that a row
has R copies on average; for 2 it is strict, since some rows find no second list at any lambda.
"""
import functools

import study

LISTS, MOST_PROBES = {"sift": 512, "glove": 256}, {"sift": 48, "glove": 96}
QUERIES, TUNE_QUERIES = 1500, 1000
BASELINE = "one list, fixed probes"
STORING = {
    "one list": [],
    "SOAR": ["--assign", "soar"],
    "RAIR": ["--assign", "rair"],
    "two nearest": ["--assign", "nearest"],
    "SOAR, R = 1.4": ["--assign", "soar", "--copies", 1.4],
    "SOAR, R = 1.2": ["--assign", "soar", "--copies", 1.2],
    "SOAR, R = 1.6": ["--assign", "soar", "--copies", 1.6],
    "SOAR, R = 1.8": ["--assign", "soar", "--copies", 1.8],
    "SOAR, R = 2": ["--assign", "soar", "--strict"],
}


def both(args, key, seed, storing, folder):
    desk = study.Desk.of_set(args, folder, key, QUERIES, TUNE_QUERIES)
    quantizer, _ = desk.train("kmeans", LISTS[key], seed)
    index, copies = desk.index(quantizer, *STORING[storing])
    row = {"set": desk.name, "K": LISTS[key], "seed": seed, "copies": copies}
    fixed = desk.fixed(index, MOST_PROBES[key])
    soft, tuned = desk.soft(index)
    return [{**row, "rule": f"{storing}, fixed probes", "curve": fixed},
            {**row, "rule": f"{storing}, soft probing", "curve": soft, "expected": tuned["recall"]}]


def tell_misses(rows):
    """How far the recalls that were asked for were missed, over all indexes of a set."""
    for name in dict.fromkeys(row["set"] for row in rows):
        print(f"\n{name}: recall found minus recall asked for, least and largest over indexes and seeds")
        for target in study.TARGETS:
            missed = [p["recall"] - target for row in rows if row["set"] == name for p in row["curve"]
                      if p.get("target") == target]
            print(f"  {target}: {min(missed):+.4f} .. {max(missed):+.4f}")


def main():
    args = study.arguments(__doc__).parse_args()
    pieces = [((key, seed, storing), functools.partial(both, args, key, seed, storing))
              for storing in STORING for key in reversed(LISTS) for seed in range(args.seeds)]
    rows = study.run(args, pieces)
    study.table(rows, BASELINE)
    tell_misses(rows)
    if args.figure:  # how much storage brings is told by the table: so many lines would hide each other
        study.figure([row for row in rows if ", R = " not in row["rule"]], BASELINE, args.figure)


main()
