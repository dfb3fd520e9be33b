"""The estimate of memory copes with whatever form a configuration gives its sizes in."""

from __future__ import annotations

import pytest
import torch
from transformers import CONFIG_MAPPING

from layerscope.paths.families import build_variants
from layerscope.paths.plan import plan_sweep
from layerscope.sweeps.engine.memory import estimate_memory

GEMMA3N = {
    "vocab_size": 112,
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "vocab_size_per_layer_input": 112,
    "hidden_size_per_layer_input": 8,
    "num_kv_shared_layers": 0,
    "layer_types": ["sliding_attention", "full_attention"] * 2,
    "laurel_rank": 4,
}


@pytest.mark.parametrize("sizes", [[48] * 4, [24, 48, 24, 48]], ids=str)
def test_a_size_a_layer_counts_as_the_largest(sizes: list[int]) -> None:
    plan = plan_sweep(build_variants(("removal",), (), 4), 4)
    one = CONFIG_MAPPING["gemma3n_text"](**GEMMA3N, intermediate_size=48)
    several = CONFIG_MAPPING["gemma3n_text"](**GEMMA3N, intermediate_size=list(sizes))
    several.intermediate_size = sizes
    estimates = [estimate_memory(plan, config, torch.float32, longest_batch=64) for config in (one, several)]
    assert estimates[0].states == estimates[1].states > 0
