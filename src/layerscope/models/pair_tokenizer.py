"""A model's tokenizer as pairs need it. No weights are loaded."""

from __future__ import annotations

from functools import cache

from transformers import PreTrainedTokenizerBase

from layerscope.errors import ModelError
from layerscope.models.encoder import TextEncoder
from layerscope.models.loading import load_tokenizer
from layerscope.pairs.judging_protocol import PLAIN, JudgingProtocol
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


def start_ids(encoder: TextEncoder, protocol: JudgingProtocol) -> tuple[int, ...]:
    """Tokens that stand before each sentence.

    Raises:
        ModelError: the protocol needs one and the tokenizer has neither BOS nor EOS.
    """
    if not protocol.always_starts:
        return encoder.prefix_ids
    tokenizer = encoder.tokenizer
    start = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    if start is None:
        raise ModelError(
            f"The protocol {protocol.name} puts a BOS, else an EOS, before each sentence; this tokenizer has neither: take "
            f"the protocol {PLAIN.name}."
        )
    return (int(start),)


def _encode_of(tokenizer: PreTrainedTokenizerBase) -> EncodeIds:
    def encode(sentences: list[str]) -> list[list[int]]:
        if tokenizer.is_fast:  # without offsets, which transformers always asks for
            found = tokenizer.backend_tokenizer.encode_batch_fast(sentences, add_special_tokens=False)
            return [encoding.ids for encoding in found]
        ids: list[list[int]] = tokenizer(sentences, add_special_tokens=False, verbose=False)["input_ids"]
        return ids

    return encode
