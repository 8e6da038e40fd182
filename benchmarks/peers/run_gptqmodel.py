#!/usr/bin/env python3
"""GPTQModel quantizes the linears of a language model: a peer of benchmarks/accuracy.py.

    run_gptqmodel.py MODEL_DIR TOKENS.npy OUT_DIR [--bits 4] [--group-size 64]

TOKENS is int64 [samples, length]; every sample is one calibration sequence. OUT_DIR gets
a checkpoint in GPTQ's format. Symmetric, all else as GPTQModel has it by default:
group-aware activation order, true sequential, its own damping.
"""

import argparse
import logging
import os

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
# Two at least are needed to load a model, and its default is one on two cores.
os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")

import numpy as np
import torch
from gptqmodel import GPTQModel, QuantizeConfig


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("tokens")
    parser.add_argument("out")
    parser.add_argument("--bits", type=int, default=4)
    parser.add_argument("--group-size", type=int, default=64)
    parser.add_argument("--samples", type=int)
    arguments = parser.parse_args()
    logging.getLogger().setLevel(logging.WARNING)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    tokens = np.load(arguments.tokens)[: arguments.samples].astype(np.int64)
    config = QuantizeConfig(
        bits=arguments.bits, group_size=arguments.group_size, sym=True, device="cpu"
    )
    model = GPTQModel.load(arguments.model, config, dtype=torch.float32)
    model.quantize(
        [
            {"input_ids": torch.from_numpy(row), "attention_mask": torch.ones(len(row), dtype=torch.int64)}
            for row in tokens
        ],
        batch_size=1,
    )
    model.save(arguments.out)


if __name__ == "__main__":
    main()
