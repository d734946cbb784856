#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden tests of the tool.

usage: run.py FLASHGMM [--update] [CASE...]

A case is a shell script, NAME.sh, with what it must print (NAME.out, NAME.err) and its exit code
(NAME.exit). Each runs in a folder of its own that holds the files of data.py. What differs from run to run
or between machines is masked before comparing; --update writes what came out as what must come out.
"""

import argparse
import difflib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import data

HERE = pathlib.Path(__file__).resolve().parent
CASE_SECONDS = 600  # ThreadSanitizer takes its time

TIME = r"\d[\d.]* (?:us|ms|s|min \d+ s)\b"
MASKS = [
    (re.compile(r'("(?:\w*seconds\w*|p50_us|p99_us)": )[\d.e+-]+'), r"\1<time>"),
    (re.compile(r'("qps": )[\d.e+]+'), r"\1<rate>"),
    (re.compile(r'("peak_workspace_bytes": )\d+'), r"\1<bytes>"),
    (re.compile(r'("threads": )\d+'), r"\1<threads>"),
    (re.compile(r"[\d.]+ (?:bytes?|kB|MB) beside"), "<bytes> beside"),
    (re.compile(r"\d+ threads?\b"), "<threads>"),
    (re.compile(r"[\d.]+( k| M)? queries/s"), "<rate> queries/s"),
    # the last three columns of the table of eval
    (re.compile(rf" +[\d,]+ +{TIME} +{TIME}$", re.MULTILINE), "  <rate> <time> <time>"),
    (re.compile(TIME), "<time>"),
    # digits that rounding in other compilers may change
    (re.compile(r"-?\d+\.\d{6,}(?:e[+-]\d+)?"), lambda match: f"{float(match.group()):.5g}"),
]


def masked(text, folder):
    text = text.replace(str(folder), "<folder>")
    for pattern, replacement in MASKS:
        text = pattern.sub(replacement, text)
    return text


def environment(tool):
    env = {name: value for name, value in os.environ.items() if not name.startswith("FG_")}
    # the reference kernels give the same digits on every processor
    env.update(FG_ISA="ref", LC_ALL="C", HELPERS=str(HERE))
    env["PATH"] = f"{tool.parent}{os.pathsep}{env.get('PATH', '')}"
    return env


def run_case(script, env):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name).resolve()
        data.write_all(folder)
        done = subprocess.run(["sh", str(script)], cwd=folder, env=env, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=CASE_SECONDS, check=False)
        return {".out": masked(done.stdout.decode(errors="replace"), folder),
                ".err": masked(done.stderr.decode(errors="replace"), folder),
                ".exit": f"{done.returncode}\n"}


def compare(script, results):
    failed = False
    for suffix, got in results.items():
        golden = script.with_suffix(suffix)
        wanted = golden.read_text(encoding="utf-8") if golden.exists() else ""
        if got == wanted:
            continue
        failed = True
        sys.stdout.writelines(difflib.unified_diff(
            wanted.splitlines(True), got.splitlines(True), f"{golden.name} (wanted)", f"{golden.name} (got)"))
    print(f"{'FAILED' if failed else 'ok':7} {script.stem}")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tool", type=pathlib.Path)
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--update", action="store_true")
    args = parser.parse_args()

    env = environment(args.tool.resolve())
    scripts = sorted(HERE.glob("*.sh"))
    if args.cases:
        scripts = [script for script in scripts if script.stem in args.cases]
    failures = 0
    for script in scripts:
        results = run_case(script, env)
        if args.update:
            for suffix, text in results.items():
                script.with_suffix(suffix).write_text(text, encoding="utf-8")
        else:
            failures += compare(script, results)
    print(f"{len(scripts)} cases, {failures} failed")
    return 1 if failures or not scripts else 0


if __name__ == "__main__":
    sys.exit(main())
