"""Checkpoints made for tests, saved to disk in the form in which users have them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, LlamaConfig, PreTrainedTokenizerFast

BOS_ID = 256


def byte_tokenizer(*, adds_bos: bool = False) -> PreTrainedTokenizerFast:
    """One token a byte, so that every text can be written down by hand; id 256 is the BOS."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {character: index for index, character in enumerate(alphabet)}
    vocabulary["<bos>"] = BOS_ID
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if adds_bos:
        tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", BOS_ID)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<bos>")


def has_bos(folder: Path) -> bool:
    """Whether the tokenizer of a checkpoint puts a BOS before a text."""
    return bool(AutoTokenizer.from_pretrained(folder)("").input_ids)


def save_tiny_llama(folder: Path, *, n_layers: int = 4, context: int = 512, adds_bos: bool = False, safe: bool = True) -> Path:
    """A random Llama of 32 dimensions with a byte tokenizer."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=260,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=n_layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        bos_token_id=BOS_ID,
        eos_token_id=BOS_ID,
    )
    model = AutoModelForCausalLM.from_config(config)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.1)
    byte_tokenizer(adds_bos=adds_bos).save_pretrained(folder)
    if safe:
        model.save_pretrained(folder)
    else:
        config.save_pretrained(folder)
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
    return folder


def save_shifting_llama(folder: Path, shifts: Sequence[float], *, dtype: torch.dtype = torch.float16, loud: str = "") -> Path:
    """A random Llama whose layers each add a number of their own to the first dimension; its sum may leave float16's range.

    Args:
        folder: new.
        shifts: one per layer.
        dtype: in which it is stored.
        loud: characters whose embedding is 60,000 in that dimension.
    """
    save_tiny_llama(folder, n_layers=len(shifts))
    config = AutoConfig.from_pretrained(folder)
    config.mlp_bias = True
    model = AutoModelForCausalLM.from_pretrained(folder)
    loaded = AutoModelForCausalLM.from_config(config)
    loaded.load_state_dict(model.state_dict(), strict=False)
    with torch.no_grad():
        for layer, shift in zip(loaded.model.layers, shifts, strict=True):
            for bias in (layer.mlp.gate_proj.bias, layer.mlp.up_proj.bias, layer.mlp.down_proj.bias):
                bias.zero_()
            layer.mlp.down_proj.bias[0] = shift
        for token in byte_tokenizer()(loud)["input_ids"]:
            loaded.model.embed_tokens.weight[token, 0] = 60_000.0
    loaded.to(dtype).save_pretrained(folder)
    return folder
