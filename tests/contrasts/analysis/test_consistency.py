"""Consistency against plain programs, and on simulated blocks whose truth is known: nothing, shared scale, planted units."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from layerscope.contrasts.analysis import consistency as module
from layerscope.contrasts.analysis import group_scores
from layerscope.contrasts.analysis.agreement import MEASURES, jaccard, kendall_w_of, rank_biased_overlap, ranks_of, spearman
from layerscope.contrasts.analysis.consistency import (
    TESTED,
    Consistency,
    Excess,
    PairAgreement,
    SetAgreement,
    chance_of,
    consistency,
    split_half,
)
from layerscope.contrasts.analysis.group_scores import GroupScores, MatchedScores, draw_swaps
from layerscope.stats.rank_agreement import spearman_matrix
from layerscope.stats.top_sets import expected_jaccard, smallest
from tests import oracle_statistics as oracle
from tests.made_up_groups import N_DIMS, N_LAYERS, ROLES, K, lowered, make_groups, of_many_sizes, read_once

FOUR = {"m1": "meaning", "m2": "meaning", "g1": "grammar", "g2": "grammar"}


def found_in(groups: list[MatchedScores], *, n_resamples: int = 0, seed: int = 0, k: int = K) -> Consistency:
    found = consistency(groups, k, generator=np.random.default_rng(seed), n_resamples=n_resamples)
    assert found is not None
    return found


def set_of(found: Consistency, members: str = "all", measure: str = "jaccard") -> SetAgreement:
    (one,) = [one for one in found.sets if (one.members, one.measure) == (members, measure)]
    return one


def pairs_of(found: Consistency, measure: str = "jaccard") -> PairAgreement:
    (one,) = [one for one in found.pairs if one.measure == measure]
    return one


def parts(found: Excess) -> tuple[np.ndarray, ...]:
    return found.value, found.placebo, found.low, found.high, found.p_value


def sides(groups: list[MatchedScores], reference: int) -> tuple[np.ndarray, np.ndarray]:
    """Means of the types and of their placebos, ``group layer dim``."""

    def of(chosen: list[GroupScores]) -> np.ndarray:
        return np.stack([np.average(one.scores[reference], axis=0, weights=one.pairs) for one in chosen])

    return of([group.own for group in groups]), of([group.placebo for group in groups])


@pytest.fixture
def no_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulations look at no diagonal, which takes most of the time."""
    monkeypatch.setattr(
        module, "split_half", lambda groups, k, generator: dict.fromkeys(MEASURES, np.full(len(groups), np.nan))
    )


# values


def test_values_are_those_of_the_plain_statistics() -> None:
    groups = make_groups(np.random.default_rng(0), pairs=(1, 9))
    found = found_in(groups)
    assert found.names == tuple(ROLES)
    by_reference = [sides(groups, reference) for reference in (0, 1)]
    n = len(groups)
    for measure in MEASURES:
        expected = np.zeros((2, N_LAYERS, n, n))
        for side, layer in np.ndindex(2, N_LAYERS):
            first, second = (means[side][:, layer] for means in by_reference)
            both = np.concatenate([first, second])
            if measure == "jaccard":
                one_way = oracle.jaccard(smallest(first, K)[:, None], smallest(second, K)[None])
            elif measure == "spearman":
                one_way = spearman_matrix(both)[:n, n:]
            else:
                one_way = oracle.rbo_matrix(both, persistence=0.98, depth=N_DIMS)[:n, n:]
            expected[side, layer] = (one_way + one_way.T) / 2
        off = ~np.eye(n, dtype=bool)
        pairs = pairs_of(found, measure)
        np.testing.assert_allclose(pairs.found.value[off], expected[0].mean(axis=0)[off], atol=1e-5)
        np.testing.assert_allclose(pairs.found.placebo[off], expected[1].mean(axis=0)[off], atol=1e-5)
        for members, places in {"all": [0, 1, 2], "meaning": [0, 1]}.items():
            some = set_of(found, members, measure)
            by_layer = np.mean([expected[:, :, a, b] for a, b in itertools.combinations(places, 2)], axis=0)
            np.testing.assert_allclose([some.by_layer.value, some.by_layer.placebo], by_layer, atol=1e-5)
            np.testing.assert_allclose([some.overall.value, some.overall.placebo], by_layer.mean(axis=1), atol=1e-5)
            assert some.chance == pairs.chance == chance_of(measure, K, N_DIMS)
            assert some.n_groups == len(places)
    assert {one.members for one in found.sets} == {"all", "meaning"}, "one grammar subtype has nothing to agree with"
    assert {one.measure for one in found.sets} == {*MEASURES, "kendall_w"}


