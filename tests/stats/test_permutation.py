"""Permutation tests: by hand, ties by rounding, and the level they keep without an effect."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from layerscope.stats.permutation import labellings, permutation_p, permute_labels, smallest_labelling_p


def test_p_by_hand() -> None:
    permuted = np.array([1.0, 2.0, 3.0, 4.0])
    # 3 and 4 are as large as 3: (1 + 2) / 5; 1, 2 and 3 as small: (1 + 3) / 5
    assert float(permutation_p(3.0, permuted, alternative="greater")) == pytest.approx(3 / 5)
    assert float(permutation_p(3.0, permuted, alternative="less")) == pytest.approx(4 / 5)
    # the mean of 1 2 3 4 5 is 3: only 1 is as far from it as 5
    assert float(permutation_p(5.0, permuted, alternative="two-sided")) == pytest.approx(2 / 5)
    # the smallest p there is
    assert float(permutation_p(9.0, permuted, alternative="greater")) == pytest.approx(1 / 5)


def test_any_shape_at_once() -> None:
    generator = np.random.default_rng(0)
    observed, permuted = generator.normal(size=(2, 3)), generator.normal(size=(50, 2, 3))
    p_values = permutation_p(observed, permuted, alternative="two-sided")
    assert p_values.shape == (2, 3)
    assert p_values[1, 2] == permutation_p(float(observed[1, 2]), permuted[:, 1, 2], alternative="two-sided")
    counts = permutation_p(np.array([2, 0]), np.array([[2, 1], [1, 1], [3, 1]]), alternative="greater")
    assert counts.tolist() == [3 / 4, 1.0]  # whole numbers too


def test_values_that_differ_by_rounding_are_equal() -> None:
    permuted = np.array([0.3, 0.1 + 0.2, 0.0])
    for observed in (0.3, 0.1 + 0.2):
        assert float(permutation_p(observed, permuted, alternative="greater")) == pytest.approx(3 / 4)
        assert float(permutation_p(-observed, -permuted, alternative="less")) == pytest.approx(3 / 4)
    # differences of sums: 0 and what is left of it
    left = 0.1 + 0.2 - 0.3
    assert float(permutation_p(left, np.array([0.0, 1.0, -1.0]), alternative="greater")) == pytest.approx(3 / 4)
    # mirrored about a mean of 1,000, of which each distance keeps the rounding
    mirrored = np.array([1000.1, 999.9, 1000.0])
    assert float(permutation_p(999.9, mirrored, alternative="two-sided")) == pytest.approx(3 / 4)


def test_what_is_not_finite_has_no_p() -> None:
    observed = np.array([math.nan, 1.0, math.inf, 1.0, 1.0])
    permuted = np.array([[1.0, math.nan, 1.0, -math.inf, 0.0], [1.0, 1.0, 1.0, math.inf, 1.0]])
    p_values = permutation_p(observed, permuted, alternative="two-sided")
    np.testing.assert_array_equal(np.isnan(p_values), [True, True, True, True, False])
    with pytest.raises(ValueError, match="A p-value needs one permutation or more; there is none."):
        permutation_p(1.0, np.zeros(0), alternative="less")


def test_labels_are_only_put_in_another_order() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2])
    permuted = permute_labels(labels, np.random.default_rng(0), n_permutations=600)
    assert permuted.shape == (600, 6)
    assert (np.sort(permuted, axis=1) == labels).all()
    # each of the 60 orders about 10 times
    assert len(np.unique(permuted, axis=0)) == 60
    np.testing.assert_allclose((permuted == 2).mean(axis=0), 1 / 6, atol=0.05)
    np.testing.assert_array_equal(permuted, permute_labels(labels, np.random.default_rng(0), n_permutations=600))


def p_values_of_a_difference(values: np.ndarray, alternative: str, generator: np.random.Generator) -> np.ndarray:
    """Of the means of 8 and 12 blocks ``(block, repetition)``, each repetition with orders of its own."""
    labels, p_values = (np.arange(20) >= 8).astype(int), []

    def difference(of: np.ndarray, one: np.ndarray) -> np.ndarray:
        return of @ one / 12 - (1 - of) @ one / 8

    for one in values.T:
        permuted = difference(permute_labels(labels, generator, n_permutations=199), one)
        p_values.append(permutation_p(difference(labels, one), permuted, alternative=alternative))
    return np.array(p_values)


@pytest.mark.parametrize("alternative", ["greater", "less", "two-sided"])
def test_without_an_effect_p_values_are_uniform_and_with_one_small(alternative: str) -> None:
    generator = np.random.default_rng(1)
    values = generator.exponential(size=(20, 1000))
    p_values = p_values_of_a_difference(values, alternative, generator)
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    assert 0.03 <= (p_values <= 0.05).mean() <= 0.07
    values[8:] += -3.0 if alternative == "less" else 3.0
    assert (p_values_of_a_difference(values[:, :100], alternative, generator) <= 0.05).mean() > 0.95


def test_all_labellings_by_hand() -> None:
    ways = labellings(np.array([True, False, True, False]), np.random.default_rng(0))
    assert {tuple(np.flatnonzero(way)) for way in ways} == {(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)}
    assert len(ways) == 6
    assert smallest_labelling_p(np.array([True, False, True, False]), 6) == pytest.approx(2 / 6)
    assert smallest_labelling_p(np.array([True, False, False]), 3) == pytest.approx(1 / 3)


def test_too_many_labellings_are_sampled_and_the_true_one_is_in() -> None:
    true = np.arange(30) < 12
    ways = labellings(true, np.random.default_rng(0), most=50)
    assert len(ways) == 50
    assert (ways[0] == true).all()
    assert (ways.sum(axis=1) == 12).all()
    assert len({way.tobytes() for way in ways}) > 45
