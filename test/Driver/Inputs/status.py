"""Runs a command and succeeds if its exit status is the expected one.

    status.py STATUS COMMAND...
"""

import subprocess
import sys

expected, command = int(sys.argv[1]), sys.argv[2:]
status = subprocess.run(command).returncode
if status != expected:
    sys.exit(f"{command}: exit status {status}, not {expected}")
