"""Sites over the whole catalogue: what is read there against hooks of the test's own, what is refused, nothing left behind."""

from __future__ import annotations

import functools
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoConfig

from layerscope.errors import ModelError
from layerscope.models.decoder import Decoder, Recording
from layerscope.models.loading import LoadOptions, load_streamed
from layerscope.models.sites import SITES, Activations, SiteMap, check_sites, first_of
from layerscope.models.sources import resolve_model
from layerscope.paths.steps import LayerStep
from tests.oracles import layers_of, model_logits
from tests.tiny_models import TINY, build_tiny, tiny_token_ids

WITHOUT_HALVES = {
    "gemma4_text",
    "openai-gpt",
    "opt-350m",
    "mamba",
    "mamba2",
    "falcon_mamba",
    "falcon_h1",
    "granitemoehybrid",
    "nemotron_h",
    "zamba2",
    "rwkv",
}
"""Layers with one part or three, or that normalise the stream itself."""
WITH_HALVES = [name for name in TINY if name not in WITHOUT_HALVES]
WITHOUT_NORM = {"olmo2", "olmo3", "exaone4", "openai-gpt", "opt-350m"}
"""Their layers read the stream as it is."""
AS_IT_IS = {("olmo_hybrid", 1), ("zamba2", 1), ("zamba2", 3)}
"""Layers among normed ones that do so; Zamba 2's put the embeddings beside it first."""
SCALED = {"granite": 0.5}
"""Families that multiply what a half writes, and with what."""
OVERWRITTEN = {"falcon", "falcon-40b"}
"""Parallel halves: the attention's output is added into the MLP's."""


@functools.cache
def decoder_of(name: str) -> Decoder:
    return Decoder(build_tiny(name), name)


def n_hooks(model: nn.Module) -> int:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_forward_hooks_with_kwargs", "_forward_pre_hooks_with_kwargs")
    held: list[OrderedDict] = [getattr(module, kind) for module in model.modules() for kind in kinds]
    return sum(map(len, held))


def watch(sites: SiteMap) -> Activations:
    with torch.no_grad(), sites.watching() as seen:
        sites.decoder.model.base_model(input_ids=tiny_token_ids(), use_cache=False)
    return seen


def everything(hidden: Tensor) -> Tensor:
    return hidden


def value(sites: SiteMap, seen: Activations, site: str, layer: int) -> Tensor:
    return sites.value(seen, site, layer, everything)


def plain_streams(model: nn.Module) -> list[Tensor]:
    """The residual stream before the first layer and after each, by hooks that copy."""
    streams: list[Tensor] = []
    handles = []
    for index, layer in enumerate(layers_of(model)):
        if index == 0:
            handles.append(
                layer.register_forward_pre_hook(
                    lambda _, args, kwargs: streams.append((args[0] if args else kwargs["hidden_states"]).clone()),
                    with_kwargs=True,
                )
            )
        handles.append(layer.register_forward_hook(lambda _, __, output: streams.append(first_of(output).clone())))
    model_logits(model, tiny_token_ids())
    for handle in handles:
        handle.remove()
    return streams


@pytest.mark.parametrize("name", TINY)
def test_the_stream_and_updates_are_those_of_plain_hooks_and_the_last_unembeds_to_the_logits(name: str) -> None:
    decoder = decoder_of(name)
    streams = plain_streams(decoder.model)
    sites = SiteMap(decoder, ("resid_post", "update"))
    seen = watch(sites)
    assert (sites.n_layers, sites.width) == (decoder.n_layers, 32)
    for layer in range(sites.n_layers):
        assert torch.equal(value(sites, seen, "resid_post", layer), streams[layer + 1])
        assert torch.equal(value(sites, seen, "update", layer), streams[layer + 1] - streams[layer])
    final = value(sites, seen, "resid_post", sites.n_layers - 1)
    torch.testing.assert_close(decoder.unembed(final), model_logits(decoder.model, tiny_token_ids()), atol=1e-5, rtol=1e-5)
    assert seen.attn == {} == seen.mlp, "only what is asked for is kept"


