"""Contrast against sentences run one by one, whole, by the model itself; what must not matter; and the traps of scale."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from layerscope.contrasts.blocks import N_BLOCKS, UNMATCHED
from layerscope.contrasts.engine.difference_sums import QUANTILES, DifferenceSummer
from layerscope.contrasts.engine.groups import ContrastPlan, GroupContrast, PairValues, contrast_group
from layerscope.contrasts.engine.local_scale import N_BINS, LocalScale, ReferenceBins, bin_edges, bin_of
from layerscope.contrasts.engine.pair_batches import PairBatch, can_share, cut, filled_up, make_batches
from layerscope.contrasts.engine.reference import measure_reference
from layerscope.corpora.windows import EncodedText, Window, make_window
from layerscope.engine.batching import make_shards
from layerscope.models.decoder import Decoder
from layerscope.models.sites import SITES, SiteMap, first_of
from layerscope.pairs.positions import PlacedPair
from tests.contrasts.engine.naive_local_scale import percentiles
from tests.oracles import layers_of
from tests.tiny_models import VOCAB_SIZE, build_tiny

ALL_SITES = tuple(SITES)
POSITIONS = ("edit", "edit+1", "edit+2", "detection", "last")
CPU = torch.device("cpu")


@functools.cache
def sites_of(family: str, names: tuple[str, ...] = ALL_SITES) -> SiteMap:
    return SiteMap(Decoder(build_tiny(family), family), names)


def pair_of(
    rng: np.random.Generator, *, length: int, edit: int, marks: int = 1, edits: tuple[int, int] | None = None
) -> PlacedPair:
    """Two random sentences that differ in one token; ``marks`` tokens at the end count as punctuation."""
    ids = rng.integers(3, VOCAB_SIZE, size=length)
    other = ids.copy()
    ids[edit], other[edit] = edits or rng.choice(np.arange(3, VOCAB_SIZE), size=2, replace=False)
    last = max(length - 1 - marks, edit)
    return PlacedPair((ids, other), edit, (edit + 1, edit + 1), (last, last))


def aligned_pair(rng: np.random.Generator, *, before: int, edits: tuple[int, int], after: int, marks: int = 1) -> PlacedPair:
    """Sentences whose edits have several tokens, or none, on a side."""
    start, end = rng.integers(3, VOCAB_SIZE, size=before), rng.integers(3, VOCAB_SIZE, size=after)
    sides = [np.concatenate([start, rng.integers(3, VOCAB_SIZE, size=n), end]) for n in edits]
    places = (before + edits[0], before + edits[1])
    return PlacedPair((sides[0], sides[1]), before, places, (len(sides[0]) - 1 - marks, len(sides[1]) - 1 - marks))


def identical_pair(rng: np.random.Generator, *, length: int, edit: int) -> PlacedPair:
    ids = rng.integers(3, VOCAB_SIZE, size=length)
    return PlacedPair((ids, ids.copy()), edit, (edit + 1, edit + 1), (length - 2, length - 2))


def mixed_pairs(seed: int = 0) -> list[PlacedPair]:
    """Thirteen: edits at the second token and at the end, two final marks, three unequal lengths, twins; no order in it."""
    rng = np.random.default_rng(seed)
    shapes = [(9, 3, 1), (15, 7, 1), (5, 1, 0), (12, 7, 2), (8, 7, 0), (7, 5, 1), (9, 3, 1), (14, 2, 1), (6, 3, 1)]
    pairs = [pair_of(rng, length=n, edit=edit, marks=marks) for n, edit, marks in shapes]
    pairs.append(aligned_pair(rng, before=3, edits=(1, 3), after=4))
    pairs.append(aligned_pair(rng, before=4, edits=(2, 1), after=2))
    pairs.append(aligned_pair(rng, before=5, edits=(0, 1), after=3))
    pairs.insert(2, identical_pair(rng, length=10, edit=4))
    return pairs


def random_pairs(n: int, seed: int, edits: list[tuple[int, int]] | None = None) -> list[PlacedPair]:
    """Equal shapes, so that they run fast."""
    rng = np.random.default_rng(seed)
    return [pair_of(rng, length=8, edit=3, edits=edits[i] if edits else None) for i in range(n)]


def spread_of(sites: SiteMap, seed: int = 5) -> dict:
    rng = np.random.default_rng(seed)
    return {site: rng.uniform(0.05, 0.5, size=(sites.n_layers, sites.width)) for site in sites.sites}


def plan_of(sites: SiteMap, *, budget: int = 60, share: bool | None = None, positions: tuple[str, ...] = POSITIONS, **more):
    share = can_share(sites) if share is None else share
    spread = more.pop("spread", None) or spread_of(sites)
    return ContrastPlan(positions, spread, budget, share, tuple(range(sites.n_layers)))


@dataclass
class Kept:
    """A group's result with every pair's values, ``pair site position layer d_model``."""

    result: GroupContrast
    values: np.ndarray


def run(sites: SiteMap, pairs: list[PlacedPair], plan: ContrastPlan, scales: tuple[LocalScale, ...] = (), blocks=None) -> Kept:
    kept: list[PairValues] = []
    blocks = np.arange(len(pairs)) % N_BLOCKS if blocks is None else blocks
    result = contrast_group(sites, pairs, blocks=blocks, plan=plan, scales=scales, keep=kept.append)
    shape = (len(pairs), len(sites.sites), len(plan.positions), sites.n_layers, sites.width)
    values = np.full(shape, np.inf, dtype=np.float32)
    for one in kept:
        values[one.members, sites.sites.index(one.site), :, one.layer] = one.difference
    assert not np.isinf(values).any(), "every pair was handed out at every cell"
    return Kept(result, values)


@dataclass
class Alone:
    """A sentence by itself."""

    states: np.ndarray  # state, token, d_model: before the first layer and after each; by plain hooks
    at_site: dict[str, np.ndarray]  # layer, token, d_model
    log_p: np.ndarray  # token, vocab


def alone(sites: SiteMap, ids: np.ndarray) -> Alone:
    """One sentence, whole, alone: ``resid_post`` and ``update`` by hooks of the test's own; tests/models has the rest."""
    model = sites.decoder.model
    states: list[Tensor] = []
    layers = layers_of(model)
    handles = [
        layers[0].register_forward_pre_hook(
            lambda _, args, kwargs: states.append((args[0] if args else kwargs["hidden_states"]).clone()), with_kwargs=True
        )
    ]
    handles += [layer.register_forward_hook(lambda _, __, out: states.append(first_of(out).clone())) for layer in layers]
    with torch.no_grad(), sites.watching() as seen:
        logits = model(input_ids=torch.from_numpy(ids)[None], use_cache=False).logits[0].double()
    for handle in handles:
        handle.remove()
    stacked = torch.stack([state[0] for state in states]).double().numpy()
    at_site = {"resid_post": stacked[1:], "update": np.diff(stacked, axis=0)}
    for site in set(sites.sites) - set(at_site):
        at_site[site] = np.stack([sites.value(seen, site, n, lambda a: a[0]).double().numpy() for n in range(sites.n_layers)])
    return Alone(stacked, at_site, torch.log_softmax(logits, dim=-1).numpy())


