"""Rounds of shards into the run directory, until there are no more or every interval is narrow enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from layerscope.analysis import DocumentTotals, effect_intervals, sum_by_document
from layerscope.corpora import Window
from layerscope.engine import Shard, work_units
from layerscope.jobs.prepare import PreparedSweep
from layerscope.jobs.runner import make_runner
from layerscope.models import Decoder
from layerscope.results import SCORES, documents_table, scores_table, spans_table

Progress = Callable[[int, int], None]
"""Called with the work done so far and the work in all."""


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
    runner, units = make_runner(prepared, decoder), work_units(plan)
    total = units * sum(shard.padded_tokens for shard in prepared.shards)
    done, resumed, started = 0, 0, time.monotonic()

    def advance(shard: Shard, steps: int) -> None:
        nonlocal done
        done += steps * shard.padded_tokens
        progress(done, total)

    progress(done, total)
    rounds = 0
    for some in prepared.rounds:
        pending = []
        for shard in some.shards:
            if directory.has_shard(shard.index, len(plan.variants) * shard.n_scored):
                resumed += 1
                advance(shard, units)
            else:
                pending.append(shard)
        for result in runner(pending, advance):
            directory.write_shard(result.shard.index, scores_table(result, plan.variants), spans_table(result))
        rounds += 1
        if rounds < len(prepared.rounds) and _is_precise(prepared, rounds):
            break
    progress(total, total)
    return Outcome(rounds, time.monotonic() - started, resumed)


def _is_precise(prepared: PreparedSweep, rounds: int) -> bool:
    """Whether every interval that there is is narrower than asked for."""
    if prepared.request.until_ci is None:
        return False
    done = prepared.rounds[:rounds]
    totals = document_totals(prepared, prepared.corpus.windows[: done[-1].documents], sum(len(some.shards) for some in done))
    interval = effect_intervals(totals, seed=prepared.request.seed, level=prepared.level)
    half_widths = (interval.high - interval.low) / 2.0
    return not np.isnan(half_widths).all() and bool(np.nanmax(half_widths) <= prepared.request.until_ci)


def document_totals(prepared: PreparedSweep, windows: Sequence[Window], n_shards: int) -> DocumentTotals:
    """Sums by document over the first shards, which hold all the tokens of some windows."""
    names = [variant.name for variant in prepared.plan.variants]
    return sum_by_document(documents_table(windows), prepared.directory.read_shards(SCORES, n_shards), names)
