#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Study 2: what the paper leaves open about the mixture as a quantizer.

    study_fitting.py FLASHGMM DATA --output FILE [--part PART] [--seeds N] [--seconds S]

rows:   1,000 to 30,000 rows, K = their root. dims: 30,000 synthetic rows in 32 to 768 dimensions, K = 128.
passes: K = 256, distances to reach a recall after 1 to 60 passes over the rows: k-means, and EM after 10 of k-means.
starts: K = 256 and 1024, five seeds, k-means++ against random rows; 25 passes, the mixture's first one of k-means. Fixed
        probes and soft probing. warm: K = 256, EM after 1 to 100 passes of k-means.
lists:  K = 256 to 16,384, one seed, fixed probes and soft probing. From 4,096 on, soft probing goes along the graph of
        the centroids; with 4,096, EM has 30 passes; with 16,384 (SIFT-photos alone: GloVe has 6 rows for each) all begin
        at random rows and have 5, the mixture's first one of k-means.
time:   K = 256, seconds a pass and until the first one: to be run on a quiet machine.
All else visits fixed numbers of lists; mixtures are spherical. Unless said otherwise k-means: 25 passes, EM: 10 + 90.
Soft probing is tuned for 0.95 on queries that are not measured on, and has a row of its own.
"""
import functools
import os

import numpy as np

import measure
import study

POSTERIOR = ["--assign", "posterior"]
SPHERICAL = ["--covariance", "spherical"]
FOREVER = ["--tol", -1]
BASELINE = "k-means"


def curve(desk, rule, made, most, options=(), **more):
    quantizer, told = made
    index, copies = desk.index(quantizer, *options)
    return {"set": desk.name, "rule": rule, "copies": copies, "curve": desk.fixed(index, most),
            "passes": told["iterations"], "objective": told.get("log_likelihood", told.get("mean_squared_distance")),
            **more}


def soft_curve(desk, rule, quantizer, options=(), **more):
    """Soft probing with one list a row."""
    index, copies = desk.index(quantizer, *options)
    found, _ = desk.soft(index)
    return {"set": desk.name, "rule": f"{rule}, soft probing", "copies": copies, "curve": found, **more}


def rules(desk, lists, seed, **more):
    """The rules that parts compare: on k-means, on a mixture, on one of one variance."""
    base = {"K": lists, "seed": seed, **more}
    kmeans = desk.train("kmeans", lists, seed)
    yield curve(desk, BASELINE, kmeans, lists, **base)
    yield curve(desk, "k-means, SOAR", kmeans, lists, ["--assign", "soar"], **base)
    mixture = desk.train("fit", lists, seed, *SPHERICAL)
    yield curve(desk, "mixture", mixture, lists, **base)
    yield curve(desk, "mixture, r > 1/K", mixture, lists, POSTERIOR, **base)
    shared = desk.train("fit", lists, seed, *SPHERICAL, "--shared-variance")
    yield curve(desk, "mixture of one variance", shared, lists, **base)


# ---- rows, dims


def subset(args, key, rows, seed, folder):
    data = study.SETS[key]
    base = measure.texmex(os.path.join(args.data, data.base), data.dtype)
    queries = measure.texmex(os.path.join(args.data, data.queries), data.dtype)[:2500]
    some = np.random.default_rng(seed).permutation(len(base))[:rows]
    desk = study.Desk.of_rows(args, folder, data.name, data.metric, base[some], queries)
    return list(rules(desk, round(rows ** 0.5), seed, part="rows", rows=rows))


def synthetic(args, dims, seed, folder):
    """Rows about 1,000 centers, both with deviations that fall as the root of the dimension's number."""
    random = np.random.default_rng([dims, seed])
    scale = np.arange(1, dims + 1) ** -0.5
    centers = random.normal(size=(1000, dims)) * scale
    rows = centers[random.integers(1000, size=32000)] + random.normal(size=(32000, dims)) * scale
    rows = rows.astype("<f4")
    desk = study.Desk.of_rows(args, folder, f"synthetic, {dims} dimensions", "l2", rows[2000:], rows[:2000])
    return list(rules(desk, 128, seed, part="dims", dims=dims))


