#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs what the documentation shows: every `flashgmm` line of a ```sh block, in order, in a scratch folder; and
finds every ```c block inside a program of examples/, between its [readme] marks.

    docs.py FLASHGMM
"""
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = ["README.md", "docs/math.md", "docs/format.md", "docs/json.md"]


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.M | re.S)


def shown_regions():
    text = "".join(path.read_text() for path in sorted((ROOT / "examples").glob("*.c")))
    return re.findall(r"/\* \[readme\] \*/\n(.*?)\n *\/\* \[/readme\] \*/", text, re.S)


def broken_links(page):
    text = (ROOT / page).read_text()
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    return [target for target in targets if not (ROOT / page).parent.joinpath(target).exists()]


def run_session(page, flashgmm, folder):
    """Number of commands that ran; ends with the first that fails."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines() if line.startswith("flashgmm ")]
    for line in lines:
        words = shlex.split(line, comments=True)
        done = subprocess.run([flashgmm, *words[1:]], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{page}: {line}\nexit code {done.returncode}: {done.stderr}")
    return len(lines)


def main():
    flashgmm = os.path.abspath(sys.argv[1])
    regions = shown_regions()
    commands = snippets = 0
    for page in PAGES:
        for snippet in blocks(page, "c"):
            if snippet.rstrip("\n") not in regions:
                sys.exit(f"{page}: this C is in no example:\n{snippet}")
            snippets += 1
        if broken := broken_links(page):
            sys.exit(f"{page}: no such file: {', '.join(broken)}")
        with tempfile.TemporaryDirectory() as folder:
            os.symlink(ROOT / "demo", os.path.join(folder, "demo"))
            commands += run_session(page, flashgmm, folder)
    if not (commands and snippets):
        sys.exit("nothing was found to run: has the form of the pages changed?")
    print(f"{commands} commands ran, {snippets} snippets are parts of examples")


main()
