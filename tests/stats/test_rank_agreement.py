"""Agreement of orders: by hand, against scipy, and rank-biased overlap against its definition."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from layerscope.stats.rank_agreement import chance_rbo, spearman_matrix
from tests.oracle_statistics import kendall_w, rank_biased_overlap, rbo_matrix

NAN = float("nan")


def rbo_by_definition(first: list[int], second: list[int], p: float) -> float:
    """Orders of units, top first, of one length."""
    depth = len(first)
    agreement = [len(set(first[:d]) & set(second[:d])) / d for d in range(1, depth + 1)]
    return agreement[-1] * p**depth + (1 - p) / p * sum(agreement[d - 1] * p**d for d in range(1, depth + 1))


def scores_of(order: list[int]) -> np.ndarray:
    return np.argsort(np.array(order)).astype(float)


def test_w_by_hand() -> None:
    # Ranks 1 2 3 and 1 3 2: sums 2 5 5, mean 4, Σ(R − R̄)² = 4 + 1 + 1 = 6; 12 · 6 / (2² · (27 − 3)) = 72 / 96
    assert kendall_w(np.array([[0.1, 0.2, 0.3], [1.0, 9.0, 5.0]])) == pytest.approx(0.75)
    same = np.array([[1.0, 2.0, 3.0]] * 4)
    assert kendall_w(same) == pytest.approx(1.0)
    assert kendall_w(np.concatenate([same[:1], -same[:1]])) == pytest.approx(0.0)


def test_w_with_ties_by_hand() -> None:
    # Ranks 1 2.5 2.5 and 1 2 3: sums 2 4.5 5.5, Σ(R − R̄)² = 4 + 0.25 + 2.25 = 6.5; one group of two: T = 8 − 2 = 6
    # 12 · 6.5 / (4 · 24 − 2 · 6) = 78 / 84
    assert kendall_w(np.array([[0.0, 7.0, 7.0], [1.0, 2.0, 3.0]])) == pytest.approx(78 / 84)


def test_w_against_friedmans_test_and_spearmans_rho() -> None:
    generator = np.random.default_rng(0)
    scores = generator.integers(0, 6, size=(5, 30)).astype(float)  # many ties
    friedman = stats.friedmanchisquare(*scores.T).statistic  # m (D − 1) W
    assert kendall_w(scores) == pytest.approx(friedman / (5 * 29))
    untied = generator.normal(size=(5, 30))
    pairs = spearman_matrix(untied)[np.triu_indices(5, 1)]
    assert kendall_w(untied) == pytest.approx((1 + 4 * pairs.mean()) / 5)


def test_w_of_random_orders_is_one_over_the_raters() -> None:
    generator = np.random.default_rng(1)
    assert np.mean([kendall_w(generator.normal(size=(4, 50))) for _ in range(300)]) == pytest.approx(1 / 4, abs=0.01)


def test_spearman_by_hand() -> None:
    # ranks 1 2 3 4 and 2 1 4 3 differ by 1 each: 1 − 6 · 4 / (4 · 15) = 0.6
    scores = np.array([[1.0, 2.0, 3.0, 4.0], [20.0, 10.0, 40.0, 30.0], [4.0, 3.0, 2.0, 1.0], [5.0, 5.0, 5.0, 5.0]])
    np.testing.assert_allclose(
        spearman_matrix(scores),
        [[1.0, 0.6, -1.0, NAN], [0.6, 1.0, -0.6, NAN], [-1.0, -0.6, 1.0, NAN], [NAN, NAN, NAN, NAN]],
    )
    assert np.isnan(kendall_w(scores[[3, 3]]))


def test_spearman_against_scipy() -> None:
    scores = np.random.default_rng(2).integers(0, 9, size=(4, 25)).astype(float)
    np.testing.assert_allclose(spearman_matrix(scores), stats.spearmanr(scores, axis=1).statistic)


def test_rbo_by_hand() -> None:
    # Orders 1 2 3 4 5 and 2 3 4 1 5 share 0 1 2 4 5 units: 0.9⁵ + (0.81/2 + 0.729 · 2/3 + 0.6561 + 0.59049) / 9 = 0.828
    first, second = scores_of([0, 1, 2, 3, 4]), scores_of([1, 2, 3, 0, 4])
    assert rank_biased_overlap(first, second, persistence=0.9, depth=5) == pytest.approx(0.828)
    # to a depth of 2 one of two is shared: 0.81/2 + (0.81/2) / 9 = 0.45
    assert rank_biased_overlap(first, second, persistence=0.9, depth=2) == pytest.approx(0.45)
    # and to a depth of 1 none
    assert rank_biased_overlap(first, second, persistence=0.9, depth=1) == 0.0


def test_rbo_against_its_definition() -> None:
    generator = np.random.default_rng(3)
    orders = [generator.permutation(30).tolist() for _ in range(4)]
    scores = np.stack([scores_of(order) for order in orders])
    for persistence, depth in ((0.5, 30), (0.9, 12), (0.98, 30)):
        expected = [[rbo_by_definition(one[:depth], other[:depth], persistence) for other in orders] for one in orders]
        np.testing.assert_allclose(rbo_matrix(scores, persistence=persistence, depth=depth), expected)
        single = rank_biased_overlap(scores[0], scores[1], persistence=persistence, depth=depth)
        assert single == pytest.approx(expected[0][1])


def test_rbo_of_ties_takes_the_lower_index_first() -> None:
    tied = np.random.default_rng(4).integers(0, 3, size=200).astype(float)
    in_order = tied + np.arange(200) / 1000
    assert rank_biased_overlap(tied, in_order, persistence=0.95, depth=200) == pytest.approx(1.0)


def test_rbo_expected_of_random_orders() -> None:
    # two units: half of the orders are equal (overlap 1), half reversed (X₁ = 0, X₂ = 2: 0.9² + 0.81/9 = 0.9)
    assert chance_rbo(2, 0.9, depth=2) == pytest.approx((1 + 0.9) / 2)
    first = np.arange(5.0)
    for depth in (1, 3, 5):
        every = [
            rank_biased_overlap(first, np.array(one, dtype=float), persistence=0.7, depth=depth)
            for one in permutations(range(5))
        ]
        assert chance_rbo(5, 0.7, depth=depth) == pytest.approx(np.mean(every))
        # term by term: E[X_d]/d = d/n
        terms = depth / 5 * 0.7**depth + 0.3 / 0.7 * sum(d / 5 * 0.7**d for d in range(1, depth + 1))
        assert chance_rbo(5, 0.7, depth=depth) == pytest.approx(terms)


def test_what_cannot_be_ranked() -> None:
    gap = np.array([[1.0, NAN], [1.0, 2.0]])
    message = "NaN has no rank; 1 of 4 scores are NaN. Leave those units out for every rater."
    with pytest.raises(ValueError, match=message):
        kendall_w(gap)
    with pytest.raises(ValueError, match=message):
        spearman_matrix(gap)
    with pytest.raises(ValueError, match=message):
        rbo_matrix(gap, persistence=0.9, depth=1)
    with pytest.raises(ValueError, match="Agreement needs two raters or more; there is 1."):
        kendall_w(gap[1:])


def test_reading_out_of_range() -> None:
    scores = np.zeros(3)
    for persistence in (0.0, 1.0):
        with pytest.raises(ValueError, match=f"Persistence is between 0 and 1; it is {persistence}."):
            rank_biased_overlap(scores, scores, persistence=persistence, depth=2)
    for depth in (0, 4):
        with pytest.raises(ValueError, match=f"Depth is from 1 to the number of units, 3; it is {depth}."):
            chance_rbo(3, 0.9, depth=depth)
