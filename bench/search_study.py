#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Distance computations of searches, as a ratio to hard k-means lists probed in fixed number, at equal recall@10.

    search_study.py FLASHGMM DATA_FOLDER soft|paper [--set sift|glove] [--seeds N] [--tune-queries N] [--output FILE]

soft:  storing by itself, soft probing by itself, both. Probing is tuned on some queries and measured on others, at
       the recalls 0.8 to 0.99 that are asked for; K = 512 and 256.
paper: the rules of storing under fixed probing, K = 1024: k-means, mixture, tau = 1/K, RAIR, SOAR, two nearest, and
       margins of the copies that tau = 1/K takes (the ablation).
DATA_FOLDER as for recall.py. All indexes of a set and a seed but the mixture's share k-means centroids. Distance
computations count the K centroids and every scanned entry, copies included.
"""
import argparse
import os
import tempfile

import numpy as np

import measure

TARGETS = (0.8, 0.9, 0.95, 0.98, 0.99)
SETS = {
    "sift": ("SIFT-photos 300K", "sift-photos_base.bvecs", "sift-photos_query.bvecs",
             "sift-photos_groundtruth.ivecs", "l2", 512, "u1"),
    "glove": ("GloVe-100 cosine 100K", "glove-100_base.fvecs", "glove-100_query.fvecs",
              "glove-100_groundtruth_cosine.ivecs", "cosine", 256, "<f4"),
}
STORING = (("one list", []), ("RAIR", ["--assign", "rair"]), ("SOAR", ["--assign", "soar"]),
           ("two nearest", ["--assign", "nearest"]))


def write_texmex(path, rows):
    rows = np.ascontiguousarray(rows)
    head = np.full((len(rows), 1), rows.shape[1], "<i4").view("u1")
    np.hstack([head, rows.view("u1")]).tofile(path)


def split(args, folder, data):
    """Queries to tune on, queries to measure on, and the truth of the latter: paths."""
    _, _, queries, truth, _, _, dtype = data
    rows = measure.texmex(os.path.join(args.data, queries), dtype)
    ids = measure.texmex(os.path.join(args.data, truth), "<i4")
    order = np.random.default_rng(args.seeds).permutation(len(rows))
    fit, test = order[:args.tune_queries], order[args.tune_queries:][:args.test_queries]
    suffix = os.path.splitext(queries)[1]
    paths = [os.path.join(folder, name + suffix) for name in ("tune", "test")] + [os.path.join(folder, "gt.ivecs")]
    for path, part in zip(paths, (rows[fit], rows[test], ids[test])):
        write_texmex(path, part)
    return paths


def probes_up_to(most):
    return ",".join(str(p) for p in sorted({round(2 ** (i / 2)) for i in range(40)}) if p <= most)


def cost_at(curve, recall):
    """Between measured points, in log cost; a little beyond them, on the line of the last two."""
    recalls, costs = [p["recall"] for p in curve], np.log([p["dco"] for p in curve])
    at = min(max(int(np.searchsorted(recalls, recall)), 1), len(curve) - 1)
    slope = (costs[at] - costs[at - 1]) / (recalls[at] - recalls[at - 1])
    if recall > recalls[-1] + 0.01 or recall < recalls[0] - 0.02:
        return None
    return float(np.exp(costs[at] + slope * (recall - recalls[at])))


class Study:
    def __init__(self, args, folder, data):
        self.args, self.folder, self.data = args, folder, data
        self.name, base, _, _, self.metric, self.lists, _ = data
        self.base = os.path.join(args.data, base)
        self.tune_on, self.test_on, self.truth = split(args, folder, data)

    def tool(self, *arguments):
        return measure.tool(self.args.flashgmm, *arguments)

    def quantizer(self, command, lists, seed):
        path = os.path.join(self.folder, "kmeans.fvecs" if command == "kmeans" else "mixture.fgm")
        cosine = ["--normalize"] if self.metric == "cosine" else []
        kind = ["--covariance", "spherical"] if command == "fit" else []
        self.tool(command, self.base, "-k", lists, "--seed", seed, *cosine, *kind, "-o", path)
        return ["--centroids" if command == "kmeans" else "--model", path]

    def index(self, quantizer, options):
        path = os.path.join(self.folder, "index.fgi")
        made = self.tool("index", self.base, *quantizer, "--metric", self.metric, *options, "-o", path)
        return path, made["copies"]

    def curve(self, index, how):
        found = self.tool("eval", index, self.test_on, "--groundtruth", self.truth, "--latency-queries", 200, *how)
        keys = ("probes", "target", "recall", "dco", "dco_unique", "qps", "p50_us")
        return [{key: point[key] for key in keys if key in point} for point in found["curve"]]

    def row(self, rule, lists, copies, curve, **more):
        print(f"  {rule}: {copies:.2f} copies", flush=True)
        return {"set": self.name, "rule": rule, "K": lists, "copies": copies, "curve": curve, **more}


def soft(study, seed):
    rows, lists = [], study.lists
    quantizer = study.quantizer("kmeans", lists, seed)
    for rule, options in STORING:
        index, copies = study.index(quantizer, options)
        fixed = study.curve(index, ["--probes", probes_up_to(lists // 2)])
        rows.append(study.row(f"{rule}, fixed probes", lists, copies, fixed, seed=seed))
        tuned = study.tool("tune", index, study.tune_on, "--recall", 0.95)
        asked = study.curve(index, ["--recall", ",".join(map(str, TARGETS))])
        rows.append(study.row(f"{rule}, soft probing", lists, copies, asked, seed=seed, tuned=tuned))
    return rows


def paper(study, seed):
    lists, how = 1024, ["--probes", probes_up_to(256)]
    kmeans, mixture = study.quantizer("kmeans", lists, seed), study.quantizer("fit", lists, seed)
    plan = [("k-means, hard", kmeans, []), ("mixture, hard", mixture, []),
            ("mixture, r > 1/K", mixture, ["--assign", "posterior"]),
            ("k-means, RAIR", kmeans, ["--assign", "rair"]), ("k-means, SOAR", kmeans, ["--assign", "soar"]),
            ("k-means, two nearest", kmeans, ["--assign", "nearest"])]
    rows = []
    for rule, quantizer, options in plan:
        index, copies = study.index(quantizer, options)
        rows.append(study.row(rule, lists, copies, study.curve(index, how), seed=seed))
        if rule == "mixture, r > 1/K":
            budget = copies
    for name, quantizer in (("k-means", kmeans), ("mixture", mixture)):
        index, copies = study.index(quantizer, ["--assign", "margin", "--copies", round(min(budget, 7.9), 3)])
        rows.append(study.row(f"{name}, margin", lists, copies, study.curve(index, how), seed=seed))
    return rows


def spread(values):
    values = [value for value in values if value is not None]
    if not values:
        return f"{'-':>12}"
    text = f"{np.mean(values):.2f}" + (f"+-{np.std(values):.2f}" if len(values) > 1 else "")
    return f"{text:>12}"


def table(rows):
    base = {(row["set"], row["seed"]): row["curve"] for row in rows if row["rule"] in
            ("one list, fixed probes", "k-means, hard")}
    for name in dict.fromkeys(row["set"] for row in rows):
        print(f"\n{name}: distance computations of hard k-means lists over those of each, at equal recall@10")
        print(f"{'':28}{'copies':>7}" + "".join(f"{target:>12}" for target in TARGETS) + "   largest miss of a target")
        for rule in dict.fromkeys(row["rule"] for row in rows if row["set"] == name):
            mine = [row for row in rows if row["set"] == name and row["rule"] == rule]
            cells = ""
            for target in TARGETS:
                ratios = []
                for row in mine:
                    pair = [cost_at(curve, target) for curve in (base[name, row["seed"]], row["curve"])]
                    ratios.append(pair[0] / pair[1] if None not in pair else None)
                cells += spread(ratios)
            missed = [p["recall"] - p["target"] for row in mine for p in row["curve"] if "target" in p]
            miss = f"{max(missed, key=abs):+.4f}" if missed else ""
            print(f"{rule:28}{np.mean([row['copies'] for row in mine]):7.2f}{cells}   {miss}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("flashgmm")
    parser.add_argument("data")
    parser.add_argument("part", choices=("soft", "paper"))
    parser.add_argument("--set", choices=SETS, help="one set alone")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--tune-queries", type=int, default=2000)
    parser.add_argument("--test-queries", type=int, default=3000)
    parser.add_argument("--output", help="JSON lines")
    args = parser.parse_args()
    rows = []
    for key, data in SETS.items():
        if args.set in (None, key):
            print(data[0], flush=True)
            with tempfile.TemporaryDirectory() as folder:
                study = Study(args, folder, data)
                for seed in range(args.seeds):
                    rows += (soft if args.part == "soft" else paper)(study, seed)
    table(rows)
    if args.output:
        measure.write_rows(rows, args.output)


main()
