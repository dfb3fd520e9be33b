"""Intervals of ratios, held against arithmetic by hand and a plain program: leave out, multiply matrices, seek a root."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from layerscope.stats.ratio import FEWEST_DOCUMENTS, contrast_interval, ratio_interval


def test_two_documents_by_hand() -> None:
    # lengths 1 and 1, effects 0 and 2: r = 1; without the first 2, without the second 0; V = 1/2 (1 + 1) = 1; one degree of
    # freedom, for which the 97.5% point of Student's t is 12.706; nothing is skewed
    found = ratio_interval(np.array([[0.0, 2.0]]), np.array([1, 1]))
    assert found.low[0] == pytest.approx(1 - 12.7062, abs=1e-3)
    assert found.high[0] == pytest.approx(1 + 12.7062, abs=1e-3)
    assert np.isnan(found.p_value[0])


def test_equal_lengths_without_skewness_are_students_test() -> None:
    effects = np.array([-3.0, -1.0, 0.0, 0.5, 1.5, 2.0, 3.0, 5.0])  # symmetric about 1
    found = ratio_interval(7.0 * effects[None], np.full(8, 7))
    by_hand = stats.ttest_1samp(effects, 0.0)
    assert found.p_value[0] == pytest.approx(by_hand.pvalue)
    assert (found.low[0], found.high[0]) == pytest.approx(tuple(by_hand.confidence_interval(0.95)))


def naive(value: float, freedom: float, influence: np.ndarray, level: float) -> tuple[float, float, float]:
    """(low, high, p) of a value whose documents' influences are known; the interval's ends by root-finding."""
    error = math.sqrt(float((influence**2).sum()))
    k = float((influence**3).sum()) / error**3

    def z(true: float) -> float:
        tau = (value - true) / error
        return tau + k * tau**2 / 3 + k**2 * tau**3 / 27 + k / 6

    quantile = stats.t.ppf((1 + level) / 2, freedom)
    k = k if (influence != 0).sum() > 2 else 0.0
    far = 1e4 * error
    low = optimize.brentq(lambda true: z(true) - quantile, value - far, value + far, xtol=1e-13)
    high = optimize.brentq(lambda true: z(true) + quantile, value - far, value + far, xtol=1e-13)
    return low, high, 2 * stats.t.sf(abs(z(0.0)), freedom)


def leave_out(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """What each document does to the ratio."""
    n, whole = int((counts > 0).sum()), sums.sum() / counts.sum()
    without = [np.delete(sums, i).sum() / np.delete(counts, i).sum() for i in range(len(sums))]
    return np.sqrt((n - 1) / n) * (whole - np.array(without))


def freedom_of(counts: np.ndarray) -> float:
    """Satterthwaite's degrees of freedom from the matrix of the quadratic form."""
    h = counts[counts > 0] / counts.sum()
    from_mean = np.eye(len(h)) - np.outer(np.ones(len(h)), h)
    form = from_mean.T @ np.diag((h / (1 - h)) ** 2) @ from_mean
    return max(np.trace(form) ** 2 / np.trace(form @ form), 1.0)


@pytest.mark.parametrize("n_documents", [8, 13, 60])
@pytest.mark.parametrize("level", [0.95, 0.99])
@pytest.mark.parametrize("kind", ["normal", "right-skewed", "left-skewed"])
def test_against_a_plain_program(n_documents: int, level: float, kind: str) -> None:
    generator = np.random.default_rng(n_documents)
    counts = np.ceil(generator.lognormal(3.0, 1.0, n_documents)).astype(int)
    counts[2] = 0  # a text without the tag
    drawn = generator.normal(size=(3, n_documents)) if kind == "normal" else generator.exponential(size=(3, n_documents)) - 0.5
    sums = (drawn if kind != "left-skewed" else -drawn) * counts
    found = ratio_interval(sums, counts, level=level)
    for measure in range(3):
        influence = leave_out(sums[measure], counts)
        expected = naive(sums[measure].sum() / counts.sum(), freedom_of(counts), influence, level)
        assert (found.low[measure], found.high[measure]) == pytest.approx(expected[:2], rel=1e-8, abs=1e-10)
        if (counts > 0).sum() >= FEWEST_DOCUMENTS:
            assert found.p_value[measure] == pytest.approx(expected[2], rel=1e-8)
        else:
            assert np.isnan(found.p_value[measure])


def test_a_contrast_against_a_plain_program() -> None:
    generator = np.random.default_rng(3)
    counts, rest = generator.integers(0, 9, 30), generator.integers(5, 40, 30)
    sums, rest_sums = generator.exponential(size=(2, 30)) * counts, generator.normal(size=(2, 30)) * rest
    found = contrast_interval(sums, counts, rest_sums=rest_sums, rest_counts=rest)
    for measure in range(2):
        one, other = leave_out(sums[measure], counts), leave_out(rest_sums[measure], rest)
        freedom = min(freedom_of(counts), freedom_of(rest))
        value = sums[measure].sum() / counts.sum() - rest_sums[measure].sum() / rest.sum()
        expected = naive(value, freedom, one - other, 0.95)
        assert (found.low[measure], found.high[measure], found.p_value[measure]) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("n_documents", [2, 5, 7, 8, 9])
