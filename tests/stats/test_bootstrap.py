"""Drawing with replacement, and intervals of what was drawn."""

from __future__ import annotations

import numpy as np
import pytest

from layerscope.stats.bootstrap import draw_again, recentred


def test_each_draw_has_as_many_as_there_are() -> None:
    (draws,) = draw_again(7, 5000, np.random.default_rng(0))
    assert draws.shape == (5000, 7)
    assert (draws.sum(axis=1) == 7).all()
    # each of seven is drawn once on average, with variance 7 · 1/7 · 6/7
    np.testing.assert_allclose(draws.mean(axis=0), 1.0, atol=5 * np.sqrt(6 / 7 / 5000))
    np.testing.assert_allclose(draws.var(axis=0), 6 / 7, atol=0.1)


def test_pieces_and_the_whole_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    (whole,) = draw_again(9, 40, np.random.default_rng(7))
    monkeypatch.setattr("layerscope.stats.bootstrap._DRAWN_AT_ONCE", 50)
    pieces = list(draw_again(9, 40, np.random.default_rng(7)))
    assert len(pieces) == 8
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_an_interval_is_moved_onto_its_value() -> None:
    # 0, 1, …, 40: mean 20, quantiles 1 and 39, so 19 below and above
    drawn = np.arange(41.0)
    low, high = recentred(np.array(100.0), drawn)
    assert (float(low), float(high)) == (81.0, 119.0)
    # one long tail: 0 four times in five, else 10, mean 2
    low, high = recentred(np.array([5.0, 0.0]), np.stack([np.repeat([0.0, 10.0], [80, 20]), np.ones(100)], axis=1))
    np.testing.assert_allclose([low, high], [[3.0, 0.0], [13.0, 0.0]])