@pytest.mark.parametrize("name", WITH_HALVES)
def test_attention_and_mlp_add_up_to_the_update_and_are_not_mixed_up(name: str) -> None:
    decoder = decoder_of(name)
    sites = SiteMap(decoder, ("update", "attn_out", "mlp_out"))
    seen = watch(sites)
    recording = decoder.record(tiny_token_ids())
    for layer in range(sites.n_layers):
        attn, mlp = value(sites, seen, "attn_out", layer), value(sites, seen, "mlp_out", layer)
        update = value(sites, seen, "update", layer)
        torch.testing.assert_close(attn + mlp, update, atol=2e-5, rtol=1e-4)
        assert min(float(half.norm()) for half in (attn, mlp)) > 1e-3 * float(update.norm()), "neither half is empty"
        # the layer with its MLP silent writes what attention writes
        before = seen.resid[layer]
        alone = decoder.run_step(LayerStep(layer, "attn"), before, recording) - before
        torch.testing.assert_close(attn, alone, atol=2e-5, rtol=1e-4)
        assert sites.write_module("attn_out", layer).scale == pytest.approx(SCALED.get(name, 1.0))
        assert sites.write_module("mlp_out", layer).is_overwritten == (name in OVERWRITTEN)


@pytest.mark.parametrize("name", sorted(OVERWRITTEN))
def test_an_output_that_the_family_writes_over_is_copied(name: str) -> None:
    """Without the copy, what is kept as the MLP's would be both halves."""
    sites = SiteMap(decoder_of(name), ("update", "attn_out", "mlp_out"))
    kept = watch(sites)
    written: list[Tensor] = []
    module = sites.write_module("mlp_out", 1).module
    handle = module.register_forward_hook(lambda _, __, output: written.append(first_of(output)))
    watch(sites)
    handle.remove()
    update = value(sites, kept, "update", 1)
    torch.testing.assert_close(written[0], update, atol=1e-5, rtol=1e-4)  # the memory holds the sum by now
    assert float((kept.mlp[1] - update).norm()) > 0.1 * float(update.norm())


def read_by_hooks(model: nn.Module) -> tuple[list[Tensor | None], Tensor]:
    """What each layer's first norm answered, None where it has none of its own at the start; what the output matrix got."""
    found: list[Tensor | None] = [None] * len(layers_of(model))
    matrix: list[Tensor] = []
    handles = [model.get_output_embeddings().register_forward_pre_hook(lambda _, args: matrix.append(args[0].clone()))]
    for index, layer in enumerate(layers_of(model)):
        for child in layer.children():

            def note(module: nn.Module, _: object, output: Tensor, index: int = index) -> None:
                if found[index] is None and "norm" in type(module).__name__.lower():
                    found[index] = first_of(output).clone()

            handles.append(child.register_forward_hook(note))
    model_logits(model, tiny_token_ids())
    for handle in handles:
        handle.remove()
    return found, matrix[0]


