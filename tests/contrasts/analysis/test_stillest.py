"""Rankings by hand, intervals of units, and which dimensions stand out from their layer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from layerscope.contrasts.analysis.group_scores import GroupScores
from layerscope.contrasts.analysis.stillest import Ranked, intervals, rank_units, spread_explains, standing_out
from layerscope.stats.false_discovery import benjamini_hochberg
from tests.made_up_groups import make_groups

ROLES = {"a": "control", "b": "control", "x": "meaning", "y": "grammar"}


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
    groups = make_groups(np.random.default_rng(1), ROLES, pairs=(1, 8), n_blocks=12)[2:]
    units = Ranked("all", np.array([0, 1, 1]), np.array([3, 0, 29]), np.arange(1, 4))
    low, high = intervals(groups, units, generator=np.random.default_rng(0))
    of_group = []
    for group in groups:
        both = (group.scores[0] + group.scores[1])[:, units.layer, units.dim] / 2
        of_group.append((np.average(both, axis=0, weights=group.pairs), both.std(axis=0) / np.sqrt(12)))
    mean = np.mean([one for one, _ in of_group], axis=0)
    error = np.sqrt(sum(e**2 for _, e in of_group)) / 2
    assert ((low < mean) & (mean < high)).all()
    # about ± 1.96 standard errors, and somewhat more, for blocks count by their pairs
    np.testing.assert_allclose((high - low) / (2 * 1.96 * error), 1.1, atol=0.25)
    one_block = [GroupScores(g.name, g.role, tuple(s[:1] for s in g.scores), g.pairs[:1], False) for g in groups]
    low, high = intervals(one_block, units, generator=np.random.default_rng(0))
    np.testing.assert_allclose(low, high)


def test_intervals_shrink_with_blocks_and_cover() -> None:
    generator = np.random.default_rng(2)
    widths, covered = {}, []
    for n_blocks in (8, 32, 128):
        groups = make_groups(generator, ROLES, n_blocks=n_blocks, reference_error=0.0)[2:]
        layer, dim = (axis.ravel() for axis in np.indices((2, 30)))
        low, high = intervals(groups, Ranked("all", layer, dim, layer), generator=generator)
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
    generator: np.random.Generator, *, dims: dict[tuple[int, int], float], shift: float = 0.0
) -> list[GroupScores]:
    profile = np.full((3, 30), shift)
    for place, by in dims.items():
        profile[place] += by
    return make_groups(generator, ROLES, profiles={"meaning": profile, "grammar": profile}, n_layers=3, n_blocks=16)


def test_planted_dimensions_stand_out_and_a_layer_that_shifts_does_not() -> None:
    groups = with_changes(np.random.default_rng(4), dims={(1, 4): -0.3, (1, 20): -0.25, (2, 9): +0.3}, shift=-0.2)
    found = standing_out(groups, [0, 1, 2])
    assert {(0, 4), (2, 9)}.isdisjoint(zip(found.layer.tolist(), found.dim.tolist(), strict=True))
    in_one = found.dim[found.layer == 1].tolist()
    assert in_one[:2] == [4, 20], "most certain first"
    assert len(found.dim) <= 4
    assert (found.q_value < 0.05).all()
    assert (found.p_value <= found.q_value).all()
    # layers keep their numbers where only some are tested
    assert set(standing_out(groups, [1]).layer) == {1}
    assert 9 not in standing_out(groups, [2]).dim


def test_standing_out_against_welchs_test_and_benjamini_hochberg() -> None:
    groups = with_changes(np.random.default_rng(5), dims={(0, 1): -0.1, (2, 3): -0.08, (2, 8): -0.12})
    layers = [0, 2]
    samples = []
    for is_control in (False, True):
        blocks = np.concatenate([(g.scores[0] + g.scores[1]) / 2 for g in groups if (g.role == "control") is is_control])
        samples.append(np.stack([blocks[:, layer] - blocks[:, layer].mean(axis=1, keepdims=True) for layer in layers], axis=1))
    p = np.zeros((2, 30))
    for row in range(2):
        for dim in range(30):
            one, other = (sample[:, row, dim].astype(float) for sample in samples)
            error = one.var(ddof=1) / len(one), other.var(ddof=1) / len(other)
            t = (one.mean() - other.mean()) / np.sqrt(sum(error))
            freedom = sum(error) ** 2 / (error[0] ** 2 / (len(one) - 1) + error[1] ** 2 / (len(other) - 1))
            p[row, dim] = stats.t.cdf(t, freedom)
    q = benjamini_hochberg(p.ravel()).reshape(p.shape)
    expected = {(layers[row], dim): (p[row, dim], q[row, dim]) for row, dim in zip(*np.nonzero(q < 0.2), strict=True)}
    found = standing_out(groups, layers, level=0.2)
    assert {(0, 1), (2, 3), (2, 8)} <= set(zip(found.layer.tolist(), found.dim.tolist(), strict=True)) == set(expected)
    for layer, dim, p_value, q_value in zip(found.layer, found.dim, found.p_value, found.q_value, strict=True):
        assert (p_value, q_value) == pytest.approx(expected[layer, dim], rel=1e-3)


def test_without_an_effect_nothing_stands_out() -> None:
    n = sum(len(standing_out(with_changes(np.random.default_rng(seed), dims={}), [0, 1, 2]).dim) > 0 for seed in range(40))
    assert n <= 7  # of a binomial with 0.05: with a probability of 0.999


def test_no_layer_and_no_variance() -> None:
    groups = with_changes(np.random.default_rng(6), dims={})
    found = standing_out(groups, [])
    assert len(found.layer) == len(found.dim) == len(found.p_value) == len(found.q_value) == 0
    still = [GroupScores(g.name, g.role, (np.zeros_like(g.scores[0]),) * 2, g.pairs, True) for g in groups]
    assert len(standing_out(still, [0, 1]).dim) == 0
