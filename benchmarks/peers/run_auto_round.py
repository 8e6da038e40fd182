#!/usr/bin/env python3
"""AutoRound quantizes the linears of a language model: a peer of benchmarks/accuracy.py.

    run_auto_round.py MODEL_DIR TOKENS.npy OUT_DIR [--iterations 30]

4 bits, groups of 64, symmetric; TOKENS is int64 [samples, length]. OUT_DIR gets a checkpoint in
GPTQ's format.
"""

import argparse
import os

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np
import torch
from auto_round import AutoRound

BATCH = 8


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("tokens")
    parser.add_argument("out")
    parser.add_argument("--iterations", type=int, default=30)
    arguments = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    tokens = torch.from_numpy(np.load(arguments.tokens).astype(np.int64))
    rounding = AutoRound(
        arguments.model, scheme="W4A16", group_size=64, sym=True, iters=arguments.iterations,
        dataset=list(tokens.split(BATCH)), nsamples=len(tokens), seqlen=tokens.shape[1],
        batch_size=BATCH, device_map="cpu",
    )
    rounding.quantize_and_save(arguments.out, format="auto_gptq")


if __name__ == "__main__":
    main()
