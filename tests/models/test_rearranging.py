"""Configurations for layers in another order, each list and number worked by hand."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import CONFIG_MAPPING, PretrainedConfig

from layerscope.errors import ModelError
from layerscope.models.rearranging import rearranged_config
from tests.tiny_models import N_LAYERS, TINY

SLIDING, FULL, LINEAR = "sliding_attention", "full_attention", "linear_attention"
ORDER = (0, 2, 1, 1)
"""Layer 3 removed, 1 and 2 exchanged, 1 twice."""


_EXTRA_LAYERS: dict[str, dict[str, Any]] = {
    "": {"num_nextn_predict_layers": 1},
    "-lists": {"num_mtp_layers": 1, "mtp_num_hidden_layers": 1, "ratios": [1, 2, 3, 4, 5]},
}


def rearranged(config: PretrainedConfig, order: tuple[int, ...]) -> PretrainedConfig:
    before = config.to_dict()
    changed = rearranged_config(config, order, n_layers=N_LAYERS)
    assert config.to_dict() == before
    assert type(changed) is type(config)
    assert changed.num_hidden_layers == len(order)
    return changed


@pytest.mark.parametrize(
    ("name", "order", "expected"),
    [
        # lists with one item a layer
        ("gemma2", ORDER, {"layer_types": [SLIDING, SLIDING, FULL, FULL]}),
        ("cohere2", (3, 1), {"layer_types": [SLIDING, FULL]}),
        ("smollm3", ORDER, {"no_rope_layers": [1, 1, 0, 0]}),
        ("qwen2-sliding", ORDER, {"layer_types": [FULL, SLIDING, FULL, FULL], "max_window_layers": 1}),
        ("qwen2-sliding", (0, 1, 1, 2, 3), {"layer_types": [FULL, FULL, FULL, SLIDING, SLIDING], "max_window_layers": 3}),
        ("nemotron_h", ORDER, {"layers_block_type": [LINEAR, FULL, "moe", "moe"]}),
        ("lfm2", ORDER, {"layer_types": ["conv", "conv", FULL, FULL]}),
        # lists of layer numbers
        ("qwen3_moe", ORDER, {"mlp_only_layers": [1]}),
        ("qwen3_moe", (2, 0, 2), {"mlp_only_layers": [0, 2]}),
        ("bamba", ORDER, {"attn_layer_indices": [2, 3], "layers_block_type": [LINEAR, LINEAR, FULL, FULL]}),
        ("llama4_text", ORDER, {"moe_layers": [2, 3], "no_rope_layers": [1, 1, 0, 0]}),
        ("zamba2", (1, 0, 3), {"hybrid_layer_ids": [0, 2], "layers_block_type": ["hybrid", LINEAR, "hybrid"]}),
        # a number of leading layers
        ("deepseek_v3", ORDER, {"first_k_dense_replace": 1}),
        ("deepseek_v3", (1, 2), {"first_k_dense_replace": 0}),
        ("deepseek_v3", (0, 0, 1), {"first_k_dense_replace": 2}),
        ("lfm2_moe", (0, 0, 1), {"num_dense_layers": 2}),
        # layers that predict further tokens, which are not written
        ("deepseek_v3-mtp", ORDER, {"num_nextn_predict_layers": 0, "first_k_dense_replace": 1}),
        ("deepseek_v3-mtp-lists", ORDER, {"num_mtp_layers": 0, "mtp_num_hidden_layers": 0, "ratios": [1, 3, 2, 2]}),
        # patterns and periods
        ("gpt_neo", ORDER, {"attention_layers": ["global", "local", "local", "local"]}),
        ("recurrent_gemma", (2, 1, 0, 3, 1), {"layers_block_type": [LINEAR, SLIDING, LINEAR, LINEAR, SLIDING]}),
        ("jamba", (1, 2, 3), {"attn_layer_period": 3, "attn_layer_offset": 0, "layers_num_experts": [4, 1, 4]}),
        ("jamba", (0, 2), {"layers_block_type": ["mamba", "mamba"], "layers_num_experts": [1, 1]}),
    ],
)
def test_settings_of_single_layers_move_with_them(name: str, order: tuple[int, ...], expected: dict[str, Any]) -> None:
    model, _, extra = name.partition("-mtp")
    changed = rearranged(TINY[model].config(**_EXTRA_LAYERS[extra] if "-mtp" in name else {}), order)
    assert {setting: getattr(changed, setting) for setting in expected} == expected


def test_layers_without_experts_by_a_step_are_named_instead() -> None:
    config = TINY["qwen3_moe"].config(decoder_sparse_step=2, mlp_only_layers=[3])
    changed = rearranged(config, (1, 1, 2, 3))  # of the old layers, 1 alone has experts
    assert (changed.decoder_sparse_step, changed.mlp_only_layers) == (1, [2, 3])


@pytest.mark.parametrize(("order", "bounds"), [((0, 2, 1, 3), (1, 2)), ((1, 2, 3), (0, 1)), ((0, 0, 1), (2, 2))])
def test_layers_with_experts_between_two_bounds(order: tuple[int, ...], bounds: tuple[int, int]) -> None:
    config = CONFIG_MAPPING["ernie4_5_moe"](num_hidden_layers=4, moe_layer_start_index=1, moe_layer_end_index=2)
    changed = rearranged(config, order)
    assert (changed.moe_layer_start_index, changed.moe_layer_end_index) == bounds


def test_overrides_kept_under_a_layers_number() -> None:
    config = TINY["gemma4_text"].config()
    assert {layer: config.per_layer_config[layer].head_dim for layer in range(4)} == {0: 8, 1: 16, 2: 8, 3: 16}
    changed = rearranged(config, (3, 0, 1))
    assert [changed.per_layer_config[place].head_dim for place in range(3)] == [16, 8, 16]


def test_the_text_part_of_a_configuration_of_several_parts() -> None:
    text = TINY["gemma3_text"].config().to_dict()
    config = CONFIG_MAPPING["gemma3"](text_config=text, vision_config={"num_hidden_layers": 4})
    changed = rearranged_config(config, ORDER, n_layers=N_LAYERS)
    assert changed.text_config.layer_types == [SLIDING, SLIDING, FULL, FULL]
    assert changed.vision_config.num_hidden_layers == 4


def test_lists_that_say_nothing_of_layers_stay() -> None:
    config = TINY["llama"].config(eos_token_id=[2, 3, 4, 5], architectures=["a", "b", "c", "d"])
    changed = rearranged(config, ORDER)
    assert (changed.eos_token_id, changed.architectures) == ([2, 3, 4, 5], ["a", "b", "c", "d"])


def test_a_period_that_the_order_breaks_is_refused() -> None:
    with pytest.raises(ModelError, match="that of 'jamba' cannot for the order 0,2,1,1 .no attn_layer_period with any"):
        rearranged_config(TINY["jamba"].config(), ORDER, n_layers=N_LAYERS)


def test_a_configuration_that_keeps_another_number_of_layers_is_refused() -> None:
    class Counted(type(TINY["llama"].config())):
        num_hidden_layers = property(lambda _: 4, lambda *_: None)

    with pytest.raises(ModelError, match="must hold the number of layers; that of 'llama' does not under any name"):
        rearranged_config(Counted(), (0, 1), n_layers=N_LAYERS)
