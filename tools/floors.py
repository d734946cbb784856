#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""floors.py - holds the tree to its floors and to the style rules that a program can see.

Usage: floors.py [ROOT]. Prints one line a violation and exits 1 if there is any.
Knows folders, includes and braces; knows no C beyond that.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

# A file includes its own floor and lower ones.
FLOORS = {
    "include": 0,
    "src/base": 1,
    "src/kernel": 2,
    "src/cuda": 2,
    "src/data": 3,
    "src/backend": 4,
    "src/model": 5,
    "src/api": 6,
}
PUBLIC_ONLY = ("cli", "examples")  # the public header and their own
REACH_IN = ("bench", "tests")      # any floor, and their own
SCRIPTS = ("cmake", "tools", ".ci")

MAX_FILE_LINES = 600
MANUAL = "include/flashgmm.h"  # one header is the whole manual, so its length is not bounded
MAX_FUNCTION_LINES = 60

PRINTS_OR_ENDS = re.compile(
    r"\b(?:(?:v?f?d?printf|f?puts|f?putc|putchar|perror|_?exit|_Exit|quick_exit|abort)(?=\s*\()|"
    r"stdout\b|stderr\b)"
)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.M)
IF_0 = re.compile(r"^[ \t]*#[ \t]*if[ \t]+0\b", re.M)
PUBLIC_NAME = re.compile(r"\bFG_\w+")
MACHINE_WORD = re.compile(r"avx|sse[234]|neon|_mm\d*_|cuda|nvcc|ptx", re.I)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
LITERAL = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'')
SENTENCE = re.compile(r'"(?:\\.|[^"\\\n])* (?:\\.|[^"\\\n])*"')  # for the caller: may name a machine
COMMENT_OR_LITERAL = re.compile(COMMENT.pattern + "|" + LITERAL.pattern, re.S)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.M)


def blank(match):
    """Spaces in place of the text, so that line numbers stay."""
    return re.sub(r"[^\n]", " ", match.group())


def without_comments(text):
    return COMMENT_OR_LITERAL.sub(
        lambda m: blank(m) if m.group().startswith("/") else m.group(), text
    )


def functions(text):
    """Yields (first line, lines) of each function body: a brace after a parenthesis. Tables, which are
    braces after an equals sign, count as one line each."""
    code = DIRECTIVE.sub(blank, COMMENT_OR_LITERAL.sub(blank, text))
    depth, inside, start, last = 0, None, 0, ""
    table, table_start, table_lines = None, 0, 0
    line = 1
    for c in code:
        if c == "\n":
            line += 1
        elif c == "{":
            if inside is None and last == ")":
                inside, start, table_lines = depth, line, 0
            elif table is None and last == "=":
                table, table_start = depth, line
            depth += 1
        elif c == "}":
            depth -= 1
            if depth == table:
                table_lines += line - table_start
                table = None
            if depth == inside:
                yield start, line - start + 1 - table_lines
                inside = None
        if not c.isspace():
            last = c


