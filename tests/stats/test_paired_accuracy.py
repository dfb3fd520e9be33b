"""The difference of two accuracies on the same samples: by hand, and how often its interval holds the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from layerscope.stats.paired_accuracy import paired_accuracy


def test_by_hand() -> None:
    """Of 18 samples 4 are lost and 1 is won: p = 5/20, q = 2/20, and the error is √((7/20 − (3/20)²) / 20)."""
    changes = np.array([-1.0] * 4 + [1.0] + [0.0] * 13)
    found = paired_accuracy(changes, np.ones(18))
    error = math.sqrt((0.35 - 0.0225) / 20)
    assert (found.low, found.high) == pytest.approx((-0.15 - 1.959964 * error, -0.15 + 1.959964 * error))
    assert found.p_value == pytest.approx(math.erfc(0.15 / error / math.sqrt(2.0)))
    assert (found.p_value < 0.05) == (not found.low <= 0.0 <= found.high)


def test_weights_of_one_size_change_nothing_and_double_ones_count_for_two() -> None:
    changes = np.array([-1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    plain = paired_accuracy(changes, np.ones(9))
    assert paired_accuracy(changes, np.full(9, 7.0)).low == pytest.approx(plain.low)
    weights = np.array([2.0] + [1.0] * 8)
    n = 100.0 / 12.0
    p, q = (n * 0.2 + 1.0) / (n + 2.0), (n * 0.2 + 1.0) / (n + 2.0)
    found = paired_accuracy(changes, weights)
    assert found.high == pytest.approx(q - p + 1.959964 * math.sqrt((p + q) / (n + 2.0)))


def test_all_lost_stays_within_what_is_possible() -> None:
    found = paired_accuracy(np.full(10, -1.0), np.ones(10))
    assert -1.0 <= found.low < found.high < -0.4


@pytest.mark.parametrize("n", [10, 20, 100, 1000])
@pytest.mark.parametrize(
    ("lost", "won"), [(0.0, 0.0), (0.1, 0.1), (0.2, 0.05), (0.05, 0.02), (0.02, 0.0), (0.3, 0.0), (0.9, 0.05)]
)
def test_it_holds_the_truth_as_often_as_it_says(lost: float, won: float, n: int) -> None:
    drawn, held = np.random.default_rng(3), 0
    for changes in drawn.choice([-1.0, 1.0, 0.0], size=(1000, n), p=[lost, won, 1.0 - lost - won]):
        found = paired_accuracy(changes, np.ones(n))
        held += found.low <= won - lost <= found.high
    assert held / 1000 > 0.93
