"""What is usable of some pairs under a tokenizer, and why the rest is not. No model.

A pair is usable if its sentences have equally many tokens and differ in exactly one, with something before it, if only a BOS:
then every position stands for the same word on both sides. It is aligned if its sentences are of unequal length and share a
token after the edit, with something before it: then it can be compared from both ends. Whoever accepts pairs asks here.

Axes: ``seq`` (tokens of a sentence, without a BOS).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int

from layerscope.pairs.pair import MinimalPair
from layerscope.pairs.tokenizer import PairTokenizer

Verdict = Literal[
    "usable",
    "identical",
    "unrelated",
    "lengths differ",
    "several tokens differ",
    "same tokens",
    "first token",
    "empty",
]
USABLE: tuple[Verdict, ...] = ("usable", "identical", "unrelated")
"""Verdicts of pairs that an analysis can take; the controls have no edit in the ordinary sense."""
_AT_ONCE = 1024


@dataclass(frozen=True)
class EncodedPair:
    """A pair in a model's tokens."""

    pair: MinimalPair
    """What was encoded."""
    ids1: Int[np.ndarray, " seq"]
    """Tokens of the first sentence."""
    ids2: Int[np.ndarray, " seq2"]
    """Tokens of the second."""
    verdict: Verdict
    """``usable``, or why not; controls keep their own names."""
    edit: int
    """Index of the first token that differs; −1 where none does."""
    n_after: int
    """Tokens after the edit that both sides share, counted from the end."""
    has_context: bool
    """Whether anything stands before the edit: a token that both sides share, or a BOS."""

    @property
    def is_usable(self) -> bool:
        """Whether position by position both sides can be compared."""
        return self.verdict in USABLE

    @property
    def is_aligned(self) -> bool:
        """Whether sentences of unequal length can be compared from both ends."""
        return self.verdict == "lengths differ" and self.has_context and self.n_after > 0

    def is_accepted(self, *, aligned: bool) -> bool:
        """Whether both sides can be compared, from both ends where that is asked for too."""
        return self.is_usable or (aligned and self.is_aligned)


def check_pairs(pairs: Iterable[MinimalPair], tokenizer: PairTokenizer, *, at_once: int = _AT_ONCE) -> Iterator[EncodedPair]:
    """Encode and judge pairs, some at a time; none is left out.

    Args:
        pairs: any.
        tokenizer: that decides.
        at_once: pairs that are read and encoded together; few where the reader may soon have enough.
    """
    waiting: list[MinimalPair] = []
    for pair in pairs:
        waiting.append(pair)
        if len(waiting) == at_once:
            yield from _check(waiting, tokenizer)
            waiting = []
    yield from _check(waiting, tokenizer)


def _check(pairs: list[MinimalPair], tokenizer: PairTokenizer) -> Iterator[EncodedPair]:
    if not pairs:
        return
    ids = tokenizer.encode([sentence for pair in pairs for sentence in (pair.sentence1, pair.sentence2)])
    for pair, ids1, ids2 in zip(pairs, ids[::2], ids[1::2], strict=True):
        yield check_pair(pair, ids1, ids2, has_prefix=bool(tokenizer.prefix_ids))


def check_pair(pair: MinimalPair, ids1: list[int], ids2: list[int], *, has_prefix: bool = False) -> EncodedPair:
    """Judge one pair.

    The verdict is the first of these that holds: empty (a side has no token), same tokens, lengths differ, several tokens
    differ, first token (there is nothing before the edit, not even a BOS), usable. An ``identical`` control is to have the same
    tokens, an ``unrelated`` one the same number of them.
    """
    n_before = _shared(ids1, ids2)
    n_after = _shared(ids1[n_before:][::-1], ids2[n_before:][::-1])
    edit = n_before if max(len(ids1), len(ids2)) > n_before else -1
    return EncodedPair(
        pair,
        np.asarray(ids1, dtype=np.int64),
        np.asarray(ids2, dtype=np.int64),
        _verdict(pair, ids1, ids2, n_before, has_prefix=has_prefix),
        edit,
        n_after,
        has_context=n_before > 0 or has_prefix,
    )


def _verdict(pair: MinimalPair, ids1: list[int], ids2: list[int], n_before: int, *, has_prefix: bool) -> Verdict:
    if not ids1 or not ids2:
        return "empty"
    if ids1 == ids2:
        return "identical" if pair.subtype == "identical" else "same tokens"
    if len(ids1) != len(ids2):
        return "lengths differ"
    if pair.subtype == "unrelated":
        return "unrelated"
    if ids1[n_before + 1 :] != ids2[n_before + 1 :]:
        return "several tokens differ"
    return "usable" if n_before or has_prefix else "first token"


def _shared(first: list[int], second: list[int]) -> int:
    n_same = 0
    for a, b in zip(first, second, strict=False):
        if a != b:
            break
        n_same += 1
    return n_same
