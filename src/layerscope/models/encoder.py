"""TextEncoder: a model's tokenizer, its BOS policy, and where each token lies in the raw text.

BOS is added to every text or window if and only if the model was trained with one: its tokenizer adds one (``auto``), or the
user says so (``always``, ``never``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from transformers import PreTrainedTokenizerBase

from layerscope.corpora import EncodedText
from layerscope.errors import ModelError

BosPolicy = Literal["auto", "always", "never"]


@dataclass(frozen=True)
class TextEncoder:
    """Text to token ids and character spans, with no special token added to the text itself."""

    tokenizer: PreTrainedTokenizerBase
    """As Hugging Face loads it."""
    prefix_ids: tuple[int, ...]
    """Tokens that stand before every text; empty if the model was trained without."""

    @classmethod
    def from_tokenizer(cls, tokenizer: PreTrainedTokenizerBase, bos: BosPolicy = "auto") -> TextEncoder:
        """Settle the BOS policy.

        Raises:
            ModelError: ``always`` for a tokenizer that has no BOS.
        """
        if bos == "never":
            return cls(tokenizer, ())
        if bos == "auto":
            return cls(tokenizer, _own_prefix(tokenizer))
        if tokenizer.bos_token_id is None:
            raise ModelError("--bos always needs a tokenizer with a BOS token; this one has none: take --bos auto or never.")
        return cls(tokenizer, (int(tokenizer.bos_token_id),))

    def encode(self, text: str) -> EncodedText:
        """Token ids and character spans of a text, as it is."""
        if self.tokenizer.is_fast:
            encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
            spans = np.asarray(encoded["offset_mapping"], dtype=np.int64).reshape(-1, 2)
            return EncodedText(text, np.asarray(encoded["input_ids"], dtype=np.int64), spans)
        ids = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return EncodedText(text, np.asarray(ids, dtype=np.int64), self._spans_by_decoding(text, ids))

    def token_name(self, token_id: int) -> str:
        """A token as its vocabulary writes it, for tokens that stand in no text."""
        return str(self.tokenizer.convert_ids_to_tokens(int(token_id)))

    def _spans_by_decoding(self, text: str, ids: list[int]) -> np.ndarray:
        """Spans for tokenizers without offsets: each token's own text, found in order; empty where it is not there."""
        spans, position = np.zeros((len(ids), 2), dtype=np.int64), 0
        for index, token_id in enumerate(ids):
            piece = str(self.tokenizer.decode([token_id])).strip()
            found = text.find(piece, position) if piece else -1
            if found >= 0:
                spans[index] = found, found + len(piece)
                position = found + len(piece)
            else:
                spans[index] = position, position
        return spans


def _own_prefix(tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """What the tokenizer puts before a text by itself."""
    bare = list(tokenizer("a", add_special_tokens=False)["input_ids"])
    dressed = list(tokenizer("a")["input_ids"])
    for start in range(len(dressed) - len(bare) + 1):
        if dressed[start : start + len(bare)] == bare:
            return tuple(int(token_id) for token_id in dressed[:start])
    return ()