def test_w_is_kendalls_of_both_sides() -> None:
    groups = read_once(make_groups(np.random.default_rng(0), FOUR, pairs=(1, 9)))
    found = found_in(groups, n_resamples=59)
    own, placebo = sides(groups, 0)
    for members, places in {"all": [0, 1, 2, 3], "meaning": [0, 1], "grammar": [2, 3]}.items():
        w, rho = set_of(found, members, "kendall_w"), set_of(found, members, "spearman")
        n = len(places)
        for values, means in ((w.by_layer.value, own), (w.by_layer.placebo, placebo)):
            np.testing.assert_allclose(values, [oracle.kendall_w(means[places, layer]) for layer in range(N_LAYERS)], atol=1e-6)
        assert w.chance == 1 / n
        for one, other in ((w.by_layer, rho.by_layer), (w.overall, rho.overall)):
            np.testing.assert_array_equal(one.p_value, other.p_value)
            np.testing.assert_allclose([one.low, one.high], np.array([other.low, other.high]) * (n - 1) / n)
            # in the middle of the interval is W less that of the placebos
            np.testing.assert_allclose((one.low + one.high) / 2, one.value - one.placebo, atol=1e-6)


def test_blocks_count_by_their_pairs() -> None:
    by_count = make_groups(np.random.default_rng(1), n_blocks=3, pairs=(1, 4))

    def one_by_one(group: GroupScores) -> GroupScores:
        first, second = (np.repeat(scores, group.pairs, axis=0) for scores in group.scores)
        return replace(group, scores=(first, second), pairs=np.ones(group.pairs.sum(), int))

    repeated = [replace(group, own=one_by_one(group.own), placebo=one_by_one(group.placebo)) for group in by_count]
    off = ~np.eye(len(ROLES), dtype=bool)
    for one, other in zip(found_in(by_count).pairs, found_in(repeated).pairs, strict=True):
        np.testing.assert_allclose(one.found.value[off], other.found.value[off], atol=1e-6)
        np.testing.assert_allclose(one.found.placebo[off], other.found.placebo[off], atol=1e-6)


@pytest.mark.usefixtures("no_halves")
def test_groups_may_have_any_number_of_blocks() -> None:
    for seed in range(4):
        groups = of_many_sizes(np.random.default_rng(seed))
        found = pairs_of(found_in(groups, n_resamples=19), "spearman").found
        # equal in sixteen bits are ordered by number
        orders = [np.argsort(np.rint(np.stack(sides(groups, one)) * 65_535), axis=-1, kind="stable") for one in (0, 1)]
        ranks = [np.argsort(order, axis=-1) for order in orders]
        for a, b in itertools.combinations(range(5), 2):
            for side, values in ((0, found.value), (1, found.placebo)):
                both = [
                    stats.spearmanr(ranks[one][side, a, layer], ranks[1 - one][side, b, layer]).statistic
                    for one in (0, 1)
                    for layer in range(N_LAYERS)
                ]
                assert values[a, b] == pytest.approx(np.mean(both), abs=1e-5)
        assert np.isfinite(found.p_value[~np.eye(5, dtype=bool)]).all()


# inference from swaps


def test_p_and_interval_by_hand() -> None:
    # 39 swaps whose absolute values are 1 … 39: p < 0.05 with none of them as large, so beyond 39
    drawn = np.arange(1.0, 40.0) * np.where(np.arange(39) % 2, 1, -1)
    observed = np.array([38.5, -38.5, 38.0, -2.0, 0.0, 100.0])
    swapped = np.concatenate([observed[None], np.repeat(drawn[:, None], 6, axis=1)])
    found = Excess.of_swaps(np.arange(6.0), np.arange(6.0) + 7, swapped)
    np.testing.assert_allclose(found.p_value, np.array([2, 2, 3, 39, 40, 1]) / 40)
    np.testing.assert_allclose(found.low, observed - 39)
    np.testing.assert_allclose(found.high, observed + 39)
    np.testing.assert_array_equal(found.value, np.arange(6.0))
    np.testing.assert_array_equal(found.placebo, np.arange(6.0) + 7)


@pytest.mark.parametrize("n", [20, 25, 38, 39, 40, 59, 99, 100, 999])
def test_the_interval_leaves_out_zero_just_where_p_is_small(n: int) -> None:
    generator = np.random.default_rng(n)
    drawn = generator.normal(size=(n, 400))
    swapped = np.concatenate([4 * generator.random((1, 400)) - 2, drawn])
    # and observed values that are, but for the sign, one of the drawn: at the border both count them as drawn
    swapped[0, 200:] = -np.sort(np.abs(drawn[:, 200:]), axis=0)[generator.integers(int(0.9 * n), n, size=200), range(200)]
    found = Excess.of_swaps(np.zeros(400), np.zeros(400), swapped)
    expected = (1 + (np.abs(drawn) >= np.abs(swapped[0])).sum(axis=0)) / (1 + n)
    np.testing.assert_allclose(found.p_value, expected)
    is_beyond = (found.low > 0) | (found.high < 0)
    np.testing.assert_array_equal(is_beyond, expected < 0.05 - 1e-12)
    assert is_beyond.any()
    assert not is_beyond.all()
    if n == 99:
        np.testing.assert_allclose(found.high - swapped[0], np.sort(np.abs(drawn), axis=0)[95])


