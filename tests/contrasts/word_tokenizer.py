"""A tokenizer whose tokens are whole words, with and without a leading space, and a tiny random model of its size."""

from __future__ import annotations

import functools

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import LlamaConfig, PreTrainedTokenizerFast

from layerscope.models.decoder import Decoder
from layerscope.models.encoder import TextEncoder
from layerscope.pairs.templates.bands import BANDS
from tests.real_tokenizers import BYTE_LEVEL
from tests.tiny_models import build_random

UNKNOWN, BOS = 0, 1
OTHERS = ["café", "naïve", "rôle", "fête", "été", "7", "8", "12", "41", "1999", "x2", "b4", "$", "%", "&", "don't"]
"""Words that are not in ASCII, numbers, and what is neither letters nor digits."""
MARKS = [".", ",", "!", "?"]


def written(text: str) -> str:
    """As a byte-level vocabulary writes it."""
    return "".join(BYTE_LEVEL[byte] for byte in text.encode())


@functools.cache
def vocabulary() -> dict[str, int]:
    words = [word for words in BANDS.values() for word in words.split()]
    capitals = [word.capitalize() for word in words if word.islower()]
    texts = [*MARKS, *(start + word for word in (*words, *capitals, *OTHERS) for start in (" ", ""))]
    return {"<unk>": UNKNOWN, "<bos>": BOS} | {
        written(text): number for number, text in enumerate(dict.fromkeys(texts), start=2)
    }


def word_encoder(*, adds_bos: bool = False) -> TextEncoder:
    """Of a tokenizer with the words of all bands, whole, and some others."""
    tokenizer = Tokenizer(models.WordLevel(vocab=vocabulary(), unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if adds_bos:
        tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", BOS)])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<bos>", unk_token="<unk>")
    return TextEncoder.from_tokenizer(fast)


def tiny_llama(n_tokens: int) -> Decoder:
    """A random Llama of 32 dimensions and 3 layers."""
    config = LlamaConfig(
        vocab_size=n_tokens,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        pad_token_id=UNKNOWN,
        bos_token_id=BOS,
        eos_token_id=BOS,
    )
    return Decoder(build_random(config), "tiny words")


@functools.cache
def word_decoder() -> Decoder:
    """Some more rows than there are words, as many models have them; neighbouring words lie near each other."""
    decoder = tiny_llama(len(vocabulary()) + 10)
    with torch.no_grad():
        weight = decoder.model.get_input_embeddings().weight
        weight[1:] += 0.5 * weight[:-1].clone()
    return decoder
