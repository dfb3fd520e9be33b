"""How many attention heads a configuration says that each layer has: query heads, and the key-value groups that they form.

It is what variants are named by before weights are loaded. Whether it is so is proved on the loaded model (``heads.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PretrainedConfig

_QUERIES = ("num_attention_heads", "num_query_heads")
_GROUPS = ("num_key_value_heads", "num_kv_heads")


@dataclass(frozen=True)
class HeadCount:
    """The heads of one layer."""

    queries: int
    """Query heads: slices of what the output projection reads. 0 where the configuration names none."""
    groups: int
    """Key-value heads, each read by as many query heads; 0 where the configuration names none."""


def count_heads(config: PretrainedConfig, n_layers: int) -> tuple[HeadCount, ...]:
    """Heads of each layer as the configuration has them; a layer that is no attention is not told apart here.

    Args:
        config: of a model.
        n_layers: number of its decoder layers.
    """
    text_config: Any = config.get_text_config(decoder=True)
    queries = _by_layer(text_config, _QUERIES, n_layers)
    groups = _by_layer(text_config, _GROUPS, n_layers)
    if getattr(text_config, "multi_query", False) and not getattr(text_config, "new_decoder_architecture", False):
        groups = [1] * n_layers  # Falcon and GPT BigCode say so by a flag, and may name another number beside it
    return tuple(
        HeadCount(n_queries, n_groups or n_queries)
        if n_queries and n_queries % (n_groups or n_queries) == 0
        else HeadCount(0, 0)
        for n_queries, n_groups in zip(queries, groups, strict=True)
    )


def _by_layer(config: Any, names: Sequence[str], n_layers: int) -> list[int]:
    """The first of some settings that is a number, or one number per layer; 0 where none is."""
    for name in names:
        value = getattr(config, name, None)
        values: list[Any] = list(value) if isinstance(value, list | tuple) else [value] * n_layers
        if len(values) == n_layers and all(isinstance(one, int) and one > 0 for one in values):
            return values
    return [0] * n_layers
