"""Walking a plan over one shard: the states come and go as the instructions say, and every finished variant is scored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from layerscope.engine.batching import ScoredTokens, Shard, padded_ids, scored_tokens
from layerscope.engine.proxies import ProxyMeter, ProxySums
from layerscope.engine.scoring import Scorer, TokenScores
from layerscope.models import Decoder
from layerscope.paths import SweepPlan, touched_span

GROUP_BYTES = 256 * 2**20
"""Final states held back so that variants are scored in groups."""

Progress = Callable[[int], None]


@dataclass(frozen=True)
class ShardScores:
    """What one shard gives: the scores of every variant, and the proxies of every span."""

    shard: Shard
    """Where the rows come from."""
    tokens: ScoredTokens
    """Which tokens the scores belong to."""
    scores: TokenScores
    """Rows in the order of the plan's variants."""
    proxies: ProxySums
    """Of every span that a variant of the plan touches."""


@torch.inference_mode()
def walk_shard(decoder: Decoder, plan: SweepPlan, shard: Shard, *, progress: Progress = lambda _: None) -> ShardScores:
    """Run every variant of a plan over one shard.

    Args:
        decoder: the model.
        plan: what to run, in which order.
        shard: what to run it on.
        progress: called with the layer runs and scored variants done since the last call; ``work_units`` in all.

    Returns:
        Scores in the plan's order of variants. The same arguments give the same bits.
    """
    tokens = scored_tokens(shard)
    rows, sources = torch.from_numpy(tokens.row), torch.from_numpy(tokens.position - 1)
    token_ids = padded_ids(shard)
    recording = decoder.record(token_ids.to(decoder.device))
    scorer = Scorer(
        decoder,
        torch.from_numpy(tokens.token_id).to(decoder.device),
        n_variants=len(plan.variants),
        group_size=group_size(recording.embedded[0, 0].numel() * recording.embedded.element_size() * len(rows)),
        on_scored=progress,
    )
    lengths = torch.tensor([window.n_run for window in shard.windows])
    spans = sorted(
        {span for v in plan.variants if (span := touched_span(v.path, plan.n_layers))}, key=lambda s: (s.first, s.last)
    )
    meter = ProxyMeter(spans, torch.arange(token_ids.shape[1])[None, :] < lengths[:, None])

    states = {0: recording.embedded}
    meter.observe(0, states[0])
    if plan.finished_at_start:
        scorer.add(plan.finished_at_start, states[0][rows, sources])
    for instruction in plan.instructions:
        source = states.pop(instruction.source) if instruction.last_use else states[instruction.source]
        state = decoder.run_step(instruction.step, source, recording)
        del source
        if instruction.intact_depth is not None:
            meter.observe(instruction.intact_depth, state)
        if instruction.finished:
            scorer.add(instruction.finished, state[rows, sources])
        if not instruction.is_leaf:
            states[instruction.target] = state
        progress(instruction.step.layer_runs)
    return ShardScores(shard, tokens, scorer.result(), meter.result())


def work_units(plan: SweepPlan) -> int:
    """What ``progress`` adds up to over one shard."""
    return plan.layer_runs + len(plan.variants)


def group_size(bytes_a_variant: int) -> int:
    """Variants to score together, between 2 and 64."""
    return int(np.clip(GROUP_BYTES // max(bytes_a_variant, 1), 2, 64))
