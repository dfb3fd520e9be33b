"""Rounds of shards into the run directory, until there are no more or every interval is narrow enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from layerscope.corpora.windows import Window
from layerscope.engine.batching import Shard
from layerscope.progress import Advance, Progress
from layerscope.sweeps.analysis.layers import effect_intervals
from layerscope.sweeps.analysis.totals import DocumentTotals, sum_by_document
from layerscope.sweeps.engine.walk import work_steps
from layerscope.sweeps.prepare import PreparedSweep
from layerscope.sweeps.rows import documents_table
from layerscope.sweeps.tables import SCORES
from layerscope.sweeps.worker import is_written

Score = Callable[[Sequence[Shard], Advance], None]
"""Computes some shards and writes them; tells of its work as it goes."""


@dataclass(frozen=True)
class Outcome:
    """What running the rounds came to."""

    rounds: int
    """Rounds that were run before the intervals were narrow enough, or all."""
    seconds: float
    """Spent on shards."""
    resumed: int
    """Shards that were there already."""


def run_rounds(prepared: PreparedSweep, score: Score, progress: Progress) -> Outcome:
    """Run round after round, the shards that are not there yet, until the intervals are as narrow as asked for."""
    plan, steps_a_shard = prepared.plan, work_steps(prepared.plan)
    total = steps_a_shard * sum(shard.padded_tokens for shard in prepared.shards)
    done, resumed, started = 0, 0, time.monotonic()

    def advance(work: int) -> None:
        nonlocal done
        done += work
        tell(done)

    def tell(done: int) -> None:
        progress(f"Sweeping {len(plan.variants)} variants", done, total)

    tell(done)
    rounds = 0
    for some in prepared.rounds:
        # pairs come with the first texts, so that streamed weights are read once for both
        of_pairs = prepared.pairs.shards if prepared.pairs is not None and rounds == 0 else ()
        pending = []
        for shard in (*some.shards, *of_pairs):
            if is_written(prepared, shard):
                resumed += 1
                advance(steps_a_shard * shard.padded_tokens)
            else:
                pending.append(shard)
        score(pending, advance)
        rounds += 1
        if rounds < len(prepared.rounds) and _is_precise(prepared, rounds):
            break
    tell(total)
    return Outcome(rounds, time.monotonic() - started, resumed)


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