class Tree:
    """The files of the tree and what was found wrong with them."""

    def __init__(self, root):
        self.root = root
        self.errors = []
        self.sources = [
            path
            for folder in ("include", "src", *PUBLIC_ONLY, *REACH_IN)
            for pattern in ("*.c", "*.h", "*.cu", "*.cuh")
            for path in sorted((root / folder).rglob(pattern))
        ]
        self.by_name = defaultdict(list)
        for path in self.sources:
            self.by_name[path.name].append(path)

    def say(self, path, line, text):
        self.errors.append(f"{path.relative_to(self.root)}:{line}: {text}")

    def folder(self, path):
        return path.relative_to(self.root).parent.as_posix()

    def floor(self, path):
        """The floor of a library file; None above the library."""
        folder = self.folder(path) + "/"
        return next((n for f, n in FLOORS.items() if folder.startswith(f + "/")), None)

    def side(self, path):
        return path.relative_to(self.root).parts[0]

    def check_include(self, path, line, name):
        if len(self.by_name[name]) != 1:
            self.say(path, line, f'includes "{name}", which is no file of the tree')
            return
        target = self.by_name[name][0]
        here, there = self.floor(path), self.floor(target)
        if here is not None and (there is None or there > here):
            self.say(path, line, f'floor {here} includes "{name}" of {self.folder(target)}, a higher floor')
        elif here is None and there is None and self.side(target) != self.side(path):
            self.say(path, line, f'includes "{name}" of {self.folder(target)}, a neighbour')
        elif here is None and there and self.side(path) in PUBLIC_ONLY:
            self.say(path, line, f'includes "{name}"; {self.side(path)} stands on flashgmm.h alone')

    def check_library(self, path, text):
        code = without_comments(text)
        bare = LITERAL.sub(blank, code)
        for match in PRINTS_OR_ENDS.finditer(bare):
            self.say(path, line_of(bare, match), f"{match.group()}: the library never prints or exits")
        for match in INCLUDE.finditer(text):
            rest = text[match.end() : text.find("\n", match.end())]
            if match.group(1) == "<" and "/*" not in rest and self.floor(path) > 0:
                self.say(path, line_of(text, match), f"<{match.group(2)}> does not say what it is for")
        if self.floor(path) > FLOORS["src/backend"]:
            named = PUBLIC_NAME.sub(blank, SENTENCE.sub(blank, code))
            for match in MACHINE_WORD.finditer(named):
                self.say(path, line_of(named, match), f"{match.group()}: no machine above floor 4")

    def check_source(self, path):
        text = path.read_text()
        lines = text.splitlines()
        self.check_spdx(path, lines)
        if len(lines) < 2 or not lines[1].startswith(f"/* {path.name} - "):
            self.say(path, 2, f"the head comment must begin '/* {path.name} - '")
        if len(lines) > MAX_FILE_LINES and path != self.root / MANUAL:
            self.say(path, len(lines), f"{len(lines)} lines; at most {MAX_FILE_LINES}")
        for start, count in functions(text):
            if count > MAX_FUNCTION_LINES:
                self.say(path, start, f"a function of {count} lines; at most {MAX_FUNCTION_LINES}")
        for match in IF_0.finditer(text):
            self.say(path, line_of(text, match), "#if 0: delete code instead")
        for match in INCLUDE.finditer(without_comments(text)):
            if match.group(1) == '"':
                self.check_include(path, line_of(text, match), match.group(2))
        if self.floor(path) is not None:
            self.check_library(path, text)

    def check_spdx(self, path, lines):
        spdx = "SPDX-License-Identifier: Apache-2.0"
        if not any(spdx in line for line in lines[:2]):
            self.say(path, 1, f"no line '{spdx}'")

    def check(self):
        for name, paths in self.by_name.items():
            for path in paths[1:]:
                self.say(path, 1, f"the name is taken by {paths[0].relative_to(self.root)}")
        for path in self.sources:
            self.check_source(path)
        scripts = [self.root / "dev", self.root / "CMakeLists.txt"]
        for folder in (*SCRIPTS, *PUBLIC_ONLY, *REACH_IN):
            for pattern in ("*.py", "*.sh", "*.cmake", "CMakeLists.txt", "run"):
                scripts += sorted((self.root / folder).rglob(pattern))
        for path in scripts:
            if path.parent == self.root / "tests/cli" and path.suffix == ".sh":
                continue  # a case of the tool: data with the lines that must come out of it
            self.check_spdx(path, path.read_text().splitlines())
        return self.errors


def line_of(text, match):
    return text.count("\n", 0, match.start()) + 1


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    tree = Tree(root)
    errors = tree.check()
    for error in errors:
        print(error)
    print(f"floors: {len(tree.sources)} sources, {len(errors)} violations")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