# ---- passes, warm: one K, both sets

LISTS, MOST_PROBES = 256, {"sift": 32, "glove": 64}


def passes(args, key, seed, folder):
    desk, rows = study.Desk.of_set(args, folder, key, 1500), []
    for count in (1, 2, 4, 8, 15, 30, 60):
        base = {"K": LISTS, "seed": seed, "part": "passes", "after": count}
        made = desk.train("kmeans", LISTS, seed, "--max-iter", count, *FOREVER)
        rows.append(curve(desk, BASELINE, made, MOST_PROBES[key], **base))
        if count > 10:
            made = desk.train("fit", LISTS, seed, *SPHERICAL, "--max-iter", count - 10, *FOREVER, "--tol-relative", -1)
            rows.append(curve(desk, "mixture", made, MOST_PROBES[key], **base))
    return rows


def warm(args, key, seed, folder):
    desk, rows = study.Desk.of_set(args, folder, key, 1500), []
    for before in (1, 10, 100):
        how = ["--init", "kmeans++"] if before == 1 else ["--kmeans-iter", before]
        made = desk.train("fit", LISTS, seed, *SPHERICAL, *how)
        rows.append(curve(desk, "mixture", made, MOST_PROBES[key], K=LISTS, seed=seed, part="warm", before=before))
    return rows


# ---- starts


def starts(args, key, lists, seed, folder):
    desk, rows = study.Desk.of_set(args, folder, key, 1500), []
    most = MOST_PROBES[key] * round((lists / LISTS) ** 0.5)
    for init in ("kmeans++", "random"):
        base = {"K": lists, "seed": seed, "part": "starts", "start": init}
        for rule, command, options in ((BASELINE, "kmeans", ["--max-iter", 25]),
                                       ("mixture", "fit", [*SPHERICAL, "--max-iter", 24])):
            made = desk.train(command, lists, seed, *options, "--init", init)
            rows += [curve(desk, rule, made, most, **base), soft_curve(desk, rule, made[0], **base)]
    return rows


# ---- lists


def graph_of(lists):
    return ["--graph", "always" if lists >= 4096 else "never"]


def many(args, key, lists, folder):
    desk = study.Desk.of_set(args, folder, key, 1000)
    base, most = {"K": lists, "seed": 0, "part": "lists"}, 4 * round(lists ** 0.5)
    start = ["--init", "random", "--max-iter", 5] if lists == 16384 else []
    kmeans = desk.train("kmeans", lists, 0, *start)
    rows = [curve(desk, BASELINE, kmeans, most, ["--graph", "never"], **base),
            curve(desk, "k-means, SOAR", kmeans, most, ["--assign", "soar", "--graph", "never"], **base)]
    if lists >= 4096:
        rows.append(curve(desk, "k-means, graph", kmeans, most, graph_of(lists), **base))
    return rows + [soft_curve(desk, BASELINE, kmeans[0], graph_of(lists), **base)]


def many_components(args, key, lists, folder):
    desk = study.Desk.of_set(args, folder, key, 1000)
    start = {4096: ["--max-iter", 30], 16384: ["--init", "random", "--max-iter", 4]}.get(lists, [])
    made = desk.train("fit", lists, 0, *SPHERICAL, *start)
    return [curve(desk, "mixture", made, 4 * round(lists ** 0.5), K=lists, seed=0, part="lists")]


# ---- time


def time(args, key, folder):
    desk = study.Desk.of_set(args, folder, key)
    rows = []
    for rule, command, options in ((BASELINE, "kmeans", []), ("mixture", "fit", SPHERICAL)):
        _, told = desk.train(command, LISTS, 0, *options, "--max-iter", 25, *FOREVER)
        rows.append({"set": desk.name, "rule": rule, "part": "time", "K": LISTS,
                     "seconds_init": told["seconds_init"], "seconds_per_pass": told["seconds_per_iteration"]})
    return rows


# ---- all