def test_p_from_eight_documents_on(n_documents: int) -> None:
    generator = np.random.default_rng(0)
    found = ratio_interval(generator.normal(size=(4, n_documents)), np.ones(n_documents))
    assert np.isfinite(found.low).all()
    assert np.isfinite(found.p_value).all() == (n_documents >= 8)


def test_a_tag_in_few_of_many_documents_has_no_p() -> None:
    counts = np.array([3] * 7 + [0] * 50)
    sums = np.random.default_rng(0).normal(size=(1, 57)) * counts
    assert np.isnan(ratio_interval(sums, counts).p_value).all()
    rest = {"rest_sums": np.random.default_rng(1).normal(size=(1, 57)), "rest_counts": np.ones(57)}
    assert np.isnan(contrast_interval(sums, counts, **rest).p_value).all()


@pytest.mark.parametrize("n_documents", [0, 1])
def test_one_document_has_no_interval(n_documents: int) -> None:
    found = ratio_interval(np.ones((2, 3)), np.array([5] * n_documents + [0] * (3 - n_documents)))
    assert np.isnan([found.low, found.high, found.p_value]).all()


def test_a_sum_that_is_no_number_takes_only_its_own_measure() -> None:
    sums = np.random.default_rng(0).normal(size=(3, 20))
    sums[1, 4], sums[2, 0] = np.inf, np.nan
    found = ratio_interval(sums, np.full(20, 3))
    assert np.isfinite(found.p_value).tolist() == [True, False, False]
    assert np.isfinite(found.low).tolist() == [True, False, False]


def test_documents_that_do_not_differ() -> None:
    # no effect anywhere is no effect; the same effect everywhere leaves nothing to measure an error by, up to rounding
    counts = np.arange(1, 21)
    found = ratio_interval(np.stack([np.zeros(20), 0.1 * counts]), counts)
    assert found.p_value[0] == 1.0
    assert (found.low[0], found.high[0]) == (0.0, 0.0)
    assert np.isnan(found.p_value[1])
    assert (found.low[1], found.high[1]) == pytest.approx((0.1, 0.1))


def test_p_and_interval_say_the_same() -> None:
    generator = np.random.default_rng(5)
    counts = np.ceil(generator.lognormal(3.0, 1.0, 12))
    sums = (generator.exponential(size=(400, 12)) - 0.2) * counts
    found = ratio_interval(sums, counts)
    assert 20 < (found.p_value <= 0.05).sum() < 380
    np.testing.assert_array_equal(found.p_value <= 0.05, (found.low >= 0) | (found.high <= 0))


def test_units_and_signs() -> None:
    generator = np.random.default_rng(6)
    counts, sums = generator.integers(1, 40, 25), generator.exponential(size=(1, 25))
    found, scaled = ratio_interval(sums, counts), ratio_interval(-8.0 * sums, counts)
    np.testing.assert_allclose(scaled.low, -8.0 * found.high)
    np.testing.assert_allclose(scaled.high, -8.0 * found.low)
    np.testing.assert_allclose(scaled.p_value, found.p_value)


def test_two_documents_have_no_skewness() -> None:
    # lengths 1 and 3, effects 0 and 6: r = 1.5, without either 2 and 0; influences √½ · (−0.5, 1.5); 12.706 · √1.25 each way
    found = ratio_interval(np.array([[0.0, 6.0]]), np.array([1, 3]))
    assert (found.low[0], found.high[0]) == pytest.approx((1.5 - 12.7062 * 1.25**0.5, 1.5 + 12.7062 * 1.25**0.5), abs=1e-3)


@pytest.mark.parametrize("level", [0.9, 0.95, 0.9995])
def test_a_cautious_p_is_below_its_level_exactly_where_the_cautious_interval_excludes_0(level: float) -> None:
    generator = np.random.default_rng(4)
    sums = generator.exponential(1.0, (400, 20)) * generator.choice([-1.0, 1.0], (400, 1)) + generator.normal(0, 1, (400, 1))
    plain, cautious = (ratio_interval(sums, np.full(20, 3), level=level, cautious=flag) for flag in (False, True))
    excludes = ~((cautious.low <= 0.0) & (cautious.high >= 0.0))
    assert 0 < excludes.sum() < 400
    np.testing.assert_array_equal(cautious.p_value < 1.0 - level, excludes)
    assert (cautious.p_value >= plain.p_value).all()
    assert (cautious.low <= plain.low).all()
    assert (cautious.high >= plain.high).all()
