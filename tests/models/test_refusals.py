"""Models that a sweep would misread, each refused at load with the rule that it breaks and its family's name."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import CONFIG_MAPPING

from layerscope.errors import ModelError
from layerscope.models.checks import check_decoder
from layerscope.models.decoder import Decoder
from tests.tiny_models import TINY, build_random

SHARED = {
    "vocab_size": 112,
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
NEEDS_OTHERS = "needs what another leaves behind|also reads what other layers left behind"
LOOKS_AHEAD = "predicts each token from those before it"
CARRIES_MORE = "must give the model's own logits"
NO_ROW_A_TEXT = "has the axes batch, position and width"
RUNS_AGAIN = "is called more than once"

REFUSED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "gemma3n, shared keys and values": (
        "gemma3n_text",
        NEEDS_OTHERS,
        {
            "intermediate_size": 48,
            "num_key_value_heads": 2,
            "head_dim": 8,
            "vocab_size_per_layer_input": 112,
            "hidden_size_per_layer_input": 8,
            "num_kv_shared_layers": 2,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
            "sliding_window": 4,
            "laurel_rank": 4,
        },
    ),
    "gemma3n, several streams": (
        "gemma3n_text",
        NO_ROW_A_TEXT,
        {
            "intermediate_size": 48,
            "num_key_value_heads": 2,
            "head_dim": 8,
            "vocab_size_per_layer_input": 112,
            "hidden_size_per_layer_input": 8,
            "num_kv_shared_layers": 0,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
            "sliding_window": 4,
            "laurel_rank": 4,
        },
    ),
    "gemma4, shared keys and values": (
        "gemma4_text",
        NEEDS_OTHERS,
        {**TINY["gemma4_text"].settings, "num_kv_shared_layers": 2},
    ),
    "zaya, a router that remembers": (
        "zaya",
        CARRIES_MORE,
        {
            "num_key_value_heads": 2,
            "head_dim": 8,
            "moe_intermediate_size": 24,
            "num_experts": 4,
            "num_experts_per_tok": 1,
            "router_hidden_size": 16,
        },
    ),
    "hy_v4, shared indices": (
        "hy_v4",
        NEEDS_OTHERS,
        {
            "intermediate_size": 48,
            "moe_intermediate_size": 24,
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "q_lora_rank": 16,
            "kv_lora_rank": 16,
            "qk_nope_head_dim": 4,
            "qk_rope_head_dim": 4,
            "v_head_dim": 8,
            "index_n_heads": 2,
            "index_head_dim": 8,
        },
    ),
    "rwkv, halved between layers": ("rwkv", CARRIES_MORE, {"rescale_every": 2}),
    "hrm_text, layers that run again": (
        "hrm_text",
        RUNS_AGAIN,
        {"intermediate_size": 48, "num_key_value_heads": 4, "head_dim": 8},
    ),
    "bert, both directions": ("bert", LOOKS_AHEAD, {"intermediate_size": 48}),
    "gemma3, both directions": (
        "gemma3_text",
        LOOKS_AHEAD,
        {"intermediate_size": 48, "num_key_value_heads": 2, "head_dim": 8, "use_bidirectional_attention": True},
    ),
    "xlnet, both directions": ("xlnet", LOOKS_AHEAD, {"d_inner": 48, "d_model": 32, "n_layer": 4, "n_head": 4}),
}
"""Family, rule and settings, by what breaks the rule."""


@pytest.mark.parametrize(("family", "rule", "settings"), REFUSED.values(), ids=REFUSED)
def test_a_model_that_a_sweep_would_misread_is_refused_by_name(family: str, rule: str, settings: dict[str, Any]) -> None:
    options = CONFIG_MAPPING[family].__dataclass_fields__
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in {**SHARED, **settings}.items()}
    config = CONFIG_MAPPING[family](**{name: value for name, value in given.items() if name in settings or name in options})
    decoder = Decoder(build_random(config), family)
    with pytest.raises(ModelError, match=f"(?s)(?=.*({rule}))(?=.*{family})"):
        check_decoder(decoder)
