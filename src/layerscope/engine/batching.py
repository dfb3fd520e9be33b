"""Windows into shards: groups of similar length that go through the model together. Numpy, then one tensor a shard.

A shard is the unit of work: independent of the others, written whole, resumable. Rows are padded on the right and passed
without a mask, since no token of a causal model sees what stands to its right; pads are never scored.

Axes: ``batch`` (rows of a shard), ``seq`` (positions), ``token`` (scored tokens of a shard, row by row).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from layerscope.corpora.windows import Window


@dataclass(frozen=True)
class Shard:
    """Some windows that share a batch."""

    index: int
    """Place among the run's shards; names its files."""
    documents: tuple[int, ...]
    """Row of each window in the run's list of windows."""
    windows: tuple[Window, ...]
    """One a row of the batch, longest first."""

    @property
    def padded_tokens(self) -> int:
        """Positions that the batch holds, pads included."""
        return len(self.windows) * max(window.n_run for window in self.windows)

    @property
    def n_scored(self) -> int:
        """Tokens that are scored."""
        return sum(window.n_scored for window in self.windows)


@dataclass(frozen=True)
class ScoredTokens:
    """Which tokens of a shard are scored, and where."""

    row: Int[np.ndarray, " token"]
    """Row of the batch."""
    position: Int[np.ndarray, " token"]
    """Position of the token itself in its window; its prediction is made one position earlier."""
    token_id: Int[np.ndarray, " token"]
    """The token that is there."""

    def row_sums(self, values: Float[np.ndarray, " token"], n_rows: int) -> Float[np.ndarray, " batch"]:
        """Sums over each row's tokens, such as the NLL of a text, in float64."""
        return np.bincount(self.row, values.astype(np.float64), minlength=n_rows)


_CALL_SHARE = 40
"""One more batch costs about this part of a full one besides its positions: the calls themselves."""


def make_shards(
    windows: Sequence[Window],
    token_budget: int,
    *,
    documents: Sequence[int] | None = None,
    first_index: int = 0,
    together: int = 1,
) -> list[Shard]:
    """Group windows of similar length so that positions and calls together cost least.

    Args:
        windows: of the whole run; those with nothing to score are left out.
        token_budget: positions per shard, pads included; a single longer window makes a shard of its own.
        documents: rows of the windows to take; all of them if None.
        first_index: of the first shard.
        together: so many windows in a row share a shard, such as both sides of a pair; each must have a token to score.

    Returns:
        Shards, longest windows first. The grouping depends on nothing but the arguments.
    """
    rows = [i for i in (range(len(windows)) if documents is None else documents) if windows[i].n_scored]
    units = [rows[start : start + together] for start in range(0, len(rows), together)]
    longest = {unit[0]: max(windows[i].n_run for i in unit) for unit in units}
    units.sort(key=lambda unit: (-longest[unit[0]], unit[0]))
    ends = _cheapest_cuts(np.array([longest[unit[0]] for unit in units]), token_budget, together)
    groups = [[i for unit in units[start:end] for i in unit] for start, end in zip([0, *ends], ends, strict=False)]
    return [
        Shard(index, tuple(group), tuple(windows[i] for i in group)) for index, group in enumerate(groups, start=first_index)
    ]


def _cheapest_cuts(lengths: Int[np.ndarray, " unit"], token_budget: int, rows: int) -> list[int]:
    """Where the groups of some units end, longest first: the cheapest of all cuttings, by dynamic programming.

    Args:
        lengths: positions of each unit's longest window.
        token_budget: positions per group.
        rows: windows a unit.
    """
    n = len(lengths)
    cost = np.zeros(n + 1)  # of the units from here to the last
    end_of = np.zeros(n, dtype=int)
    for start in reversed(range(n)):
        largest = min(max(1, token_budget // (rows * int(lengths[start]))), n - start)
        sizes = np.arange(1, largest + 1)
        costs = sizes * rows * lengths[start] + token_budget / _CALL_SHARE + cost[start + 1 : start + largest + 1]
        best = largest - 1 - int(np.argmin(costs[::-1]))  # the largest group of equals
        cost[start], end_of[start] = costs[best], start + sizes[best]
    ends: list[int] = []
    while (ends[-1] if ends else 0) < n:
        ends.append(int(end_of[ends[-1] if ends else 0]))
    return ends


def padded_ids(shard: Shard) -> Int[Tensor, "batch seq"]:
    """Token ids of a shard, right-padded with id 0."""
    ids = torch.zeros((len(shard.windows), max(window.n_run for window in shard.windows)), dtype=torch.long)
    for row, window in enumerate(shard.windows):
        ids[row, : window.n_run] = torch.from_numpy(window.ids[: window.n_run].astype(np.int64))
    return ids


def scored_tokens(shard: Shard) -> ScoredTokens:
    """Coordinates of the scored tokens, row by row."""
    positions = [np.flatnonzero(window.scored) for window in shard.windows]
    rows = [np.full(len(at), row) for row, at in enumerate(positions)]
    ids = [window.ids[at] for window, at in zip(shard.windows, positions, strict=True)]
    return ScoredTokens(np.concatenate(rows), np.concatenate(positions), np.concatenate(ids))