@pytest.mark.parametrize("n", [1, 9, 18, 19])
def test_fewer_than_twenty_swaps_have_a_p_and_no_interval(n: int) -> None:
    swapped = np.random.default_rng(0).normal(size=(n + 1, 5))
    swapped[0] = 100.0
    found = Excess.of_swaps(np.zeros(5), np.zeros(5), swapped)
    np.testing.assert_allclose(found.p_value, 1 / (1 + n))
    assert np.isnan([found.low, found.high]).all()


def test_gaps_stay_gaps() -> None:
    swapped = np.random.default_rng(0).normal(size=(41, 3))
    swapped[0] = 3.0, np.nan, 3.0
    swapped[5, 2] = np.nan
    found = Excess.of_swaps(np.zeros(3), np.zeros(3), swapped)
    for part in (found.low, found.high, found.p_value):
        np.testing.assert_array_equal(np.isnan(part), [False, True, True])
    alone = Excess.without_inference(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    np.testing.assert_array_equal([alone.value, alone.placebo], [[1.0, 2.0], [3.0, 4.0]])
    assert np.isnan([alone.low, alone.high, alone.p_value]).all()


def test_an_excess_of_one_number_is_one_of_an_array() -> None:
    swapped = np.random.default_rng(1).normal(size=(40, 1))
    whole = Excess.of_swaps(np.zeros(1), np.ones(1), swapped)
    one = Excess.of_swaps(np.array(0.0), np.array(1.0), swapped[:, 0])
    for found, expected in zip(parts(one), parts(whole), strict=True):
        assert np.shape(found) == ()
        assert float(found) == float(expected[0])


def on_a_grid(groups: list[MatchedScores], generator: np.random.Generator) -> list[MatchedScores]:
    """Scores of few bits, and blocks of 1, 2 or 4 pairs, 16 in all: means are exact in any precision, and some are equal."""

    def rounded(group: GroupScores, pairs: np.ndarray) -> GroupScores:
        first, second = (np.rint(scores * 32) / np.float32(32) for scores in group.scores)
        return replace(group, scores=(first, second) if group.has_references else (first, first), pairs=pairs)

    found = []
    for group in groups:
        pairs = generator.permutation([1, 1, 4, 2, 2, 1, 1, 4])
        found.append(replace(group, own=rounded(group.own, pairs), placebo=rounded(group.placebo, pairs)))
    return found


def plain_agreement(
    groups: list[MatchedScores], swapped: list[np.ndarray], k: int
) -> dict[str, dict[tuple[int, ...], Fraction]]:
    """By measure, (side, layer, first, second): swap, average, rank, intersect, all in fractions."""
    order: dict[tuple[int, int, int, int], list[int]] = {}
    for number, group in enumerate(groups):
        for side, reference, layer in itertools.product((0, 1), (0, 1), range(N_LAYERS)):
            total, weight = np.zeros(N_DIMS), 0
            for block in range(len(group.own.pairs)):
                source = group.own if (side == 0) != bool(swapped[number][block]) else group.placebo
                total += int(source.pairs[block]) * source.scores[reference][block, layer].astype(np.float64)
                weight += int(source.pairs[block])
            mean = [value / weight for value in total]
            if group.own.has_references:
                mean = [round(value * 65_535) for value in mean]
            order[number, side, reference, layer] = sorted(range(N_DIMS), key=lambda dim, mean=mean: (mean[dim], dim))  # type: ignore[misc]
    found: dict[str, dict[tuple[int, ...], Fraction]] = {"jaccard": {}, "spearman": {}}
    for side, layer in np.ndindex(2, N_LAYERS):
        for a, b in itertools.combinations(range(len(groups)), 2):
            of_jaccard, of_spearman = [], []
            for first, second in ((0, 1), (1, 0)):
                one, other = order[a, side, first, layer], order[b, side, second, layer]
                of_jaccard.append(Fraction(len({*one[:k]} & {*other[:k]}), len({*one[:k]} | {*other[:k]})))
                apart = sum((one.index(dim) - other.index(dim)) ** 2 for dim in range(N_DIMS))
                of_spearman.append(1 - Fraction(6 * apart, N_DIMS * (N_DIMS**2 - 1)))
            found["jaccard"][side, layer, a, b] = sum(of_jaccard, Fraction(0)) / 2
            found["spearman"][side, layer, a, b] = sum(of_spearman, Fraction(0)) / 2
    return found


def mean_excess(found: dict[tuple[int, ...], Fraction], layers: list[int], pairs: list[tuple[int, int]]) -> Fraction:
    each = [found[0, layer, a, b] - found[1, layer, a, b] for layer in layers for a, b in pairs]
    return sum(each, Fraction(0)) / len(each)


def check_excess(found: Excess, at: tuple[int, ...], each: list[Fraction]) -> None:
    """Against differences under swaps in fractions, the one that swaps nothing first."""
    observed, drawn = each[0], [abs(one) for one in each[1:]]
    # the least of them beyond which p is below 0.05
    n = len(drawn)
    width = float(min(one for one in drawn if Fraction(1 + sum(other > one for other in drawn), 1 + n) < Fraction(1, 20)))
    assert found.value[at] - found.placebo[at] == pytest.approx(float(observed), abs=1e-6)
    assert (found.low[at], found.high[at]) == pytest.approx((float(observed) - width, float(observed) + width), abs=1e-6)
    assert found.p_value[at] == pytest.approx((1 + sum(one >= abs(observed) for one in drawn)) / (1 + len(drawn)))


@pytest.mark.parametrize("raw", [False, True])
def test_consistency_is_that_of_a_plain_program_for_the_same_swaps(raw: bool) -> None:
    """Equal differences count as equal: p is exact."""
    generator = np.random.default_rng(4)
    groups = on_a_grid(make_groups(generator, FOUR, profiles={"meaning": lowered(range(4), 0.1)}, noise=0.2), generator)
    groups = read_once(groups) if raw else groups
    n = 59
    found = found_in(groups, n_resamples=n, seed=7, k=4)
    (swaps,) = draw_swaps(groups, n, np.random.default_rng(7))
    draws = [plain_agreement(groups, [some[draw] for some in swaps], 4) for draw in range(n + 1)]
    every_layer = list(range(N_LAYERS))
    for measure in TESTED:
        for members, places in {"all": range(4), "meaning": range(2), "grammar": range(2, 4)}.items():
            pairs = list(itertools.combinations(places, 2))
            some = set_of(found, members, measure)
            check_excess(some.overall, (), [mean_excess(draw[measure], every_layer, pairs) for draw in draws])
            for layer in every_layer:
                check_excess(some.by_layer, (layer,), [mean_excess(draw[measure], [layer], pairs) for draw in draws])
        for pair in itertools.combinations(range(4), 2):
            each = [mean_excess(draw[measure], every_layer, [pair]) for draw in draws]
            check_excess(pairs_of(found, measure).found, pair, each)


def test_p_against_every_way_to_swap_the_blocks() -> None:
    """Two types of four blocks: 256 ways, all of them against a sample."""
    roles = {"x": "meaning", "y": "meaning"}
    shared = {"meaning": 0.1 * np.random.default_rng(1).normal(size=(1, 10))}
    groups = make_groups(np.random.default_rng(6), roles, profiles=shared, n_blocks=4, n_layers=1, n_dims=10, pairs=(1, 4))

    def excess(swapped: np.ndarray) -> float:
        found = []
        for side in (0, 1):
            ranks = []
            for reference in (0, 1):
                for group, some in zip(groups, swapped, strict=True):
                    sources = [group.own if (side == 0) != bool(one) else group.placebo for one in some]
                    scores = [source.scores[reference][block, 0] for block, source in enumerate(sources)]
                    pairs = [source.pairs[block] for block, source in enumerate(sources)]
                    ranks.append(stats.rankdata(np.average(scores, axis=0, weights=pairs)))
            rho = np.corrcoef(ranks)
            found.append((rho[0, 3] + rho[1, 2]) / 2)
        return float(found[0] - found[1])

    ways = np.array([excess(np.reshape(way, (2, 4))) for way in itertools.product((0, 1), repeat=8)])
    assert len(ways) == 256
    np.testing.assert_allclose(ways, -ways[::-1], atol=1e-12)  # swapping all turns the sign
    exact = float(np.mean(np.abs(ways) >= abs(ways[0]) - 1e-9))
    assert 0.02 < exact < 0.5
    found = pairs_of(found_in(groups, n_resamples=600, k=3), "spearman").found
    assert found.p_value[0, 1] == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 600))
    width = float(np.quantile(np.abs(ways), 0.95))
    assert found.high[0, 1] - (found.value - found.placebo)[0, 1] == pytest.approx(width, rel=0.1)


