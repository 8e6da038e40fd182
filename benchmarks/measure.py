"""How the benchmarks measure: two programs in turn, compiles with their memory, the machine."""

import os
import platform
import signal
import subprocess
import sys
import time

import numpy as np


def burst(run, calls):
    """The median seconds of `calls` calls, after one that is not counted."""
    run()
    times = np.empty(calls)
    for i in range(calls):
        start = time.perf_counter()
        run()
        times[i] = time.perf_counter() - start
    return float(np.median(times))


def in_turn(a, b, rounds, seconds):
    """Runs two functions in short bursts, in turn, so that whatever else the machine does
    meets both alike. Returns the median seconds of each and the median of the rounds'
    ratios b / a."""
    calls = [max(2, min(200, int(seconds / max(burst(run, 1), 1e-6)))) for run in (a, b)]
    times = np.empty((rounds, 2))
    for i in range(rounds):
        for which in (0, 1) if i % 2 == 0 else (1, 0):
            # The other's threads may still spin in wait for work: let them fall asleep.
            time.sleep(0.02)
            times[i, which] = burst((a, b)[which], calls[which])
    return *np.median(times, axis=0), float(np.median(times[:, 1] / times[:, 0]))


# A process starts with the peak memory of the one that made it, so a small one must do it.
MEASURE = """
import os, sys, time
start = time.perf_counter()
process = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(process, 0)
print(os.waitstatus_to_exitcode(status), time.perf_counter() - start, usage.ru_maxrss * 1024)
"""


def run_measured(command):
    """Runs a command that writes nothing to standard output; returns its seconds and the
    peak bytes of its largest process.

    Raises RuntimeError with what it wrote to standard error if it fails.
    """
    result = subprocess.run([sys.executable, "-S", "-c", MEASURE, *command],
                            stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            errors="replace")
    if result.returncode != 0:
        raise RuntimeError(result.stderr.strip())
    status, seconds, peak = result.stdout.split()
    if int(status) != 0:
        raise RuntimeError(result.stderr.strip() or f"exit status {status}")
    return float(seconds), int(peak)


def descendants(process):
    """The process and all that come from it."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    # The name, in parentheses, may have anything in it.
                    parent = int(file.read().rpartition(")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue
            children.setdefault(parent, []).append(int(name))
    found = [process]
    for one in found:
        found += children.get(one, [])
    return found


def anonymous_bytes(process):
    """Memory of a process and all that come from it which no file backs."""
    total = 0
    for one in descendants(process):
        try:
            with open(f"/proc/{one}/status") as file:
                for line in file:
                    if line.startswith("RssAnon:"):
                        total += 1024 * int(line.split()[1])
        except OSError:
            continue
    return total


def run_watched(command, log, environment=None):
    """Runs a command, its output to the file `log`; returns its seconds, the processor seconds of
    it and of all processes it waited for, and the peak of its anonymous bytes, looked at 20 times
    a second.

    Raises RuntimeError with the end of what it wrote if it fails.
    """
    start, peak = time.perf_counter(), 0
    with open(log, "wb") as file:
        process = os.posix_spawnp(
            command[0], [str(word) for word in command], {**os.environ, **(environment or {})},
            file_actions=[(os.POSIX_SPAWN_DUP2, file.fileno(), 1),
                          (os.POSIX_SPAWN_DUP2, file.fileno(), 2)],
        )
        try:
            while True:
                done, status, usage = os.wait4(process, os.WNOHANG)
                if done:
                    break
                peak = max(peak, anonymous_bytes(process))
                time.sleep(0.05)
        except BaseException:
            os.kill(process, signal.SIGTERM)
            os.waitpid(process, 0)
            raise
    seconds = time.perf_counter() - start
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        with open(log, "rb") as file:
            text = file.read().decode(errors="replace").strip()
        raise RuntimeError(text[-2000:] or f"exit status {code}")
    return seconds, usage.ru_utime + usage.ru_stime, peak


def machine():
    """What kind of machine this is."""
    name = platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            values = dict(
                [part.strip() for part in line.split(":", 1)] for line in file if ":" in line
            )
        if "model name" in values:
            name = values["model name"]
        if "cpu family" in values:
            name += f" (family {values['cpu family']}, model {values['model']})"
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0))
    return f"{name}, {cores} core{'s' if cores > 1 else ''}, {platform.system()}"