@dataclass
class Naive:
    """One pair, from two sentences run alone."""

    difference: np.ndarray  # site, position, layer, d_model; NaN where it lacks a position
    relative: np.ndarray
    nll: np.ndarray  # side, distance
    kl: np.ndarray  # distance
    edit_nll: np.ndarray  # side
    detection: int
    size: np.ndarray  # position, state
    toward: np.ndarray  # side, position, layer
    gap: np.ndarray  # position, layer; how far apart the sides are before it


def naive(sites: SiteMap, pair: PlacedPair, positions: tuple[str, ...] = POSITIONS) -> Naive:
    sides = [alone(sites, ids) for ids in pair.ids]
    n = pair.n_compared
    nll, kl = np.full((2, n + 1), np.nan), np.full(n + 1, np.nan)
    for distance in range(n + 1):
        log_p = [sides[side].log_p[pair.after[side] - 1 + distance] for side in (0, 1)]
        kl[distance] = (np.exp(log_p[0]) * (log_p[0] - log_p[1])).sum()
        if pair.after[0] + distance < len(pair.ids[0]):
            target = pair.ids[0][pair.after[0] + distance]
            assert target == pair.ids[1][pair.after[1] + distance]
            nll[:, distance] = [-log_p[side][target] for side in (0, 1)]
    edit_nll = np.array([
        sum((-sides[side].log_p[t - 1, pair.ids[side][t]] for t in range(pair.n_before, pair.after[side])), 0.0)
        if pair.after[side] > pair.n_before else np.nan
        for side in (0, 1)
    ])  # fmt: skip
    detection = int(np.abs(nll[1, :n] - nll[0, :n]).argmax()) if n else -1
    width, n_layers = sites.width, sites.n_layers
    difference = np.full((len(sites.sites), len(positions), n_layers, width), np.nan)
    relative = difference.copy()
    size = np.full((len(positions), n_layers + 1), np.nan)
    toward, gaps = np.full((2, len(positions), n_layers), np.nan), np.full((len(positions), n_layers), np.nan)
    for number, name in enumerate(positions):
        place = pair.at(name, detection if detection >= 0 else None)
        if place is None:
            continue
        for index, site in enumerate(sites.sites):
            a, b = (sides[side].at_site[site][:, place[side]] for side in (0, 1))
            difference[index, number] = np.abs(a - b)
            relative[index, number] = np.where(a == b, 0.0, 2 * np.abs(a - b) / np.maximum(np.abs(a) + np.abs(b), 1e-300))
        h1, h2 = (sides[side].states[:, place[side]] for side in (0, 1))
        norm = functools.partial(np.linalg.norm, axis=-1)
        size[number] = 2 * norm(h1 - h2) / (norm(h1) + norm(h2))
        gap = (h1 - h2)[:-1]
        length = (gap**2).sum(-1)
        gaps[number] = np.sqrt(length)
        for side, moved, way in ((0, np.diff(h2, axis=0), gap), (1, np.diff(h1, axis=0), -gap)):
            there = length > 0
            toward[side, number, there] = (moved * way).sum(-1)[there] / length[there]
    return Naive(difference, relative, nll, kl, edit_nll, detection, size, toward, gaps)


FAMILIES = ["llama", "gpt2", "gemma2", "mixtral", "bloom", "falcon", "jamba", "lfm2"]


def test_which_families_share_a_cache() -> None:
    assert [name for name in FAMILIES if can_share(sites_of(name))] == ["llama", "gpt2", "gemma2", "mixtral", "bloom", "falcon"]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_number_is_that_of_sentences_run_alone(family: str) -> None:
    sites, pairs = sites_of(family), mixed_pairs()
    found = run(sites, pairs, plan_of(sites))
    expected = [naive(sites, pair) for pair in pairs]
    difference = np.stack([one.difference for one in expected])
    np.testing.assert_array_equal(np.isnan(found.values), np.isnan(difference))
    np.testing.assert_allclose(found.values, difference, atol=2e-5, rtol=1e-4)
    sums, there = found.result.sums, ~np.isnan(difference[:, 0, :, 0, 0])
    np.testing.assert_array_equal(sums.pairs, there.sum(axis=0))
    assert there.sum(axis=0).tolist() == [12, 11, 9, 11, 11]
    np.testing.assert_allclose(sums.mean, np.nanmean(difference, axis=0), atol=2e-5, rtol=1e-4)
    np.testing.assert_allclose(sums.variance, np.nanvar(difference, axis=0), atol=2e-5, rtol=1e-3)
    relative = np.stack([one.relative for one in expected])
    # a difference of two tiny numbers has no relative precision
    assert np.median(np.abs(sums.relative - np.nanmean(relative, axis=0))) < 1e-5
    np.testing.assert_allclose(sums.relative, np.nanmean(relative, axis=0), atol=0.02)
    measures = found.result.measures
    for row, one in enumerate(expected):
        n = len(one.kl)
        np.testing.assert_allclose(measures.nll_nats[:, row, :n], one.nll, atol=2e-5)
        np.testing.assert_allclose(measures.kl_nats[row, :n], one.kl, atol=2e-5)
        assert np.isnan(measures.nll_nats[:, row, n:]).all()
        assert np.isnan(measures.kl_nats[row, n:]).all()
        np.testing.assert_allclose(measures.edit_nll_nats[:, row], one.edit_nll, atol=4e-5)
        assert measures.detection[row] == one.detection
        np.testing.assert_allclose(measures.size[row], one.size, atol=2e-5, rtol=1e-4)
        # the step along the way, which is as exact as the states are; as a share of a tiny gap it has no precision
        for side, toward in enumerate((measures.toward_first[row], measures.toward_second[row])):
            np.testing.assert_allclose(toward * one.gap, one.toward[side] * one.gap, atol=1e-4, rtol=1e-3)


