"""The weights of a checkpoint in GPTQ's format, dequantized.

A linear layer [N, K] is stored as qweight int32 [K b / 32, N], codes of b bits from the lowest
bits up along K; qzeros int32 [groups, N b / 32], packed along N; scales float16 [groups, N]; and
g_idx int32 [K], the group of each input. Version 1 of the format stores zero points less one.

    w[n, k] = (code - zero[g_idx[k], n]) scales[g_idx[k], n]
"""

import json

import numpy as np


def unpack(words, bits, axis):
    """The codes of int32 words along an axis."""
    words = np.moveaxis(words.view(np.uint32), axis, -1)
    shifts = np.arange(0, 32, bits, dtype=np.uint32)
    codes = (words[..., None] >> shifts) & np.uint32((1 << bits) - 1)
    return np.moveaxis(codes.reshape(*words.shape[:-1], -1), -1, axis).astype(np.int32)


def dequantize(tensors, bits, version):
    """float32 [N, K] of the tensors qweight, qzeros, scales and g_idx."""
    if 32 % bits:
        raise RuntimeError(f"{bits} bits are packed over the borders of words; 2, 4 and 8 are not")
    codes = unpack(tensors["qweight"], bits, 0)
    zeros = unpack(tensors["qzeros"], bits, 1) + (version == 1)
    scales = tensors["scales"].astype(np.float32)
    group = tensors["g_idx"]
    return np.ascontiguousarray(((codes - zeros[group]) * scales[group]).T)


def weights_of(folder):
    """float32 [N, K] of each quantized linear of a checkpoint, by the name of its weight."""
    from safetensors import safe_open

    config = json.loads((folder / "config.json").read_text())["quantization_config"]
    version = 2 if config.get("checkpoint_format") == "gptq_v2" else 1
    weights = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "np") as file:
            for key in file.keys():
                name, _, kind = key.rpartition(".")
                if kind == "qweight":
                    parts = ("qweight", "qzeros", "scales", "g_idx")
                    tensors = {part: file.get_tensor(f"{name}.{part}") for part in parts}
                    weights[f"{name}.weight"] = dequantize(tensors, config["bits"], version)
    if not weights:
        raise RuntimeError(f"{folder} has no quantized layer in GPTQ's format")
    return weights
