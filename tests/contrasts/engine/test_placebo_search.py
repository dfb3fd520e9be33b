"""The search for placebos against every candidate's whole sentence through the model by itself, and its rule by hand."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

from layerscope.contrasts.engine.pair_batches import can_share
from layerscope.contrasts.engine.placebo_search import (
    MOST_BIAS,
    MOST_DISTANCE,
    MOST_EARLY_BIAS,
    MatchedAt,
    accepts,
    can_go_on,
    find_matches,
    n_early,
)
from layerscope.models.decoder import Decoder
from layerscope.models.sites import Site, SiteMap, first_of
from layerscope.pairs.positions import PlacedPair
from tests.oracles import layers_of
from tests.tiny_models import N_LAYERS, VOCAB_SIZE, build_tiny

WIDTH = 32


@functools.cache
def sites_of(family: str, site: Site = "resid_post") -> SiteMap:
    return SiteMap(Decoder(build_tiny(family), family), (site,))


def made_up_pairs(seed: int, n: int) -> list[PlacedPair]:
    """Edits of one token at any place but the first, from the second token to the last; lengths differ between pairs."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        before, after, marks = int(rng.integers(1, 6)), int(rng.integers(1, 6)), int(rng.integers(0, 2))
        ids = rng.integers(3, VOCAB_SIZE, size=before + 1 + after + marks)
        other = ids.copy()
        ids[before], other[before] = rng.choice(np.arange(3, VOCAB_SIZE), size=2, replace=False)
        last = len(ids) - 1 - marks
        found.append(PlacedPair((ids, other), before, (before + 1, before + 1), (last, last)))
    return found


def made_up_candidates(seed: int, pairs: list[PlacedPair], n: int) -> list[list[int]]:
    """In random order, without the words of the pair itself."""
    rng = np.random.default_rng(seed)
    found = []
    for pair in pairs:
        own = {int(ids[pair.n_before]) for ids in pair.ids}
        some = [token for token in rng.permutation(np.arange(3, VOCAB_SIZE)).tolist() if token not in own]
        found.append(some[:n])
    return found


def spread_of(seed: int = 5) -> np.ndarray:
    """One dimension a layer never moves in ordinary text."""
    spread = np.random.default_rng(seed).uniform(0.05, 0.5, size=(N_LAYERS, WIDTH))
    spread[np.arange(N_LAYERS), np.arange(N_LAYERS)] = 0.0
    return spread


def matched_at(position: str = "last", site: Site = "resid_post") -> MatchedAt:
    return MatchedAt(site, position, spread_of())


def state_alone(sites: SiteMap, ids: np.ndarray, column: int, site: Site) -> np.ndarray:
    """``layer d_model`` at one token of a sentence that runs whole and alone; by plain hooks, float64."""
    model = sites.decoder.model
    states: list[torch.Tensor] = []
    layers = layers_of(model)
    handles = [
        layers[0].register_forward_pre_hook(
            lambda _, args, kwargs: states.append((args[0] if args else kwargs["hidden_states"]).clone()), with_kwargs=True
        )
    ]
    handles += [layer.register_forward_hook(lambda _, __, out: states.append(first_of(out).clone())) for layer in layers]
    with torch.no_grad():
        model(input_ids=torch.from_numpy(ids)[None], use_cache=False)
    for handle in handles:
        handle.remove()
    stacked = torch.stack([state[0, column] for state in states]).double().numpy()
    return stacked[1:] if site == "resid_post" else np.diff(stacked, axis=0)


