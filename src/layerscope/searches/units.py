"""Some paths on one batch of texts: what a process does in one go, and one part of a table of scores.

Paths are cut into units of a fixed size, whoever does them, so that the bits of a score depend on no number of workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from layerscope.engine.batching import Shard
from layerscope.paths.path import LayerPath
from layerscope.results.directory import RunDirectory
from layerscope.results.schema import Table
from layerscope.searches.prepare import PreparedSearch
from layerscope.searches.tables import CALIBRATION_SCORES, HELD_OUT_SCORES

PATHS = 8
"""Of a unit at most: final states of so many are scored together, and fewer would share fewer beginnings."""


@dataclass(frozen=True)
class ScoreUnit:
    """What is to be scored, and as which part it is written."""

    index: int
    """Of the part."""
    draw: int | None
    """Whose calibration texts; None for held-out ones."""
    shard: int
    """Number of the batch among those of the draw, or of the held-out texts."""
    paths: tuple[LayerPath, ...]
    """To be scored."""
    coming: tuple[LayerPath, ...] = ()
    """All paths of the step, so that the states that they begin with are kept."""

    @property
    def table(self) -> Table:
        """Where the sums go."""
        return HELD_OUT_SCORES if self.draw is None else CALIBRATION_SCORES


def in_units(paths: Sequence[LayerPath]) -> list[tuple[LayerPath, ...]]:
    """Paths with common beginnings together, a unit's each."""
    in_order = sorted(paths, key=lambda path: tuple(map(str, path.steps)))
    return [tuple(in_order[start : start + PATHS]) for start in range(0, len(in_order), PATHS)]


def batches_of(prepared: PreparedSearch, draw: int | None) -> list[Shard]:
    """The batches that a unit's number counts."""
    if draw is None:
        return list(prepared.held_out)
    return [shard for shards in prepared.draws[draw].rounds for shard in shards]


def texts_of(prepared: PreparedSearch, unit: ScoreUnit) -> list[int]:
    """Rows of the run's texts that a unit's sums are of."""
    shard = batches_of(prepared, unit.draw)[unit.shard]
    rows = list(shard.documents)
    return rows if unit.draw is None else [prepared.draws[unit.draw].texts[row] for row in rows]


def read_sums(prepared: PreparedSearch, unit: ScoreUnit) -> Float[np.ndarray, "path text"] | None:
    """What an earlier process left of a unit; None where it left nothing, or something else."""
    directory, texts = prepared.directory, texts_of(prepared, unit)
    if not directory.has_part(unit.table, unit.index, n_rows=len(unit.paths) * len(texts)):
        return None
    part = directory.read_part(unit.table, unit.index)
    names = [str(path) for path in unit.paths]
    if part["path"].to_pylist() != np.repeat(names, len(texts)).tolist() or part["text"].to_pylist() != texts * len(names):
        return None
    return np.asarray(part[_sums(unit.table)].to_numpy().reshape(len(names), len(texts)))


def write_sums(directory: RunDirectory, unit: ScoreUnit, texts: Sequence[int], sums: Float[np.ndarray, "path text"]) -> None:
    """Write a unit's part."""
    names = pa.array([str(path) for path in unit.paths])
    column = pa.DictionaryArray.from_arrays(np.repeat(np.arange(len(names), dtype=np.int32), len(texts)), names)
    table = {"path": column, "text": np.tile(list(texts), len(names)), _sums(unit.table): sums.ravel()}
    directory.write_part(unit.table, unit.index, unit.table.build(table))


def _sums(table: Table) -> str:
    """The column that holds them."""
    return "nll_sum_nats" if table is HELD_OUT_SCORES else "sum_nats"
