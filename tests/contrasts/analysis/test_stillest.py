"""Rankings by hand, intervals of units, and which dimensions stand out from their layer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from layerscope.contrasts.analysis.group_scores import GroupScores, MatchedScores
from layerscope.contrasts.analysis.stillest import Ranked, StandingOut, intervals, rank_units, spread_explains, standing_out
from layerscope.stats.false_discovery import benjamini_hochberg
from tests.made_up_groups import lowered, make_groups, read_once

ROLES = {"x": "meaning", "y": "grammar"}


def rows(units: Ranked) -> list[tuple[int, int, int]]:
    return list(zip(units.layer.tolist(), units.dim.tolist(), units.rank.tolist(), strict=True))


def test_units_by_hand() -> None:
    scores = np.array([[0.9, 0.3, 0.5, 0.4], [0.2, 0.8, 0.1, 0.8], [0.3, 0.7, 0.7, 0.7]])
    within, over_all = rank_units(scores, 2)
    assert (within.scope, over_all.scope) == ("layer", "all")
    # in the last layer three are equal: the first of them is in
    assert rows(within) == [(0, 1, 1), (0, 3, 2), (1, 2, 1), (1, 0, 2), (2, 0, 1), (2, 1, 2)]
    assert rows(over_all) == [(1, 2, 1), (1, 0, 2)]
    _, four = rank_units(scores, 4)
    assert rows(four) == [(1, 2, 1), (1, 0, 2), (0, 1, 3), (2, 0, 4)]  # two of 0.3: the lower layer first


def test_ranks_over_all_are_those_of_a_plain_sort() -> None:
    scores = np.random.default_rng(0).integers(0, 50, size=(7, 60)) / np.float32(50)
    _, over_all = rank_units(scores, 60)
    order = np.argsort(scores.ravel(), kind="stable")[:60]
    np.testing.assert_array_equal(over_all.layer * 60 + over_all.dim, order)


def test_intervals_are_those_of_the_mean_over_groups() -> None:
    groups = [group.own for group in make_groups(np.random.default_rng(1), ROLES, pairs=(1, 8), n_blocks=12)]
    units = Ranked("all", np.array([0, 1, 1]), np.array([3, 0, 29]), np.arange(1, 4))
    of_group = []
    for group in groups:
        both = (group.scores[0] + group.scores[1])[:, units.layer, units.dim] / 2
        of_group.append((np.average(both, axis=0, weights=group.pairs), both.std(axis=0) / np.sqrt(12)))
    mean = np.mean([one for one, _ in of_group], axis=0)
    low, high = intervals(groups, units, mean, generator=np.random.default_rng(0))
    error = np.sqrt(sum(e**2 for _, e in of_group)) / 2
    assert ((low < mean) & (mean < high)).all()
    # about ± 1.96 standard errors, and somewhat more, for blocks count by their pairs
    np.testing.assert_allclose((high - low) / (2 * 1.96 * error), 1.1, atol=0.25)


def test_intervals_lie_about_the_score_that_is_given() -> None:
    """Pairs that lack a placebo count in the score, and not in the blocks: the width stays, the place is the score's."""
    groups = [group.own for group in make_groups(np.random.default_rng(1), ROLES, n_blocks=12)]
    units = Ranked("all", np.array([0, 1]), np.array([3, 29]), np.arange(1, 3))
    at_zero = intervals(groups, units, np.zeros(2), generator=np.random.default_rng(0))
    elsewhere = intervals(groups, units, np.array([0.25, 3.0]), generator=np.random.default_rng(0))
    for one, other in zip(at_zero, elsewhere, strict=True):
        np.testing.assert_allclose(one + np.array([0.25, 3.0]), other)
    assert (at_zero[0] < 0).all()
    assert (at_zero[1] > 0).all()

    def first_block(group: GroupScores) -> GroupScores:
        one, other = (scores[:1] for scores in group.scores)
        return replace(group, scores=(one, other), pairs=group.pairs[:1])

    one_block = intervals(
        [first_block(group) for group in groups], units, np.array([0.5, 0.7]), generator=np.random.default_rng(0)
    )
    np.testing.assert_allclose(one_block, [[0.5, 0.7]] * 2)