@pytest.mark.parametrize("name", [name for name in TINY if name != "opt-350m"])
def test_read_is_what_the_next_layers_norm_answers_and_at_the_end_what_the_output_matrix_gets(name: str) -> None:
    decoder = decoder_of(name)
    by_hooks, matrix = read_by_hooks(decoder.model)
    sites = SiteMap(decoder, ("read",))
    seen = watch(sites)
    for layer in range(sites.n_layers - 1):
        is_normed = name not in WITHOUT_NORM and (name, layer + 1) not in AS_IT_IS
        expected = by_hooks[layer + 1] if is_normed else seen.resid[layer + 1]
        torch.testing.assert_close(value(sites, seen, "read", layer), expected, atol=1e-5, rtol=1e-5)
        assert is_normed != torch.equal(value(sites, seen, "read", layer), seen.resid[layer + 1])
    last = value(sites, seen, "read", sites.n_layers - 1)
    torch.testing.assert_close(last, matrix.reshape(last.shape), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", sorted(WITHOUT_HALVES))
def test_a_layer_that_is_not_two_halves_is_refused_with_a_next_step(name: str) -> None:
    decoder = decoder_of(name)
    family = decoder.model.config.model_type
    message = (
        rf"need a layer that adds what two modules write; in '{family}' layer 0 does something else: leave these sites out\.$"
    )
    for site in ("attn_out", "mlp_out"):
        with pytest.raises(ModelError, match=message):
            SiteMap(decoder, ("resid_post", site))


def test_an_output_matrix_of_another_width_is_refused() -> None:
    with pytest.raises(ModelError, match=r"in 'opt' it reads 16 dimensions and the stream has 32: leave this site out\.$"):
        SiteMap(decoder_of("opt-350m"), ("read",))


def test_a_model_of_several_streams_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = Decoder(build_tiny("llama"), "llama")
    monkeypatch.setattr(decoder, "record", lambda ids: Recording(torch.zeros((*ids.shape, 2, 32)), ()))
    with pytest.raises(ModelError, match="residual stream of one vector a token; 'llama' keeps several, which is not"):
        SiteMap(decoder, ("resid_post",))


@pytest.mark.parametrize("name", ["llama", "gpt2", "falcon", "granite", "llama4_text", "jamba"])
def test_the_model_is_bit_identical_afterwards_and_no_hook_stays(name: str) -> None:
    model = build_tiny(name)
    weights = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    logits, hooks = model_logits(model, tiny_token_ids()), n_hooks(model)
    sites = SiteMap(Decoder(model, name), tuple(SITES))
    assert n_hooks(model) == hooks
    seen = watch(sites)
    for site in SITES:
        value(sites, seen, site, sites.n_layers - 1)
    with pytest.raises(ZeroDivisionError), sites.watching():
        raise ZeroDivisionError if n_hooks(model) > hooks else AssertionError
    assert n_hooks(model) == hooks
    assert torch.equal(model_logits(model, tiny_token_ids()), logits)
    assert all(torch.equal(weights[key], tensor) for key, tensor in model.state_dict().items())


def test_at_takes_tokens_out_before_anything_is_computed() -> None:
    sites = SiteMap(decoder_of("llama"), tuple(SITES))
    seen = watch(sites)
    rows, columns = torch.tensor([1, 0]), torch.tensor([3, 17])
    for site in SITES:
        whole = value(sites, seen, site, 2)
        few = sites.value(seen, site, 2, lambda array: array[rows, columns])
        assert few.shape == (2, 32)
        torch.testing.assert_close(few, whole[rows, columns], atol=1e-6, rtol=1e-5)


def test_names_are_checked_and_each_is_taken_once() -> None:
    assert check_sites(["update", "read", "update"]) == ("update", "read")
    with pytest.raises(
        ModelError, match=r"A site is resid_post, update, read, attn_out, mlp_out; got 'mlp_oot'\. Did you mean mlp_out"
    ):
        check_sites(["resid_post", "mlp_oot"])
    with pytest.raises(ModelError, match="At least one site is needed: resid_post, update, read, attn_out, mlp_out."):
        check_sites([])


def test_what_is_made_of_other_sites_has_no_writer() -> None:
    sites = SiteMap(decoder_of("llama"), tuple(SITES))
    assert sites.write_module("resid_post", 3).module is sites.decoder.layers[3]
    for site in ("update", "read"):
        with pytest.raises(ModelError, match=f"can be changed at resid_post, attn_out and mlp_out; got '{site}'."):
            sites.write_module(site, 0)


def test_streamed_layers_give_the_same_activations(tiny_checkpoint: Path, tiny_decoder: Decoder) -> None:
    config = AutoConfig.from_pretrained(tiny_checkpoint)
    streamed = load_streamed(resolve_model(str(tiny_checkpoint)), config, None, LoadOptions())
    ids = torch.arange(20, 32)[None]
    found = []
    for decoder in (tiny_decoder, streamed):
        sites = SiteMap(decoder, tuple(SITES))
        with torch.no_grad(), decoder.weights_at_hand(), sites.watching() as seen:
            decoder.model.base_model(input_ids=ids, use_cache=False)
        found.append({(site, layer): value(sites, seen, site, layer) for site in SITES for layer in range(4)})
    for cell, expected in found[0].items():
        torch.testing.assert_close(found[1][cell], expected, atol=1e-6, rtol=1e-6, msg=str(cell))