def binned(z: np.ndarray) -> np.ndarray:
    """Bins by the documented edges: bin 0 below 2⁻¹¹, the last one from 2⁴·⁵."""
    return np.searchsorted(bin_edges(), z, side="right")


def bins_of(values: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """−1 where a pair lacks the position."""
    return np.where(np.isnan(values), -1, binned(np.nan_to_num(values) * inverse))


def log_sizes(values: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """ln ‖(a₁ − a₂) / σ‖, in float32 of a difference of 0 the smallest normal number's."""
    lengths = np.sqrt(((values.astype(np.float64) / spread) ** 2).sum(axis=-1))
    return np.log(np.maximum(lengths, np.finfo(np.float32).tiny))


def check_block_means(found: np.ndarray, block_pairs: np.ndarray, of_pair: np.ndarray, blocks: np.ndarray) -> None:
    """Of numbers whose axes are pair, site, position and others."""
    assert len(found) == len(block_pairs) == N_BLOCKS + 1
    lacks = np.isnan(of_pair).reshape(*of_pair.shape[:3], -1)[:, 0, :, 0]
    for block in range(N_BLOCKS + 1):
        members = of_pair[blocks == block]
        counts = (~lacks[blocks == block]).sum(axis=0)
        np.testing.assert_array_equal(block_pairs[block], counts)
        there = counts > 0
        assert np.isnan(found[block][:, ~there]).all()
        if there.any():
            expected = np.nansum(members[:, :, there], axis=0) / counts[there].reshape(-1, *[1] * (of_pair.ndim - 3))
            np.testing.assert_allclose(found[block][:, there], expected, rtol=2e-5, atol=1e-6)


def check_reference(kept: ReferenceBins, bins: np.ndarray, log_size: np.ndarray) -> None:
    """Of numbers by pair, site, position and layer; bins of −1 where a pair lacks the position."""
    np.testing.assert_array_equal(kept.has.numpy(), (bins[:, 0, :, 0, 0] >= 0).T)
    for site, position, layer in np.ndindex(bins.shape[1:4]):
        there = np.flatnonzero(kept.has[position])
        np.testing.assert_array_equal(kept.bins[site, layer, position].numpy()[there], bins[there, site, position, layer])
        found, expected = kept.log_size[site, layer, position].numpy()[there], log_size[there, site, position, layer]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_sums_are_numpys_over_the_values_of_single_pairs() -> None:
    sites = sites_of("gpt2", ("resid_post", "mlp_out"))
    positions = ("edit", "edit+2", "last")
    plan, large = (plan_of(sites, positions=positions, budget=budget) for budget in (60, 2000))
    blocks = np.array([3, 3, 19, 0, 3, 7, UNMATCHED, 0, 19, 11, 12, 3, UNMATCHED])
    # one of several windows, and two of one
    of_references = [mixed_pairs(seed=8) + random_pairs(140, 3), mixed_pairs(seed=8) + random_pairs(20, 3), random_pairs(9, 5)]
    references = [run(sites, some, large) for some in of_references]
    scales = tuple(LocalScale.from_bins(one.result.sums.reference) for one in references)
    found = run(sites, mixed_pairs(), plan, scales, blocks)
    sums, values = found.result.sums, found.values.astype(np.float64)
    np.testing.assert_allclose(sums.mean, np.nanmean(values, axis=0), rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(sums.variance, np.nanvar(values, axis=0), rtol=1e-4, atol=1e-9)
    np.testing.assert_array_equal(sums.zeros, (values == 0).sum(axis=0))
    assert sums.zeros.min() >= 1, "the twins"
    spread = np.stack([plan.spread[site] for site in sites.sites])[:, None]
    inverse = (1.0 / spread).astype(np.float32)
    bins, log_size = bins_of(found.values, inverse), log_sizes(found.values, spread)
    assert sums.reference is None
    assert sums.block_percentile.shape[0] == 3
    check_block_means(sums.block_mean, sums.block_pairs, values, blocks)
    check_block_means(sums.block_log_size, sums.block_pairs, log_size, blocks)
    for pairs, reference, block_percentile in zip(of_references, references, sums.block_percentile, strict=True):
        ref_bins, ref_log_size = bins_of(reference.values, inverse), log_sizes(reference.values, spread)
        assert reference.result.sums.block_percentile is None
        # pairs lie in the order in which their batches ran
        order = np.array([member for batch in make_batches(pairs, 2000, share=large.share) for member in batch.members])
        check_reference(reference.result.sums.reference, ref_bins[order], ref_log_size[order])
        percentile = np.full(bins.shape, np.nan)
        for cell in np.ndindex(bins.shape[1:4]):
            controls, rows = (np.flatnonzero(some[:, *cell, 0] >= 0) for some in (ref_bins, bins))
            reference_pairs = ref_bins[controls, *cell], ref_log_size[controls, *cell]
            percentile[rows, *cell] = percentiles(*reference_pairs, bins[rows, *cell], log_size[rows, *cell])
        check_block_means(block_percentile, sums.block_pairs, percentile, blocks)
        if len(pairs) > 100:
            continue
        # the exact mid-rank percentile is never further away than half of what shares the bin
        n_controls = (ref_bins >= 0).sum(axis=0)
        controls = reference.values
        ties = np.stack([(ref_bins == one).sum(axis=0) for one in bins])
        exact = np.stack([((controls < one).sum(axis=0) + 0.5 * (controls == one).sum(axis=0)) for one in found.values])
        away = np.where(bins >= 0, np.abs(percentile - exact / n_controls), 0.0)
        assert (away <= 0.5 * ties / n_controls + 1e-9).all()
        assert 0 < away.mean() < 0.04
    # quantiles: of the pairs' values, to an eighth
    for quantile, estimated in zip(QUANTILES, sums.quantiles, strict=True):
        expected = np.nanquantile(values, quantile, axis=0, method="inverted_cdf")
        inside = (expected / spread > bin_edges()[0]) & (expected / spread < bin_edges()[-1])
        assert inside.mean() > 0.6
        np.testing.assert_allclose(estimated[inside], expected[inside], rtol=0.125)
        assert (estimated[expected / spread < bin_edges()[0] * 0.999] == 0).all()


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2", "mixtral", "lfm2"])
def test_batches_sharing_padding_and_company_do_not_matter(family: str) -> None:
    sites, pairs = sites_of(family, ("resid_post", "mlp_out")), mixed_pairs()
    whole = run(sites, pairs, plan_of(sites, budget=10_000, share=False))
    shares = [False, True] if can_share(sites) else [False]
    others = mixed_pairs(seed=4)
    for share, budget in itertools.product(shares, (1, 90, 10_000)):
        plan = plan_of(sites, budget=budget, share=share)
        for company in [[], others] if budget == 90 else [[]]:
            mixed = run(sites, company + pairs, plan)
            np.testing.assert_allclose(mixed.values[len(company) :], whole.values, atol=1e-5, rtol=1e-4)
            kept, expected = mixed.result.measures, whole.result.measures
            n = expected.kl_nats.shape[1]
            np.testing.assert_allclose(kept.nll_nats[:, len(company) :, :n], expected.nll_nats, atol=1e-5)
            np.testing.assert_allclose(kept.kl_nats[len(company) :, :n], expected.kl_nats, atol=1e-5)
            np.testing.assert_allclose(kept.edit_nll_nats[:, len(company) :], expected.edit_nll_nats, atol=2e-5)
            np.testing.assert_array_equal(kept.detection[len(company) :], expected.detection)
            assert mixed.result.largest_before_edit <= 1e-5


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2", "mixtral", "jamba"])
def test_before_the_edit_nothing_differs_and_at_it_everything_does(family: str) -> None:
    sites = sites_of(family, ("resid_post",))
    pairs = random_pairs(6, 2)
    for pair in pairs:
        first, second = (alone(sites, ids).states for ids in pair.ids)
        assert np.abs(first - second)[:, : pair.n_before].max() <= 1e-5
        assert (np.abs(first - second)[1:, pair.n_before].max(axis=-1) > 0).all()
    for share in (False, can_share(sites)):
        found = run(sites, pairs, plan_of(sites, share=share, budget=200))
        assert 0 <= found.result.largest_before_edit <= 1e-5
        assert (found.result.sums.mean[:, 0].max(axis=-1) > 1e-4).all()
        assert (found.result.measures.size[:, 0] > 1e-4).all()


def test_a_leak_from_the_edit_backwards_would_be_seen() -> None:
    """What is reported is the largest difference before the edit, not a constant 0."""
    sites = sites_of("llama", ("resid_post",))
    pair = random_pairs(1, 2)[0]
    claims_more = PlacedPair(pair.ids, pair.n_before + 2, (pair.n_before + 3, pair.n_before + 3), pair.last)
    found = run(sites, [claims_more], plan_of(sites, share=False))
    first, second = (alone(sites, ids).states for ids in pair.ids)
    expected = np.abs(first - second)[:, : pair.n_before + 2].max()
    assert found.result.largest_before_edit == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("family", ["llama", "mixtral", "bloom", "jamba"])
def test_twins_give_exactly_zero(family: str) -> None:
    sites = sites_of(family)
    rng = np.random.default_rng(1)
    pairs = [identical_pair(rng, length=n, edit=edit) for n, edit in ((10, 4), (7, 2), (13, 4))]
    found = run(sites, pairs, plan_of(sites, positions=("edit", "edit+1", "last")))
    assert (found.values == 0).all()
    assert (found.result.sums.mean == 0).all()
    assert (found.result.sums.zeros == 3).all()
    assert (found.result.sums.quantiles == 0).all()
    assert (found.result.measures.size == 0).all()
    assert np.isnan(found.result.measures.toward_first).all(), "no way to go"
    np.testing.assert_allclose(found.result.measures.kl_nats[np.isfinite(found.result.measures.kl_nats)], 0, atol=1e-7)


def test_unrelated_sentences_are_scored_only_where_they_go_on_alike() -> None:
    sites = sites_of("llama", ("resid_post",))
    rng = np.random.default_rng(3)
    first, second = rng.integers(3, VOCAB_SIZE, size=(2, 10))
    first[[0, 6]] = second[[0, 6]]
    pair = PlacedPair((first, second), 1, (4, 4), (9, 9))
    measures = run(sites, [pair], plan_of(sites, positions=("edit", "last"))).result.measures
    assert np.flatnonzero(np.isfinite(measures.nll_nats[0, 0])).tolist() == [2]
    assert measures.detection.tolist() == [2]
    sides = [alone(sites, ids) for ids in pair.ids]
    np.testing.assert_allclose(measures.nll_nats[:, 0, 2], [-side.log_p[5, first[6]] for side in sides], atol=1e-5)
    assert np.isfinite(measures.kl_nats).all()
    by_hand = [sum(-side.log_p[t - 1, ids[t]] for t in (1, 2, 3)) for side, ids in zip(sides, pair.ids, strict=True)]
    np.testing.assert_allclose(measures.edit_nll_nats[:, 0], by_hand, atol=2e-5)


@pytest.mark.slow
@pytest.mark.real
def test_a_real_model_agrees_with_its_own_hidden_states(real_decoder: Decoder) -> None:
    encode = real_decoder.encoder.encode
    texts = [("She is very tired today.", "She was very tired today."), ("The cat sat on the mat.", "The cat sat on the hat.")]
    pairs = []
    for one, other in texts:
        prefix = real_decoder.encoder.prefix_ids
        ids = tuple(np.asarray([*prefix, *encode(text).ids], dtype=np.int64) for text in (one, other))
        (edit,) = np.flatnonzero(ids[0] != ids[1])
        last = max(len(ids[0]) - 2, int(edit))
        pairs.append(PlacedPair(ids, int(edit), (int(edit) + 1,) * 2, (last, last)))
    sites = SiteMap(real_decoder, ("resid_post", "read", "attn_out", "mlp_out", "update"))
    assert can_share(sites)
    found = run(sites, pairs, plan_of(sites, budget=200, positions=("edit", "last")))
    assert found.result.largest_before_edit <= 1e-2, "some of its activations are thousands"
    for row, pair in enumerate(pairs):
        with torch.no_grad():
            sides = [real_decoder.model(torch.from_numpy(ids)[None], output_hidden_states=True) for ids in pair.ids]
        states = [torch.stack(side.hidden_states)[:, 0].numpy() for side in sides]  # the last of them is after the final norm
        apart = np.abs(states[0] - states[1])[:, pair.at("edit")[0]]
        np.testing.assert_allclose(found.values[row, 0, 0, :-1], apart[1:-1], atol=2e-3, rtol=1e-3)
        np.testing.assert_allclose(found.values[row, 1, 0, -1], apart[-1], atol=2e-3, rtol=1e-3)
        log_p = [torch.log_softmax(side.logits[0].double(), dim=-1).numpy() for side in sides]
        target = pair.ids[0][pair.after[0]] if pair.after[0] < len(pair.ids[0]) else None
        expected = [-one[pair.after[0] - 1, target] for one in log_p]
        np.testing.assert_allclose(found.result.measures.nll_nats[:, row, 0], expected, atol=1e-3)
    assert np.isnan(found.values[1, :, 1]).all(), "nothing but the full stop follows the hat"


# batches


def cost_of(batches: list[PairBatch]) -> int:
    """What the constants say: positions, 60 a batch and 40 a forward pass."""
    return sum(batch.positions + 60 + 40 * (2 if batch.start else 1) for batch in batches)


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("budget", [1, 30, 64, 120, 10_000])
@pytest.mark.parametrize("seed", [0, 1])
def test_batches_hold_each_pair_once_within_the_budget_at_the_least_cost(share: bool, budget: int, seed: int) -> None:
    pairs = mixed_pairs(seed)[:10]
    batches = make_batches(pairs, budget, share=share)
    assert sorted(member for batch in batches for member in batch.members) == list(range(len(pairs)))
    for batch in batches:
        assert batch.pairs == tuple(pairs[i] for i in batch.members)
        assert batch.start == (min(pair.n_before for pair in batch.pairs) if share else 0)
        assert 2 * len(batch.filled) * batch.width <= budget or len(batch.pairs) == 1
    order = sorted(range(len(pairs)), key=lambda i: (pairs[i].n_before if share else 0, max(pairs[i].last) + 1, i))
    assert [member for batch in batches for member in batch.members] == order
    cheapest = float("inf")
    for n_cuts in range(len(pairs)):
        for cuts in itertools.combinations(range(1, len(pairs)), n_cuts):
            parts = [order[a:b] for a, b in itertools.pairwise([0, *cuts, len(pairs)])]
            tried = [PairBatch(tuple(p), tuple(pairs[i] for i in p), pairs[p[0]].n_before if share else 0) for p in parts]
            if all(2 * len(one.filled) * one.width <= budget or len(one.pairs) == 1 for one in tried):
                cheapest = min(cheapest, cost_of(tried))
    assert cost_of(batches) == cheapest


@pytest.mark.parametrize("n_sides", [1, 18, 80])
@pytest.mark.parametrize("budget", [1, 200, 600, 100_000])
def test_members_of_any_number_of_rows_are_cut_at_the_least_cost(n_sides: int, budget: int) -> None:
    rng = np.random.default_rng(n_sides)
    starts = rng.integers(0, 4, size=9).tolist()
    lengths = [start + int(more) for start, more in zip(starts, rng.integers(1, 9, size=9), strict=True)]

    def sizes(members: tuple[int, ...]) -> tuple[int, int, int]:
        start = min(starts[i] for i in members)
        return start, filled_up(len(members)), max(lengths[i] for i in members) - start

    def fits(members: tuple[int, ...]) -> bool:
        _, rows, width = sizes(members)
        return len(members) == 1 or n_sides * rows * width <= budget

    def cost(parts: list[tuple[int, ...]]) -> int:
        return sum(rows * (start + n_sides * width) + 60 + 40 * (2 if start else 1) for start, rows, width in map(sizes, parts))

    found = cut(starts, lengths, budget, n_sides=n_sides)
    order = sorted(range(9), key=lambda i: (starts[i], lengths[i], i))
    assert [member for members in found for member in members] == order
    assert all(map(fits, found))
    cheapest = float("inf")
    for n_cuts in range(9):
        for cuts in itertools.combinations(range(1, 9), n_cuts):
            parts = [tuple(order[a:b]) for a, b in itertools.pairwise([0, *cuts, 9])]
            if all(map(fits, parts)):
                cheapest = min(cheapest, cost(parts))
    assert cost(found) == cheapest
    assert cut([], [], budget, n_sides=n_sides) == []


def test_a_batch_by_hand() -> None:
    first = PlacedPair((np.arange(10, 17), np.array([10, 11, 12, 99, 14, 15, 16])), 3, (4, 4), (5, 5))
    second = PlacedPair((np.arange(20, 26), np.array([20, 21, 98, 23, 24, 25])), 2, (3, 3), (4, 4))
    batch = PairBatch((7, 4), (first, second), 2)
    assert (batch.width, batch.positions) == (4, 2 * (2 + 2 * 4))
    assert batch.shared_ids.tolist() == [[10, 11], [20, 21]]
    assert batch.side_ids.tolist() == [[12, 13, 14, 15], [12, 99, 14, 15], [22, 23, 24, 0], [98, 23, 24, 0]]
    assert make_batches([], 10) == []


def test_a_batch_is_filled_up_to_one_of_few_sizes_with_its_last_pair() -> None:
    pair = PlacedPair((np.arange(10, 17), np.array([10, 11, 12, 99, 14, 15, 16])), 3, (4, 4), (5, 5))
    sizes = [len(PairBatch(tuple(range(n)), (pair,) * n, 3).filled) for n in range(1, 26)]
    assert sizes == [1, 2, 3, 4, 6, 6, 8, 8, *[12] * 4, *[16] * 4, *[24] * 8, 32]
    batch = PairBatch(tuple(range(5)), (pair,) * 5, 3)
    assert batch.positions == 6 * (3 + 2 * 3)
    assert (batch.shared_ids.shape, batch.side_ids.shape) == ((6, 3), (12, 3))


def test_no_pairs_give_no_numbers_and_no_error() -> None:
    sites = sites_of("llama")
    found = contrast_group(sites, [], blocks=np.zeros(0, dtype=np.int64), plan=plan_of(sites))
    assert found.sums.pairs.tolist() == [0] * len(POSITIONS)
    assert found.sums.reference is None, "there is nothing to read on"
    assert found.measures.detection.shape == (0,)


def test_progress_adds_up_to_the_pairs() -> None:
    sites, counted = sites_of("llama"), list[int]()
    pairs = mixed_pairs()
    contrast_group(sites, pairs, blocks=np.zeros(13, dtype=np.int64), plan=plan_of(sites), advance=counted.append)
    assert sum(counted) == 13
    assert len(counted) == len(make_batches(pairs, 60))


def test_the_model_is_bit_identical_and_numbers_repeat_to_the_bit() -> None:
    sites = sites_of("mixtral")
    before = {name: tensor.clone() for name, tensor in sites.decoder.model.state_dict().items()}
    one, other = (run(sites, mixed_pairs(), plan_of(sites)) for _ in range(2))
    np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_array_equal(one.result.measures.kl_nats, other.result.measures.kl_nats)
    assert all(torch.equal(before[name], tensor) for name, tensor in sites.decoder.model.state_dict().items())


# sums by themselves


def test_bins_are_quarter_octaves_by_hand() -> None:
    edges = bin_edges()
    assert len(edges) == N_BINS - 1 == 63
    assert edges[0] == 2.0**-11
    np.testing.assert_array_equal(edges[44:49], [1.0, 1.25, 1.5, 1.75, 2.0])
    assert edges[-1] == 24.0  # 16, 20, 24: cut linearly, the half octave lies at 1.5
    z = torch.tensor([0.0, 1e-30, 2.0**-11 * 0.999, 2.0**-11, 0.99, 1.0, 1.2499, 1.25, 23.9, 24.0, 1e30])
    assert bin_of(z).tolist() == [0, 0, 0, 1, 44, 45, 45, 46, 62, 63, 63]
    many = torch.from_numpy(2.0 ** np.random.default_rng(0).uniform(-14, 7, size=5000)).float()
    np.testing.assert_array_equal(bin_of(many).numpy(), binned(many.numpy()))
    exact = torch.from_numpy(edges).float()
    np.testing.assert_array_equal(bin_of(exact).numpy(), np.arange(1, N_BINS))
    np.testing.assert_array_equal(bin_of(torch.nextafter(exact, torch.tensor(0.0))).numpy(), np.arange(N_BINS - 1))


def summed(first: Tensor, second: Tensor, spread: np.ndarray, *, scales: tuple[LocalScale, ...] = (), at_once: int = 7):
    """A table of fake activations, ``pair position d_model``, of one site and layer; a reference if there are no scales."""
    n_reference = 0 if scales else len(first)
    summer = DifferenceSummer(spread[None, None], first.shape[1], scales=scales, n_reference=n_reference, device=CPU)
    for start in range(0, len(first), at_once):
        part = slice(start, start + at_once)
        blocks = torch.arange(len(first))[part] % N_BLOCKS
        has = torch.ones(first[part].shape[:2], dtype=torch.bool)
        summer.count(blocks, has)
        summer.add(0, 0, first[part], second[part], blocks=blocks, has=has)
    return summer.result()


def tables(n: int, seed: int, width: int = 6) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((n, 2, width), generator=generator), torch.randn((n, 2, width), generator=generator)


@pytest.mark.parametrize("factor", [2.0**-20, 0.5, 2.0**13])
def test_rescaling_a_dimension_leaves_its_percentile_and_z_alone(factor: float) -> None:
    scale = torch.ones(6)
    scale[2] = factor
    spread = np.random.default_rng(0).uniform(0.3, 3, size=6)
    results = []
    for by in (torch.ones(6), scale):
        sigma = spread * by.numpy()
        reference = summed(*(side * by for side in tables(150, 1)), sigma)
        scales = (LocalScale.from_bins(reference.reference),)
        results.append((sigma, reference, summed(*(side * by for side in tables(30, 2)), sigma, scales=scales)))
    (one_sigma, one_reference, one), (other_sigma, other_reference, other) = results
    np.testing.assert_array_equal(one.block_percentile, other.block_percentile)
    np.testing.assert_array_equal(one.block_log_size, other.block_log_size)
    np.testing.assert_array_equal(one_reference.reference.bins, other_reference.reference.bins)
    np.testing.assert_array_equal(one_reference.reference.log_size, other_reference.reference.log_size)
    np.testing.assert_array_equal(one.quantiles / one_sigma, other.quantiles / other_sigma)
    np.testing.assert_array_equal(one.mean / one_sigma, other.mean / other_sigma)
    np.testing.assert_allclose(one.relative, other.relative, rtol=1e-6)
    np.testing.assert_array_equal(one.mean[..., 2] * factor, other.mean[..., 2])
    np.testing.assert_array_equal(one.mean[..., 3], other.mean[..., 3])


def test_exact_zeros_are_counted_and_half_precision_makes_more_of_them() -> None:
    first, _ = tables(40, 3)
    second = first + 1e-3 * tables(40, 4)[0]
    second[:5, 0, 1] = first[:5, 0, 1]
    full = summed(first, second, np.ones(6))
    half = summed(first.bfloat16(), second.bfloat16(), np.ones(6))
    np.testing.assert_array_equal(full.zeros[0, :, 0], (first == second).sum(dim=0))
    assert full.zeros[0, 0, 0, 1] == 5
    np.testing.assert_array_equal(half.zeros[0, :, 0], (first.bfloat16() == second.bfloat16()).sum(dim=0))
    assert half.zeros.sum() > 100 > full.zeros.sum()


def test_a_dimension_that_never_moves_in_text_is_beyond_every_bin_where_it_moves_and_at_zero_where_not() -> None:
    first, second = tables(20, 5)
    second[:, :, 1] = first[:, :, 1]
    spread = np.array([0.0, 0.0, 1.0, 1.0, 1.0, 1.0])
    found = summed(first, second, spread)
    assert (found.reference.bins[..., 0] == N_BINS - 1).all()
    assert (found.reference.bins[..., 1] == 0).all()
    assert np.isfinite(found.mean).all()
    assert np.isfinite(found.quantiles).all()
    # it has no part in a pair's size
    expected = (first - second)[:, :, 2:].norm(dim=2).log().T
    torch.testing.assert_close(found.reference.log_size[0, 0], expected, atol=1e-6, rtol=1e-6)
    again = summed(first, second, spread, scales=(LocalScale.from_bins(found.reference),))
    np.testing.assert_allclose(again.block_percentile[:, :N_BLOCKS, ..., :2], 0.5)  # all controls lie in the same bin
    assert np.isnan(again.block_percentile[:, UNMATCHED]).all(), "a block without a pair"


def test_pairs_without_a_placebo_count_in_means_over_all_pairs_and_in_a_block_of_their_own() -> None:
    (first, second), n_matched = tables(12, 6), 8
    summer = DifferenceSummer(np.ones((1, 1, 6)), 2, device=CPU)
    blocks = torch.tensor([0, 1] * 4 + [UNMATCHED] * 4)
    has = torch.ones((12, 2), dtype=torch.bool)
    summer.count(blocks, has)
    summer.add(0, 0, first, second, blocks=blocks, has=has)
    found, difference = summer.result(), (first - second).abs().numpy()
    assert found.pairs.tolist() == [12, 12]
    assert found.block_pairs[[0, 1, UNMATCHED]].tolist() == [[4, 4]] * 3
    assert found.block_pairs.sum(axis=0).tolist() == [12, 12]
    np.testing.assert_allclose(found.mean[0, :, 0], difference.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.block_mean[UNMATCHED, 0, :, 0], difference[n_matched:].mean(axis=0), rtol=1e-6)
    of_matched = found.block_mean[:N_BLOCKS][:2, 0, :, 0].mean(axis=0)
    np.testing.assert_allclose(of_matched, difference[:n_matched].mean(axis=0), rtol=1e-6)


def held_by(n: int, n_reference: int) -> tuple[int, int]:
    """Bytes of a summer's own tensors after so many pairs, and of what it keeps of a reference."""
    summer = DifferenceSummer(np.ones((2, 3, 5)), 4, n_reference=n_reference, device=CPU)
    for start in range(0, n, 10):
        blocks, has = torch.arange(start, start + 10) % N_BLOCKS, torch.ones((10, 4), dtype=torch.bool)
        summer.count(blocks, has)
        for site, layer in itertools.product(range(2), range(3)):
            summer.add(site, layer, torch.randn(10, 4, 5), torch.randn(10, 4, 5), blocks=blocks, has=has)

    def held(one: object) -> int:
        return sum(value.numel() * value.element_size() for value in vars(one).values() if isinstance(value, Tensor))

    reference = summer.result().reference
    return held(summer), 0 if reference is None else held(reference)


def test_memory_does_not_grow_with_pairs_but_by_a_byte_a_cell_of_a_reference() -> None:
    places = 2 * 4 * 3
    cells, n_slots = places * 5, N_BLOCKS + 1
    by_hand = cells * (3 * 8 + 4 + N_BINS * 4 + n_slots * 4) + places * n_slots * 8 + 2 * (2 * 3 * 5 * 4) + n_slots * 4 * 8
    assert held_by(10, 0) == held_by(200, 0) == (by_hand, 0)
    for n in (10, 200):
        # a byte a cell, a size a place, and whether it has each position
        assert held_by(n, n) == (by_hand, n * (cells + 4 * places + 4))


# traps


def edited_llama(change) -> SiteMap:
    model = build_tiny("llama")
    with torch.no_grad():
        change(model)
    return SiteMap(Decoder(model, "edited"), ("resid_post",))


def unwritten(model, dim: int) -> None:
    """No layer writes the dimension."""
    for layer in model.model.layers:
        layer.self_attn.o_proj.weight[dim] = 0.0
        layer.mlp.down_proj.weight[dim] = 0.0


def measured(sites: SiteMap) -> dict:
    """The spread over random text, as a run would measure it."""
    rng = np.random.default_rng(77)
    reference = measure_reference(sites, make_shards([window_of(rng.integers(3, VOCAB_SIZE, size=30)) for _ in range(20)], 400))
    return reference.spread


def percentile_of(sites: SiteMap, pairs: list[PlacedPair], reference: list[PlacedPair], positions=("edit", "edit+1", "last")):
    plan = ContrastPlan(positions, measured(sites), 2000, True)
    controls = contrast_group(sites, reference, blocks=np.zeros(len(reference), dtype=np.int64), plan=plan)
    scales = (LocalScale.from_bins(controls.sums.reference),)
    found = contrast_group(sites, pairs, blocks=np.zeros(len(pairs), dtype=np.int64), plan=plan, scales=scales)
    return found.sums, found.sums.block_percentile[0, 0]  # site, position, layer, d_model


def test_trap_a_dimension_that_truly_resists_the_edits_has_the_lowest_percentile_of_every_layer() -> None:
    kind, dim = list(range(20, 40)), 11  # the words of the type agree in this dimension; any others do not

    def plant(model) -> None:
        unwritten(model, dim)
        noise = torch.randn(len(kind), generator=torch.Generator().manual_seed(6))
        model.model.embed_tokens.weight[kind, dim] = 0.1 + 0.0005 * noise

    sites = edited_llama(plant)
    rng = np.random.default_rng(0)
    of_type = [tuple(rng.choice(kind, size=2, replace=False)) for _ in range(100)]
    pairs = random_pairs(100, 1, of_type)
    sums, percentile = percentile_of(sites, pairs, random_pairs(150, 2))
    for layer in range(4):
        at_edit = percentile[0, 0, layer]
        assert at_edit.argmin() == dim
        assert at_edit[dim] < 0.05
        others = np.delete(at_edit, dim)
        assert others.min() > 0.25
        assert abs(others.mean() - 0.5) < 0.05
    assert sums.zeros[0, 0, :, dim].tolist() == [0] * 4, "it is small, not simply 0"
    # after the edit nothing ever moves it, in controls neither: no sign of resistance
    assert (sums.zeros[0, 1:, :, dim] == 100).all()
    np.testing.assert_allclose(percentile[0, 1:, :, dim], 0.5)


def test_trap_a_tiny_dimension_is_found_by_the_raw_difference_and_not_by_the_percentile() -> None:
    dim = 20

    def plant(model) -> None:
        unwritten(model, dim)
        noise = torch.randn(VOCAB_SIZE, generator=torch.Generator().manual_seed(6))
        model.model.embed_tokens.weight[:, dim] = 3.0 + 0.0005 * noise

    sites = edited_llama(plant)
    sums, percentile = percentile_of(sites, random_pairs(200, 1), random_pairs(200, 2))
    for layer in range(4):
        assert sums.mean[0, 0, layer].argmin() == dim
        assert sums.mean[0, 0, layer, dim] < 0.05 * np.sort(sums.mean[0, 0, layer])[1]
        assert sums.relative[0, 0, layer].argmin() == dim, "the relative form falls for it, too"
        assert 0.4 < percentile[0, 0, layer, dim] < 0.6
        assert percentile[0, 0, layer].argmin() != dim


def test_trap_random_words_are_at_a_half_of_random_words() -> None:
    sites = SiteMap(Decoder(build_tiny("llama"), "llama"), ("resid_post",))
    _, percentile = percentile_of(sites, random_pairs(200, 11), random_pairs(200, 12))
    np.testing.assert_allclose(percentile.mean(axis=-1), 0.5, atol=0.04)
    assert percentile.min() > 0.35
    assert percentile.max() < 0.65


# the reference text


def window_of(ids: np.ndarray, prefix: tuple[int, ...] = ()) -> Window:
    spans = np.stack([np.arange(len(ids)), np.arange(1, len(ids) + 1)], axis=1)
    return make_window("w", EncodedText("x" * len(ids), ids, spans), prefix)


SINK = 50
"""A token whose residual stream is planted to be enormous."""


def with_sink() -> SiteMap:
    model = build_tiny("llama-untied")
    with torch.no_grad():
        model.model.embed_tokens.weight[SINK] *= 200.0
    return SiteMap(Decoder(model, "sink"), ("resid_post", "update", "attn_out"))


def test_the_spread_is_numpys_over_the_same_tokens_with_sinks_left_out() -> None:
    sites = with_sink()
    rng = np.random.default_rng(9)
    texts = [rng.integers(3, 45, size=n) for n in (14, 9, 14, 6, 21, 2, 17)]
    texts[0][5] = texts[4][20] = texts[4][3] = texts[6][0] = SINK
    windows = [window_of(ids) for ids in texts]
    shards, counted = make_shards(windows, 45), list[int]()
    assert len(shards) > 2
    found = measure_reference(sites, shards, n_tokens=10_000, advance=counted.append)
    rows: dict[str, list[np.ndarray]] = {site: [] for site in sites.sites}
    for ids in texts:
        kept = (np.arange(len(ids)) > 0) & (ids != SINK)
        states = alone(sites, ids)
        for site in sites.sites:
            rows[site].append(states.at_site[site][:, kept])
    n = sum(part.shape[1] for part in rows["resid_post"])
    assert (found.n_tokens, found.n_sinks) == (n, sum(map(len, texts)) - n)
    assert found.n_sinks == len(texts) + 3, "first tokens, and the planted ones that are not first"
    assert sum(counted) == n
    for site in sites.sites:
        values = np.concatenate(rows[site], axis=1)  # layer, token, d_model
        np.testing.assert_allclose(found.mean[site], values.mean(axis=1), atol=1e-5)
        np.testing.assert_allclose(found.spread[site], values.std(axis=1), rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(found.size[site], np.abs(values).mean(axis=1), rtol=1e-3, atol=1e-5)
    assert found.spread["resid_post"].max() < 5, "a single sink would make it ten times as large"
    # the bank holds rows of real tokens, the same tokens at every site
    pool = {site: np.concatenate(rows[site], axis=1).transpose(1, 0, 2) for site in sites.sites}
    bank = found.bank["resid_post"]
    assert bank.dtype == np.float32
    assert 3 <= len(bank) <= 256
    which = [int(np.abs(pool["resid_post"] - row).max(axis=(1, 2)).argmin()) for row in bank]
    assert len(set(which)) == len(which), "no token twice"
    for site in sites.sites:
        np.testing.assert_allclose(found.bank[site], pool[site][which], atol=1e-4, rtol=1e-3)


def test_enough_is_enough_and_the_bank_has_its_size() -> None:
    sites = sites_of("llama", ("resid_post",))
    rng = np.random.default_rng(1)
    shards = make_shards([window_of(rng.integers(3, VOCAB_SIZE, size=40)) for _ in range(40)], 160)
    found = measure_reference(sites, shards, n_tokens=600)
    assert 600 <= found.n_tokens < 600 + 160
    assert len(found.bank["resid_post"]) == 256
    rows = found.bank["resid_post"].reshape(256, -1)
    assert len(np.unique(rows, axis=0)) == 256


def test_tokens_of_a_bos_count_as_first() -> None:
    sites = sites_of("llama", ("resid_post",))
    ids = np.arange(5, 14)
    with_bos = measure_reference(sites, make_shards([window_of(ids, (1,))], 100))
    without = measure_reference(sites, make_shards([window_of(ids)], 100))
    assert (with_bos.n_tokens, with_bos.n_sinks) == (9, 1)
    assert (without.n_tokens, without.n_sinks) == (8, 1)
