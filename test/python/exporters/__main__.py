"""Exports models into a folder, each as NAME-STYLE.onnx, and its runs' inputs as NAME.N.npz.

    python -m exporters FOLDER NAME-STYLE...

A file appears once it is complete. Of a model that cannot be exported NAME-STYLE.error says why.
"""

import logging
import pathlib
import sys
import traceback
import warnings

import numpy as np
import torch

from .export import export


def main(folder, wanted):
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for stem in wanted:
        name, style = stem.rsplit("-", 1)
        path, unfinished = folder / f"{stem}.onnx", folder / f"{stem}.part"
        try:
            runs = export(name, style, unfinished)
        except Exception:  # whatever the exporter raises
            (folder / f"{stem}.error").write_text(traceback.format_exc())
            continue
        for i, inputs in enumerate(runs):
            arrays = {key: value.numpy() for key, value in inputs.items()}
            with open(folder / f"{stem}.npz.part", "wb") as file:
                np.savez(file, **arrays)
            (folder / f"{stem}.npz.part").replace(folder / f"{name}.{i}.npz")
        unfinished.replace(path)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[2:])
