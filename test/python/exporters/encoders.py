"""Encoders of text, images and speech, from transformers' configurations."""

import torch
import transformers

from .model import Model, Picked, integers, mask, model

TEXT = {0: "batch", 1: "length"}
SMALL = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)


@model
def bert():
    config = transformers.BertConfig(vocab_size=100, max_position_embeddings=64, **SMALL)
    names = ["input_ids", "attention_mask", "token_type_ids"]
    return Model(
        Picked(transformers.BertModel(config), names, ["last_hidden_state", "pooler_output"]),
        lambda batch, length: {
            "input_ids": integers(100, batch, length),
            "attention_mask": mask(batch, length),
            "token_type_ids": integers(2, batch, length),
        },
        [dict(batch=2, length=8), dict(batch=3, length=17), dict(batch=1, length=1)],
        {name: TEXT for name in names},
        ["hidden", "pooled"],
    )


@model
def distilbert():
    config = transformers.DistilBertConfig(
        vocab_size=100, max_position_embeddings=64, dim=32, n_layers=2, n_heads=4, hidden_dim=64
    )
    names = ["input_ids", "attention_mask"]
    return Model(
        Picked(transformers.DistilBertForSequenceClassification(config), names, ["logits"]),
        lambda batch, length: {
            "input_ids": integers(100, batch, length),
            "attention_mask": mask(batch, length),
        },
        [dict(batch=2, length=8), dict(batch=3, length=17)],
        {name: TEXT for name in names},
        ["logits"],
    )


@model
def t5_encoder():
    config = transformers.T5Config(
        vocab_size=100, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4,
        feed_forward_proj="gated-gelu",
    )
    names = ["input_ids", "attention_mask"]
    return Model(
        Picked(transformers.T5EncoderModel(config), names, ["last_hidden_state"]),
        lambda batch, length: {
            "input_ids": integers(100, batch, length),
            "attention_mask": mask(batch, length),
        },
        [dict(batch=2, length=8), dict(batch=3, length=17)],
        {name: TEXT for name in names},
        ["hidden"],
    )


def images(channels, size):
    return lambda batch: {"pixel_values": torch.randn(batch, channels, size, size)}


@model
def vit():
    config = transformers.ViTConfig(image_size=32, patch_size=8, num_labels=10, **SMALL)
    return Model(
        Picked(transformers.ViTForImageClassification(config), ["pixel_values"], ["logits"]),
        images(3, 32),
        [dict(batch=2), dict(batch=3)],
        {"pixel_values": {0: "batch"}},
        ["logits"],
    )


@model
def convnext():
    config = transformers.ConvNextConfig(
        num_labels=10, hidden_sizes=[16, 32], depths=[1, 2], num_stages=2, patch_size=4
    )
    return Model(
        Picked(transformers.ConvNextForImageClassification(config), ["pixel_values"], ["logits"]),
        lambda batch, size: {"pixel_values": torch.randn(batch, 3, size, size + 8)},
        [dict(batch=2, size=32), dict(batch=3, size=48)],
        {"pixel_values": {0: "batch", 2: "height", 3: "width"}},
        ["logits"],
    )


@model
def swin():
    config = transformers.SwinConfig(
        image_size=32, patch_size=4, embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=4,
        num_labels=10,
    )
    return Model(
        Picked(transformers.SwinForImageClassification(config), ["pixel_values"], ["logits"]),
        images(3, 32),
        [dict(batch=2), dict(batch=3)],
        {"pixel_values": {0: "batch"}},
        ["logits"],
    )


def whisper_config():
    return transformers.WhisperConfig(
        vocab_size=100, num_mel_bins=16, d_model=32, encoder_layers=2, encoder_attention_heads=4,
        encoder_ffn_dim=64, decoder_layers=2, decoder_attention_heads=4, decoder_ffn_dim=64,
        max_source_positions=24, max_target_positions=64, pad_token_id=0, bos_token_id=1,
        eos_token_id=2, decoder_start_token_id=1, begin_suppress_tokens=None,
    )


@model
def whisper_encoder():
    encoder = transformers.WhisperModel(whisper_config()).encoder
    return Model(
        Picked(encoder, ["input_features"], ["last_hidden_state"]),
        lambda batch: {"input_features": torch.randn(batch, 16, 48)},
        [dict(batch=2), dict(batch=3)],
        {"input_features": {0: "batch"}},
        ["hidden"],
    )