def test_intervals_against_a_plain_bootstrap() -> None:
    groups = [group.own for group in make_groups(np.random.default_rng(1), ROLES, pairs=(1, 8), n_blocks=6)]
    units = Ranked("all", np.array([0, 1]), np.array([3, 29]), np.arange(1, 3))
    generator = np.random.default_rng(0)
    drawn = np.zeros((4000, 2))
    for row in drawn:
        for group in groups:
            chosen = generator.integers(6, size=6)
            both = (group.scores[0] + group.scores[1])[chosen][:, units.layer, units.dim] / 2
            row += np.average(both, axis=0, weights=group.pairs[chosen]) / 2
    found = intervals(groups, units, drawn.mean(axis=0), generator=generator)
    width = np.subtract(*np.quantile(drawn, [0.975, 0.025], axis=0))
    np.testing.assert_allclose(found, np.quantile(drawn, [0.025, 0.975], axis=0), atol=0.12 * width.max())


def test_intervals_shrink_with_blocks_and_cover() -> None:
    generator = np.random.default_rng(2)
    widths, covered = {}, []
    layer, dim = (axis.ravel() for axis in np.indices((2, 30)))
    for n_blocks in (8, 32, 128):
        groups = [group.own for group in make_groups(generator, ROLES, n_blocks=n_blocks, reference_error=0.0)]
        scores = np.mean([group.mean(group.pairs[None])[0][0] for group in groups], axis=0).ravel()
        low, high = intervals(groups, Ranked("all", layer, dim, layer), scores, generator=generator)
        widths[n_blocks] = float(np.mean(high - low))
        if n_blocks > 8:
            covered.append(np.mean((low <= 0.5) & (high >= 0.5)))
    assert widths[8] / widths[32] == pytest.approx(2.0, rel=0.15)
    assert widths[32] / widths[128] == pytest.approx(2.0, rel=0.15)
    assert min(covered) > 0.85


def test_scores_that_are_the_spread_are_explained_by_it() -> None:
    generator = np.random.default_rng(3)
    spread = generator.gamma(2.0, size=(3, 40))
    np.testing.assert_allclose(spread_explains(np.sqrt(spread), spread)[0], 1.0)
    assert spread_explains(spread, spread)[1] == pytest.approx(1.0)
    by_layer, over_all = spread_explains(np.stack([spread[0], -spread[1], generator.random(40)]), spread)
    np.testing.assert_allclose(by_layer[:2], [1.0, -1.0])
    assert abs(by_layer[2]) < 0.5
    expected = stats.spearmanr(np.concatenate([spread[0], -spread[1]]), spread[:2].ravel()).statistic
    two = spread_explains(np.stack([spread[0], -spread[1]]), spread[:2])
    assert two[1] == pytest.approx(expected)
    # each layer by itself says nothing, all together do
    apart = np.arange(3)[:, None] * 100.0
    by_layer, over_all = spread_explains(generator.random((3, 40)) + apart, spread + apart)
    assert np.abs(by_layer).max() < 0.5
    assert over_all > 0.8


def with_changes(
    generator: np.random.Generator, *, dims: dict[tuple[int, int], float], shift: float = 0.0, both: bool = False
) -> list[MatchedScores]:
    """Single dimensions changed in all types, and where wanted in their placebos."""
    profile = np.full((3, 30), shift)
    for place, by in dims.items():
        profile[place] += by
    roles = ("meaning", "grammar", "placebo") if both else ("meaning", "grammar")
    return make_groups(generator, ROLES, profiles=dict.fromkeys(roles, profile), n_layers=3, n_blocks=16)


def units_of(found: StandingOut) -> list[tuple[int, int]]:
    return list(zip(found.layer.tolist(), found.dim.tolist(), strict=True))


def test_planted_dimensions_stand_out_and_a_layer_that_shifts_does_not() -> None:
    groups = with_changes(np.random.default_rng(4), dims={(1, 4): -0.3, (1, 20): -0.2, (2, 9): +0.3}, shift=-0.1)
    found = standing_out(groups, [0, 1, 2])
    assert {(0, 4), (2, 9)}.isdisjoint(units_of(found))
    in_one = found.dim[found.layer == 1].tolist()
    assert in_one[:2] == [4, 20], "most certain first"
    assert len(found.dim) <= 4
    assert (found.q_value < 0.05).all()
    assert (found.p_value <= found.q_value).all()
    assert (np.diff(found.layer) >= 0).all()
    # layers keep their numbers where only some are tested
    assert set(standing_out(groups, [1]).layer) == {1}
    assert 9 not in standing_out(groups, [2]).dim
    assert {*units_of(standing_out(groups, [2, 1]))} == {*units_of(standing_out(groups, [1, 2]))}


