"""Writes a file of calibration statistics, as `quantc calibrate` does (lib/Support/Statistics.cpp).

    make_statistics.py FILE [--fingerprint TEXT] SITE=CHANNELS... | --from NPZ

SITE=CHANNELS: what random activations of that many channels have, whose magnitudes differ from
channel to channel by a factor of up to 100; the same for the same arguments. SITE=A,B,...: one row
of these values. --from: an array of rows for each site. One sample, no histograms.
"""

import argparse
import zlib

import numpy as np
from safetensors.numpy import save_file

MASK = (1 << 64) - 1


def mix(x):
    x ^= x >> 33
    x = x * 0xFF51AFD7ED558CCD & MASK
    x ^= x >> 33
    x = x * 0xC4CEB9FE1A85EC53 & MASK
    return x ^ x >> 33


def quantc_hash(data):
    """runtime/include/quantc/hash.h."""
    lanes = [mix(i + 1) for i in range(8)]
    padded = data + bytes(-len(data) % 64)
    words = np.frombuffer(padded, np.uint64).reshape(-1, 8).tolist()
    for block in words:
        for i, word in enumerate(block):
            h = (lanes[i] ^ word) * 0x9E3779B97F4A7C15 & MASK
            lanes[i] = (h << 29 | h >> 35) & MASK
    h = mix(len(data))
    for lane in lanes:
        h = mix(h ^ lane) * 3 & MASK
    return h


TYPES = {"int64": "si64", "float32": "f32", "float64": "f64"}


def content_hash(fingerprint, tensors):
    text = fingerprint
    for name in sorted(tensors):
        array = tensors[name]
        kind = "x".join([*map(str, array.shape), TYPES[array.dtype.name]])
        text += f"\n{name}\t{kind}\t{quantc_hash(array.tobytes()):X}"
    return f"{quantc_hash(text.encode()):X}"


def site_tensors(site, rows):
    rows = np.asarray(rows, np.float32)
    channels = rows.shape[1]
    wide = rows.astype(np.float64)
    sums = [wide.sum(0), abs(wide).sum(0), (wide * wide).sum(0)]
    return {
        f"counts/{site}": np.array([channels, rows.shape[0], 0, 0, 0], np.int64),
        f"min/{site}": rows.min(0),
        f"max/{site}": rows.max(0),
        f"samples/{site}": np.array([[0, rows.shape[0]]], np.int64),
        f"extrema/{site}": np.array([[rows.min(), rows.max()]], np.float32),
        f"nodes/{site}": np.array([[0, 0]], np.int64),
        f"sums/{site}": np.stack(sums)[None],
    }


def write(path, sites, fingerprint=""):
    """`sites`: rows of activations by site."""
    tensors = {}
    for site, rows in sites.items():
        tensors.update(site_tensors(site, rows))
    metadata = {
        "quantc.statistics": "1",
        "quantc.statistics.graph": fingerprint,
        "quantc.statistics.hash": content_hash(fingerprint, tensors),
    }
    save_file(tensors, path, metadata)


def random_rows(site, channels):
    rng = np.random.default_rng(zlib.crc32(site.encode()))
    magnitudes = 10 ** rng.uniform(-1, 1, channels)
    return rng.standard_normal((32, channels)) * magnitudes


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("path")
    parser.add_argument("sites", nargs="*")
    parser.add_argument("--fingerprint", default="")
    parser.add_argument("--from", dest="source")
    args = parser.parse_args()
    sites = {}
    for entry in args.sites:
        site, what = entry.rsplit("=", 1)
        if "," in what:
            sites[site] = [[float(value) for value in what.split(",")]]
        else:
            sites[site] = random_rows(site, int(what))
    if args.source:
        with np.load(args.source) as arrays:
            sites.update({site: arrays[site] for site in arrays})
    write(args.path, sites, args.fingerprint)


if __name__ == "__main__":
    main()
