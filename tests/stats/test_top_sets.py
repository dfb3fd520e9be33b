"""Sets of the k smallest and their overlap: by hand, against sorting, and against every set there is."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from layerscope.stats.top_sets import expected_jaccard, overlap_excess, smallest
from tests.oracle_statistics import jaccard

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("scores", "k", "expected"),
    [
        ([3.0, 1.0, 2.0, 0.5], 2, [1, 3]),
        ([2.0, 1.0, 2.0, 2.0, 0.0], 3, [0, 1, 4]),  # of three twos one is in: the first
        ([0.0, -0.0, 0.0], 2, [0, 1]),
        ([NAN, 5.0, NAN, 4.0], 1, [3]),
        ([NAN, 5.0, NAN, 4.0], 3, [1, 3]),  # two numbers only
        ([INF, NAN, INF, 1.0], 2, [0, 3]),  # infinity is a score, NaN is none
        ([NAN, INF, -INF], 3, [1, 2]),
        ([NAN, NAN], 1, []),
        ([1.0, 0.0], 2, [0, 1]),
    ],
)
def test_the_smallest_by_hand(scores: list[float], k: int, expected: list[int]) -> None:
    assert np.flatnonzero(smallest(np.array(scores), k)).tolist() == expected


def test_the_smallest_are_those_of_a_stable_sort() -> None:
    generator = np.random.default_rng(0)
    scores = generator.integers(0, 12, size=(5, 7, 40)).astype(np.float32)  # many ties
    for k in (1, 8, 39, 40):
        first = np.argsort(scores, axis=-1, kind="stable")[..., :k]
        expected = np.zeros(scores.shape, dtype=bool)
        np.put_along_axis(expected, first, values=True, axis=-1)
        np.testing.assert_array_equal(smallest(scores, k), expected)


@pytest.mark.parametrize("k", [0, 4])
def test_k_out_of_range(k: int) -> None:
    with pytest.raises(ValueError, match=f"k is from 1 to the number of units, 3; it is {k}."):
        smallest(np.zeros(3), k)
    with pytest.raises(ValueError, match=f"3; it is {k}."):
        expected_jaccard(k, 3)


def test_jaccard_by_hand() -> None:
    sets = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]], dtype=bool)
    one, third = 1.0, 1 / 3  # the first two share one of three
    np.testing.assert_allclose(
        jaccard(sets[:, None], sets[None]),
        [[one, third, 0, 0], [third, one, 0, 0], [0, 0, one, 0], [0, 0, 0, NAN]],
    )
    single = jaccard(sets[0], sets[1])
    assert (single.shape, float(single)) == ((), pytest.approx(third))


def test_chance_by_hand() -> None:
    # Sets of 2 of 4: against a fixed one, of six sets one shares 2 (index 1), four share 1 (index 1/3), one shares 0.
    assert expected_jaccard(2, 4) == pytest.approx((1 + 4 / 3) / 6)
    assert expected_jaccard(4, 4) == 1.0


def test_chance_against_every_set() -> None:
    fixed = frozenset(range(3))
    others = [frozenset(one) for one in combinations(range(8), 3)]
    assert expected_jaccard(3, 8) == pytest.approx(np.mean([len(fixed & one) / len(fixed | one) for one in others]))


def test_overlap_by_hand_and_against_every_set() -> None:
    first = np.array([1, 1, 1, 0, 0, 0], dtype=bool)
    second = np.array([1, 1, 0, 0, 0, 0], dtype=bool)
    found = overlap_excess(first, second)
    # 3·2/6 = 1 expected; both are shared in C(3, 2) = 3 of C(6, 2) = 15 sets
    assert (int(found.overlap), float(found.expected), float(found.excess)) == (2, 1.0, 1.0)
    assert float(found.p_value) == pytest.approx(3 / 15)
    shared = [len({0, 1, 2} & set(one)) for one in combinations(range(6), 2)]
    for n_shared, one in enumerate([[3, 4], [0, 3], [0, 1]]):
        some = np.isin(np.arange(6), one)
        assert float(overlap_excess(first, some).p_value) == pytest.approx(np.mean(np.array(shared) >= n_shared))


def test_overlap_of_many_sets_at_once_and_fishers_test() -> None:
    generator = np.random.default_rng(1)
    sets = generator.random((3, 30)) < 0.3
    sets[2] = False
    found = overlap_excess(sets[:, None], sets[None])
    assert found.p_value.shape == (3, 3)
    first, second = sets[:2]
    table = [[(first & second).sum(), (first & ~second).sum()], [(~first & second).sum(), (~first & ~second).sum()]]
    assert found.p_value[0, 1] == pytest.approx(stats.fisher_exact(table, alternative="greater").pvalue)
    assert found.p_value[2].tolist() == [1.0, 1.0, 1.0]  # an empty set
    np.testing.assert_allclose(found.excess, found.excess.T)