def test_how_many_are_drawn_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = of_many_sizes(np.random.default_rng(3))
    whole = found_in(groups, n_resamples=30)
    monkeypatch.setattr(group_scores, "_CELLS_AT_ONCE", 7 * len(groups) * N_LAYERS * N_DIMS)
    assert len(list(draw_swaps(groups, 30, np.random.default_rng(0)))) == 5
    pieces = found_in(groups, n_resamples=30)
    for one in whole.sets:
        check_inferred(one.overall, one.measure != "rbo")
    for one, other in zip(whole.sets, pieces.sets, strict=True):
        for part, same in zip(
            (*parts(one.by_layer), *parts(one.overall)), (*parts(other.by_layer), *parts(other.overall)), strict=True
        ):
            np.testing.assert_allclose(part, same, atol=1e-6)
    for first, second in zip(whole.pairs, pieces.pairs, strict=True):
        for part, same in zip(parts(first.found), parts(second.found), strict=True):
            np.testing.assert_allclose(part, same, atol=1e-6)


@pytest.mark.parametrize("raw", [False, True])
def test_the_matrix_of_pairs_is_symmetric_with_halves_on_its_diagonal(raw: bool) -> None:
    groups = make_groups(np.random.default_rng(5), FOUR)
    groups = read_once(groups) if raw else groups
    found = found_in(groups, n_resamples=29)
    generator = np.random.default_rng(0)
    (_,) = draw_swaps(groups, 29, generator)  # which come before the halves
    halves = split_half([group.own for group in groups], K, generator=generator)
    for pairs in found.pairs:
        np.testing.assert_array_equal(np.diag(pairs.found.value), halves[pairs.measure])
        for part in parts(pairs.found)[1:]:
            np.testing.assert_array_equal(part, part.T)
            assert np.isnan(np.diag(part)).all(), "a group has no excess over itself"
        np.testing.assert_array_equal(pairs.found.value, pairs.found.value.T)
        off = ~np.eye(4, dtype=bool)
        assert np.isfinite([pairs.found.value[off], pairs.found.placebo[off]]).all()
        is_tested = pairs.measure in TESTED
        assert np.isfinite(pairs.found.p_value[off]).all() == np.isfinite(pairs.found.low[off]).all() == is_tested
        assert np.isnan(pairs.found.p_value[off]).all() == (not is_tested)


