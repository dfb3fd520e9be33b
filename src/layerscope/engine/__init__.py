"""Running variants over text: batching, walking a plan, scoring tokens. Returns values; never touches disk."""

from layerscope.engine.allocator import keep_freed_memory
from layerscope.engine.batching import ScoredTokens, Shard, make_shards, padded_ids, scored_tokens
from layerscope.engine.compiling import compile_decoder
from layerscope.engine.contrast import ContrastPlan, GroupContrast, PairValues, contrast_group
from layerscope.engine.difference_sums import N_BLOCKS, Percentiles
from layerscope.engine.memory import MemoryEstimate, available_memory, bytes_a_state, estimate_memory
from layerscope.engine.pair_batches import can_share
from layerscope.engine.proxies import ProxyMeter, ProxySums
from layerscope.engine.reduction import slice_reducer
from layerscope.engine.reference import reference_shard
from layerscope.engine.reference_spread import Reference, measure_reference
from layerscope.engine.scoring import Scorer, TokenScores
from layerscope.engine.stream import ShardProgress, chunk_shards, stream_chunk
from layerscope.engine.walk import Progress, ShardScores, walk_shard, work_units

__all__ = [
    "N_BLOCKS",
    "ContrastPlan",
    "GroupContrast",
    "MemoryEstimate",
    "PairValues",
    "Percentiles",
    "Progress",
    "ProxyMeter",
    "ProxySums",
    "Reference",
    "ScoredTokens",
    "Scorer",
    "Shard",
    "ShardProgress",
    "ShardScores",
    "TokenScores",
    "available_memory",
    "bytes_a_state",
    "can_share",
    "chunk_shards",
    "compile_decoder",
    "contrast_group",
    "estimate_memory",
    "keep_freed_memory",
    "make_shards",
    "measure_reference",
    "padded_ids",
    "reference_shard",
    "scored_tokens",
    "slice_reducer",
    "stream_chunk",
    "walk_shard",
    "work_units",
]
