"""mutate.py MODEL COUNT -- COMMAND...: runs COMMAND on damaged copies of MODEL.

Each word `{}` of COMMAND is the copy's path. What COMMAND makes of a copy is its
own affair, but it must end in good time with status 0 or 1 (quantc: a message) and
never die by a signal. The copies depend on nothing but MODEL and their number, so
a failure can be repeated; the file that made it is kept.
"""

import os
import random
import subprocess
import sys
import tempfile
import time

# A compilation takes seconds; what takes minutes hangs.
TIMEOUT = 60


def mutate(data, number):
    """One of the ways that files get damaged, or that fuzzers try."""
    generator = random.Random(number)
    data = bytearray(data)
    kind = number % 6
    for _ in range(generator.choice((1, 1, 2, 8))):
        if not data:
            break
        at = generator.randrange(len(data))
        if kind == 0:  # a flipped bit
            data[at] ^= 1 << generator.randrange(8)
        elif kind == 1:  # a byte that is often a limit
            data[at] = generator.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif kind == 2:  # cut off
            del data[at:]
        elif kind == 3:  # a piece is missing
            del data[at : at + generator.randrange(1, 32)]
        elif kind == 4:  # a piece is there twice
            piece = data[at : at + generator.randrange(1, 64)]
            data[at:at] = piece
        else:  # a piece is replaced by one from elsewhere
            length = generator.randrange(1, 32)
            source = generator.randrange(len(data))
            piece = data[source : source + length]
            data[at : at + len(piece)] = piece
    return bytes(data)


def main(model, count, command):
    with open(model, "rb") as file:
        data = file.read()
    folder = tempfile.mkdtemp(prefix="mutate-")
    accepted = failures = 0
    for number in range(count):
        path = os.path.join(folder, f"{number}{os.path.splitext(model)[1]}")
        with open(path, "wb") as file:
            file.write(mutate(data, number))
        began = time.monotonic()
        try:
            result = subprocess.run(
                [word.replace("{}", path) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=TIMEOUT,
            )
            status, message = result.returncode, result.stderr.decode(errors="replace")
        except subprocess.TimeoutExpired:
            status, message = None, "no end in sight"
        if status == 0:
            accepted += 1
        if status in (0, 1) and (status == 0 or message.strip()):
            os.remove(path)
            continue
        failures += 1
        print(
            f"{path}: status {status} after {time.monotonic() - began:.1f} s\n{message[-2000:]}",
            file=sys.stderr,
        )
    if not failures:
        os.rmdir(folder)
    print(f"{count} copies: {accepted} accepted, {failures} failures")
    return failures > 0


if __name__ == "__main__":
    separator = sys.argv.index("--")
    sys.exit(main(sys.argv[1], int(sys.argv[2]), sys.argv[separator + 1 :]))
