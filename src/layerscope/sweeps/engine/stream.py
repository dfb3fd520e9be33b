"""Several shards through a plan layer by layer: for weights that do not fit in memory, each layer is read once for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch

from layerscope.engine.batching import Shard
from layerscope.models.decoder import Decoder
from layerscope.paths.layer_major import LayerMajorPlan
from layerscope.progress import nobody_asks
from layerscope.sweeps.engine.walk import ShardScores, ShardWalk, WordStarts

ShardAdvance = Callable[[Shard, int], None]
"""Called with a shard and the work steps done in it since the last call."""


def chunk_shards(shards: Sequence[Shard], plan: LayerMajorPlan, bytes_a_state: int, budget: int) -> Iterator[tuple[Shard, ...]]:
    """Neighbouring shards whose hidden states fit in memory together; a shard that does not fit alone is a chunk of its own.

    Args:
        shards: in the order in which they shall run.
        plan: says how many states of a shard are alive at once.
        bytes_a_state: of one position's hidden state.
        budget: bytes for hidden states.
    """
    chunk: list[Shard] = []
    for shard in shards:
        positions = sum(member.padded_tokens for member in chunk) + shard.padded_tokens
        if chunk and positions * plan.sweep.peak_states * bytes_a_state > budget:
            yield tuple(chunk)
            chunk = []
        chunk.append(shard)
    if chunk:
        yield tuple(chunk)


@torch.inference_mode()
def stream_chunk(
    decoder: Decoder,
    plan: LayerMajorPlan,
    shards: Sequence[Shard],
    *,
    word_starts: WordStarts = None,
    advance: ShardAdvance = nobody_asks,
) -> list[ShardScores]:
    """Run every variant over some shards, with each layer's weights read once. The scores are those of ``walk_shard``."""
    walks = [
        ShardWalk(decoder, plan.sweep, shard, word_starts=word_starts, advance=partial(advance, shard)) for shard in shards
    ]
    for phase in plan.phases:
        for walk in walks:
            walk.obey(phase)
    return [walk.result() for walk in walks]