def test_rank_biased_overlap_stands_beside_as_a_value() -> None:
    found = found_in(make_groups(np.random.default_rng(5)), n_resamples=20)
    for one in found.sets:
        for excess in (one.by_layer, one.overall):
            assert np.isfinite([excess.value, excess.placebo]).all()
            check_inferred(excess, one.measure != "rbo")


# without an effect


def own_profiles(seed: int, roles: dict[str, str], shape: tuple[int, int]) -> dict[str, np.ndarray]:
    """Strong ones, each shared by a type and its placebos."""
    generator = np.random.default_rng(seed)
    found = {name: 0.12 * generator.normal(size=shape) for name in roles}
    return found | {f"{name}-placebo": profile for name, profile in found.items()}


@pytest.mark.usefixtures("no_halves")
@pytest.mark.parametrize("strong", [False, True])
def test_where_types_are_like_their_placebos_one_in_twenty_is_found(strong: bool) -> None:
    """Swapping is exact: of 39 swaps p ≤ 0.05 in 2 cases of 40, whatever a type and its placebos share."""
    generator = np.random.default_rng(11)
    n_runs = 100
    p: dict[str, list[float]] = {"jaccard": [], "spearman": [], "layer": [], "pair": []}
    excess = []
    for run in range(n_runs):
        profiles = own_profiles(run, ROLES, (1, 24)) if strong else {}
        groups = make_groups(generator, profiles=profiles, n_layers=1, n_dims=24, pairs=(2, 6))
        found = found_in(groups, n_resamples=39, seed=run)
        rho, jac = set_of(found, measure="spearman"), set_of(found)
        p["jaccard"].append(float(jac.overall.p_value))
        p["spearman"].append(float(rho.overall.p_value))
        p["layer"].append(float(rho.by_layer.p_value[0]))
        p["pair"].append(float(pairs_of(found, "spearman").found.p_value[0, 2]))
        excess.append([float(one.overall.value - one.overall.placebo) for one in (rho, jac)])
    at_least, at_most = stats.binom.ppf([0.002, 0.998], n_runs, 0.05)
    for name, values in p.items():
        assert at_least <= np.sum(np.array(values) <= 0.05 + 1e-9) <= at_most, name
        if name != "jaccard":  # which has ties
            spread_out = np.array(values) - generator.random(n_runs) / 40
            assert stats.kstest(spread_out, "uniform").pvalue > 0.001, name
    for values in np.array(excess).T:
        assert abs(values.mean()) < 3 * values.std() / np.sqrt(n_runs)