def log_ratios(sites: SiteMap, pair: PlacedPair, tokens: list[int], at: MatchedAt) -> np.ndarray:
    """v of each candidate, ``candidate layer``; 0 where neither it nor the edit reaches the token, infinite where one does."""
    place = pair.at(at.position)
    assert place is not None
    first = state_alone(sites, pair.ids[0], place[0], at.site)
    inverse = np.divide(1.0, at.spread, out=np.zeros_like(at.spread), where=at.spread > 0)

    def size(ids: np.ndarray) -> np.ndarray:
        return np.sqrt((((state_alone(sites, ids, place[0], at.site) - first) * inverse) ** 2).sum(axis=-1))

    of_pair, found = size(pair.ids[1]), []
    for token in tokens:
        ids = pair.ids[0].copy()
        ids[pair.n_before] = token
        of_candidate = size(ids)
        with np.errstate(divide="ignore", invalid="ignore"):
            v = np.log(of_candidate / of_pair)
        found.append(np.where(np.isfinite(v), v, np.where(of_candidate == of_pair, 0.0, np.inf)))
    return np.array(found).reshape(len(tokens), N_LAYERS)


def naive_matches(sites: SiteMap, pairs: list[PlacedPair], candidates: list[list[int]], at: MatchedAt) -> list[list[int]]:
    """All candidates that would be accepted, in the order given."""
    found = []
    for pair, some in zip(pairs, candidates, strict=True):
        if pair.at(at.position) is None:
            found.append([])
            continue
        v = log_ratios(sites, pair, some, at)
        bias, distance = np.abs(v.mean(axis=1)), np.abs(v).mean(axis=1)
        assert np.abs(bias - 0.10).min(initial=1.0) > 1e-5, "none lies on the border, where rounding decides"
        assert np.abs(distance - 0.35).min(initial=1.0) > 1e-5
        early = np.abs(v[:, :1].mean(axis=1))  # a sixth of so few layers is the first
        assert np.abs(early - 0.5).min(initial=1.0) > 1e-5
        alike = zip(some, bias, distance, early, strict=True)
        found.append([token for token, a, b, c in alike if a <= 0.10 and b <= 0.35 and c <= 0.5])
    return found


# the rule


def accepted(*candidates: list[float]) -> list[bool]:
    """Of candidates by layer."""
    return accepts(torch.tensor(candidates).T).tolist()


def test_the_caliper_is_a_tenth_of_bias_and_thirty_five_hundredths_of_distance() -> None:
    assert (MOST_BIAS, MOST_DISTANCE, MOST_EARLY_BIAS) == (0.10, 0.35, 0.50)
    assert [n_early(n) for n in (1, 5, 6, 11, 12, 30, 32)] == [1, 1, 1, 1, 2, 5, 5]


def test_a_candidate_is_accepted_by_its_mean_over_layers_and_by_its_mean_without_sign() -> None:
    assert accepted([0.0, 0.0, 0.0, 0.0], [0.09, 0.09, 0.09, 0.09], [-0.09, -0.09, -0.09, -0.09]) == [True] * 3
    assert accepted([0.11] * 4, [-0.11] * 4) == [False] * 2, "all layers are too large, or too small"
    assert accepted([0.34, -0.34], [0.36, -0.36]) == [True, False], "as large on average, but not layer by layer"
    assert accepted([0.0, 1.2, 0.0, -1.2], [0.0, 0.6, 0.0, -0.6]) == [False, True]
    assert accepted([0.5, 0.5, -0.2, -0.2], [0.4, 0.4, -0.25, -0.25]) == [False, True], "a mean of 0.15, and of 0.075"


def test_a_candidate_that_is_too_unlike_in_the_first_sixth_of_the_layers_is_not_accepted() -> None:
    rest = [0.0] * 10
    assert accepted([0.5, 0.5, *rest], [0.51, 0.51, *rest], [0.9, 0.0, *rest], [-0.6, -0.5, *rest]) == [
        True,
        False,
        True,
        False,
    ]


def test_the_borders_themselves_are_accepted_and_what_is_beyond_them_is_not() -> None:
    for border in (MOST_BIAS, -MOST_BIAS):
        exact = torch.tensor([[border]])
        beyond = torch.nextafter(exact, 2 * exact)
        assert accepts(torch.cat([exact, beyond], dim=1)).tolist() == [True, False]
    exact = torch.tensor([MOST_DISTANCE, -MOST_DISTANCE])
    beyond = torch.nextafter(exact, 2 * exact)
    assert accepts(torch.stack([exact, beyond], dim=1)).tolist() == [True, False]


