"""Halves and what the whole is worth: by hand, and on simulated data."""

from __future__ import annotations

import math

import numpy as np
import pytest

from layerscope.stats.split_half import halves, spearman_brown


@pytest.mark.parametrize(("n_blocks", "in_half"), [(2, 1), (7, 3), (10, 5)])
def test_each_half_has_half_of_the_blocks(n_blocks: int, in_half: int) -> None:
    splits = halves(n_blocks, np.random.default_rng(0), n_splits=400)
    assert splits.shape == (400, n_blocks)
    assert (splits.sum(axis=1) == in_half).all()
    np.testing.assert_allclose(splits.mean(axis=0), in_half / n_blocks, atol=0.08)  # each block alike
    np.testing.assert_array_equal(splits, halves(n_blocks, np.random.default_rng(0), n_splits=400))


def test_every_half_comes() -> None:
    assert len(np.unique(halves(4, np.random.default_rng(1), n_splits=200), axis=0)) == math.comb(4, 2)


def test_one_block_has_no_halves() -> None:
    with pytest.raises(ValueError, match="Halves need two blocks or more; the number of blocks is 1."):
        halves(1, np.random.default_rng(0), n_splits=3)


def test_spearman_brown_by_hand() -> None:
    # 2 · 0.5 / 1.5
    assert float(spearman_brown(0.5)) == pytest.approx(2 / 3)
    np.testing.assert_array_equal(spearman_brown(np.array([[1.0, 0.0], [-1.0, math.nan]])), [[1.0, 0.0], [-math.inf, math.nan]])


def test_spearman_brown_foretells_the_whole() -> None:
    """A truth of variance 1, seen in 8 blocks with noise of variance 8: the mean of all blocks has a reliability of 1/2."""
    generator = np.random.default_rng(2)
    truth = generator.normal(size=2000)
    seen = truth + math.sqrt(8) * generator.normal(size=(8, 2000))
    of_halves = [
        np.corrcoef(seen[split].mean(axis=0), seen[~split].mean(axis=0))[0, 1] for split in halves(8, generator, n_splits=50)
    ]
    assert float(spearman_brown(float(np.mean(of_halves)))) == pytest.approx(0.5, abs=0.03)
