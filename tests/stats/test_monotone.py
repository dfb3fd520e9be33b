"""Bounds of a falling relation: by hand, under the null, and with a point that is out of line."""

from __future__ import annotations

import numpy as np
import pytest

from layerscope.stats.false_discovery import benjamini_hochberg
from layerscope.stats.monotone import Neighbours, explained, outside


def test_bounds_by_hand() -> None:
    x = np.array([4.0, 0.0, 2.0, 3.0, 1.0, 2.0])
    y = np.array([-4.0, 0.0, -2.0, -3.0, -1.0, -2.5])
    low, high = Neighbours(x).bounds(y)
    # of 0 and 1, one smaller or none: no bound; of the 2s the larger of 0 and −1; of 3 the median of −1, −2, −2.5
    assert high.tolist() == [-2.5, np.inf, 0.0, -2.0, np.inf, 0.0]
    # of 0 the median of −1, −2, −2.5; of 1 of −2, −2.5, −3; of the 2s the smaller of −3 and −4
    assert low.tolist() == [-np.inf, -2.0, -4.0, -np.inf, -2.5, -4.0]


def test_several_samples_at_once_are_as_each_by_itself() -> None:
    generator = np.random.default_rng(0)
    neighbours, y = Neighbours(generator.normal(size=9)), generator.normal(size=(5, 9))
    together = neighbours.bounds(y)
    for row, one in enumerate(y):
        for some, own in zip(together, neighbours.bounds(one), strict=True):
            np.testing.assert_array_equal(some[row], own)


@pytest.mark.parametrize("seed", range(20))
def test_what_falls_is_inside_and_one_that_does_not_accuses_nobody(seed: int) -> None:
    generator = np.random.default_rng(seed)
    x = generator.permutation(np.exp(generator.normal(size=14)))
    y = -np.sqrt(x) * generator.uniform(0.5, 3.0)
    low, high = Neighbours(x).bounds(y)
    assert ((low <= y) & (y <= high)).all()
    out = np.argsort(x)[int(generator.integers(3, 11))]
    y[out] += generator.choice([-9.0, 9.0])
    low, high = Neighbours(x).bounds(y)
    is_outside = (y < low) | (y > high)
    assert np.flatnonzero(is_outside).tolist() == [out]


def test_what_is_outside_and_by_how_much() -> None:
    x = np.arange(8.0)
    y = -x.copy()
    y[4] = -9.0
    noise = np.random.default_rng(0).normal(scale=0.1, size=(8, 20))
    values = y[:, None] + noise - noise.mean(axis=1, keepdims=True)
    found = outside(x, values * 3, np.full(20, 3))
    low, high = Neighbours(x).bounds(y)
    np.testing.assert_allclose(found.low, low, atol=1e-12)
    np.testing.assert_allclose(found.high, high, atol=1e-12)
    np.testing.assert_allclose(found.beyond, [0, 0, 0, 0, -3.0, 0, 0, 0], atol=1e-12)
    expected = np.sqrt((noise[4] - noise[6]).var(ddof=1) / 20)  # the median of −5, −6, −7 is −6
    assert found.error[4] == pytest.approx(expected, rel=0.02)
    assert found.p_value[4] < 1e-10
    assert np.nanmin(np.delete(found.p_value, 4)) > 0.9
    few = outside(x, values[:, :7], np.ones(7, dtype=int))
    assert np.isnan(few.p_value).all()
    assert np.isfinite(few.error).all()


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_between_bounds_that_are_one_both_sides_count(sign: float) -> None:
    """Neighbours on a level give the same bound above and below."""
    x = np.arange(9.0)
    y = np.zeros(9)
    y[4] = sign
    values = y[:, None] + np.random.default_rng(1).normal(scale=0.01, size=(9, 30)) * (x == 4)[:, None]
    found = outside(x, values, np.ones(30, dtype=int))
    assert found.beyond[4] == pytest.approx(sign, abs=0.02)
    assert found.p_value[4] < 1e-10


def test_where_bounds_cross_the_one_that_is_broken_less_counts() -> None:
    x = np.arange(7.0)
    y = np.array([0.0, -4.0, -4.0, 0.0, 1.0, 1.0, 1.0])  # 3 lies above −4 and below 1
    values = y[:, None] + np.random.default_rng(2).normal(scale=0.01, size=(7, 20))
    found = outside(x, values - values.mean(axis=1, keepdims=True) + y[:, None], np.ones(20, dtype=int))
    assert (found.low[3], found.high[3]) == (pytest.approx(1.0), pytest.approx(-4.0))
    assert found.beyond[3] == pytest.approx(-1.0)


def test_a_bound_that_jumps_between_equal_points_is_no_surer_than_they_are() -> None:
    """One pair of forty makes a neighbour's accuracy fall; without that pair another neighbour has the same accuracy."""
    values = np.zeros((9, 40))
    for row, pair in ((1, 3), (2, 7), (3, 11), (5, 3), (6, 7), (7, 11)):
        values[row, pair] = -1.0
    found = outside(np.arange(9.0), values, np.ones(40, dtype=int))
    assert found.beyond[4] == pytest.approx(1 / 40)
    assert found.error[4] == pytest.approx(1 / 40, rel=0.05), "that of one pair in forty"
    assert found.p_value[4] > 0.3


