"""Decoders with and without a cache, from transformers' configurations."""

import torch
import transformers

from .encoders import whisper_config
from .model import Model, Picked, integers, mask, model

SMALL = dict(
    vocab_size=100, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, intermediate_size=64, max_position_embeddings=128, pad_token_id=0,
    bos_token_id=1, eos_token_id=2,
)


class Cached(torch.nn.Module):
    """A language model: (ids, mask, positions, past key and value of each layer) -> (logits,
    present ...)."""

    def __init__(self, module, layers):
        super().__init__()
        self.module, self.layers = module, layers

    def forward(self, input_ids, attention_mask, position_ids, *past):
        config = self.module.config
        cache = transformers.DynamicCache(
            [(past[2 * i], past[2 * i + 1]) for i in range(self.layers)], config=config
        )
        result = self.module(
            input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids,
            past_key_values=cache, use_cache=True,
        )
        present = [t for layer in result.past_key_values.layers for t in (layer.keys, layer.values)]
        return (result.logits, *present)


def positions(batch, past_length, length):
    return torch.arange(past_length, past_length + length).expand(batch, length).contiguous()


def cached(module, layers, heads, head_size, dims=None):
    past = [f"past_{what}_{i}" for i in range(layers) for what in ("key", "value")]
    present = [name.replace("past", "present") for name in past]

    def inputs(batch, length, past_length):
        tensors = {
            "input_ids": integers(100, batch, length),
            "attention_mask": torch.ones(batch, past_length + length, dtype=torch.int64),
            "position_ids": positions(batch, past_length, length),
        }
        for name in past:
            tensors[name] = torch.randn(batch, heads, past_length, head_size)
        return tensors

    return Model(
        Cached(module, layers),
        inputs,
        dims
        or [
            dict(batch=2, length=4, past_length=6),
            dict(batch=1, length=7, past_length=0),
            dict(batch=3, length=1, past_length=9),
        ],
        {
            "input_ids": {0: "batch", 1: "length"},
            "attention_mask": {0: "batch", 1: "total_length"},
            "position_ids": {0: "batch", 1: "length"},
            **{name: {0: "batch", 2: "past_length"} for name in past},
        },
        ["logits", *present],
    )


def uncached(module):
    names = ["input_ids", "attention_mask", "position_ids"]
    return Model(
        Picked(module, names, ["logits"]),
        lambda batch, length: {
            "input_ids": integers(100, batch, length),
            "attention_mask": mask(batch, length),
            "position_ids": positions(batch, 0, length),
        },
        [dict(batch=2, length=8), dict(batch=3, length=17)],
        {name: {0: "batch", 1: "length"} for name in names},
        ["logits"],
    )


@model
def llama():
    return cached(transformers.LlamaForCausalLM(transformers.LlamaConfig(**SMALL)), 2, 2, 8)


@model
def qwen2():
    return cached(transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**SMALL)), 2, 2, 8)


@model
def qwen3():
    config = transformers.Qwen3Config(head_dim=16, **SMALL)
    return cached(transformers.Qwen3ForCausalLM(config), 2, 2, 16)


@model
def gemma():
    config = transformers.GemmaConfig(head_dim=16, **SMALL)
    return cached(transformers.GemmaForCausalLM(config), 2, 2, 16)


@model
def gemma2():
    """Every other layer looks at 5 positions only."""
    config = transformers.Gemma2Config(head_dim=16, sliding_window=5, **SMALL)
    return uncached(transformers.Gemma2ForCausalLM(config))


@model
def phi3():
    return cached(transformers.Phi3ForCausalLM(transformers.Phi3Config(**SMALL)), 2, 2, 8)


@model
def gpt2():
    config = transformers.GPT2Config(
        vocab_size=100, n_positions=128, n_embd=32, n_layer=2, n_head=4, bos_token_id=1,
        eos_token_id=2,
    )
    return cached(transformers.GPT2LMHeadModel(config), 2, 4, 8)


# The other ways of running experts, one loop over those that were chosen and one grouped product,
# have no form in ONNX.
EXPERTS = dict(experts_implementation="batched_mm")


@model
def mixtral():
    config = transformers.MixtralConfig(num_local_experts=4, num_experts_per_tok=2, **SMALL)
    return uncached(transformers.MixtralForCausalLM._from_config(config, **EXPERTS))


@model
def qwen3_moe():
    config = transformers.Qwen3MoeConfig(
        head_dim=16, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32, **SMALL
    )
    return uncached(transformers.Qwen3MoeForCausalLM._from_config(config, **EXPERTS))


@model
def t5_decoder():
    config = transformers.T5Config(
        vocab_size=100, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4,
        decoder_start_token_id=0,
    )

    class Decoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.t5 = transformers.T5ForConditionalGeneration(config)

        def forward(self, decoder_input_ids, encoder_hidden, encoder_mask):
            return self.t5(
                decoder_input_ids=decoder_input_ids, encoder_outputs=(encoder_hidden,),
                attention_mask=encoder_mask, use_cache=False,
            ).logits

    return Model(
        Decoder(),
        lambda batch, length, source: {
            "decoder_input_ids": integers(100, batch, length),
            "encoder_hidden": torch.randn(batch, source, 32),
            "encoder_mask": mask(batch, source),
        },
        [dict(batch=2, length=5, source=8), dict(batch=3, length=17, source=9)],
        {
            "decoder_input_ids": {0: "batch", 1: "length"},
            "encoder_hidden": {0: "batch", 1: "source"},
            "encoder_mask": {0: "batch", 1: "source"},
        },
        ["logits"],
    )


@model
def whisper_decoder():
    """Keys and values of the encoder's states are inputs too, as they are after the first step."""
    config = whisper_config()

    class Decoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.whisper = transformers.WhisperForConditionalGeneration(config)

        def forward(self, decoder_input_ids, encoder_hidden, *past):
            own = transformers.DynamicCache([(past[2 * i], past[2 * i + 1]) for i in range(2)])
            cross = transformers.DynamicCache()
            cache = transformers.EncoderDecoderCache(own, cross)
            result = self.whisper(
                decoder_input_ids=decoder_input_ids, encoder_outputs=(encoder_hidden,),
                past_key_values=cache, use_cache=True,
            )
            layers = result.past_key_values.self_attention_cache.layers
            return (result.logits, *[t for layer in layers for t in (layer.keys, layer.values)])

    past = [f"past_{what}_{i}" for i in range(2) for what in ("key", "value")]
    return Model(
        Decoder(),
        lambda batch, length, past_length: {
            "decoder_input_ids": integers(100, batch, length),
            "encoder_hidden": torch.randn(batch, 24, 32),
            **{name: torch.randn(batch, 4, past_length, 8) for name in past},
        },
        [dict(batch=2, length=4, past_length=6), dict(batch=3, length=1, past_length=9)],
        {
            "decoder_input_ids": {0: "batch", 1: "length"},
            "encoder_hidden": {0: "batch"},
            **{name: {0: "batch", 2: "past_length"} for name in past},
        },
        ["logits", *[name.replace("past", "present") for name in past]],
    )
