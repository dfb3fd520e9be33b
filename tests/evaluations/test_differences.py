"""Differences from the intact model: by hand, and how often their intervals hold the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from layerscope.evaluations.differences import SampleValues, difference, group_difference
from layerscope.stats.paired_accuracy import paired_accuracy


def samples(values: object, weights: object = None) -> SampleValues:
    array = np.asarray(values, dtype=float)
    return SampleValues(array, np.ones_like(array) if weights is None else np.asarray(weights, dtype=float))


def test_of_a_mean_by_hand() -> None:
    """Eight differences without skewness: Student's t with 7 degrees of freedom."""
    change = np.array([-3.0, -2.0, -1.0, -1.0, 1.0, 1.0, 2.0, 3.0]) + 5.0
    found = difference(samples(change + 10.0), samples(np.full(8, 10.0)), aggregation="mean", intact_value=10.0)
    half = stats.t.ppf(0.975, 7) * change.std(ddof=1) / math.sqrt(8)
    assert (found.low, found.high) == pytest.approx((5.0 - half, 5.0 + half))
    assert found.p_value == pytest.approx(2 * stats.t.sf(5.0 / (change.std(ddof=1) / math.sqrt(8)), 7))
    assert found.tied is False


def test_fewer_than_eight_samples_have_no_interval() -> None:
    found = difference(samples([1.0] * 7), samples([0.0] * 7), aggregation="mean", intact_value=0.0)
    assert math.isnan(found.low)
    assert math.isnan(found.p_value)
    assert found.tied is None


def test_of_bits_per_byte_and_perplexities() -> None:
    """Text of unequal length: bits are a ratio of sums; a perplexity's ends are the intact model's times those of the ratio."""
    drawn = np.random.default_rng(0)
    words, intact = drawn.integers(5, 30, 40).astype(float), drawn.normal(-60.0, 5.0, 40)
    path = intact - words * drawn.normal(0.1, 0.02, 40)
    one, other = samples(path, words), samples(intact, words)
    bits = difference(one, other, aggregation="bits_per_byte", intact_value=0.0)
    truth = -(path - intact).sum() / words.sum()
    assert bits.low < truth / math.log(2.0) < bits.high
    value = math.exp(-intact.sum() / words.sum())
    perplexity = difference(one, other, aggregation="weighted_perplexity", intact_value=value)
    assert perplexity.low == pytest.approx(value * math.expm1(bits.low * math.log(2.0)))
    assert perplexity.low < math.exp(-path.sum() / words.sum()) - value < perplexity.high
    assert perplexity.p_value == pytest.approx(bits.p_value)
    plain = difference(samples(path), samples(intact), aggregation="perplexity", intact_value=math.exp(-intact.mean()))
    assert plain.low < math.exp(-path.mean()) - math.exp(-intact.mean()) < plain.high


def test_right_and_wrong_have_the_interval_of_accuracies() -> None:
    right, one_lost = samples(np.ones(10)), samples([0.0] + [1.0] * 9)
    found = difference(one_lost, right, aggregation="mean", intact_value=1.0)
    expected = paired_accuracy(np.array([-1.0] + [0.0] * 9), np.ones(10))
    assert (found.low, found.high, found.p_value) == (expected.low, expected.high, expected.p_value)
    assert found.tied is True
    same = difference(right, right, aggregation="mean", intact_value=1.0)
    assert same.low < 0.0 < same.high


def test_other_values_that_all_change_alike_are_let_be() -> None:
    found = difference(samples(np.arange(10.0) + 0.5), samples(np.arange(10.0)), aggregation="mean", intact_value=0.0)
    assert (found.low, found.high) == pytest.approx((0.5, 0.5))


def test_a_group_by_size_and_by_task() -> None:
    """Against means worked out task by task."""
    drawn = np.random.default_rng(2)
    sizes = (10, 40, 25)
    intacts = [samples(drawn.integers(0, 2, n)) for n in sizes]
    paths = [samples(drawn.integers(0, 2, n)) for n in sizes]
    gaps = [float(path.values.mean() - intact.values.mean()) for path, intact in zip(paths, intacts, strict=True)]
    by_task = group_difference(paths, intacts, by_size=False)
    assert by_task.low < np.mean(gaps) < by_task.high
    by_size = group_difference(paths, intacts, by_size=True)
    joined = difference(
        samples(np.concatenate([path.values for path in paths])),
        samples(np.concatenate([intact.values for intact in intacts])),
        aggregation="mean",
        intact_value=0.0,
    )
    assert (by_size.low, by_size.high, by_size.p_value) == (joined.low, joined.high, joined.p_value)
    assert (by_size.low, by_size.high) != (by_task.low, by_task.high)
    alike = group_difference(intacts, intacts, by_size=False)
    n = 1.0 / sum((1 / 3) ** 2 / size for size in sizes)  # Kish's: each task's samples share a third
    assert alike.high == pytest.approx(stats.norm.ppf(0.975) * math.sqrt(2.0) / (n + 2.0))
