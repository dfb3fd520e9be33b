"""Bounds of a falling relation: by hand, against a brute-force fit, under the null, and with a point that is out of line."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from layerscope.stats.false_discovery import benjamini_hochberg
from layerscope.stats.monotone import allowed, explained, falling_medians, outside


def test_medians_by_hand() -> None:
    assert falling_medians(np.array([5.0, 3.0, 1.0]), upper=True).tolist() == [5.0, 3.0, 1.0]
    assert falling_medians(np.array([5.0, 1.0, 3.0]), upper=True).tolist() == [5.0, 3.0, 3.0]
    assert falling_medians(np.array([5.0, 1.0, 3.0]), upper=False).tolist() == [5.0, 1.0, 1.0]
    # one value out of line moves none of its neighbours
    assert falling_medians(np.array([0.0, -9.0, 0.0, 0.0]), upper=True).tolist() == [0.0] * 4
    assert falling_medians(np.array([1.0, 2.0, 3.0]), upper=True).tolist() == [2.0] * 3
    assert falling_medians(np.zeros(0), upper=True).tolist() == []


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("upper", [True, False])
def test_no_falling_function_is_nearer(seed: int, upper: bool) -> None:
    """In Σ |y − fit|, by trying all that take values of the data."""
    y = np.random.default_rng(seed).integers(-3, 4, size=6).astype(float)
    fit = falling_medians(y, upper=upper)
    assert (np.diff(fit) <= 0).all()
    values = sorted(set(y), reverse=True)
    best = min(np.abs(y - np.array(one)).sum() for one in itertools.combinations_with_replacement(values, len(y)))
    assert np.abs(y - fit).sum() == best


def test_a_point_is_bound_by_its_neighbours_on_both_sides_and_by_none_of_its_own_x() -> None:
    x = np.array([2.0, 0.0, 1.0, 3.0, 1.0])
    y = np.array([-5.0, 0.0, -1.0, -2.0, -1.5])
    low, high = allowed(x, y)
    assert high.tolist() == [-1.5, np.inf, 0.0, -5.0, 0.0]
    # larger than 1 are −5 and −2, of which neither falls below the other
    assert low.tolist() == [-2.0, -1.5, -5.0, -np.inf, -5.0]


def test_what_is_outside_and_by_how_much() -> None:
    x = np.arange(8.0)
    y = -x.copy()
    y[4] = -9.0
    noise = np.random.default_rng(0).normal(scale=0.1, size=(8, 20))
    values = y[:, None] + noise - noise.mean(axis=1, keepdims=True)
    found = outside(x, values * 3, np.full(20, 3))
    low, high = allowed(x, y)
    np.testing.assert_allclose(found.low, low, atol=1e-12)
    np.testing.assert_allclose(found.high, high, atol=1e-12)
    np.testing.assert_allclose(found.beyond, [0, 0, 0, 0, -4.0, 0, 0, 0], atol=1e-12)
    expected = np.sqrt((noise[4] - noise[5]).var(ddof=1) / 20)
    assert found.error[4] == pytest.approx(expected, rel=0.02)
    assert found.p_value[4] < 1e-10
    assert np.nanmin(np.delete(found.p_value, 4)) > 0.9
    few = outside(x, values[:, :7], np.ones(7, dtype=int))
    assert np.isnan(few.p_value).all()
    assert np.isfinite(few.error[1:]).all()


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_between_bounds_that_are_one_both_sides_count(sign: float) -> None:
    """Pooled neighbours give the same bound above and below."""
    x = np.arange(9.0)
    y = np.zeros(9)
    y[4] = sign
    values = y[:, None] + np.random.default_rng(1).normal(scale=0.01, size=(9, 30)) * (x == 4)[:, None]
    found = outside(x, values, np.ones(30, dtype=int))
    assert found.beyond[4] == pytest.approx(sign, abs=0.02)
    assert found.p_value[4] < 1e-10


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
    assert np.mean(any_q) <= 0.125  # 5 % of 40 runs, and what chance adds at 1 in 40


@pytest.mark.slow
def test_a_planted_layer_is_found_and_accuses_no_other() -> None:
    generator, found, others = np.random.default_rng(3), [], []
    for _ in range(40):
        x, values, layer = world(generator, 40, planted=0.8)
        q = benjamini_hochberg(outside(x, values, np.ones(40, dtype=int)).p_value[1:])
        found.append(q[layer] < 0.05)
        others.append((np.delete(q, layer) < 0.05).any())
    assert np.mean(found) >= 0.85
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
