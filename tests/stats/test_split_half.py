"""Halves and what the whole is worth: by hand, and on simulated data."""

from __future__ import annotations

import math

import numpy as np
import pytest

from layerscope.stats.split_half import halves


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