def test_dimensions_that_are_lowered_in_placebos_too_do_not_stand_out() -> None:
    dims = {(0, 3): -0.3, (1, 4): -0.3, (1, 20): -0.2}
    n_found = 0
    for seed in range(20):
        found = standing_out(with_changes(np.random.default_rng(seed), dims=dims, both=True), [0, 1, 2])
        n_found += len({*dims} & {*units_of(found)})
        in_types = standing_out(with_changes(np.random.default_rng(seed), dims=dims), [0, 1, 2])
        assert {*dims} <= {*units_of(in_types)}
    assert n_found <= 1
    # and what is lowered in placebos alone is no gain
    alone = make_groups(np.random.default_rng(1), ROLES, profiles={"placebo": lowered(range(3))}, n_blocks=16)
    assert {(layer, dim) for layer in (0, 1) for dim in range(3)}.isdisjoint(units_of(standing_out(alone, [0, 1])))


@pytest.mark.parametrize("raw", [False, True])
def test_standing_out_against_students_test_and_benjamini_hochberg(raw: bool) -> None:
    groups = with_changes(np.random.default_rng(5), dims={(0, 1): -0.1, (2, 3): -0.11, (2, 8): -0.12})
    groups = read_once(groups) if raw else groups
    layers = [0, 2]
    p = np.zeros((2, 30))
    for row, layer in enumerate(layers):
        for dim in range(30):
            less = []
            for group in groups:
                for block in range(16):
                    own, placebo = (
                        (side.scores[0][block, layer].astype(float) + side.scores[1][block, layer]) / 2
                        for side in (group.own, group.placebo)
                    )
                    less.append((own[dim] - own.mean()) - (placebo[dim] - placebo.mean()))
            t = np.mean(less) / (np.std(less, ddof=1) / np.sqrt(32))
            p[row, dim] = stats.t.cdf(t, 31)
    q = benjamini_hochberg(p.ravel()).reshape(p.shape)
    expected = {(layers[row], dim): (p[row, dim], q[row, dim]) for row, dim in zip(*np.nonzero(q < 0.2), strict=True)}
    found = standing_out(groups, layers, level=0.2)
    assert {(0, 1), (2, 3), (2, 8)} <= {*units_of(found)} == {*expected}
    for unit, p_value, q_value in zip(units_of(found), found.p_value, found.q_value, strict=True):
        assert (p_value, q_value) == pytest.approx(expected[unit], rel=1e-5)


@pytest.mark.parametrize("both", [False, True])
def test_without_an_effect_nothing_stands_out(both: bool) -> None:
    """Also where a type and its placebos share a strong profile."""
    profile = {(layer, dim): 0.2 * np.sin(7 * layer + dim) for layer in range(3) for dim in range(30)} if both else {}
    n = sum(len(units_of(standing_out(with_changes(np.random.default_rng(seed), dims=profile, both=both), [0, 1, 2]))) > 0
            for seed in range(60))  # fmt: skip
    assert n <= stats.binom.ppf(0.999, 60, 0.05)


def test_no_layer_and_no_variance() -> None:
    groups = with_changes(np.random.default_rng(6), dims={})
    found = standing_out(groups, [])
    assert len(found.layer) == len(found.dim) == len(found.p_value) == len(found.q_value) == 0

    def still(group: GroupScores) -> GroupScores:
        return replace(group, scores=(np.zeros_like(group.scores[0]),) * 2)

    nothing = [replace(group, own=still(group.own), placebo=still(group.placebo)) for group in groups]
    assert len(standing_out(nothing, [0, 1]).dim) == 0


def test_a_dimension_that_differs_by_the_same_in_every_block_is_no_error() -> None:
    """Percentiles of dimensions that never change are 0 in all blocks: the difference has no variance."""
    groups = with_changes(np.random.default_rng(6), dims={})

    def with_still(group: GroupScores) -> GroupScores:
        found = []
        for scores in group.scores:
            new = np.full_like(scores, 0.5)
            new[:, :, 0] = 0.25
            new[:, :, 1] = 0.75
            found.append(new)
        return replace(group, scores=(found[0], found[1]))

    found = standing_out(
        [replace(group, own=with_still(group.own), placebo=with_still(group.placebo)) for group in groups], [0]
    )
    assert len(found.dim) == 0
