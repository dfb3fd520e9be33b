"""The bootstrap of several groups, held against the one of a single ratio, cases worked by hand, and the null hypothesis."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from layerscope.stats.bootstrap import bootstrap_ratio
from layerscope.stats.false_discovery import benjamini_hochberg
from layerscope.stats.group_bootstrap import bootstrap_groups


def test_a_groups_mean_has_the_interval_of_a_single_ratio() -> None:
    generator = np.random.default_rng(0)
    counts = generator.integers(1, 9, size=(2, 40))
    sums = generator.normal(size=(2, 3, 40)) * counts[:, None]
    own, _ = bootstrap_groups(
        sums, counts, whole_sums=sums.sum(axis=0), whole_counts=counts.sum(axis=0), generator=np.random.default_rng(1)
    )
    for group in range(2):
        single = bootstrap_ratio(sums[group], counts[group], generator=np.random.default_rng(1))
        np.testing.assert_allclose(own.low[group], single.low)
        np.testing.assert_allclose(own.high[group], single.high)
        np.testing.assert_allclose(own.p_value[group], single.p_value)


def test_the_contrast_worked_by_hand() -> None:
    # in each of six documents two nouns lose 1 nat each and three other words 0.2 each: contrast 0.8 in every draw
    sums, whole = np.full((1, 1, 6), 2.0), np.full((1, 6), 2.6)
    own, contrast = bootstrap_groups(
        sums, np.full((1, 6), 2), whole_sums=whole, whole_counts=np.full(6, 5), generator=np.random.default_rng(0)
    )
    assert own.low[0, 0] == pytest.approx(1.0)
    assert (contrast.low[0, 0], contrast.high[0, 0]) == (pytest.approx(0.8), pytest.approx(0.8))
    assert contrast.p_value[0, 0] == pytest.approx(1 / 2001)


def test_few_documents_and_overflow_have_no_interval() -> None:
    sums, counts = np.ones((2, 2, 20)), np.ones((2, 20), dtype=int)
    counts[0, 4:], sums[0, :, 4:] = 0, 0.0  # four documents only
    sums[1, 1, 3] = np.inf
    own, contrast = bootstrap_groups(
        sums, counts, whole_sums=sums.sum(axis=0), whole_counts=counts.sum(axis=0), generator=np.random.default_rng(0)
    )
    assert np.isnan(own.low).tolist() == [[True, True], [False, True]]
    assert np.isnan(contrast.low).tolist() == [[True, True], [False, True]]


def test_pieces_and_the_whole_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(2)
    sums, counts = generator.normal(size=(2, 2, 9)), np.ones((2, 9))
    arguments = {"whole_sums": sums.sum(axis=0), "whole_counts": counts.sum(axis=0)}
    whole = bootstrap_groups(sums, counts, generator=np.random.default_rng(7), **arguments)
    monkeypatch.setattr("layerscope.stats.bootstrap._DRAWN_AT_ONCE", 50)
    pieces = bootstrap_groups(sums, counts, generator=np.random.default_rng(7), **arguments)
    np.testing.assert_allclose(whole[0].p_value, pieces[0].p_value)
    np.testing.assert_allclose(whole[1].low, pieces[1].low)


def test_without_a_difference_p_values_are_uniform() -> None:
    """Words of 60 documents with effects of their document and of their own; tags are drawn blindly."""
    generator, p_values = np.random.default_rng(3), []
    for _ in range(150):
        document = np.repeat(np.arange(60), generator.integers(20, 60, size=60))
        effect = generator.normal(0.3, 0.3, size=60)[document] + generator.standard_t(4, size=len(document))
        tagged = generator.random(len(document)) < 0.15
        sums = np.bincount(document, effect * tagged)[None, None]
        counts = np.bincount(document, tagged)[None].astype(int)
        _, contrast = bootstrap_groups(
            sums,
            counts,
            whole_sums=np.bincount(document, effect)[None],
            whole_counts=np.bincount(document),
            generator=generator,
            n_resamples=400,
        )
        p_values.append(contrast.p_value[0, 0])
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    assert 0.01 <= np.mean(np.array(p_values) < 0.05) <= 0.10


def test_benjamini_hochberg_worked_by_hand() -> None:
    # sorted 0.01, 0.02, 0.5 of three tests: 0.03, 0.03, 0.5; the gap is no test
    adjusted = benjamini_hochberg(np.array([0.5, 0.01, np.nan, 0.02]))
    np.testing.assert_allclose(adjusted, [0.5, 0.03, np.nan, 0.03])
    assert np.isnan(benjamini_hochberg(np.array([np.nan]))).all()
