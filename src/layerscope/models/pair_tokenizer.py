"""A model's tokenizer as pairs need it. No weights are loaded."""

from __future__ import annotations

from functools import cache

from transformers import PreTrainedTokenizerBase

from layerscope.models.encoder import TextEncoder
from layerscope.models.loading import load_tokenizer
from layerscope.pairs.tokenizer import EncodeIds, PairTokenizer


def load_pair_tokenizer(model: str, revision: str | None = None) -> PairTokenizer:
    """The tokenizer of a model, with the BOS that it adds by itself.

    Raises:
        ModelError: the model cannot be found, or has no tokenizer.
    """
    return pair_tokenizer(TextEncoder.from_tokenizer(load_tokenizer(model, revision=revision)))


def pair_tokenizer(encoder: TextEncoder) -> PairTokenizer:
    """What pairs need of a text encoder: its ids, its BOS policy, and which tokens are punctuation."""

    @cache
    def is_punctuation(token_id: int) -> bool:
        text = encoder.token_text(token_id).strip()
        return bool(text) and "\ufffd" not in text and not any(character.isalnum() for character in text)

    return PairTokenizer(_encode_of(encoder.tokenizer), encoder.prefix_ids, is_punctuation)


def _encode_of(tokenizer: PreTrainedTokenizerBase) -> EncodeIds:
    def encode(sentences: list[str]) -> list[list[int]]:
        if tokenizer.is_fast:  # without offsets, which transformers always asks for
            found = tokenizer.backend_tokenizer.encode_batch_fast(sentences, add_special_tokens=False)
            return [encoding.ids for encoding in found]
        ids: list[list[int]] = tokenizer(sentences, add_special_tokens=False, verbose=False)["input_ids"]
        return ids

    return encode
