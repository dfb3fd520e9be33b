"""Effect sizes: by hand, over all pairs of values, and against scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from layerscope.stats.effect_size import cliffs_delta, log_ratio_of_medians


def test_delta_by_hand() -> None:
    # of six pairs, 3 > 1, 3 > 2 and 2 > 1 are won, 1 < 2 is lost, and 1 = 1 and 2 = 2 are ties: (3 − 1) / 6
    assert float(cliffs_delta(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0]))) == pytest.approx(2 / 6)
    assert float(cliffs_delta(np.array([1.0, 2.0]), np.array([3.0]))) == -1.0
    assert float(cliffs_delta(np.array([4.0]), np.array([3.0, 3.5]))) == 1.0
    assert float(cliffs_delta(np.array([4.0, 4.0]), np.array([4.0]))) == 0.0


def test_delta_over_all_pairs_and_against_mann_and_whitney() -> None:
    generator = np.random.default_rng(0)
    first = generator.integers(0, 9, size=(2, 3, 20)).astype(float)
    second = generator.integers(0, 9, size=(2, 3, 13)).astype(float)
    found = cliffs_delta(first, second)
    np.testing.assert_allclose(found, np.sign(first[..., :, None] - second[..., None, :]).mean(axis=(-2, -1)), atol=1e-15)
    u = stats.mannwhitneyu(first[1, 2], second[1, 2]).statistic
    assert found[1, 2] == pytest.approx(2 * u / (20 * 13) - 1)


def test_log_ratio_by_hand() -> None:
    # medians 4 and 2
    first = np.array([4.0, 100.0, 1.0])
    assert float(log_ratio_of_medians(first, np.array([1.0, 3.0]))) == pytest.approx(math.log(2))
    rows = log_ratio_of_medians(np.array([[0.0], [0.0], [1.0], [-1.0]]), np.array([[1.0], [0.0], [0.0], [1.0]]))
    np.testing.assert_array_equal(rows, [-math.inf, math.nan, math.inf, math.nan])


def test_nan_goes_through_and_its_neighbours_stay() -> None:
    first, second = np.array([[1.0, math.nan], [3.0, 4.0]]), np.array([[1.0], [1.0]])
    np.testing.assert_array_equal(cliffs_delta(first, second), [math.nan, 1.0])
    np.testing.assert_allclose(log_ratio_of_medians(first, second), [math.nan, math.log(3.5)])


def test_an_empty_sample() -> None:
    for effect in (cliffs_delta, log_ratio_of_medians):
        with pytest.raises(ValueError, match="Each sample needs one value or more; there are 0 and 2."):
            effect(np.zeros(0), np.zeros(2))
