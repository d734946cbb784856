# SPDX-License-Identifier: Apache-2.0
"""Runs a command with a terminal as its standard error and tells what it drew there: terminal.py COMMAND..."""

import os
import pty
import subprocess
import sys

WANTED = ["em ", "%", "rows/s", "left", "log-likelihood"]

master, slave = pty.openpty()
process = subprocess.Popen(sys.argv[1:], stderr=slave)
os.close(slave)
drawn = b""
while True:
    try:
        part = os.read(master, 4096)
    except OSError:  # Linux: the other end was closed
        break
    if not part:
        break
    drawn += part
code = process.wait()

text = drawn.decode()
print("drew nothing" if not text else "drew a line")
for word in WANTED:
    if text and word not in text:
        print(f"without {word}")
if text and not text.endswith("\r\033[K"):
    print("and left it there")
sys.exit(code)
