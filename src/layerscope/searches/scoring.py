"""Scores of paths that are written as they come, so that a search that was killed goes on where it stood.

A search is a fixed course once its scores are known. So every unit of every round of every step is a part with a running
number, and a run that goes on reads parts as long as there are any, and then computes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from layerscope.engine.batching import Shard
from layerscope.errors import RunError
from layerscope.paths.path import LayerPath
from layerscope.searches.prepare import PreparedSearch
from layerscope.searches.units import ScoreUnit, in_units, read_sums

Compute = Callable[[Sequence[ScoreUnit]], None]
"""Scores some units and writes them."""


@dataclass
class Parts:
    """Parts of a search's tables of scores, and how many of them there are so far."""

    prepared: PreparedSearch
    """The search."""
    compute: Compute
    """Scores what is not there yet."""
    done: int = 0
    """Parts of calibration texts, over all draws."""
    resumed: int = 0
    """Those of them that were there already."""

    def sums(self, units: Sequence[ScoreUnit]) -> list[Float[np.ndarray, "_ _"]]:
        """Of each unit, ``path text``: read where an earlier run left them, else computed and written.

        Raises:
            RunError: what was computed cannot be read.
        """
        found = {unit.index: read_sums(self.prepared, unit) for unit in units}
        missing = [unit for unit in units if found[unit.index] is None]
        self.resumed += sum(unit.draw is not None for unit in units) - sum(unit.draw is not None for unit in missing)
        self.compute(missing)
        for unit in missing:
            found[unit.index] = read_sums(self.prepared, unit)
        read = [sums for sums in found.values() if sums is not None]
        if len(read) < len(units):
            raise RunError(
                f"Scores were written into '{self.prepared.directory.path}' and are not there: give the command again."
            )
        return read


@dataclass
class RecordedScoring:
    """Scores paths on the calibration texts of one draw; see ``Scoring``."""

    parts: Parts
    """Where scores are kept."""
    draw: int
    """Whose texts."""
    _coming: tuple[LayerPath, ...] = field(default=(), init=False)

    def expect(self, paths: Sequence[LayerPath]) -> None:
        """Say which paths come next."""
        self._coming = tuple(paths)

    def score(self, round_: int, paths: Sequence[LayerPath]) -> Float[np.ndarray, "path document"]:
        """Sums over each text of a round, in the order of the texts."""
        draw, first = self.parts.prepared.draws[self.draw], self.parts.done
        start, end = (0, *draw.round_ends)[round_], draw.round_ends[round_]
        asked = [(shard, some) for shard in draw.rounds[round_] for some in in_units(paths)]
        units = [
            ScoreUnit(number, self.draw, shard.index, some, self._coming) for number, (shard, some) in enumerate(asked, first)
        ]
        self.parts.done += len(units)
        return _over_texts(paths, asked, self.parts.sums(units), range(start, end))


def held_out_sums(parts: Parts, paths: Sequence[LayerPath]) -> Float[np.ndarray, "path text"]:
    """NLL summed over each held-out text.

    Args:
        parts: where scores are kept.
        paths: to be measured.
    """
    prepared = parts.prepared
    asked = [(shard, some) for shard in prepared.held_out for some in in_units(paths)]
    units = [ScoreUnit(index, None, shard.index, some) for index, (shard, some) in enumerate(asked)]
    return _over_texts(paths, asked, parts.sums(units), range(prepared.request.held_out))


def _over_texts(
    paths: Sequence[LayerPath],
    asked: Sequence[tuple[Shard, tuple[LayerPath, ...]]],
    found: Sequence[Float[np.ndarray, "_ _"]],
    documents: range,
) -> Float[np.ndarray, "path document"]:
    """Sums of units in the places of their paths and texts."""
    sums, row_of = np.full((len(paths), len(documents)), np.nan), {path: row for row, path in enumerate(paths)}
    for (shard, some), of_unit in zip(asked, found, strict=True):
        rows, columns = np.array([row_of[path] for path in some]), np.asarray(shard.documents) - documents.start
        sums[rows[:, None], columns] = of_unit
    return sums
