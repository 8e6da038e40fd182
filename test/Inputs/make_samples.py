"""Writes calibration data: make_samples.py FILE NAME=SHAPE[:SEED] ... | NAME=VALUES ...

SHAPE: extents with x between, the first being the number of samples; normal random numbers.
VALUES: numbers, rows divided by `;`, a row a sample; `nan` and `inf` are numbers. --type int64
makes integers of them.
"""

import argparse

import numpy as np
from safetensors.numpy import save_file


def array(text, dtype):
    if ";" in text or "," in text:
        return np.array([[float(x) for x in row.split(",")] for row in text.split(";")], dtype)
    shape, _, seed = text.partition(":")
    extents = [int(x) for x in shape.split("x")]
    return np.random.default_rng(int(seed or 0)).standard_normal(extents).astype(dtype)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("arrays", nargs="*", metavar="NAME=SHAPE|VALUES")
    parser.add_argument("--type", default="float32")
    arguments = parser.parse_args()
    named = (text.split("=", 1) for text in arguments.arrays)
    save_file({name: array(text, arguments.type) for name, text in named}, arguments.file)


if __name__ == "__main__":
    main()
