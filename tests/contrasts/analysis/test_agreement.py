"""Agreement of ranks against the plain statistics, layer by layer, and the order of equal scores."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from layerscope.contrasts.analysis.agreement import (
    MEASURES,
    RBO_PERSISTENCE,
    jaccard,
    kendall_w_of,
    mean_of_pairs,
    rank_biased_overlap,
    ranks_of,
    sortable,
    spearman,
)
from layerscope.stats.rank_agreement import spearman_matrix
from layerscope.stats.top_sets import smallest
from tests import oracle_statistics as oracle

N_GROUPS, N_LAYERS, N_DIMS = 4, 3, 40


def some_scores(seed: int, *, levels: int | None = None) -> np.ndarray:
    """``group layer dim``; of few levels where ties are wanted."""
    generator = np.random.default_rng(seed)
    shape = (N_GROUPS, N_LAYERS, N_DIMS)
    values = generator.random(shape) if levels is None else generator.integers(0, levels, shape) / levels
    return values.astype(np.float32)


def found_of(first: np.ndarray, second: np.ndarray, k: int) -> dict[str, np.ndarray]:
    ranks = (ranks_of(first), ranks_of(second))
    return {"jaccard": jaccard(ranks, k), "spearman": spearman(ranks), "rbo": rank_biased_overlap(ranks)}


def plain(first: np.ndarray, second: np.ndarray, k: int) -> dict[str, np.ndarray]:
    """Each layer by the plain statistics, one way; equal scores are made unequal in the order of their numbers."""
    found = {name: np.zeros((N_LAYERS, N_GROUPS, N_GROUPS)) for name in MEASURES}
    n = len(first)
    for layer in range(N_LAYERS):
        tops = [smallest(scores[:, layer], k) for scores in (first, second)]
        found["jaccard"][layer] = oracle.jaccard(tops[0][:, None], tops[1][None])
        both = np.concatenate([first[:, layer], second[:, layer]])
        untied = np.argsort(np.argsort(both, axis=1, kind="stable"), axis=1).astype(float)
        found["spearman"][layer] = spearman_matrix(untied)[:n, n:]
        found["rbo"][layer] = oracle.rbo_matrix(both, persistence=RBO_PERSISTENCE, depth=N_DIMS)[:n, n:]
    return found


@pytest.mark.parametrize("levels", [None, 6])
@pytest.mark.parametrize("k", [1, 7, 20, 40])
def test_all_measures_are_the_plain_ones_layer_by_layer(levels: int | None, k: int) -> None:
    scores = some_scores(0, levels=levels)
    found, expected = found_of(scores, scores, k), plain(scores, scores, k)
    for name in MEASURES:
        np.testing.assert_allclose(found[name], expected[name], atol=2e-6)
        np.testing.assert_allclose(found[name][:, range(N_GROUPS), range(N_GROUPS)], 1.0, atol=2e-6)


def test_read_on_two_references_both_ways_are_averaged() -> None:
    first, second = some_scores(1), some_scores(2, levels=9)
    found, one_way = found_of(first, second, 7), plain(first, second, 7)
    for name in MEASURES:
        matrix = one_way[name]
        np.testing.assert_allclose(found[name], (matrix + matrix.swapaxes(1, 2)) / 2, atol=2e-6)
        assert np.abs(matrix - matrix.swapaxes(1, 2)).max() > 0.01, "the two ways differ"
        np.testing.assert_array_equal(found[name], found[name].swapaxes(1, 2))


def test_what_is_drawn_again_is_compared_one_by_one() -> None:
    """Jaccard and Spearman of ``resample side group layer dim`` are those of each by itself."""
    generator = np.random.default_rng(3)
    ranks = tuple(ranks_of(generator.random((5, 2, N_GROUPS, N_LAYERS, N_DIMS))) for _ in range(2))
    together = {"jaccard": jaccard(ranks, 7), "spearman": spearman(ranks)}
    assert all(one.shape == (5, 2, N_LAYERS, N_GROUPS, N_GROUPS) for one in together.values())
    for resample in range(5):
        for side in (0, 1):
            alone = (ranks[0][resample, side], ranks[1][resample, side])
            np.testing.assert_allclose(together["jaccard"][resample, side], jaccard(alone, 7), atol=1e-7)
            np.testing.assert_allclose(together["spearman"][resample, side], spearman(alone), atol=1e-7)


def test_agreement_by_hand() -> None:
    # stillest two: {0, 1} and {1, 2} share one of three; ranks 0 1 2 3 and 3 0 1 2 differ by 3 1 1 1: 1 − 6 · 12 / (4 · 15)
    ranks = ranks_of(np.array([[[0.1, 0.2, 0.3, 0.4]], [[0.9, 0.1, 0.2, 0.3]]]))
    assert jaccard((ranks, ranks), 2)[0, 0, 1] == pytest.approx(1 / 3)
    assert spearman((ranks, ranks))[0, 0, 1] == pytest.approx(-0.2)


@pytest.mark.parametrize("n_dims", [30, 4096])
def test_correlations_of_wide_layers_are_exact_enough(n_dims: int) -> None:
    generator = np.random.default_rng(4)
    shared = generator.random(n_dims)
    scores = np.stack([shared + 0.3 * generator.random(n_dims) for _ in range(3)])[:, None]
    ranks = ranks_of(scores)
    np.testing.assert_allclose(spearman((ranks, ranks))[0], stats.spearmanr(scores[:, 0], axis=1).statistic, atol=1e-5)


def test_equal_scores_are_ordered_by_number() -> None:
    scores = np.array([[0.5, 0.0, 0.5, 0.0, -0.0, 0.25], [0.0] * 6, [1.0] * 6], dtype=np.float32)
    np.testing.assert_array_equal(ranks_of(scores), [[4, 0, 5, 1, 2, 3], range(6), range(6)])
    many = np.repeat(np.float32([0.3, 0.0, 0.1]), 3000)[None]
    np.testing.assert_array_equal(ranks_of(many)[0], np.argsort(np.argsort(many[0], kind="stable")))
    np.testing.assert_array_equal(smallest(many, 4000), ranks_of(many) < 4000)


def test_layers_wider_than_sixteen_bits_are_ranked() -> None:
    scores = np.random.default_rng(5).random(70_000)
    np.testing.assert_array_equal(ranks_of(scores), np.argsort(np.argsort(scores, kind="stable"), kind="stable"))


def test_percentiles_keep_their_order_as_sixteen_bits() -> None:
    np.testing.assert_array_equal(sortable(np.float32([0.0, 0.5 / 65_535 - 1e-9, 1 / 65_535, 0.5, 1.0, np.nextafter(1, 2)])),
                                  [0, 0, 1, 32_768, 65_535, 65_535])  # fmt: skip
    percentiles = np.random.default_rng(6).random((3, 500)).astype(np.float32)
    as_numbers = sortable(percentiles)
    assert as_numbers.dtype.itemsize == 2
    for one, other in zip(percentiles.astype(np.float64), as_numbers.astype(np.int64), strict=True):
        order = np.argsort(one)
        assert (np.diff(other[order]) >= 0).all()
        assert (np.diff(other[order])[np.diff(one[order]) > 1.01 / 65_535] > 0).all(), "a step apart stays apart"


@pytest.mark.parametrize("at", [1e-30, 2e-4, 0.1, 0.5, 1.0, 3e5])
def test_scores_that_differ_in_the_last_bit_stay_in_order(at: float) -> None:
    """The later one is the smaller, across a whole wide layer."""
    above = np.float32(at)
    scores = np.full(8192, np.float32(2 * at))
    scores[0], scores[-1] = above, np.nextafter(above, np.float32(0))
    ranks = ranks_of(scores)
    assert (ranks[-1], ranks[0]) == (0, 1)
    falling = np.float32(at) * (1 - np.arange(5000, dtype=np.float64) * 2**-23)
    np.testing.assert_array_equal(
        ranks_of(falling.astype(np.float32)), np.argsort(np.argsort(falling.astype(np.float32), kind="stable"))
    )


@pytest.mark.parametrize("n", [2, 3, 6])
def test_w_from_the_mean_of_correlations_is_kendalls(n: int) -> None:
    scores = np.random.default_rng(3).random((n, N_DIMS))
    pairs = mean_of_pairs(spearman_matrix(scores), np.ones(n, dtype=bool))
    assert float(kendall_w_of(pairs, n)) == pytest.approx(oracle.kendall_w(scores))


def test_w_by_hand() -> None:
    np.testing.assert_allclose(kendall_w_of(np.array([1.0, 0.0, -0.5, 0.25]), 3), [1.0, 1 / 3, 0.0, 0.5])


def test_mean_of_pairs_by_hand() -> None:
    matrix = np.array([[9.0, 1.0, 2.0, 3.0], [1.0, 9.0, 4.0, 5.0], [2.0, 4.0, 9.0, 6.0], [3.0, 5.0, 6.0, 9.0]])
    both = np.stack([matrix, 10 * matrix])
    members = np.array([True, False, True, True])
    np.testing.assert_allclose(mean_of_pairs(both, members), [(2 + 3 + 6) / 3, 10 * (2 + 3 + 6) / 3])
    np.testing.assert_allclose(mean_of_pairs(matrix, np.array([False, True, False, True])), 5.0)
