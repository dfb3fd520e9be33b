"""PairTokenizer: how a model reads a sentence, as far as pairs are concerned. No model, no tokenizer library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

EncodeIds = Callable[[list[str]], list[list[int]]]
"""Sentences to token ids, no special token added."""


@dataclass(frozen=True)
class PairTokenizer:
    """Sentences to token ids, and what stands around them."""

    encode: EncodeIds
    """Sentences to token ids, no special token added."""
    prefix_ids: tuple[int, ...] = ()
    """Tokens before every text, such as a BOS; empty if the model was trained without."""
    is_punctuation: Callable[[int], bool] = lambda _: False
    """Whether a token holds nothing but punctuation."""
