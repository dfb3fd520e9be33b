"""Running variants over text: batching, walking a plan, scoring tokens. Returns values; never touches disk."""

from layerscope.engine.batching import ScoredTokens, Shard, make_shards, padded_ids, scored_tokens
from layerscope.engine.memory import MemoryEstimate, available_memory, estimate_memory
from layerscope.engine.proxies import ProxyMeter, ProxySums
from layerscope.engine.scoring import Scorer, TokenScores
from layerscope.engine.walk import Progress, ShardScores, walk_shard, work_units

__all__ = [
    "MemoryEstimate",
    "Progress",
    "ProxyMeter",
    "ProxySums",
    "ScoredTokens",
    "Scorer",
    "Shard",
    "ShardScores",
    "TokenScores",
    "available_memory",
    "estimate_memory",
    "make_shards",
    "padded_ids",
    "scored_tokens",
    "walk_shard",
    "work_units",
]
