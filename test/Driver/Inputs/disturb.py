"""Runs a command, disturbs it once its worker has mapped FILE, and exits with its status.

    disturb.py interrupt FILE COMMAND...    SIGINT to the command
    disturb.py crash FILE COMMAND...        SIGSEGV to the worker
    disturb.py kill FILE COMMAND...         SIGKILL to the worker, as for want of memory
    disturb.py shrink FILE COMMAND...       FILE is cut to nothing
"""

import os
import signal
import subprocess
import sys


def stopped_worker(command, file):
    """The process that does the command's work, stopped once it has mapped the file."""
    path = os.path.realpath(file)
    while command.poll() is None:
        with open(f"/proc/{command.pid}/task/{command.pid}/children") as children:
            pids = children.read().split()
        if not pids:
            continue
        try:
            with open(f"/proc/{pids[0]}/maps") as maps:
                if path in maps.read():
                    os.kill(int(pids[0]), signal.SIGSTOP)
                    return int(pids[0])
        except OSError:
            pass
    sys.exit(f"it ended before it was disturbed, with {command.returncode}")


def main(how, file, *arguments):
    # Who runs tests may have it ignored, which is inherited.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    command = subprocess.Popen(arguments)
    worker = stopped_worker(command, file)
    if how == "interrupt":
        command.send_signal(signal.SIGINT)
    elif how == "shrink":
        os.truncate(file, 0)
    else:
        os.kill(worker, signal.SIGSEGV if how == "crash" else signal.SIGKILL)
    os.kill(worker, signal.SIGCONT)
    return command.wait()


sys.exit(main(*sys.argv[1:]))
