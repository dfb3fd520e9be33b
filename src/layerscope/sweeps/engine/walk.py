"""Walking a plan over one shard: the states come and go as the instructions say, and every finished variant is scored."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from layerscope.engine.batching import ScoredTokens, Shard, padded_ids, scored_tokens
from layerscope.models.decoder import Decoder
from layerscope.paths.plan import Instruction, SweepPlan
from layerscope.paths.variants import Span, touched_span
from layerscope.progress import Advance, nobody_asks
from layerscope.sweeps.engine.proxies import ProxyMeter, ProxySums
from layerscope.sweeps.engine.reduction import slice_reducer
from layerscope.sweeps.engine.scoring import Scorer, TokenScores

GROUP_BYTES = 256 * 2**20
"""Final states that may always be held back, so that variants are scored in groups."""

WordStarts = Bool[np.ndarray, " vocab"] | None


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


class ShardWalk:
    """One shard on its way through a plan: the states that are alive, and the scores of the variants that have ended.

    Args:
        decoder: the model.
        plan: what to run.
        shard: what to run it on.
        word_starts: which tokens start a word, ``vocab``; None if nobody asks for the probability that one comes.
        advance: called with the layer runs and scored variants done since the last call; ``work_steps`` in all.
    """

    def __init__(
        self,
        decoder: Decoder,
        plan: SweepPlan,
        shard: Shard,
        *,
        word_starts: WordStarts = None,
        advance: Advance = nobody_asks,
    ) -> None:
        self._decoder, self._shard, self._advance = decoder, shard, advance
        self._translators = [variant.translator for variant in plan.variants]
        self._tokens = tokens = scored_tokens(shard)
        device = decoder.head.device
        self._rows, self._sources = torch.from_numpy(tokens.row).to(device), torch.from_numpy(tokens.position - 1).to(device)
        token_ids = padded_ids(shard)
        self._recording = decoder.record(token_ids.to(decoder.device))
        embedded = self._recording.embedded
        self._scorer = Scorer(
            decoder,
            torch.from_numpy(tokens.token_id),
            reducer=slice_reducer(compiled=decoder.compiled is not None),
            n_variants=len(plan.variants),
            group_size=group_size(embedded[0, 0].numel() * embedded.element_size() * len(tokens.row), plan),
            word_starts=word_starts,
            on_scored=advance,
        )
        lengths = torch.tensor([window.n_run for window in shard.windows])
        is_token = torch.arange(token_ids.shape[1])[None, :] < lengths[:, None]
        self._meter = ProxyMeter(touched_spans(plan), is_token.to(decoder.device))
        self._states = {0: embedded}
        self._meter.observe(0, embedded)
        if plan.finished_at_start:
            self._end(plan.finished_at_start, embedded)

    @torch.inference_mode()
    def obey(self, instructions: Sequence[Instruction]) -> None:
        """Run some of the plan's instructions, in their order."""
        states = self._states
        for instruction in instructions:
            source = states.pop(instruction.source) if instruction.last_use else states[instruction.source]
            state = self._decoder.run_step(instruction.step, source, self._recording)
            del source
            if instruction.intact_depth is not None:
                self._meter.observe(instruction.intact_depth, state)
            if instruction.finished:
                self._end(instruction.finished, state)
            if not instruction.is_leaf:
                states[instruction.target] = state
            self._advance(instruction.step.layer_runs)

    def result(self) -> ShardScores:
        """Once all instructions have run. The only place that waits for the device."""
        return ShardScores(self._shard, self._tokens, self._scorer.result(), self._meter.result())

    def _end(self, variants: tuple[int, ...], state: Tensor) -> None:
        """Score the variants whose path ends with a state, those together that unembed the same of it."""
        rows, sources = self._rows.to(state.device), self._sources.to(state.device)
        final = state[rows, sources]
        for translator, alike in itertools.groupby(variants, key=self._translators.__getitem__):
            self._scorer.add(tuple(alike), self._decoder.translate(final, translator))


def walk_shard(
    decoder: Decoder,
    plan: SweepPlan,
    shard: Shard,
    *,
    word_starts: WordStarts = None,
    advance: Advance = nobody_asks,
) -> ShardScores:
    """Run every variant of a plan over one shard; the arguments are those of ``ShardWalk``.

    Returns:
        Scores in the plan's order of variants. The same arguments give the same bits.
    """
    walk = ShardWalk(decoder, plan, shard, word_starts=word_starts, advance=advance)
    walk.obey(plan.instructions)
    return walk.result()


def work_steps(plan: SweepPlan) -> int:
    """What ``advance`` adds up to over one shard."""
    return plan.layer_runs + len(plan.variants)


def touched_spans(plan: SweepPlan) -> list[Span]:
    """Every span of layers that a variant of the plan changes, each once."""
    spans = {touched_span(variant.path, plan.n_layers) for variant in plan.variants}
    return sorted((span for span in spans if span is not None), key=lambda span: (span.first, span.last))


def group_size(bytes_a_variant: int, plan: SweepPlan) -> int:
    """Variants to score together: as many as the walk keeps states, or more if that costs little; 64 at most."""
    return int(np.clip(GROUP_BYTES // max(bytes_a_variant, 1), min(plan.peak_states, 64), 64))
