# SPDX-License-Identifier: Apache-2.0
"""What the studies of search share: sets, pieces that can be resumed, the cost of a recall, tables, figures.

A study is a list of pieces: a key and a function that gives rows. Each piece's rows go to the output as soon as it is
done, and a piece that is there already is not run again, so an interrupted study goes on where it ended.
"""
import argparse
import collections
import json
import os
import sys
import tempfile
import time

import numpy as np

import measure

TARGETS = (0.8, 0.9, 0.95, 0.98, 0.99)
UNFINISHED = 75

Set = collections.namedtuple("Set", "name base queries truth metric dtype")
SETS = {
    "sift": Set("SIFT-photos 300K", "sift-photos_base.bvecs", "sift-photos_query.bvecs",
                "sift-photos_groundtruth.ivecs", "l2", "u1"),
    "glove": Set("GloVe-100 cosine 100K", "glove-100_base.fvecs", "glove-100_query.fvecs",
                 "glove-100_groundtruth_cosine.ivecs", "cosine", "<f4"),
}


def write_texmex(path, rows):
    rows = np.ascontiguousarray(rows)
    head = np.full((len(rows), 1), rows.shape[1], "<i4").view("u1")
    np.hstack([head, rows.view("u1")]).tofile(path)


def probes_up_to(most):
    return ",".join(str(p) for p in sorted({round(2 ** (i / 2)) for i in range(40)}) if p <= most)


class Desk:
    """A folder, rows of a name and a metric, queries to measure on and perhaps to tune on, and the tool."""

    def __init__(self, args, folder, name, metric, base):
        self.flashgmm, self.folder, self.name, self.metric, self.base = args.flashgmm, folder, name, metric, base
        self.tune_on, self.known = None, []

    @staticmethod
    def of_set(args, folder, key, queries=2500, tune=1000):
        """All rows of a set. Of its queries, some are measured on, and others are there to tune on."""
        data = SETS[key]
        desk = Desk(args, folder, data.name, data.metric, os.path.join(args.data, data.base))
        rows = measure.texmex(os.path.join(args.data, data.queries), data.dtype)
        truth = measure.texmex(os.path.join(args.data, data.truth), "<i4")
        order = np.random.default_rng(1).permutation(len(rows))
        desk.test_on = desk.write("test", rows[order[:queries]])
        desk.tune_on = desk.write("tune", rows[order[queries:][:tune]])
        desk.known = ["--groundtruth", desk.write("truth", truth[order[:queries]])]
        return desk

    @staticmethod
    def of_rows(args, folder, name, metric, rows, queries):
        """Any rows; the truth is found by exact search."""
        desk = Desk(args, folder, name, metric, None)
        desk.base, desk.test_on = desk.write("base", rows), desk.write("test", queries)
        return desk

    def write(self, name, rows):
        path = self.path(name + {"u": ".bvecs", "i": ".ivecs", "f": ".fvecs"}[rows.dtype.kind])
        write_texmex(path, rows)
        return path

    def path(self, name):
        return os.path.join(self.folder, name)

    def tool(self, *arguments):
        return measure.tool(self.flashgmm, *arguments)

    def train(self, command, lists, seed, *options):
        """What `flashgmm index` needs to use the quantizer, and what training it told."""
        path = self.path("kmeans.fvecs" if command == "kmeans" else "mixture.fgm")
        cosine = ["--normalize"] if self.metric == "cosine" else []
        told = self.tool(command, self.base, "-k", lists, "--seed", seed, *cosine, *options, "-o", path)
        return ["--centroids" if command == "kmeans" else "--model", path], told

    def index(self, quantizer, *options):
        path = self.path("index.fgi")
        made = self.tool("index", self.base, *quantizer, "--metric", self.metric, *options, "-o", path)
        return path, made["copies"]

    def curve(self, index, *how):
        found = self.tool("eval", index, self.test_on, *self.known, "--latency-queries", 1, *how)
        keys = ("probes", "target", "recall", "dco")
        return [{key: point[key] for key in keys if point.get(key)} for point in found["curve"]]

    def fixed(self, index, most, *options):
        return self.curve(index, "--probes", probes_up_to(most), *options)

    def soft(self, index):
        tuned = self.tool("tune", index, self.tune_on, "--recall", 0.95)
        return self.curve(index, "--recall", ",".join(map(str, TARGETS))), tuned


def cost_at(curve, recall):
    """Between measured points, in log cost; a little beyond them, on the line of the last two."""
    recalls, costs = [p["recall"] for p in curve], np.log([p["dco"] for p in curve])
    at = min(max(int(np.searchsorted(recalls, recall)), 1), len(curve) - 1)
    slope = (costs[at] - costs[at - 1]) / (recalls[at] - recalls[at - 1])
    if recall > recalls[-1] + 0.01 or recall < recalls[0] - 0.02:
        return None
    return float(np.exp(costs[at] + slope * (recall - recalls[at])))


