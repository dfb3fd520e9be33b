"""A model's tokenizer as pairs need it: sentences to token ids, no special token added. No weights are loaded."""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase

from layerscope.models.loading import load_tokenizer
from layerscope.pairs.checking import EncodeIds


def tokenizer_of(model: str, revision: str | None = None) -> EncodeIds:
    """Sentences to ids with a model's tokenizer; no weights are loaded and no special token is added.

    Raises:
        ModelError: the model cannot be found, or has no tokenizer.
    """
    return encoder_of(load_tokenizer(model, revision=revision))


def encoder_of(tokenizer: PreTrainedTokenizerBase) -> EncodeIds:
    """Sentences to ids, no special token added."""

    def encode(sentences: list[str]) -> list[list[int]]:
        if tokenizer.is_fast:  # without offsets, which transformers always asks for
            found = tokenizer.backend_tokenizer.encode_batch_fast(sentences, add_special_tokens=False)
            return [encoding.ids for encoding in found]
        ids: list[list[int]] = tokenizer(sentences, add_special_tokens=False, verbose=False)["input_ids"]
        return ids

    return encode
