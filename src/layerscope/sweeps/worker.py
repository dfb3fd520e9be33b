"""A loaded model that computes shards of a prepared sweep and writes each of them whole into the run directory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from layerscope.engine.batching import Shard
from layerscope.engine.finite import check_intact, check_texts
from layerscope.models.decoder import Decoder
from layerscope.models.tuned_lens import attach_lens
from layerscope.progress import Advance
from layerscope.results.directory import part_name
from layerscope.results.environment import environment
from layerscope.results.record import EnvironmentRecord, WorkerRecord
from layerscope.sweeps.checks import check_paths_run, check_tokens_fit
from layerscope.sweeps.engine.walk import ShardScores
from layerscope.sweeps.lens import lens_record
from layerscope.sweeps.pair_rows import pair_scores_table
from layerscope.sweeps.pair_tables import PAIR_SCORES
from layerscope.sweeps.prepare import PreparedSweep, check_memory
from layerscope.sweeps.record import TunedLensRecord
from layerscope.sweeps.rows import scores_table, spans_table
from layerscope.sweeps.runner import Runner, compile_as_asked, load_as_asked, make_runner
from layerscope.sweeps.tables import SCORES, SPANS


@dataclass(frozen=True)
class Opened:
    """What only a process that has loaded the model can tell of a run."""

    environment: EnvironmentRecord
    """With what it runs."""
    lens: TunedLensRecord | None
    """The tuned lens as it was attached; None without."""


class SweepWorker:
    """Does shards of a sweep, in this process.

    Args:
        prepared: the run; its directory says who writes.
    """

    def __init__(self, prepared: PreparedSweep) -> None:
        self._prepared = prepared
        self.wrote: Callable[[Shard], None] = lambda _: None
        """Called with each shard that is in place."""
        self._loaded: tuple[Decoder, Runner] | None = None

    def open(self) -> Opened:
        """Load the model and check that it can run the plan; nothing is written.

        Raises:
            LayerscopeError: it cannot.
        """
        prepared = self._prepared
        check_memory(prepared)
        decoder = load_as_asked(prepared)
        lens = None if prepared.lens is None else lens_record(prepared.lens, attach_lens(decoder, prepared.lens))
        check_paths_run(decoder, prepared.plan)
        check_tokens_fit(decoder, [window for shard in prepared.shards for window in shard.windows])
        check_texts(decoder, prepared.shards[0])
        compile_as_asked(prepared, decoder)
        self._loaded = decoder, make_runner(prepared, decoder)
        return Opened(environment(decoder), lens)

    def score(self, shards: Sequence[Shard], advance: Advance) -> None:
        """Compute and write some shards.

        Args:
            shards: which are not written yet.
            advance: called with steps × positions.
        """
        assert self._loaded is not None, "a worker is opened first"
        decoder, runner = self._loaded
        for result in runner(shards, lambda shard, steps: advance(steps * shard.padded_tokens)):
            check_intact(decoder, result.shard, result.scores.nll_nats[0])
            self._write(result)
            self.wrote(result.shard)

    def close(self) -> tuple[WorkerRecord, ...]:
        """Nothing is to be said of a process that is alone."""
        return ()

    def _write(self, result: ShardScores) -> None:
        directory, variants, pairs = self._prepared.directory, self._prepared.plan.variants, self._prepared.pairs
        number = result.shard.index - self._prepared.n_text_shards
        if number >= 0:
            assert pairs is not None, "texts are numbered below"
            directory.write_part(PAIR_SCORES, number, pair_scores_table(result, pairs.pairs, variants))
            return
        directory.write_part(SPANS, result.shard.index, spans_table(result))
        directory.write_part(SCORES, result.shard.index, scores_table(result, variants))  # last: see is_written


def is_written(prepared: PreparedSweep, shard: Shard) -> bool:
    """Whether a shard was finished before: its scores, which are written last, are there, and all its tables as written."""
    directory, n_variants = prepared.directory, len(prepared.plan.variants)
    number = shard.index - prepared.n_text_shards
    if number >= 0:
        return directory.has_part(PAIR_SCORES, number, n_rows=n_variants * len(shard.windows) // 2)
    return directory.has_part(SCORES, shard.index, n_rows=n_variants * shard.n_scored) and directory.has_part(
        SPANS, shard.index
    )


def shard_files(prepared: PreparedSweep, shard: Shard) -> list[str]:
    """Files of a shard by their path in the run directory, in the order in which they are written."""
    number = shard.index - prepared.n_text_shards
    if number >= 0:
        return [part_name(PAIR_SCORES, number)]
    return [part_name(SPANS, shard.index), part_name(SCORES, shard.index)]


def as_writer(prepared: PreparedSweep, writer: str) -> PreparedSweep:
    """The same run as one of several processes writes it."""
    return replace(prepared, directory=replace(prepared.directory, writer=writer))
