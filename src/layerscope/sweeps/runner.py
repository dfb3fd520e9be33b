"""Shards in, scores out, by the way that was asked for: resident weights, streamed weights, or the plain way."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from layerscope.engine.batching import Shard
from layerscope.models.decoder import Decoder
from layerscope.models.loading import load_streamed, load_weights
from layerscope.paths.layer_major import layer_major
from layerscope.sweeps.engine.compiling import compile_decoder
from layerscope.sweeps.engine.plain import plain_shard
from layerscope.sweeps.engine.stream import ShardAdvance, chunk_shards, stream_chunk
from layerscope.sweeps.engine.walk import ShardScores, walk_shard
from layerscope.sweeps.prepare import PreparedSweep

log = logging.getLogger(__name__)

Runner = Callable[[Sequence[Shard], ShardAdvance], Iterator[ShardScores]]
"""Scores some shards, in order; tells of its work as it goes."""


def load_as_asked(prepared: PreparedSweep) -> Decoder:
    """The model's weights in memory, or streamed from disk."""
    load = load_streamed if prepared.request.stream else load_weights
    return load(prepared.source, prepared.config, prepared.encoder, prepared.request.options)


def compile_as_asked(prepared: PreparedSweep, decoder: Decoder) -> None:
    """Compile if that was settled; where it cannot be done the run goes on without, and says so."""
    if not prepared.compile:
        return
    reason = compile_decoder(decoder, prepared.shards)
    if reason is not None:
        log.warning("Layers are not compiled (%s); the model's own code runs, more slowly.", reason)


def make_runner(prepared: PreparedSweep, decoder: Decoder) -> Runner:
    """The way that was asked for."""
    plan = prepared.plan
    word_starts = prepared.encoder.word_starts(decoder.head.vocab_size) if prepared.request.word_boundaries else None

    def resident(shards: Sequence[Shard], advance: ShardAdvance) -> Iterator[ShardScores]:
        walk = plain_shard if prepared.request.plain else walk_shard
        for shard in shards:
            yield walk(decoder, plan, shard, word_starts=word_starts, advance=partial(advance, shard))

    def streamed(shards: Sequence[Shard], advance: ShardAdvance) -> Iterator[ShardScores]:
        in_order = layer_major(plan)
        for chunk in chunk_shards(shards, in_order, prepared.bytes_a_state, prepared.stream_bytes):
            yield from stream_chunk(decoder, in_order, chunk, word_starts=word_starts, advance=advance)

    return streamed if prepared.request.stream else resident
