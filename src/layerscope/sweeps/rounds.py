"""Rounds of shards into the run directory, until there are no more or every interval is narrow enough."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layerscope.corpora.windows import Window
from layerscope.engine.batching import Shard
from layerscope.engine.finite import check_intact
from layerscope.models.decoder import Decoder
from layerscope.progress import Progress
from layerscope.results.directory import RunDirectory
from layerscope.sweeps.analysis.layers import effect_intervals
from layerscope.sweeps.analysis.totals import DocumentTotals, sum_by_document
from layerscope.sweeps.engine.walk import work_steps
from layerscope.sweeps.pair_rows import pair_scores_table
from layerscope.sweeps.pair_tables import PAIR_SCORES
from layerscope.sweeps.prepare import PreparedSweep
from layerscope.sweeps.rows import documents_table, scores_table, spans_table
from layerscope.sweeps.runner import make_runner
from layerscope.sweeps.tables import SCORES, SPANS


@dataclass(frozen=True)
class Outcome:
    """What running the rounds came to."""

    rounds: int
    """Rounds that were run before the intervals were narrow enough, or all."""
    seconds: float
    """Spent on shards."""
    resumed: int
    """Shards that were there already."""


def run_rounds(prepared: PreparedSweep, decoder: Decoder, progress: Progress) -> Outcome:
    """Run round after round, the shards that are not there yet, until the intervals are as narrow as asked for."""
    plan, directory = prepared.plan, prepared.directory
    runner, steps_a_shard = make_runner(prepared, decoder), work_steps(plan)
    total = steps_a_shard * sum(shard.padded_tokens for shard in prepared.shards)
    n_text_shards = sum(len(some.shards) for some in prepared.rounds)
    done, resumed, started = 0, 0, time.monotonic()

    def advance(shard: Shard, steps: int) -> None:
        nonlocal done
        done += steps * shard.padded_tokens
        tell(done)

    def tell(done: int) -> None:
        progress(f"Sweeping {len(plan.variants)} variants", done, total)

    tell(done)
    rounds = 0
    for some in prepared.rounds:
        pending = []
        for shard in some.shards:
            if _is_written(directory, shard, len(plan.variants)):
                resumed += 1
                advance(shard, steps_a_shard)
            else:
                pending.append(shard)
        if prepared.pairs is not None and rounds == 0:  # with the first texts, so that streamed weights are read once for both
            for shard in prepared.pairs.shards:
                n_rows = len(plan.variants) * len(shard.windows) // 2
                if directory.has_part(PAIR_SCORES, shard.index - n_text_shards, n_rows=n_rows):
                    resumed += 1
                    advance(shard, steps_a_shard)
                else:
                    pending.append(shard)
        for result in runner(pending, advance):
            check_intact(decoder, result.shard, result.scores.nll_nats[0])
            number = result.shard.index - n_text_shards
            if number >= 0:
                assert prepared.pairs is not None, "texts are numbered below"
                directory.write_part(PAIR_SCORES, number, pair_scores_table(result, prepared.pairs.pairs, plan.variants))
                continue
            directory.write_part(SPANS, result.shard.index, spans_table(result))
            directory.write_part(SCORES, result.shard.index, scores_table(result, plan.variants))  # last: see _is_written
        rounds += 1
        if rounds < len(prepared.rounds) and _is_precise(prepared, rounds):
            break
    tell(total)
    return Outcome(rounds, time.monotonic() - started, resumed)


def _is_written(directory: RunDirectory, shard: Shard, n_variants: int) -> bool:
    """Whether a shard was finished before: its scores, which are written last, are there, and both tables as written."""
    return directory.has_part(SCORES, shard.index, n_rows=n_variants * shard.n_scored) and directory.has_part(
        SPANS, shard.index
    )


def _is_precise(prepared: PreparedSweep, rounds: int) -> bool:
    """Whether every interval that there is is narrower than asked for."""
    if prepared.request.until_ci is None:
        return False
    done = prepared.rounds[:rounds]
    totals = document_totals(prepared, prepared.corpus.windows[: done[-1].documents], sum(len(some.shards) for some in done))
    interval = effect_intervals(totals, level=prepared.level)
    half_widths = (interval.high - interval.low) / 2.0
    return not np.isnan(half_widths).all() and bool(np.nanmax(half_widths) <= prepared.request.until_ci)


def document_totals(prepared: PreparedSweep, windows: Sequence[Window], n_shards: int) -> DocumentTotals:
    """Sums by document over the first shards, which hold all the tokens of some windows."""
    names = [variant.name for variant in prepared.plan.variants]
    return sum_by_document(documents_table(windows), prepared.directory.parts(SCORES, n_shards), names)