def test_a_shared_reference_makes_any_two_groups_agree() -> None:
    """Its error is as large as that of a group's mean: ρ = 1/2, and Spearman's 6/π · asin(ρ/2) = 0.48, of nothing at all."""
    generator = np.random.default_rng(3)
    groups = make_groups(generator, n_dims=3000, n_layers=1, n_blocks=16, noise=0.1, reference_error=0.1 / 4)
    apart, shared = found_in(groups, k=300), [found_in(read_once(groups, reference), k=300) for reference in (0, 1)]
    trap = 6 / np.pi * np.arcsin(0.25)
    assert trap == pytest.approx(0.483, abs=1e-3)
    off = ~np.eye(len(groups), dtype=bool)
    for found in shared:
        rho, jac = (pairs_of(found, measure).found for measure in ("spearman", "jaccard"))
        np.testing.assert_allclose([rho.value[off], rho.placebo[off]], trap, atol=0.06)
        assert jac.placebo[off].min() > 2 * chance_of("jaccard", 300, 3000)
    rho, jac = (pairs_of(apart, measure).found for measure in ("spearman", "jaccard"))
    np.testing.assert_allclose([rho.value[off], rho.placebo[off]], 0.0, atol=0.07)
    np.testing.assert_allclose([jac.value[off], jac.placebo[off]], expected_jaccard(300, 3000), atol=0.03)
    assert abs(np.mean([rho.value[off], rho.placebo[off]])) < 0.02
    # halves of one group have the reference in common, too, unless each is read on another
    own = [group.own for group in groups]
    halves_apart = split_half(own, 300, generator=generator, n_splits=4)["spearman"]
    halves_shared = split_half([group.own for group in read_once(groups)], 300, generator=generator, n_splits=4)["spearman"]
    np.testing.assert_allclose(halves_apart, 0.0, atol=0.07)
    # of a half the variance is twice that: ρ = 1/3
    np.testing.assert_allclose(halves_shared, 6 / np.pi * np.arcsin(1 / 6), atol=0.06)


def test_shared_scale_makes_overlap_and_no_excess() -> None:
    """On the raw scale dimensions of small scale change least whatever the pair."""
    generator = np.random.default_rng(4)
    scale = np.exp(2.0 * generator.normal(size=(N_LAYERS, N_DIMS)))

    def raw(name: str, role: str) -> GroupScores:
        values = (scale * generator.gamma(2.0, size=(12, N_LAYERS, N_DIMS))).astype(np.float32)
        return GroupScores(name, role, (values, values), np.full(12, 4))  # type: ignore[arg-type]

    groups = [MatchedScores(raw(name, role), raw(f"{name}-placebo", "placebo"), 0.0) for name, role in ROLES.items()]
    found = found_in(groups, n_resamples=99)
    for measure in TESTED:
        one = set_of(found, measure=measure).overall
        assert one.value > 0.6
        assert one.value - chance_of(measure, K, N_DIMS) > 0.15
        assert abs(one.value - one.placebo) < 0.1
        assert one.low < 0 < one.high
        assert one.p_value > 0.05
    assert set_of(found, measure="jaccard").overall.placebo > 0.6, "placebos overlap as much"


# planted


def planted_jaccard(n_shared: int, k: int = K, n_dims: int = N_DIMS) -> float:
    """Of sets that share some for certain, the rest drawn blindly."""
    rest = np.arange(k - n_shared + 1)
    weights = stats.hypergeom.pmf(rest, n_dims - n_shared, k - n_shared, k - n_shared)
    return float(weights @ ((n_shared + rest) / (2 * k - n_shared - rest)))


@pytest.mark.usefixtures("no_halves")
def test_planted_dimensions_are_found_at_their_size() -> None:
    generator = np.random.default_rng(6)
    planted = {"meaning": lowered(range(5)), "grammar": lowered(range(5))}
    expected = planted_jaccard(5) - expected_jaccard(K, N_DIMS)
    excess, covered = [], []
    for n in range(40):
        groups = make_groups(generator, profiles=planted, reference_error=0.02, n_blocks=12)
        found = found_in(groups, n_resamples=39, seed=n)
        one = set_of(found).overall
        excess.append(float(one.value - one.placebo))
        assert one.p_value == 1 / 40
        assert 0 < one.low < one.value - one.placebo < one.high
        covered.append(bool(one.low <= expected <= one.high))
        pairs = pairs_of(found).found
        off = ~np.eye(3, dtype=bool)
        assert pairs.value[off].min() > pairs.placebo[off].max(), "placebos share nothing"
    assert np.mean(excess) == pytest.approx(expected, abs=0.03)
    assert np.mean(covered) >= 0.9


@pytest.mark.usefixtures("no_halves")
@pytest.mark.parametrize("by", [0.05, 0.1])
def test_intervals_cover_an_excess_that_blurs(by: float) -> None:
    """Dimensions that are lowered by no more than the noise: what is covered is the mean over many runs."""
    generator = np.random.default_rng(8)
    planted = {"meaning": lowered(range(5), by), "grammar": lowered(range(5), by)}
    runs = []
    for n in range(60):
        found = found_in(make_groups(generator, profiles=planted, reference_error=0.02), n_resamples=59, seed=n)
        for measure in TESTED:
            one = set_of(found, measure=measure).overall
            runs.append([float(one.value - one.placebo), float(one.low), float(one.high)])
    for value, low, high in np.array(runs).reshape(60, len(TESTED), 3).transpose(1, 2, 0):
        truth = value.mean()
        assert truth > 0.02
        assert np.mean((low <= truth) & (truth <= high)) >= 0.9