def plan(args):
    small = [(("rows", key, rows, seed), functools.partial(subset, args, key, rows, seed))
             for key in study.SETS for rows in (1000, 3000, 10000, 30000) for seed in range(args.seeds)]
    wide = [(("dims", dims, seed), functools.partial(synthetic, args, dims, seed))
            for dims in (32, 64, 128, 384, 768) for seed in range(args.seeds)]
    fits = [((work.__name__, key, seed), functools.partial(work, args, key, seed))
            for work in (passes, warm) for key in study.SETS for seed in range(args.seeds)]
    begun = [(("starts", key, lists, seed), functools.partial(starts, args, key, lists, seed))
             for lists in (256, 1024) for seed in range(5) for key in study.SETS]
    large = [(("lists", key, lists, work.__name__), functools.partial(work, args, key, lists))
             for lists in (256, 1024, 4096, 16384) for key in study.SETS if (key, lists) != ("glove", 16384)
             for work in (many, many_components)]
    times = [(("time", key), functools.partial(time, args, key)) for key in study.SETS]
    return [piece for piece in small + wide + fits + begun + large + times if args.part in (None, piece[0][0])]


CASES = {"rows": "rows", "dims": "dims", "passes": "after", "warm": "before", "lists": "K"}


def table(rows, part, target):
    """Distances to reach the target: mean and spread, and the mean ratio to the baseline of the same case and seed."""
    costs = {(row["set"], row[CASES[part]], row["rule"], row["seed"]): study.cost_at(row["curve"], target)
             for row in rows}
    costs = {key: cost for key, cost in costs.items() if cost}
    print(f"\n{part}: distance computations at recall@10 = {target}, and how many times fewer than {BASELINE}\n")
    print(f"| set | {CASES[part]} | rule | distances | ratio | objective |\n|---|---|---|---|---|---|")
    for name, case, rule in dict.fromkeys(key[:3] for key in costs):
        mine = {key[3]: cost for key, cost in costs.items() if key[:3] == (name, case, rule)}
        base = {seed: costs.get((name, case, BASELINE, seed)) for seed in mine}
        ratio = [base[seed] / cost for seed, cost in mine.items() if base[seed]]
        told = [row["objective"] for row in rows
                if (row["set"], row[CASES[part]], row["rule"]) == (name, case, rule) and "objective" in row]
        print(f"| {name} | {case} | {rule} | {study.spread(list(mine.values()), 0)} | {study.spread(ratio)} | "
              f"{study.spread(told, 4)} |")


def extremes(values, digits):
    if not values:
        return "-"
    return f"{study.spread(values, digits)} ({min(values):.{digits}f} .. {max(values):.{digits}f})"


def starts_table(rows, target):
    """Over seeds: mean, standard deviation, least and largest, of what training reached and of what searching costs."""
    print(f"\nstarts: what training reached, and distance computations at recall@10 = {target}\n")
    print("| set | K | rule | start | seeds | objective | distances |\n|---|---|---|---|---|---|---|")
    case = lambda row: (row["set"], row["K"], row["rule"], row["start"])
    for key in dict.fromkeys(map(case, rows)):
        mine = [row for row in rows if case(row) == key]
        told = [row["objective"] for row in mine if "objective" in row]
        costs = [cost for cost in (study.cost_at(row["curve"], target) for row in mine) if cost]
        print("| " + " | ".join(map(str, key)) + f" | {len(mine)} | {extremes(told, 4)} | {extremes(costs, 0)} |")


def main():
    parser = study.arguments(__doc__)
    parser.add_argument("--part", choices=(*CASES, "starts", "time"), help="one part alone")
    args = parser.parse_args()
    rows = study.run(args, plan(args))
    for part in CASES:
        mine = [row for row in rows if row["part"] == part]
        for target in (0.9, 0.95) if mine else ():
            table(mine, part, target)
    begun = [row for row in rows if row["part"] == "starts"]
    if begun:
        starts_table(begun, 0.95)
    for row in rows:
        if row["part"] == "time":
            print(f"{row['set']}, {row['rule']}: {row['seconds_init']:.3f} s, then {row['seconds_per_pass']:.4f} s a pass")


main()
