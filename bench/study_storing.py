#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Study 1: the paper's table. Rules of storing under fixed probing, K = 1024, recall@10 against distance computations.

    study_storing.py FLASHGMM DATA --output FILE [--figure FILE.svg] [--seeds N] [--seconds S]

k-means lists (25 Lloyd passes): hard, RAIR, SOAR, the two nearest, an additive margin; and hard after 100 passes; under
cosine also with centroids of length 1.
Mixture lists (10 Lloyd and at most 90 EM passes, spherical), each component with its own variance as in the paper, or
all with one: hard, and r > 1/K; of the former also r > 1/K visited in the order of r. The margin is the ablation: it
stores as many copies as r > 1/K does on the same set and seed. All train on all rows.
"""
import functools

import study

LISTS, MOST_PROBES = 1024, {"sift": 64, "glove": 256}
BASELINE, PAPER = "k-means, hard", "mixture, r > 1/K"
POSTERIOR = ["--assign", "posterior"]


def row(desk, rule, seed, made, told):
    copies, curve = made
    return {"set": desk.name, "rule": rule, "K": LISTS, "seed": seed, "copies": copies, "curve": curve,
            "training_passes": told["iterations"], "training_seconds": told["seconds"]}


def stored(desk, most, quantizer, options, *how):
    index, copies = desk.index(quantizer, *options)
    return copies, desk.fixed(index, most, *how)


def mixture(args, key, seed, folder):
    desk = study.Desk.of_set(args, folder, key)
    quantizer, told = desk.train("fit", LISTS, seed, "--covariance", "spherical")
    return [row(desk, rule, seed, stored(desk, MOST_PROBES[key], quantizer, *how), told) for rule, how in
            (("mixture, hard", ([],)), (PAPER, (POSTERIOR,)),
             (f"{PAPER}, visited by r", (POSTERIOR, "--order", "posterior")))]


def shared(args, key, seed, folder):
    desk = study.Desk.of_set(args, folder, key)
    quantizer, told = desk.train("fit", LISTS, seed, "--covariance", "spherical", "--shared-variance")
    return [row(desk, rule, seed, stored(desk, MOST_PROBES[key], quantizer, options), told) for rule, options in
            (("mixture of one variance, hard", []), ("mixture of one variance, r > 1/K", POSTERIOR))]


def kmeans(args, key, seed, folder):
    desk = study.Desk.of_set(args, folder, key)
    budget = [r["copies"] for r in study.read(args.output) if r["piece"] == [key, seed, "mixture"] and r["rule"] == PAPER]
    plan = ((BASELINE, []), ("k-means, RAIR", ["--assign", "rair"]), ("k-means, SOAR", ["--assign", "soar"]),
            ("k-means, two nearest", ["--assign", "nearest"]),
            ("k-means, margin", ["--assign", "margin", "--copies", round(budget[0], 3)]))
    quantizer, told = desk.train("kmeans", LISTS, seed)
    return [row(desk, rule, seed, stored(desk, MOST_PROBES[key], quantizer, options), told) for rule, options in plan]


def sphere(args, key, seed, folder):
    desk = study.Desk.of_set(args, folder, key)
    quantizer, told = desk.train("kmeans", LISTS, seed, "--spherical")
    return [row(desk, rule, seed, stored(desk, MOST_PROBES[key], quantizer, options), told) for rule, options in
            (("k-means on the sphere, hard", []), ("k-means on the sphere, SOAR", ["--assign", "soar"]))]


def longer(args, key, seed, folder):
    desk = study.Desk.of_set(args, folder, key)
    quantizer, told = desk.train("kmeans", LISTS, seed, "--max-iter", 100, "--tol", -1)
    return [row(desk, "k-means, hard, 100 passes", seed, stored(desk, MOST_PROBES[key], quantizer, []), told)]


def main():
    args = study.arguments(__doc__).parse_args()
    pieces = [((key, seed, work.__name__), functools.partial(work, args, key, seed))
              for key, data in study.SETS.items() for seed in range(args.seeds)
              for work in (mixture, kmeans, longer, shared, sphere) if work != sphere or data.metric == "cosine"]
    rows = study.run(args, pieces)
    study.table(rows, BASELINE)
    if args.figure:
        study.figure(rows, BASELINE, args.figure)


main()
