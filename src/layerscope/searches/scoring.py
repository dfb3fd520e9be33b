"""Calibration scores that are written as they come, so that a search that was killed goes on where it stood.

A search is a fixed course once its scores are known. So every round of every step is a part with a running number, and a run
that goes on reads parts as long as there are any, and then computes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from layerscope.paths.path import LayerPath
from layerscope.results.directory import RunDirectory
from layerscope.searches.engine.walk import PathWalker
from layerscope.searches.prepare import Draw
from layerscope.searches.tables import CALIBRATION_SCORES


@dataclass
class Parts:
    """The running number of parts, over all draws."""

    directory: RunDirectory
    """Of the run."""
    done: int = 0
    """Parts written or read so far."""
    resumed: int = 0
    """Those that were there already."""

    def fetch(
        self, paths: Sequence[LayerPath], texts: Sequence[int], compute: Callable[[], Float[np.ndarray, "path text"]]
    ) -> Float[np.ndarray, "path text"]:
        """The next part: read where an earlier run left it, else computed and written."""
        index, names = self.done, [str(path) for path in paths]
        self.done += 1
        if self.directory.has_part(CALIBRATION_SCORES, index, n_rows=len(paths) * len(texts)):
            part = self.directory.read_part(CALIBRATION_SCORES, index)
            is_same = part["path"].to_pylist() == np.repeat(names, len(texts)).tolist() and part["text"].to_pylist() == list(
                texts
            ) * len(paths)
            if is_same:
                self.resumed += 1
                return np.asarray(part["sum_nats"].to_numpy().reshape(len(paths), len(texts)))
        sums = compute()
        column = pa.DictionaryArray.from_arrays(np.repeat(np.arange(len(paths), dtype=np.int32), len(texts)), pa.array(names))
        table = CALIBRATION_SCORES.build({"path": column, "text": np.tile(list(texts), len(paths)), "sum_nats": sums.ravel()})
        self.directory.write_part(CALIBRATION_SCORES, index, table)
        return sums


@dataclass
class RecordedScoring:
    """Scores paths on the calibration texts of one draw; see ``Scoring``."""

    walker: PathWalker
    """Over the batches of all rounds."""
    draw: Draw
    """Which texts."""
    parts: Parts
    """Where scores are kept."""

    def expect(self, paths: Sequence[LayerPath]) -> None:
        """Say which paths come next."""
        self.walker.expect(paths)

    def score(self, round_: int, paths: Sequence[LayerPath]) -> Float[np.ndarray, "path document"]:
        """Sums over each text of a round, in the order of the texts."""
        start, end = (0, *self.draw.round_ends)[round_], self.draw.round_ends[round_]
        return self.parts.fetch(paths, self.draw.texts[start:end], lambda: self._compute(round_, paths, start, end))

    def _compute(self, round_: int, paths: Sequence[LayerPath], start: int, end: int) -> Float[np.ndarray, "path document"]:
        sums = np.full((len(paths), end - start), np.nan)
        for shard in self.draw.rounds[round_]:
            sums[:, np.asarray(shard.documents) - start] = self.walker.score(shard.index, paths)
        return sums
