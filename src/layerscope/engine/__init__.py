"""Running variants over text: batching, walking a plan, scoring tokens. Returns values; never touches disk."""

from layerscope.engine.ablation import Replacement, Units, ablated, ablated_model, replacement_values
from layerscope.engine.allocator import keep_freed_memory
from layerscope.engine.batching import ScoredTokens, Shard, make_shards, padded_ids, scored_tokens
from layerscope.engine.compiling import compile_decoder
from layerscope.engine.contrast import ContrastPlan, GroupContrast, PairValues, contrast_group
from layerscope.engine.difference_sums import N_BLOCKS, Percentiles
from layerscope.engine.intervention import Ablation, Ablations, Outcome, TextOutcome, measure_pairs, measure_text
from layerscope.engine.memory import MemoryEstimate, available_memory, bytes_a_state, estimate_memory
from layerscope.engine.pair_batches import PairBatch, can_share, make_batches, run_batch
from layerscope.engine.proxies import ProxyMeter, ProxySums
from layerscope.engine.reduction import slice_reducer
from layerscope.engine.reference import reference_shard
from layerscope.engine.reference_spread import Reference, measure_reference
from layerscope.engine.scoring import Scorer, TokenScores
from layerscope.engine.stream import ShardProgress, chunk_shards, stream_chunk
from layerscope.engine.walk import Progress, ShardScores, walk_shard, work_units

__all__ = [
    "N_BLOCKS",
    "Ablation",
    "Ablations",
    "ContrastPlan",
    "GroupContrast",
    "MemoryEstimate",
    "Outcome",
    "PairBatch",
    "PairValues",
    "Percentiles",
    "Progress",
    "ProxyMeter",
    "ProxySums",
    "Reference",
    "Replacement",
    "ScoredTokens",
    "Scorer",
    "Shard",
    "ShardProgress",
    "ShardScores",
    "TextOutcome",
    "TokenScores",
    "Units",
    "ablated",
    "ablated_model",
    "available_memory",
    "bytes_a_state",
    "can_share",
    "chunk_shards",
    "compile_decoder",
    "contrast_group",
    "estimate_memory",
    "keep_freed_memory",
    "make_batches",
    "make_shards",
    "measure_pairs",
    "measure_reference",
    "measure_text",
    "padded_ids",
    "reference_shard",
    "replacement_values",
    "run_batch",
    "scored_tokens",
    "slice_reducer",
    "stream_chunk",
    "walk_shard",
    "work_units",
]
