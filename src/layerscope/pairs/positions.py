"""Where in a pair activations are compared: names of positions, and the tokens that they mean on each side. No model.

Indices count tokens with the BOS, if there is one. What stands before the edit is the same on both sides and compared nowhere:
there the difference is 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from layerscope.errors import PairError
from layerscope.pairs.checking import EncodedPair
from layerscope.pairs.tokenizer import PairTokenizer

DETECTION, LAST = "detection", "last"
_EDIT = re.compile(r"edit(?:\+([1-9][0-9]?))?")
_NO_EDIT_SHARE = 3
"""Controls without an edit are compared from a third of the way in: where templates have theirs, on average."""


def check_positions(names: Sequence[str]) -> tuple[str, ...]:
    """Position names, checked, each once.

    Raises:
        PairError: an unknown name, or none at all.
    """
    for name in names:
        if name not in (DETECTION, LAST) and _EDIT.fullmatch(name) is None:
            raise PairError(f"A position is edit, edit+1 to edit+99, {DETECTION} or {LAST}; got '{name}'.")
    if not names:
        raise PairError(f"At least one position is needed: edit, edit+1, {DETECTION} or {LAST}.")
    return tuple(dict.fromkeys(names))


@dataclass(frozen=True)
class PlacedPair:
    """A pair's tokens, with the places that count in it."""

    ids: tuple[Int[np.ndarray, " seq"], Int[np.ndarray, " seq2"]]
    """Tokens of each side, the BOS included."""
    n_before: int
    """Tokens at the start that are the same on both sides."""
    after: tuple[int, int]
    """On each side, the first token after the edit."""
    last: tuple[int, int]
    """On each side, the last token before the final punctuation."""

    @property
    def n_compared(self) -> int:
        """Tokens after the edit that are the same on both sides and stand before the final punctuation."""
        return max(0, self.last[0] - self.after[0] + 1)

    def at(self, position: str, detection: int | None = None) -> tuple[int, int] | None:
        """Token of each side that a position means.

        Args:
            position: a name.
            detection: which token after the edit, from 0, is the detection point; None if there is none.

        Returns:
            Both indices; None if the sentence ends before, or a side has nothing there.
        """
        if position == DETECTION:
            return None if detection is None else (self.after[0] + detection, self.after[1] + detection)
        if position == LAST:
            return self.last if self.n_compared else None
        distance = int(position.partition("+")[2] or 0)
        if distance == 0 and min(self.after) == self.n_before:  # a word that one side lacks
            return None
        return (self.after[0] + distance - 1, self.after[1] + distance - 1) if distance <= self.n_compared else None


def place(checked: EncodedPair, tokenizer: PairTokenizer) -> PlacedPair:
    """Find the places of a pair that is usable, or aligned from both ends.

    Args:
        checked: from ``check_pairs``.
        tokenizer: that checked it.
    """
    prefix_ids = tokenizer.prefix_ids
    n_prefix = len(prefix_ids)
    ids = tuple(np.concatenate([np.asarray(prefix_ids, dtype=np.int64), side]) for side in (checked.ids1, checked.ids2))
    last = [len(side) - 1 for side in ids]
    if checked.verdict in ("identical", "unrelated"):
        edit = min(n_prefix + max(1, len(checked.ids1) // _NO_EDIT_SHARE, checked.edit), len(ids[0]) - 1)
        n_before = min(n_prefix + max(checked.edit, 0), edit) if checked.verdict == "unrelated" else edit
        after = (edit + 1, edit + 1)
        n_shared = len(ids[0]) - after[0]
    else:
        n_before = n_prefix + checked.edit
        after = (len(ids[0]) - checked.n_after, len(ids[1]) - checked.n_after)
        n_shared = checked.n_after
    while n_shared and tokenizer.is_punctuation(int(ids[0][last[0]])):
        last, n_shared = [last[0] - 1, last[1] - 1], n_shared - 1
    return PlacedPair((ids[0], ids[1]), n_before, after, (last[0], last[1]))
