"""What is usable of some pairs under a tokenizer, and why the rest is not. No model.

A pair is usable if its sentences have equally many tokens and differ in exactly one, which is not the first: then every
position stands for the same word on both sides, and something is in common before the edit.

Axes: ``seq`` (tokens of a sentence, without a BOS).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int

from layerscope.pairs.pair import MinimalPair

EncodeIds = Callable[[list[str]], list[list[int]]]
"""Sentences to token ids, no special token added."""

Verdict = Literal[
    "usable",
    "identical",
    "unrelated",
    "aligned",
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

    @property
    def is_usable(self) -> bool:
        """Whether position by position both sides can be compared."""
        return self.verdict in USABLE


def check_pairs(pairs: Iterable[MinimalPair], encode: EncodeIds, *, at_once: int = _AT_ONCE) -> Iterator[EncodedPair]:
    """Encode and judge pairs, some at a time; none is left out.

    Args:
        pairs: any.
        encode: sentences to token ids.
        at_once: pairs that are read and encoded together; few where the reader may soon have enough.
    """
    waiting: list[MinimalPair] = []
    for pair in pairs:
        waiting.append(pair)
        if len(waiting) == at_once:
            yield from _check(waiting, encode)
            waiting = []
    yield from _check(waiting, encode)


def _check(pairs: list[MinimalPair], encode: EncodeIds) -> Iterator[EncodedPair]:
    if not pairs:
        return
    ids = encode([sentence for pair in pairs for sentence in (pair.sentence1, pair.sentence2)])
    for pair, ids1, ids2 in zip(pairs, ids[::2], ids[1::2], strict=True):
        yield check_pair(pair, ids1, ids2)


def check_pair(pair: MinimalPair, ids1: list[int], ids2: list[int]) -> EncodedPair:
    """Judge one pair.

    The verdict is the first of these that holds: empty (a side has no token), same tokens, lengths differ, several tokens
    differ, first token (there is nothing before the edit), usable. An ``identical`` control is to have the same tokens, an
    ``unrelated`` one the same number of them.
    """
    n_before = _shared(ids1, ids2)
    n_after = _shared(ids1[n_before:][::-1], ids2[n_before:][::-1])
    edit = n_before if max(len(ids1), len(ids2)) > n_before else -1
    return EncodedPair(
        pair,
        np.asarray(ids1, dtype=np.int64),
        np.asarray(ids2, dtype=np.int64),
        _verdict(pair, ids1, ids2, n_before),
        edit,
        n_after,
    )


def _verdict(pair: MinimalPair, ids1: list[int], ids2: list[int], n_before: int) -> Verdict:
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
    return "first token" if n_before == 0 else "usable"


def _shared(first: list[int], second: list[int]) -> int:
    n_same = 0
    for a, b in zip(first, second, strict=False):
        if a != b:
            break
        n_same += 1
    return n_same
