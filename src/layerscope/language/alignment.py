"""Which word each token belongs to, by character offsets. No tags, no scores.

White space counts for nothing: a token's span is taken without the white space at its ends, so a leading-space token belongs to
the word that follows the space. A token goes to the word with which it shares most characters (the first of equals). Several
tokens may share one character, as the bytes of an emoji do. An empty span at the start of a text is a space that the tokenizer
reads before it: white space, too.

Axes: ``token`` (of one text), ``char``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from layerscope.language.words import Word


@dataclass(frozen=True)
class Alignment:
    """The words of one text's tokens."""

    word: Int[np.ndarray, " token"]
    """Index among the text's words; −1 where there is none."""
    is_first: Bool[np.ndarray, " token"]
    """True for the first token of its word."""
    is_space: Bool[np.ndarray, " token"]
    """True for tokens of white space only, which belong to no word by right."""


def align(text: str, spans: Int[np.ndarray, "token 2"], words: Sequence[Word]) -> Alignment:
    """Give each token its word.

    Args:
        text: the raw text.
        spans: first character of each token and one past its last; empty spans stand where nothing is covered.
        words: in order, not overlapping.
    """
    word_of_char = np.full(len(text) + 1, -1, dtype=np.int64)
    for index, word in enumerate(words):
        word_of_char[word.start : word.end] = index
    starts, ends = _without_space(text, spans)
    is_empty = (spans[:, 1] <= spans[:, 0]) & (spans[:, 1] > 0)
    is_space = (ends <= starts) & ~is_empty
    word_of_token = np.where(is_space | is_empty, -1, word_of_char[starts])
    # the first and the last character decide for nearly all tokens; those that lie across a border are counted out
    last = word_of_char[np.maximum(ends - 1, 0)]
    for token in np.flatnonzero(~is_space & ~is_empty & ((word_of_token != last) | (word_of_token < 0))):
        shared = word_of_char[starts[token] : ends[token]]
        shared = shared[shared >= 0]
        word_of_token[token] = np.bincount(shared).argmax() if len(shared) else -1
    # an empty span inside a word is part of it
    word_of_token[is_empty] = word_of_char[np.clip(spans[is_empty, 0], 0, len(text))]
    _, first_of_word = np.unique(word_of_token, return_index=True)
    is_first = np.zeros(len(spans), dtype=bool)
    is_first[first_of_word] = True
    return Alignment(word_of_token, is_first & (word_of_token >= 0), is_space)


def _without_space(text: str, spans: Int[np.ndarray, "token 2"]) -> tuple[Int[np.ndarray, " token"], Int[np.ndarray, " token"]]:
    """Starts and ends moved inwards past white space."""
    places = np.arange(len(text))
    blank = np.fromiter(map(str.isspace, text), dtype=bool, count=len(text))
    next_solid = np.append(np.minimum.accumulate(np.where(blank, len(text), places)[::-1])[::-1], len(text))
    past_solid = np.append(0, np.maximum.accumulate(np.where(blank, 0, places + 1)))
    return next_solid[spans[:, 0]], past_solid[spans[:, 1]]
