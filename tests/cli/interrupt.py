# SPDX-License-Identifier: Apache-2.0
"""Runs a command, presses Ctrl-C after a while, and exits as it does: interrupt.py SECONDS COMMAND..."""

import signal
import subprocess
import sys
import time

# a shell may have told its children to ignore it
signal.signal(signal.SIGINT, signal.SIG_DFL)
process = subprocess.Popen(sys.argv[2:])
time.sleep(float(sys.argv[1]))
process.send_signal(signal.SIGINT)
sys.exit(process.wait())
