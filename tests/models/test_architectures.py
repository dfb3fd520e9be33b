"""Every family against itself: intact paths to the bit, rearranged layers and silenced halves against naive copies."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from layerscope.errors import ModelError
from layerscope.models.checks import check_decoder
from layerscope.models.decoder import Decoder
from layerscope.paths.path import LayerPath
from tests.oracles import has_halves, layers_of, model_logits, silenced_logits, surgery_logits
from tests.tiny_models import N_LAYERS, TEXT_LENGTH, TINY, VOCAB_SIZE, build_tiny, tiny_token_ids

REQUIRED = [
    "llama",
    "mistral",
    "mixtral",
    "qwen2",
    "qwen3",
    "qwen3_moe",
    "gemma",
    "gemma2",
    "gemma3_text",
    "gpt2",
    "gpt_neox",
    "opt",
    "falcon",
    "bloom",
    "gpt_oss",
    "phi",
    "phi3",
    "mpt",
    "olmo2",
    "olmo3",
    "cohere",
    "cohere2",
    "starcoder2",
    "stablelm",
    "granite",
    "smollm3",
    "glm4",
    "nemotron",
    "exaone4",
    "deepseek_v3",
    "lfm2",
    "mamba",
    "jamba",
    "gptj",
    "gpt_neo",
    "codegen",
]
"""Families that the design promises."""

ONE_PART = {"mamba", "mamba2", "falcon_mamba", "nemotron_h", "zamba2"}
"""Their layers have a mixer or an MLP, not both; Zamba2 keeps both inside one child."""
NOT_ADDED = {"openai-gpt", "opt-350m", "rwkv"}
"""Their layers normalise the residual stream itself, the last one before its first layer only."""
THREE_PARTS = {"gemma4_text"}
"""Their layers add a third update, which is neither attention nor MLP; no oracle of halves holds for them."""
WITH_HALVES = [name for name in TINY if name not in ONE_PART | NOT_ADDED | THREE_PARTS]

ORDERS = {"removal": (0, 2, 3), "removal of the last": (0, 1, 2), "exchange": (0, 2, 1, 3), "reversal": (3, 2, 1, 0)}
TOLERANCE = 1e-5
VISIBLE = 1e-3
"""A change that is meant moves some logit by at least this much."""

FEATURES: list[tuple[str, dict[str, Any]]] = [
    ("gemma2", {"final_logit_softcapping": None}),
    ("gemma2", {"attn_logit_softcapping": None}),
    ("gemma3_text", {"final_logit_softcapping": None}),
    ("vaultgemma", {"final_logit_softcapping": None}),
    ("gemma4_text", {"final_logit_softcapping": None}),
    ("recurrent_gemma", {"logits_soft_cap": 100.0}),
    ("cohere", {"logit_scale": 1.0}),
    ("cohere2", {"logit_scale": 1.0}),
    ("granite", {"logits_scaling": 1.0}),
    ("granite", {"residual_multiplier": 1.0}),
    ("granitemoe", {"logits_scaling": 1.0}),
    ("falcon_h1", {"lm_head_multiplier": 1.0}),
    ("olmo", {"clip_qkv": None}),
    ("gpt2-inverse-layer", {"scale_attn_by_inverse_layer_idx": False}),
    ("smollm3", {"no_rope_layers": (1, 1, 1, 1)}),
    ("llama4_text", {"no_rope_layers": (1, 1, 1, 1)}),
]
"""Entries and the setting that turns one of their features off."""
WINDOWS = {
    **dict.fromkeys(
        [
            "mistral-sliding",
            "ministral",
            "qwen2-sliding",
            "qwen3-sliding",
            "phi3-sliding",
            "smollm3-sliding",
            "cwm",
            "gemma2",
            "gemma3_text",
            "vaultgemma",
            "gemma4_text",
            "olmo3",
            "exaone4",
            "cohere2",
            "starcoder2-sliding",
            "mixtral-sliding",
            "gpt_oss",
            "afmoe",
        ],
        "sliding_window",
    ),
    "gpt_neo": "window_size",
    "llama4_text": "attention_chunk_size",
    "recurrent_gemma": "attention_window_size",
}
"""Entries with windows shorter than the text, and what their configuration calls the window."""


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Models this small lose time by sharing a layer among threads, much of it where other work runs beside the tests."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@functools.cache
def decoder_of(name: str) -> Decoder:
    """Shared by the tests of this module, one of which asserts that it is still what it was when it was built."""
    return Decoder(build_tiny(name), name)


def path_logits(decoder: Decoder, path: LayerPath) -> Tensor:
    recording = decoder.record(tiny_token_ids())
    hidden = recording.embedded
    for step in path.steps:
        hidden = decoder.run_step(step, hidden, recording)
    return decoder.unembed(hidden)


def distance(first: Tensor, second: Tensor) -> float:
    assert first.shape == second.shape == (2, TEXT_LENGTH, VOCAB_SIZE)
    return float((first - second).abs().max())


@pytest.mark.parametrize("name", TINY)
def test_the_intact_path_gives_the_models_logits_to_the_bit(name: str) -> None:
    decoder = decoder_of(name)
    assert decoder.n_layers == N_LAYERS
    assert torch.equal(path_logits(decoder, LayerPath.intact(N_LAYERS)), model_logits(decoder.model, tiny_token_ids()))


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("name", TINY)
def test_rearranged_layers_equal_a_rebuilt_model(name: str, order: tuple[int, ...]) -> None:
    decoder = decoder_of(name)
    expected = surgery_logits(decoder.model, tiny_token_ids(), order)
    assert distance(path_logits(decoder, LayerPath.from_layers(order)), expected) <= TOLERANCE
    assert distance(model_logits(decoder.model, tiny_token_ids()), expected) > VISIBLE


@pytest.mark.slow
@pytest.mark.parametrize("half", ["attn", "mlp"])
@pytest.mark.parametrize("name", WITH_HALVES)
def test_half_a_layer_equals_a_model_with_zeroed_weights(name: str, half: Literal["attn", "mlp"]) -> None:
    decoder = decoder_of(name)
    kept = {"attn": "mlp", "mlp": "attn"}[half]
    for layer in range(N_LAYERS):
        path = ",".join(f"{index}.{kept}" if index == layer else f"{index}" for index in range(N_LAYERS))
        expected = silenced_logits(decoder.model, tiny_token_ids(), layer, half)
        assert distance(path_logits(decoder, LayerPath.parse(path)), expected) <= TOLERANCE, path
        assert distance(model_logits(decoder.model, tiny_token_ids()), expected) > VISIBLE, path


@pytest.mark.parametrize("name", sorted(ONE_PART))
def test_layers_of_one_part_have_no_halves(name: str) -> None:
    with pytest.raises(ModelError, match=f"needs layers that have both; in '{TINY[name].model_type}'"):
        _ = decoder_of(name).halves


@pytest.mark.parametrize("name", sorted(NOT_ADDED))
def test_layers_that_rework_the_residual_stream_have_no_halves(name: str) -> None:
    with pytest.raises(ModelError, match=f"add their parts to the residual stream; in '{TINY[name].model_type}'"):
        _ = decoder_of(name).halves


@pytest.mark.parametrize("name", TINY)
def test_a_family_passes_the_checks_at_load_and_is_bit_identical_after_everything(name: str) -> None:
    decoder = decoder_of(name)
    check_decoder(decoder)
    for path in ("0-3", "3,2,1,0", "0,(1|2),3", "none"):
        path_logits(decoder, LayerPath.parse(path))
    if name in WITH_HALVES:
        path_logits(decoder, LayerPath.parse("0.mlp,1.attn,2,3.mlp"))
    fresh = build_tiny(name)
    expected = fresh.state_dict()
    assert decoder.model.state_dict().keys() == expected.keys()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in decoder.model.state_dict().items())
    assert all(vars(mine).keys() == vars(other).keys() for mine, other in zip(decoder.layers, layers_of(fresh), strict=True))
    assert not any("forward" in layer.__dict__ for layer in decoder.layers)
    for module in decoder.model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert not module.training


def test_the_catalogue_holds_every_promised_family() -> None:
    model_types = {tiny.model_type for tiny in TINY.values()}
    assert set(REQUIRED) <= model_types
    assert len(TINY) >= 40
    assert len(model_types) >= 38
    assert all(has_halves(TINY[name].model_type) for name in WITH_HALVES)


@pytest.mark.parametrize("name", TINY)
def test_every_setting_of_the_catalogue_reaches_the_configuration(name: str) -> None:
    entry = TINY[name]
    config = entry.config()
    options = {*config.__dataclass_fields__, *config.attribute_map, "global_head_dim"}
    assert set(entry.settings) <= options, "an unknown option is kept without a word"
    assert config.vocab_size == VOCAB_SIZE
    assert config.num_hidden_layers == N_LAYERS


@pytest.mark.parametrize(("name", "off"), FEATURES)
def test_caps_and_scales_are_on_and_move_the_logits(name: str, off: dict[str, Any]) -> None:
    ((setting, neutral),) = off.items()
    assert getattr(TINY[name].config(), setting) not in (None, neutral)
    plain = model_logits(build_tiny(name, **off), tiny_token_ids())
    assert distance(model_logits(decoder_of(name).model, tiny_token_ids()), plain) > VISIBLE


@pytest.mark.parametrize(("name", "setting"), WINDOWS.items())
def test_windows_are_shorter_than_the_text_and_move_the_logits(name: str, setting: str) -> None:
    assert 4 <= getattr(TINY[name].config(), setting) <= 6 < TEXT_LENGTH
    wide = model_logits(build_tiny(name, **{setting: 64}), tiny_token_ids())
    assert distance(model_logits(decoder_of(name).model, tiny_token_ids()), wide) > VISIBLE


@pytest.mark.parametrize(("name", "tied"), [("llama", True), ("llama-untied", False), ("gpt2", True), ("gptj", False)])
def test_embeddings_are_tied_or_not(name: str, tied: bool) -> None:
    model = decoder_of(name).model
    assert (model.get_output_embeddings().weight is model.get_input_embeddings().weight) == tied


@pytest.mark.parametrize("name", ["gemma2", "gemma3_text", "cohere2", "olmo3", "gpt_oss", "exaone4", "qwen3-sliding", "cwm"])
def test_the_oracle_moves_each_layers_mask_with_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = decoder_of(name).model
    right = surgery_logits(model, tiny_token_ids(), ORDERS["reversal"])
    monkeypatch.setattr("tests.oracles._PER_LAYER", ())
    assert distance(surgery_logits(model, tiny_token_ids(), ORDERS["reversal"]), right) > VISIBLE
