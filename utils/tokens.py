#!/usr/bin/env python3
"""Makes samples of a language model out of a text: for --calibration, eval and the benchmarks.

    tokens.py TEXT TOKENIZER OUT.npy [--length 512] [--samples N] [--skip N]
    tokens.py TEXT TOKENIZER OUT.npz|OUT.safetensors --model MODEL.onnx [...]

TOKENIZER is a tokenizer.json, or a name or folder that the Python package `transformers` knows.
The text becomes tokens without special ones, which are cut into samples of equal length; what is
left over at the end is not used. OUT.npy gets them as int64 [samples, length].

With --model, OUT gets an array for each input of the model, as `quantc compile --calibration`
wants them: the tokens as `input_ids`, a mask of ones, positions from 0 on, and empty caches (past
keys and values of length 0).
"""

import argparse
import os
import pathlib
import sys

import numpy as np

IDS, MASK, POSITIONS = "input_ids", "attention_mask", "position_ids"


def tokenize(text, tokenizer):
    """The token ids of a text, without special tokens."""
    if pathlib.Path(tokenizer).is_file():
        import tokenizers

        loaded = tokenizers.Tokenizer.from_file(str(tokenizer))
        loaded.no_truncation()
        loaded.no_padding()
        return loaded.encode(text, add_special_tokens=False).ids
    import transformers

    loaded = transformers.AutoTokenizer.from_pretrained(tokenizer)
    return loaded(text, add_special_tokens=False, verbose=False)["input_ids"]


def cut(ids, length, samples=None, skip=0):
    """int64 [samples, length] of the ids, without the first `skip` samples."""
    there = len(ids) // length - skip
    if there < (samples or 1):
        raise SystemExit(
            f"tokens.py: the text has {len(ids)} tokens, which is not enough for "
            f"{skip + (samples or 1)} samples of {length}; give more text, or shorter samples"
        )
    count = samples or there
    return np.array(ids[skip * length : (skip + count) * length], np.int64).reshape(count, length)


def inputs_of(model):
    """Name, element type (of NumPy) and extents of each input of an ONNX file; dynamic extents
    are None."""
    import onnx

    graph = onnx.load(model, load_external_data=False).graph
    stored = {tensor.name for tensor in graph.initializer}
    found = []
    for info in graph.input:
        if info.name in stored:
            continue
        tensor = info.type.tensor_type
        shape = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
        found.append((info.name, onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type), shape))
    return found


def complete(inputs, tokens):
    """An array for each of `inputs` (see inputs_of), the samples first, for tokens [samples,
    length]."""
    arrays = {}
    for name, dtype, shape in inputs:
        if name == IDS:
            arrays[name] = tokens.astype(dtype)
        elif name == MASK:
            arrays[name] = np.ones(tokens.shape, dtype)
        elif name == POSITIONS:
            arrays[name] = np.ascontiguousarray(
                np.broadcast_to(np.arange(tokens.shape[1], dtype=dtype), tokens.shape)
            )
        elif None in shape[1:]:
            # A cache: nothing has been before.
            arrays[name] = np.zeros([len(tokens), *(n or 0 for n in shape[1:])], dtype)
        else:
            raise SystemExit(
                f"tokens.py: the model's input '{name}' is neither {IDS}, {MASK}, {POSITIONS} "
                "nor a cache of any length; write its samples with NumPy"
            )
    if IDS not in arrays:
        raise SystemExit(f"tokens.py: the model has no input '{IDS}'")
    return arrays


def write(path, arrays):
    """Writes .npy (one array), .npz or .safetensors, at once or not at all."""
    path = pathlib.Path(path)
    unfinished = path.with_name(path.name + ".part")
    if path.suffix == ".safetensors":
        from safetensors.numpy import save_file

        save_file(arrays, unfinished)
    else:
        with open(unfinished, "wb") as file:
            if path.suffix == ".npz":
                np.savez(file, **arrays)
            else:
                np.save(file, *arrays.values())
    os.replace(unfinished, path)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", metavar="TEXT", type=pathlib.Path)
    parser.add_argument("tokenizer", metavar="TOKENIZER")
    parser.add_argument("out", metavar="OUT", type=pathlib.Path)
    parser.add_argument("--model", help="the model whose inputs are wanted")
    parser.add_argument("--length", type=int, default=512, help="tokens of a sample")
    parser.add_argument("--samples", type=int, help="how many samples (default: all)")
    parser.add_argument("--skip", type=int, default=0, help="leave out so many samples before")
    arguments = parser.parse_args()
    suffixes = [".npz", ".safetensors"] if arguments.model else [".npy"]
    if arguments.out.suffix not in suffixes:
        sys.exit(f"tokens.py: '{arguments.out}' has to end in {' or '.join(suffixes)}")
    try:
        text = arguments.text.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(f"tokens.py: '{arguments.text}' cannot be read as UTF-8 text: {error}")
    tokens = cut(
        tokenize(text, arguments.tokenizer), arguments.length, arguments.samples, arguments.skip
    )
    arrays = {IDS: tokens}
    if arguments.model:
        arrays = complete(inputs_of(arguments.model), tokens)
    write(arguments.out, arrays)
    print(f"wrote {arguments.out}: {len(tokens)} samples of {tokens.shape[1]} tokens",
          file=sys.stderr)


if __name__ == "__main__":
    main()