def ratios(rows, baseline, target):
    """Of each row: how many times fewer distances than the baseline of the same set, K and seed takes."""
    base = {(row["set"], row["K"], row["seed"]): row["curve"] for row in rows if row["rule"] == baseline}
    found = {}
    for row in rows:
        pair = [cost_at(curve, target) for curve in (base[row["set"], row["K"], row["seed"]], row["curve"])]
        if None not in pair:
            found.setdefault((row["set"], row["K"], row["rule"]), []).append(pair[0] / pair[1])
    return found


def spread(values, digits=2):
    """Mean and standard deviation."""
    if not values:
        return "-"
    deviation = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{deviation}"


def table(rows, baseline):
    """As Markdown: ratios to the baseline at equal recall, mean and spread over seeds."""
    at = {target: ratios(rows, baseline, target) for target in TARGETS}
    for name, lists in dict.fromkeys((row["set"], row["K"]) for row in rows):
        print(f"\n{name}, K = {lists}: distance computations of \"{baseline}\" over those of each, at equal recall@10\n")
        print("| | copies |" + "".join(f" {target} |" for target in TARGETS) + "\n|---|---|" + "---|" * len(TARGETS))
        mine = [row for row in rows if (row["set"], row["K"]) == (name, lists)]
        for rule in dict.fromkeys(row["rule"] for row in mine):
            copies = np.mean([row["copies"] for row in mine if row["rule"] == rule])
            cells = "".join(f" {spread(at[target].get((name, lists, rule), []))} |" for target in TARGETS)
            print(f"| {rule} | {copies:.2f} |{cells}")


def figure(rows, baseline, path):
    """Ratio to the baseline against recall, one panel a set, from a half up; bars span one standard deviation. Mixtures
    are dashed."""
    import matplotlib
    matplotlib.use("svg")
    import matplotlib.pyplot as plt
    plt.rcParams.update({"svg.hashsalt": "study", "svg.fonttype": "none"})  # the same rows, the same file
    panels = list(dict.fromkeys((row["set"], row["K"]) for row in rows))
    looks = {rule: {"color": plt.get_cmap("tab20")(number % 20), "linestyle": "--" if "mixture" in rule else "-"}
             for number, rule in enumerate(dict.fromkeys(row["rule"] for row in rows))}
    drawn, axes = plt.subplots(1, len(panels), figsize=(5.6 * len(panels), 5.8), squeeze=False)
    at = {target: ratios(rows, baseline, target) for target in TARGETS}
    places = range(len(TARGETS))
    for axis, (name, lists) in zip(axes[0], panels):
        for rule, look in looks.items():
            values = [at[target].get((name, lists, rule), []) for target in TARGETS]
            axis.errorbar(places, [np.mean(v) if v else np.nan for v in values], marker="o", markersize=3, capsize=2,
                          yerr=[np.std(v, ddof=1) if len(v) > 1 else 0 for v in values], label=rule, **look)
        axis.set(title=f"{name}, K = {lists}", xlabel="recall@10")
        axis.set_ylim(bottom=max(0.5, axis.get_ylim()[0]))
        axis.set_xticks(list(places), [str(target) for target in TARGETS])
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel(f"times fewer distances than \"{baseline}\"")
    drawn.legend(*axes[0][-1].get_legend_handles_labels(), loc="lower center", ncol=4, fontsize=8)
    drawn.tight_layout(rect=(0, 0.03 + 0.025 * (1 + len(looks) // 4), 1, 1))
    drawn.savefig(path, metadata={"Date": None})


def read(path):
    if not os.path.exists(path):
        return []
    with open(path) as lines:
        return [row for row in map(json.loads, lines) if "piece" in row]


def arguments(description):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("flashgmm")
    parser.add_argument("data", help="folder with sift-photos_* and glove-100_*: base, query and groundtruth")
    parser.add_argument("--output", required=True, help="JSON lines; what is there is kept and not run again")
    parser.add_argument("--figure", help="SVG, when all is done")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, help=f"begin no piece after that long, and end with {UNFINISHED} if "
                        "some are left: the same command then goes on")
    return parser


def run(args, pieces):
    """Rows of all pieces; work(folder) does one."""
    begun, rows = time.monotonic(), read(args.output)
    done = {tuple(row["piece"]) for row in rows}
    for key, work in pieces:
        if key in done:
            continue
        if args.seconds is not None and time.monotonic() - begun > args.seconds:
            sys.exit(UNFINISHED)
        with tempfile.TemporaryDirectory() as folder:
            made = [{"piece": key, **row} for row in work(folder)]
        measure.append_rows(made, args.output)
        print(*key, f"{time.monotonic() - begun:.0f} s", flush=True)
        rows += made
    return [row for row in rows if tuple(row["piece"]) in {key for key, _ in pieces}]
