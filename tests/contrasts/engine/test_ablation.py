"""Ablation against a naive loop over layers and halves, and all that it must leave alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from layerscope.contrasts.engine.ablation import Units, ablated, ablated_model, replacement_values
from layerscope.contrasts.engine.reference import Reference
from layerscope.errors import ModelError
from layerscope.models.decoder import Decoder
from layerscope.models.sites import SiteMap
from layerscope.paths.steps import LayerStep
from tests.tiny_models import N_LAYERS, TEXT_LENGTH, build_tiny, tiny_token_ids

FAMILIES = ["llama", "gpt2", "gpt_neox", "gemma2", "mixtral", "opt", "falcon", "granite"]
PARALLEL = ("gpt_neox", "falcon")
"""Attention and MLP read the same."""
WIDTH = 32
LAYERS = {1: [3, 17, 30], 2: [0, 17]}
START = 7


@pytest.fixture(scope="module", params=FAMILIES)
def sites(request: pytest.FixtureRequest) -> SiteMap:
    return SiteMap(Decoder(build_tiny(request.param), request.param), ("resid_post", "attn_out", "mlp_out"))


@pytest.fixture(scope="module")
def llama() -> Decoder:
    return Decoder(build_tiny("llama"), "llama")


def units_at(site: str) -> Units:
    return Units(site, {layer: np.array(dims) for layer, dims in LAYERS.items()})


def values_for_all(n_rows: int = 2) -> dict[int, Tensor]:
    generator = torch.Generator().manual_seed(5)
    return {layer: torch.randn((n_rows, TEXT_LENGTH, len(dims)), generator=generator) for layer, dims in LAYERS.items()}


def from_start(n_rows: int = 2) -> Tensor:
    where = torch.zeros((n_rows, TEXT_LENGTH), dtype=torch.bool)
    where[:, START:] = True
    where[0, START + 2] = False
    return where


def reference_of(site: str) -> Reference:
    generator = np.random.default_rng(3)
    mean, spread, size = generator.normal(size=(3, N_LAYERS, WIDTH))
    bank = generator.normal(size=(20, N_LAYERS, WIDTH)).astype(np.float32)
    return Reference(100, 0, {site: mean}, {site: abs(spread)}, {site: abs(size)}, {site: bank})


def naive_logits(decoder: Decoder, ids: Tensor, site: str, values: dict[int, Tensor], where: Tensor) -> Tensor:
    """Layer by layer, half by half; dimensions overwritten one by one."""
    recording = decoder.record(ids)
    hidden = recording.embedded

    def overwritten(array: Tensor, layer: int) -> Tensor:
        array = array.clone()
        for number, dim in enumerate(LAYERS.get(layer, [])):
            for row, column in where.nonzero().tolist():
                array[row, column, dim] = values[layer][row, column, number]
        return array

    def half(layer: int, part: str, read: Tensor) -> Tensor:
        update = decoder.run_step(LayerStep(layer, part), read, recording) - read
        return overwritten(update, layer) if site == f"{part}_out" else update

    for layer in range(decoder.n_layers):
        if site == "resid_post":
            hidden = overwritten(decoder.run_step(LayerStep(layer), hidden, recording), layer)
            continue
        after_attn = hidden + half(layer, "attn", hidden)
        hidden = after_attn + half(layer, "mlp", hidden if decoder.name in PARALLEL else after_attn)
    return decoder.unembed(hidden)


@pytest.mark.parametrize("site", ["resid_post", "attn_out", "mlp_out"])
def test_ablation_equals_a_naive_loop_and_leaves_the_model_alone(sites: SiteMap, site: str) -> None:
    ids, values, where = tiny_token_ids(), values_for_all(), from_start()
    decoder = sites.decoder
    intact = decoder.logits(ids)
    weights = {name: weight.clone() for name, weight in decoder.model.state_dict().items()}
    with ablated(sites, units_at(site), values=values, where=where):
        found = decoder.logits(ids)
    torch.testing.assert_close(found, naive_logits(decoder, ids, site, values, where), atol=2e-5, rtol=2e-5)
    assert (found[:, START:] - intact[:, START:]).abs().amax() > 1e-3
    assert torch.equal(found[:, :START], intact[:, :START])
    assert torch.equal(decoder.logits(ids), intact)
    assert all(torch.equal(weight, weights[name]) for name, weight in decoder.model.state_dict().items())


@pytest.mark.parametrize("site", ["resid_post", "attn_out", "mlp_out"])
def test_the_site_has_the_values_there_and_its_own_elsewhere(sites: SiteMap, site: str) -> None:
    ids, values, where = tiny_token_ids(), values_for_all(), from_start()
    decoder = sites.decoder
    with ablated(sites, units_at(site), values=values, where=where), sites.watching() as seen:
        decoder.logits(ids)
    with sites.watching() as intact:
        decoder.logits(ids)
    dims = LAYERS[1]
    now, then = (sites.value(one, site, 1, lambda array: array) for one in (seen, intact))
    torch.testing.assert_close(now[..., dims][where], values[1][where], atol=1e-6, rtol=1e-6)
    assert torch.equal(now[~where], then[~where])
    others = [dim for dim in range(WIDTH) if dim not in dims]
    assert torch.equal(now[..., others], then[..., others])


def test_own_values_and_nowhere_change_nothing(sites: SiteMap) -> None:
    ids, decoder = tiny_token_ids(), sites.decoder
    intact = decoder.logits(ids)
    for site in ("resid_post", "attn_out", "mlp_out"):
        with sites.watching() as seen:
            decoder.logits(ids)
        own = {layer: sites.value(seen, site, layer, lambda array: array)[..., dims] for layer, dims in LAYERS.items()}
        with ablated(sites, units_at(site), values=own, where=torch.ones(ids.shape, dtype=torch.bool)):
            assert torch.equal(decoder.logits(ids), intact), site
        nowhere = torch.zeros(ids.shape, dtype=torch.bool)
        with ablated(sites, units_at(site), values=values_for_all(), where=nowhere):
            assert torch.equal(decoder.logits(ids), intact), site


def test_the_last_layer_changes_what_is_unembedded(llama: Decoder) -> None:
    ids = tiny_token_ids()
    sites = SiteMap(llama, ("resid_post",))
    with sites.watching() as seen:
        llama.logits(ids)
    zeroed = seen.resid[-1].clone()
    zeroed[:, :, [4, 9]] = 0.0
    with ablated_model(llama, ids, {N_LAYERS - 1: [4, 9]}):
        torch.testing.assert_close(llama.logits(ids), llama.unembed(zeroed))


def test_hooks_are_gone_after_an_error(llama: Decoder) -> None:
    ids = tiny_token_ids()
    intact = llama.logits(ids)
    with pytest.raises(ZeroDivisionError), ablated_model(llama, ids, {1: [2]}):
        raise ZeroDivisionError
    assert torch.equal(llama.logits(ids), intact)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in llama.model.modules())


def test_replacement_values() -> None:
    units, reference = units_at("resid_post"), reference_of("resid_post")
    sample = np.array([[0, 4, 4], [19, 4, 1]])
    zero = replacement_values(units, "zero")
    mean = replacement_values(units, "mean", reference=reference)
    drawn = replacement_values(units, "resample", reference=reference, sample=sample)
    for layer, dims in LAYERS.items():
        assert torch.equal(zero[layer], torch.zeros(1, 1, len(dims)))
        np.testing.assert_allclose(mean[layer][0, 0], reference.mean["resid_post"][layer, dims], rtol=1e-6)
        for row, column in np.ndindex(sample.shape):
            # all units of a place from one token: their joint distribution is kept
            np.testing.assert_array_equal(
                drawn[layer][row, column], reference.bank["resid_post"][sample[row, column], layer][dims]
            )


@pytest.mark.parametrize("replace", ["zero", "mean", "resample"])
def test_the_few_lines_of_a_user(llama: Decoder, replace: str) -> None:
    ids, reference = tiny_token_ids(), reference_of("mlp_out")
    arguments = {"site": "mlp_out", "replace": replace, "reference": reference, "positions": slice(START, None)}
    intact = llama.logits(ids)
    with ablated_model(llama, ids, {1: [2, 5]}, **arguments, generator=np.random.default_rng(0)):
        found = llama.logits(ids)
    assert torch.equal(found[:, :START], intact[:, :START])
    assert (found[:, START:] != intact[:, START:]).any(dim=-1).all()
    with ablated_model(llama, ids, {1: [2, 5]}, **arguments, generator=np.random.default_rng(0)):
        assert torch.equal(llama.logits(ids), found)
    assert torch.equal(llama.logits(ids), intact)


def test_members_and_flat_units_are_the_same() -> None:
    layer, dim = np.array([2, 1, 1, 2, 1]), np.array([17, 30, 3, 0, 17])
    for units in (
        Units.of("attn_out", layer=layer, dim=dim),
        Units.of_flat("attn_out", unit=layer * WIDTH + dim, width=WIDTH),
    ):
        assert {one: dims.tolist() for one, dims in units.layers.items()} == LAYERS
        assert units.n_units == 5


@pytest.mark.parametrize(
    ("site", "layers", "message"),
    [
        ("update", {1: [2]}, "can be changed at resid_post, attn_out, mlp_out; got 'update'"),
        ("resid_post", {}, "at least one dimension"),
        ("resid_post", {1: []}, "at least one dimension"),
        ("resid_post", {-1: [2]}, "count from 0; got layer -1"),
        ("resid_post", {1: [-2]}, "count from 0; got layer 1, dimensions from -2"),
        ("resid_post", {1: [2, 2]}, "named once; layer 1"),
        ("resid_post", {4: [2]}, "llama has layers 0-3 and dimensions 0-31; got layer 4"),
        ("resid_post", {1: [32]}, "got layer 1, dimensions to 32"),
    ],
)
def test_units_that_do_not_exist_are_refused(llama: Decoder, site: str, layers: dict[int, list[int]], message: str) -> None:
    with pytest.raises(ModelError, match=message), ablated_model(llama, tiny_token_ids(), layers, site=site):  # type: ignore[arg-type]
        pass


def test_what_a_replacement_lacks_is_named(llama: Decoder) -> None:
    ids = tiny_token_ids()
    with (
        pytest.raises(ModelError, match="no reference of it: measure one"),
        ablated_model(llama, ids, {1: [2]}, replace="mean"),
    ):
        pass
    other = reference_of("mlp_out")
    with pytest.raises(ModelError, match="'resample' takes values of ordinary text at resid_post"):
        replacement_values(units_at("resid_post"), "resample", reference=other)
    with (
        pytest.raises(ModelError, match="no generator"),
        ablated_model(llama, ids, {1: [2]}, site="mlp_out", replace="resample", reference=other),
    ):
        pass
    with pytest.raises(ModelError, match="which token of the reference goes where"):
        replacement_values(units_at("mlp_out"), "resample", reference=other)
    with (
        pytest.raises(ModelError, match="made for resid_post; got 'attn_out'"),
        ablated(SiteMap(llama, ("resid_post",)), units_at("attn_out"), values=values_for_all(), where=from_start()),
    ):
        pass


def test_a_pass_of_another_shape_is_refused(llama: Decoder) -> None:
    with (
        pytest.raises(ModelError, match="2 texts of 18 tokens; got 1 of 18"),
        ablated_model(llama, tiny_token_ids(), {1: [2]}),
    ):
        llama.logits(tiny_token_ids()[:1])