@pytest.mark.usefixtures("no_halves")
def test_what_is_lowered_in_placebos_too_is_no_excess() -> None:
    generator = np.random.default_rng(9)
    everywhere = {role: lowered(range(5)) for role in ("meaning", "grammar", "placebo")}
    p = []
    for n in range(40):
        one = set_of(found_in(make_groups(generator, profiles=everywhere), n_resamples=39, seed=n)).overall
        assert one.value > 0.5 > 0.3 > expected_jaccard(K, N_DIMS)
        p.append(float(one.p_value))
    assert np.sum(np.array(p) <= 0.05 + 1e-9) <= stats.binom.ppf(0.998, 40, 0.05)


def test_placebos_that_agree_more_are_found_on_the_other_side() -> None:
    groups = make_groups(np.random.default_rng(6), profiles={"placebo": lowered(range(5))}, n_blocks=12)
    for measure in TESTED:
        one = set_of(found_in(groups, n_resamples=39), measure=measure).overall
        assert one.p_value == 1 / 40
        assert one.low < one.high < 0


def test_sets_tell_meaning_that_agrees_from_grammar_that_does_not() -> None:
    roles = {**ROLES, "four": "grammar", "five": "grammar", "six": "meaning"}
    profiles = {
        "meaning": lowered(range(5)),
        "three": lowered(range(6, 11)),
        "four": lowered(range(12, 17)),
        "five": lowered(range(18, 23)),
    }
    found = found_in(make_groups(np.random.default_rng(7), roles, profiles=profiles, n_blocks=16), n_resamples=99)
    for measure in (*TESTED, "kendall_w"):
        meaning, grammar, everyone = (set_of(found, members, measure).overall for members in ("meaning", "grammar", "all"))
        assert meaning.p_value <= 0.03
        assert meaning.low > 0
        assert grammar.p_value > 0.03 or grammar.value < grammar.placebo
        assert grammar.low < meaning.low
        assert max(float(grammar.value), float(everyone.value)) < meaning.value
    matrix = pairs_of(found).found.value
    names = list(found.names)
    assert matrix[names.index("one"), names.index("six")] > 0.5 > 0.3 > matrix[names.index("four"), names.index("five")]
    assert (np.diag(matrix) > 0.4).all(), "every type agrees with itself"


# what is refused, and what is drawn


def test_fewer_than_two_types_are_not_compared() -> None:
    groups = make_groups(np.random.default_rng(8))
    generator = np.random.default_rng(0)

    def emptied(group: GroupScores) -> GroupScores:
        first, second = (scores[:0] for scores in group.scores)
        return replace(group, scores=(first, second), pairs=group.pairs[:0])

    empty = replace(groups[1], own=emptied(groups[1].own), placebo=emptied(groups[1].placebo), refusal="two: none")
    for some in ([], groups[:1], [groups[0], empty]):
        assert consistency(some, K, generator=generator, n_resamples=3) is None
    assert consistency(groups[:2], K, generator=generator, n_resamples=0) is not None
    # a type without a pair is left out of the others' comparison
    found = found_in([groups[0], empty, groups[2]], n_resamples=19)
    assert found.names == ("one", "three")
    for one, other in zip(found.pairs, found_in([groups[0], groups[2]], n_resamples=19).pairs, strict=True):
        for part, same in zip(parts(one.found), parts(other.found), strict=True):
            np.testing.assert_array_equal(part, same)


def check_inferred(found: Excess, expected: bool) -> None:
    for part in (found.low, found.high, found.p_value):
        assert np.isfinite(part).all() == expected
        assert np.isnan(part).all() != expected


@pytest.mark.parametrize(
    ("refused", "inferred", "left"),
    [
        (("g2",), {"all": True, "meaning": True, "grammar": False}, {"all": 3, "meaning": 2, "grammar": 2}),
        (("m1", "g2"), {"all": True, "meaning": False, "grammar": False}, {"all": 2, "meaning": 2, "grammar": 2}),
        (("m1", "m2", "g2"), {"all": False, "meaning": False, "grammar": False}, {"all": 4, "meaning": 2, "grammar": 2}),
    ],
)
def test_sets_with_refused_groups(refused: tuple[str, ...], inferred: dict[str, bool], left: dict[str, int]) -> None:
    """What refuses inference is left out where two others remain; else all stay, with values alone."""
    groups = make_groups(np.random.default_rng(9), FOUR, refused=refused)
    found = found_in(groups, n_resamples=20)
    for one in found.sets:
        assert one.n_groups == left[one.members]
        for excess in (one.by_layer, one.overall):
            assert np.isfinite([excess.value, excess.placebo]).all()
            check_inferred(excess, inferred[one.members] and one.measure != "rbo")
    for pairs in found.pairs:
        for a, b in itertools.permutations(range(4), 2):
            assert np.isfinite([pairs.found.value[a, b], pairs.found.placebo[a, b]]).all()
            is_inferred = pairs.measure in TESTED and not {found.names[a], found.names[b]} & {*refused}
            assert all(np.isfinite(part[a, b]) == is_inferred for part in parts(pairs.found)[2:])
    # the set has the value of those that are left, beside their own placebos
    kept = [group for group in groups if group.allows_inference]
    if len(kept) > 1:
        alone, whole = set_of(found_in(kept)).overall, set_of(found).overall
        np.testing.assert_allclose([alone.value, alone.placebo], [whole.value, whole.placebo], atol=1e-6)