def test_where_no_cluster_makes_a_difference_there_is_no_test() -> None:
    y = np.array([0.0, -1.0, -2.0, -3.0, -9.0, -5.0, -6.0, -7.0])
    found = outside(np.arange(8.0), np.repeat(y[:, None], 12, axis=1), np.ones(12, dtype=int))
    assert found.beyond[4] == pytest.approx(-3.0)
    assert np.isnan(found.p_value[4])


def accuracies(generator: np.random.Generator, n_pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """Damage, and which pairs each of thirty layers turns: margins fall with damage and nothing else."""
    damage = np.exp(generator.normal(-1.2, 1.0, 30))
    intact = generator.normal(3.0, 2.0, n_pairs)
    noise = generator.normal(size=(30, n_pairs)) * 0.8 * np.sqrt(damage)[:, None]
    margins = intact - 0.4 * np.minimum(damage, 3.0)[:, None] + noise
    values = (margins > 0).astype(float) - (intact > 0)
    return np.concatenate([[0.0], damage]), np.concatenate([np.zeros((1, n_pairs)), values])


@pytest.mark.parametrize("n_pairs", [12, 40, 600])
def test_of_accuracies_damage_alone_is_not_found_either(n_pairs: int) -> None:
    generator, found = np.random.default_rng(n_pairs), []
    for _ in range(60):
        x, values = accuracies(generator, n_pairs)
        p = outside(x, values, np.ones(n_pairs, dtype=int)).p_value[1:]
        found.append(p[np.isfinite(p)])
    p_values = np.concatenate(found)
    assert (p_values <= 0.05).mean() <= 0.05
    assert (p_values <= 0.001).mean() <= 0.002


@pytest.mark.parametrize("sizes", [[200] + [4] * 9, [150, 150] + [4] * 8, [40, 40] + [4] * 10, [20] * 10])
def test_clusters_of_unequal_size_find_no_more(sizes: list[int]) -> None:
    """A paradigm of 200 pairs beside templates of four: what counts is how many clusters hold most pairs."""
    generator, counts, any_q = np.random.default_rng(sum(sizes)), np.array(sizes), []
    for _ in range(60):
        x = np.concatenate([[0.0], np.sort(np.exp(generator.normal(-1.5, 1.0, 30)))])
        effects = generator.normal(size=(31, len(sizes))) * 0.7
        effects += generator.normal(size=effects.shape) / np.sqrt(counts)
        effects[0] = 0.0
        any_q.append((benjamini_hochberg(outside(x, effects * counts, counts).p_value[1:]) < 0.05).any())
    assert np.mean(any_q) <= 0.1  # 5% of 60 runs, and what chance adds


def world(generator: np.random.Generator, n_templates: int, *, planted: float = 0.0, flat: bool = False):
    """Thirty layers and the intact model: damage, effects by template, and the layer that is planted."""
    damage = np.exp(generator.normal(-2.0, 1.2, 30))
    falling = np.zeros(30) if flat else -2.0 * damage / (1.0 + damage)
    layer = int(generator.integers(30))
    effect = falling.copy()
    effect[layer] -= planted
    noise = generator.normal(size=(30, n_templates)) * 0.7 * (0.3 + np.abs(falling))[:, None]
    values = np.concatenate([np.zeros((1, n_templates)), effect[:, None] + noise])
    return np.concatenate([[0.0], damage]), values, layer


@pytest.mark.slow
@pytest.mark.parametrize(("n_templates", "flat"), [(10, False), (40, False), (40, True)])
def test_damage_alone_is_not_found(n_templates: int, flat: bool) -> None:
    generator, rejected, any_q = np.random.default_rng(n_templates + flat), [], []
    for _ in range(40):
        x, values, _ = world(generator, n_templates, flat=flat)
        p = outside(x, values, np.ones(n_templates, dtype=int)).p_value[1:]
        rejected.append(np.nanmean(p <= 0.05))
        any_q.append((benjamini_hochberg(p) < 0.05).any())
    assert np.mean(rejected) <= 0.05
    assert np.mean(any_q) <= 0.125  # 5% of 40 runs, and what chance adds at 1 in 40


@pytest.mark.slow
def test_a_planted_layer_is_found_and_accuses_no_other() -> None:
    generator, found, others = np.random.default_rng(3), [], []
    for _ in range(40):
        x, values, layer = world(generator, 40, planted=0.8)
        q = benjamini_hochberg(outside(x, values, np.ones(40, dtype=int)).p_value[1:])
        found.append(q[layer] < 0.05)
        others.append((np.delete(q, layer) < 0.05).any())
    assert np.mean(found) >= 0.75
    assert np.mean(others) <= 0.125


def test_how_much_is_explained() -> None:
    x = np.arange(12.0)
    share, p_value = explained(x, -x, n_permutations=199, seed=0)
    assert (share, p_value) == (1.0, 0.005)
    share, _ = explained(x, x, n_permutations=19, seed=0)
    assert share == 0.0
    assert all(np.isnan(explained(x, np.zeros(12), n_permutations=19, seed=0)))
    generator = np.random.default_rng(5)
    found = [explained(x, generator.normal(size=12), n_permutations=19, seed=int(seed))[1] for seed in range(200)]
    assert 0.01 <= np.mean(np.array(found) <= 0.05) <= 0.1
