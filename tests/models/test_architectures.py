"""Record and inject on every family of the catalogue, against the model itself and against naive surgery on copies."""

from __future__ import annotations

import pytest
import torch

from layerscope.errors import ModelError
from layerscope.models import Decoder, check_decoder
from layerscope.paths import LayerPath
from tests.oracles import plain_logits, silenced_logits, surgery_logits
from tests.tiny_models import TEXT_TOKENS, TINY_MODELS, WINDOW, build_tiny, some_ids

ORDERS = {"removal": [0, 2, 3], "removal of the last": [0, 1, 2], "exchange": [0, 2, 1, 3], "reversal": [3, 2, 1, 0]}
NAMED_IN_THE_DESIGN = {
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
}

every_model = pytest.mark.parametrize("name", list(TINY_MODELS))


def logits_along(decoder: Decoder, path: LayerPath) -> torch.Tensor:
    recording = decoder.record(some_ids())
    hidden = recording.embedded
    for step in path.steps:
        hidden = decoder.run_step(step, hidden, recording)
    return decoder.unembed(hidden)


def furthest(one: torch.Tensor, other: torch.Tensor) -> float:
    return (one - other).abs().max().item()


def test_the_catalogue_holds_what_the_design_names() -> None:
    families = {tiny.model_type for tiny in TINY_MODELS.values()}
    assert families >= NAMED_IN_THE_DESIGN
    assert len(families) >= 35


@every_model
def test_intact_path_is_bit_identical(name: str) -> None:
    model = build_tiny(name)
    assert torch.equal(logits_along(Decoder(model, name), LayerPath.intact(4)), plain_logits(model, some_ids()))


@every_model
@pytest.mark.parametrize("kind", list(ORDERS))
def test_rearranged_layers_equal_surgery(name: str, kind: str) -> None:
    model = build_tiny(name)
    ours = logits_along(Decoder(model, name), LayerPath.from_layers(ORDERS[kind]))
    naive = surgery_logits(model, some_ids(), ORDERS[kind])
    assert furthest(ours, naive) <= 1e-5
    assert furthest(ours, plain_logits(model, some_ids())) > 1e-5, "the change must show, or the test shows nothing"


@pytest.mark.parametrize("half", ["attn", "mlp"])
@pytest.mark.parametrize("layer", [1, 2])
@pytest.mark.parametrize("name", [name for name, tiny in TINY_MODELS.items() if tiny.has_halves])
def test_half_a_layer_equals_zeroed_weights(name: str, layer: int, half: str) -> None:
    model = build_tiny(name)
    kept = "mlp" if half == "attn" else "attn"
    order = [str(index) if index != layer else f"{index}.{kept}" for index in range(4)]
    ours = logits_along(Decoder(model, name), LayerPath.parse(",".join(order)))
    assert furthest(ours, silenced_logits(model, some_ids(), layer, half)) <= 1e-5
    assert furthest(ours, plain_logits(model, some_ids())) > 1e-6, "the change must show, or the test shows nothing"


@pytest.mark.parametrize("name", [name for name, tiny in TINY_MODELS.items() if not tiny.has_halves])
def test_layers_without_halves_are_refused_by_name(name: str) -> None:
    with pytest.raises(ModelError, match=f"needs layers that have both; in '{TINY_MODELS[name].model_type}' layer 0 does not"):
        _ = Decoder(build_tiny(name), name).halves


@every_model
def test_checks_at_load_pass_and_the_model_stays_bit_identical(name: str) -> None:
    model = build_tiny(name)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    decoder = Decoder(model, name)
    check_decoder(decoder)
    logits_along(decoder, LayerPath.parse("0-1,3,2" if not TINY_MODELS[name].has_halves else "0-1,2.mlp,3.attn,(1|2)"))
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())
    assert all("forward" not in layer.__dict__ for layer in decoder.layers)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@every_model
def test_removal_of_a_layer_is_both_its_halves_silenced(name: str) -> None:
    if not TINY_MODELS[name].has_halves:
        pytest.skip("its layers have no halves")
    decoder = Decoder(build_tiny(name), name)
    recording = decoder.record(some_ids())
    with decoder.halves.silenced(2, "attn"), decoder.halves.silenced(2, "mlp"):
        after = decoder.run_step(LayerPath.parse("2").steps[0], recording.embedded, recording)
    assert torch.equal(after, recording.embedded)


@pytest.mark.parametrize(
    "name", ["mistral", "gemma2", "gemma3_text", "cohere2", "olmo3", "qwen2", "gpt_oss", "exaone4", "phi3"]
)
def test_sliding_windows_are_shorter_than_the_text_and_cut_it(name: str) -> None:
    model = build_tiny(name)
    assert model.config.sliding_window == WINDOW < TEXT_TOKENS
    changed = some_ids()
    changed[:, 0] += 1
    widened = (getattr(model.config, "layer_types", None) or []).count("full_attention")
    reach = furthest(plain_logits(model, changed)[:, -1], plain_logits(model, some_ids())[:, -1])
    assert (reach > 0) == (widened > 0 or 4 * (WINDOW - 1) >= TEXT_TOKENS - 1)


def test_soft_capping_bites_and_scales_are_on() -> None:
    assert plain_logits(build_tiny("gemma2"), some_ids()).abs().max() <= 1.0
    hidden = build_tiny("gemma2").model(some_ids()).last_hidden_state
    assert build_tiny("gemma2").lm_head(hidden).abs().max() > 1.5, "without the cap logits would be larger"
    assert build_tiny("cohere").logit_scale == 0.25
    assert build_tiny("granite").config.logits_scaling == 4.0


def test_tied_and_untied_embeddings() -> None:
    tied, untied = build_tiny("llama-tied"), build_tiny("llama")
    assert tied.lm_head.weight.data_ptr() == tied.model.embed_tokens.weight.data_ptr()
    assert untied.lm_head.weight.data_ptr() != untied.model.embed_tokens.weight.data_ptr()


@pytest.mark.parametrize(("name", "length"), [("llama", None), ("gptj", 2), ("gpt_neo", 2), ("codegen", 2), ("bloom", 2)])
def test_layers_answer_in_kind(name: str, length: int | None) -> None:
    assert Decoder(build_tiny(name), name).tuple_lengths == (length,) * 4