def test_the_same_seed_gives_the_same_numbers_and_none_swapped_gives_values_alone() -> None:
    groups = make_groups(np.random.default_rng(10))
    one, same, other, alone = (found_in(groups, n_resamples=n, seed=seed) for n, seed in ((20, 0), (20, 0), (20, 1), (0, 0)))
    off = ~np.eye(3, dtype=bool)
    for number, pairs in enumerate(one.pairs):
        for part, again in zip(parts(pairs.found), parts(same.pairs[number].found), strict=True):
            np.testing.assert_array_equal(part, again)
        np.testing.assert_array_equal(pairs.found.value[off], alone.pairs[number].found.value[off])
        assert np.isnan(parts(alone.pairs[number].found)[2:]).all()
    for number, some in enumerate(one.sets):
        for part, again in zip(parts(some.by_layer), parts(same.sets[number].by_layer), strict=True):
            np.testing.assert_array_equal(part, again)
        assert float(some.overall.value) == float(other.sets[number].overall.value) == float(alone.sets[number].overall.value)
        if some.measure != "rbo":
            assert float(some.overall.high) != float(other.sets[number].overall.high)
        assert np.isnan(parts(alone.sets[number].by_layer)[2:]).all()
        assert np.isnan(parts(alone.sets[number].overall)[2:]).all()


# halves


def test_two_blocks_have_two_halves() -> None:
    groups = make_groups(np.random.default_rng(11), n_blocks=2, pairs=(1, 7))
    found = split_half([group.own for group in groups], K, generator=np.random.default_rng(0))
    on_diagonal = {pairs.measure: np.diag(pairs.found.value) for pairs in found_in(groups).pairs}
    for number, group in enumerate(groups):
        ranks = (ranks_of(group.own.scores[0]), ranks_of(group.own.scores[1]))
        expected = {"jaccard": jaccard(ranks, K), "spearman": spearman(ranks), "rbo": rank_biased_overlap(ranks)}
        for name in MEASURES:
            value = expected[name][:, 0, 1].mean()
            assert found[name][number] == pytest.approx(value, abs=1e-6)
            assert on_diagonal[name][number] == pytest.approx(value, abs=1e-6)
    # by hand: one block on the first reference against the other on the second, both ways, mean over layers
    one, two = groups[0].own.scores
    ways = [
        spearman_matrix(np.stack([one[half, layer], two[1 - half, layer]]))[0, 1]
        for layer in range(N_LAYERS)
        for half in (0, 1)
    ]
    assert found["spearman"][0] == pytest.approx(np.mean(ways), abs=1e-5)


def test_one_block_has_no_halves() -> None:
    groups = make_groups(np.random.default_rng(12), n_blocks=3)

    def first_block(group: GroupScores) -> GroupScores:
        one, other = (scores[:1] for scores in group.scores)
        return replace(group, scores=(one, other), pairs=group.pairs[:1])

    groups[1] = replace(groups[1], own=first_block(groups[1].own), placebo=first_block(groups[1].placebo), refusal="two: one")
    found = found_in(groups, n_resamples=3)
    for pairs in found.pairs:
        np.testing.assert_array_equal(np.isnan(pairs.found.value), np.diag([False, True, False]))


def test_w_of_a_mean_correlation_and_chance() -> None:
    assert chance_of("spearman", K, N_DIMS) == 0.0
    assert chance_of("jaccard", K, N_DIMS) == expected_jaccard(K, N_DIMS)
    # random orders agree as far as said
    generator = np.random.default_rng(13)
    orders = np.argsort(generator.random((60, 1, N_DIMS)), axis=-1)
    off = ~np.eye(60, dtype=bool)
    for measure, found in (("jaccard", jaccard((orders, orders), K)), ("rbo", rank_biased_overlap((orders, orders)))):
        assert found[0][off].mean() == pytest.approx(chance_of(measure, K, N_DIMS), abs=0.01)
    np.testing.assert_allclose(kendall_w_of(np.array([1.0, 0.0]), 4), [1.0, 0.25])
