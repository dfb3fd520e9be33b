"""A loaded model that scores units of a prepared search and writes each of them whole into the run directory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from layerscope.engine.batching import Shard
from layerscope.engine.finite import check_texts
from layerscope.models.decoder import Decoder
from layerscope.models.loading import load_weights
from layerscope.paths.path import LayerPath
from layerscope.progress import Advance
from layerscope.results.environment import environment
from layerscope.results.record import EnvironmentRecord, WorkerRecord
from layerscope.searches.engine.objective import Objective
from layerscope.searches.engine.walk import PathWalker
from layerscope.searches.measure import Timing, parameters_of, time_paths
from layerscope.searches.prepare import PreparedSearch
from layerscope.searches.units import ScoreUnit, batches_of, texts_of, write_sums
from layerscope.sweeps.checks import check_layers, check_tokens_fit
from layerscope.sweeps.engine.compiling import compile_decoder


@dataclass(frozen=True)
class Measured:
    """What found paths take."""

    parameters: tuple[int, ...]
    """Of each path."""
    timings: tuple[Timing, ...]
    """Of those that were timed."""


class SearchWorker:
    """Does units of a search, in this process.

    Args:
        prepared: the run; its directory says who writes.
    """

    def __init__(self, prepared: PreparedSearch) -> None:
        self._prepared = prepared
        self.wrote: Callable[[], None] = lambda: None
        """Called after each unit that is in place."""
        self._decoder: Decoder | None = None
        self._walker: tuple[int | None, PathWalker] | None = None
        self._coming: tuple[LayerPath, ...] = ()

    def open(self) -> EnvironmentRecord:
        """Load the model and check that it can run the texts; nothing is written.

        Raises:
            LayerscopeError: it cannot.
        """
        prepared = self._prepared
        decoder = load_weights(prepared.source, prepared.config, prepared.encoder, prepared.request.options)
        check_layers(decoder, prepared.space.n_layers)
        check_tokens_fit(decoder, prepared.texts)
        check_texts(decoder, prepared.held_out[0])
        if any(abs(move.half_layers) == 1 and move.name != "block-repeat" for move in prepared.space.moves):
            _ = decoder.halves
        if prepared.request.compile == "on":
            compile_decoder(decoder, [shard for number in range(len(prepared.draws)) for shard in batches_of(prepared, number)])
        self._decoder = decoder
        return environment(decoder)

    def score(self, units: Sequence[ScoreUnit], advance: Advance) -> int:
        """Score and write some units.

        Args:
            units: which are not written yet.
            advance: called with layer runs × positions.

        Returns:
            Layers that ran on calibration texts.
        """
        n_runs = 0
        for unit in units:
            walker = self._walker_of(unit)
            walker.advance, n_before = advance, walker.layer_runs
            write_sums(self._prepared.directory, unit, texts_of(self._prepared, unit), walker.score(unit.shard, unit.paths))
            n_runs += 0 if unit.draw is None else walker.layer_runs - n_before
            self.wrote()
        return n_runs

    def measure(self, paths: Sequence[LayerPath], timed: Sequence[LayerPath]) -> Measured:
        """What some paths take; the time of a few."""
        assert self._decoder is not None, "a worker is opened first"
        sizes = tuple(parameters_of(self._decoder, path) for path in paths)
        return Measured(sizes, tuple(time_paths(self._decoder, timed, batch_to_time(self._prepared))))

    def close(self) -> tuple[WorkerRecord, ...]:
        """Nothing is to be said of a process that is alone."""
        return ()

    def _walker_of(self, unit: ScoreUnit) -> PathWalker:
        """Of a unit's texts; states are kept for those of one draw at a time."""
        assert self._decoder is not None, "a worker is opened first"
        if self._walker is None or self._walker[0] != unit.draw:
            prepared = self._prepared
            self._walker = None  # its states first
            objective: Objective = "nll" if unit.draw is None else prepared.objective
            kept_bytes = 0 if unit.draw is None else prepared.kept_bytes
            walker = PathWalker(self._decoder, batches_of(prepared, unit.draw), objective, kept_bytes)
            self._walker, self._coming = (unit.draw, walker), ()
        walker = self._walker[1]
        if unit.coming and unit.coming != self._coming:
            self._coming = unit.coming
            walker.expect(unit.coming)
        return walker


def batch_to_time(prepared: PreparedSearch) -> Shard:
    """The held-out batch of a middle size."""
    by_size = sorted(prepared.held_out, key=lambda shard: shard.padded_tokens)
    return by_size[len(by_size) // 2]


def as_writer(prepared: PreparedSearch, writer: str) -> PreparedSearch:
    """The same run as one of several processes writes it."""
    return replace(prepared, directory=replace(prepared.directory, writer=writer))
