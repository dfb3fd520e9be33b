"""The bootstrap, held against cases that can be worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from layerscope.stats.bootstrap import bootstrap_ratio


def test_documents_that_agree_leave_no_uncertainty() -> None:
    # every document has a mean effect of 0.5 nats a token, whatever its length
    counts = np.array([2.0, 10.0, 4.0])
    interval = bootstrap_ratio(0.5 * counts[None, :], counts, generator=np.random.default_rng(0))
    assert interval.low[0] == pytest.approx(0.5)
    assert interval.high[0] == pytest.approx(0.5)
    # r* − r = 0 is never as far as r = 0.5 from it: p = (1 + 0) / (1 + 2000)
    assert interval.p_value[0] == pytest.approx(1 / 2001)


def test_two_documents_worked_by_hand() -> None:
    # Equal lengths 1, effects 0 and 2. A resample is (0,0), (0,2), (2,0) or (2,2) with equal chance: ratios 0, 1, 1, 2.
    # So the 2.5 % quantile is 0 and the 97.5 % one is 2; |r* − 1| ≥ 1 in half of the resamples.
    interval = bootstrap_ratio(
        np.array([[0.0, 2.0]]), np.array([1.0, 1.0]), generator=np.random.default_rng(1), n_resamples=4000
    )
    assert (interval.low[0], interval.high[0]) == (0.0, 2.0)
    assert interval.p_value[0] == pytest.approx(0.5, abs=0.03)


def test_long_documents_count_by_their_tokens() -> None:
    # one document of 99 tokens at 1 nat and one of 1 token at 101 nats: the ratio is (99 + 101) / 100 = 2
    interval = bootstrap_ratio(np.array([[99.0, 101.0]]), np.array([99.0, 1.0]), generator=np.random.default_rng(2))
    assert interval.low[0] == 1.0  # the first document twice
    assert interval.high[0] == 101.0  # the second twice


def test_one_document_has_no_interval() -> None:
    interval = bootstrap_ratio(np.array([[1.0]]), np.array([5.0]), generator=np.random.default_rng(0))
    assert np.isnan([interval.low[0], interval.high[0], interval.p_value[0]]).all()


def test_the_same_generator_gives_the_same_interval_in_pieces_and_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sums, counts = np.random.default_rng(3).normal(size=(4, 9)), np.arange(1.0, 10.0)
    whole = bootstrap_ratio(sums, counts, generator=np.random.default_rng(7))
    monkeypatch.setattr("layerscope.stats.bootstrap._DRAWN_AT_ONCE", 50)
    pieces = bootstrap_ratio(sums, counts, generator=np.random.default_rng(7))
    np.testing.assert_allclose(whole.low, pieces.low)
    np.testing.assert_allclose(whole.p_value, pieces.p_value)


def test_coverage_of_the_interval_on_simulated_effects() -> None:
    # 60 documents whose effects are drawn around 0.3: the 95 % interval holds 0.3 about 95 times in 100
    generator, held = np.random.default_rng(5), 0
    for _ in range(200):
        counts = generator.integers(20, 60, size=60).astype(float)
        sums = counts * generator.normal(0.3, 0.2, size=60)
        interval = bootstrap_ratio(sums[None, :], counts, generator=generator, n_resamples=400)
        held += int(interval.low[0] <= 0.3 <= interval.high[0])
    assert 180 <= held <= 199