@pytest.mark.parametrize("what", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_in_a_layer_is_never_accepted(what: float) -> None:
    assert accepted([what, 0.0, 0.0], [0.0, 0.0, what], [what, what, what], [what, -what, 0.0]) == [False] * 4
    assert accepted([what, 0.0], [0.0, 0.0]) == [False, True], "others beside it are"


def test_no_candidates_are_no_matches() -> None:
    assert accepts(torch.zeros((N_LAYERS, 0))).tolist() == []


# the search

FAMILIES = ["llama", "gpt2", "mistral", "mistral-sliding", "qwen3", "gemma2", "mixtral", "falcon-alibi"]
UNSHARED = ["jamba", "lfm2"]
NEAR_SIGHTED = ["mistral-sliding", "gemma2", "lfm2"]
"""Their first layer looks a few tokens back, so that the edit changes nothing in it further on."""


@pytest.mark.parametrize("family", FAMILIES + UNSHARED)
def test_the_first_ones_that_the_whole_sentence_accepts_are_found_however_they_are_batched(family: str) -> None:
    sites, pairs, at = sites_of(family), made_up_pairs(0, 5), matched_at("edit+1" if family in NEAR_SIGHTED else "last")
    candidates = made_up_candidates(1, pairs, 30)
    naive = naive_matches(sites, pairs, candidates, at)
    assert can_share(sites) == (family in FAMILIES)
    n_all = [len(some) for some in naive]
    assert max(n_all) >= 2, "some find enough"
    assert min(n_all) < 25, "and not everything is accepted"
    for share in (False, True) if family in FAMILIES else (False,):
        for budget in (1, 700, 100_000):
            for in_parts in (False, True) if can_go_on(sites, share=share) else (False,):
                options = {"token_budget": budget, "share": share, "in_parts": in_parts}
                found = find_matches(sites, pairs, candidates, at, wanted=2, **options)
                assert found == [some[:2] for some in naive], options


@pytest.mark.parametrize("family", NEAR_SIGHTED)
def test_a_layer_that_neither_the_edit_nor_the_candidate_reaches_speaks_against_no_match(family: str) -> None:
    """Nothing changes there in the pair, and nothing in its placebo: they are equally large."""
    sites, at = sites_of(family), matched_at()
    pairs = [pair for pair in made_up_pairs(22, 20) if pair.n_compared == 5][:3]
    candidates = made_up_candidates(23, pairs, 30)
    naive = naive_matches(sites, pairs, candidates, at)
    assert any(naive)
    found = find_matches(sites, pairs, candidates, at, wanted=2, token_budget=700, share=False)
    assert found == [some[:2] for some in naive]


@pytest.mark.parametrize("position", ["edit", "edit+1", "edit+3", "last"])
@pytest.mark.parametrize("site", ["resid_post", "update"])
def test_sizes_are_those_of_the_site_and_position_asked_for(site: Site, position: str) -> None:
    sites, pairs, at = sites_of("llama", site), made_up_pairs(2, 4), matched_at(position, site)
    candidates = made_up_candidates(3, pairs, 20)
    naive = naive_matches(sites, pairs, candidates, at)
    found = find_matches(sites, pairs, candidates, at, wanted=30, token_budget=700, share=True)
    assert found == naive
    assert any(naive)
    others = [
        naive_matches(sites, pairs, candidates, matched_at(other, site)) for other in ("edit", "last") if other != position
    ]
    assert all(other != naive for other in others)


def test_a_pair_without_the_position_has_no_match_and_keeps_its_place() -> None:
    sites, at = sites_of("llama"), matched_at("edit+2")
    long, short = made_up_pairs(4, 12), PlacedPair((np.array([5, 9, 30]), np.array([5, 9, 31])), 2, (3, 3), (2, 2))
    pairs = [short, *[pair for pair in long if pair.at("edit+2")][:3], short]
    candidates = made_up_candidates(5, pairs, 60)
    naive = naive_matches(sites, pairs, candidates, at)
    assert (naive[0], naive[-1]) == ([], [])
    assert all(naive[1:-1])
    for share in (False, True):
        assert find_matches(sites, pairs, candidates, at, wanted=60, token_budget=900, share=share) == naive
    assert find_matches(sites, [short], [[7, 8]], at, wanted=1, token_budget=900, share=True) == [[]]


@pytest.mark.parametrize("wanted", [1, 2, 5, 1000])
def test_as_many_are_returned_as_were_accepted_and_at_most_as_many_as_are_wanted(wanted: int) -> None:
    sites, pairs, at = sites_of("gpt2"), made_up_pairs(6, 5), matched_at()
    candidates = made_up_candidates(7, pairs, 20)
    naive = naive_matches(sites, pairs, candidates, at)
    found = find_matches(sites, pairs, candidates, at, wanted=wanted, token_budget=700, share=True)
    assert found == [some[:wanted] for some in naive]
    assert {0 < len(some) < 20 for some in naive} >= {True}


def test_pairs_with_few_or_no_candidates_go_beside_those_with_many() -> None:
    sites, pairs, at = sites_of("llama"), made_up_pairs(8, 5), matched_at()
    counts = [1, 108, 0, 17, 50]  # below, above, none, and over one round or two
    candidates = [some[:n] for some, n in zip(made_up_candidates(9, pairs, 108), counts, strict=True)]
    naive = naive_matches(sites, pairs, candidates, at)
    for budget in (1, 2000, 100_000):
        assert find_matches(sites, pairs, candidates, at, wanted=1000, token_budget=budget, share=True) == naive
        assert find_matches(sites, pairs, candidates, at, wanted=3, token_budget=budget, share=True) == [
            some[:3] for some in naive
        ]
    assert find_matches(sites, [], [], at, wanted=1, token_budget=10, share=True) == []


def test_a_match_that_comes_late_is_found() -> None:
    """More candidates than all rounds hold, the only acceptable one last: the second side's own word, of the same size."""
    sites, at = sites_of("llama"), matched_at()
    (pair, *_) = made_up_pairs(10, 1)
    own = int(pair.ids[1][pair.n_before])
    (some,) = made_up_candidates(11, [pair], 108)
    (acceptable,) = naive_matches(sites, [pair], [some], at)
    refused = [token for token in some if token not in acceptable]
    for n in (15, 16, 17, 47, 48, 49, 127, 128, 129, 250):
        many = (refused * 10)[:n]
        assert find_matches(sites, [pair], [[*many, own]], at, wanted=1, token_budget=500, share=True) == [[own]], n
        assert find_matches(sites, [pair], [many], at, wanted=1, token_budget=500, share=True) == [[]], n


def test_what_is_not_needed_is_not_run() -> None:
    sites, pairs, at = sites_of("llama"), made_up_pairs(12, 3), matched_at()
    own = [int(pair.ids[1][pair.n_before]) for pair in pairs]
    candidates = [[word, *some] for word, some in zip(own, made_up_candidates(13, pairs, 100), strict=True)]
    rows: list[tuple[int, int]] = []
    handle = sites.decoder.layers[0].register_forward_pre_hook(
        lambda _, args, kwargs: rows.append((args[0] if args else kwargs["hidden_states"]).shape[:2]), with_kwargs=True
    )
    try:
        found = find_matches(sites, pairs, candidates, at, wanted=1, token_budget=1, share=False)
    finally:
        handle.remove()
    assert found == [[word] for word in own]
    # both sides and sixteen candidates of each pair, filled up to one of a few sizes, up to the token that is compared
    assert sorted(tuple(one) for one in rows) == sorted((24, pair.last[0] + 1) for pair in pairs)


def test_candidates_that_are_too_unlike_in_the_first_layer_do_not_go_through_the_others() -> None:
    sites, pairs, at = sites_of("llama"), made_up_pairs(12, 3), matched_at()
    candidates = made_up_candidates(13, pairs, 16)
    assert can_go_on(sites, share=True)
    rows: list[int] = []
    handle = sites.decoder.layers[-1].mlp.register_forward_pre_hook(lambda _, args: rows.append(args[0].shape[0]))
    try:
        for in_parts in (False, True):
            rows.clear()
            found = find_matches(sites, pairs, candidates, at, wanted=16, token_budget=1, share=False, in_parts=in_parts)
            n_run = sum(rows)
            if not in_parts:
                whole, n_whole = found, n_run
    finally:
        handle.remove()
    assert found == whole
    n_alike = sum(
        int((np.abs(log_ratios(sites, pair, some, at)[:, 0]) <= 0.5).sum()) + 2
        for pair, some in zip(pairs, candidates, strict=True)
    )
    assert n_alike <= n_run < n_whole


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2", "mixtral", "falcon-alibi"])
def test_most_families_can_go_on_from_the_middle(family: str) -> None:
    assert can_go_on(sites_of(family), share=True)


def test_a_pair_of_no_size_and_a_word_of_no_size_match_nothing() -> None:
    sites, at = sites_of("llama"), matched_at()
    (pair, *_) = made_up_pairs(14, 1)
    twins = PlacedPair((pair.ids[0], pair.ids[0].copy()), pair.n_before, pair.after, pair.last)
    first, second = (int(ids[pair.n_before]) for ids in pair.ids)
    some = [first, *made_up_candidates(15, [pair], 20)[0], second]
    assert find_matches(sites, [twins], [some[1:]], at, wanted=30, token_budget=700, share=True) == [[]]
    (found,) = find_matches(sites, [pair], [some], at, wanted=30, token_budget=700, share=True)
    assert first not in found, "the sentence itself is no change"
    assert second in found, "the edit is as large as the edit"


def test_what_a_pair_gets_does_not_depend_on_its_company_or_on_the_order() -> None:
    sites, pairs, at = sites_of("mistral"), made_up_pairs(16, 7), matched_at()
    candidates = made_up_candidates(17, pairs, 40)
    together = find_matches(sites, pairs, candidates, at, wanted=2, token_budget=3000, share=True)
    alone = [
        find_matches(sites, [pair], [some], at, wanted=2, token_budget=3000, share=True)[0]
        for pair, some in zip(pairs, candidates, strict=True)
    ]
    backwards = find_matches(sites, pairs[::-1], candidates[::-1], at, wanted=2, token_budget=3000, share=True)
    assert together == alone == backwards[::-1]
    assert any(len(some) == 2 for some in together)


def test_progress_adds_up_to_the_pairs() -> None:
    sites, at = sites_of("llama"), matched_at("edit+2")
    pairs = made_up_pairs(18, 9)
    candidates = made_up_candidates(19, pairs, 60)
    candidates[3] = []
    done: list[int] = []
    find_matches(sites, pairs, candidates, at, wanted=3, token_budget=700, share=True, advance=done.append)
    assert sum(done) == len(pairs)
    assert len(done) > 1


def test_the_model_is_left_as_it_was() -> None:
    sites, pairs, at = sites_of("mixtral"), made_up_pairs(20, 3), matched_at()
    before = {name: tensor.clone() for name, tensor in sites.decoder.model.state_dict().items()}
    candidates = made_up_candidates(21, pairs, 30)
    one, other = (find_matches(sites, pairs, candidates, at, wanted=2, token_budget=700, share=True) for _ in range(2))
    assert one == other
    assert all(torch.equal(before[name], tensor) for name, tensor in sites.decoder.model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in sites.decoder.model.modules())
