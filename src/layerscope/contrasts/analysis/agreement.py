"""How far groups of pairs agree on which dimensions change least: all measures of agreement at once, layer by layer.

Made for thousands of resampled scores: one sort gives the ranks, everything else is arithmetic on them. The plain forms are in
``stats`` and the tests hold these against them.

Axes: ``group``, ``layer``, ``dim``; ``first`` and ``second`` are groups; ``batch`` is anything that is drawn again.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Integer, Num, Shaped, UInt16

from layerscope.contrasts.analysis.group_scores import ByReference
from layerscope.stats.rank_agreement import place_weights

MEASURES = ("jaccard", "spearman", "rbo")
RBO_PERSISTENCE = 0.98
"""The first 50 dimensions carry most of the weight of rank-biased overlap."""
_STEPS = 65_535
_CELLS_AT_ONCE = 150_000
"""Sorted at a time: keys, order and ranks of so many stay in a core's cache."""


def sortable(percentiles: Float[np.ndarray, "*batch dim"]) -> UInt16[np.ndarray, "*batch dim"]:
    """Percentiles as sixteen-bit numbers, which sort faster; they are means of values with fewer bits."""
    return np.rint(percentiles * np.float32(_STEPS)).astype(np.uint16)


def ranks_of(
    scores: Num[np.ndarray, "*batch dim"], key: Callable[[np.ndarray], np.ndarray] = np.asarray
) -> Integer[np.ndarray, "*batch dim"]:
    """Rank of each dimension, from 0, smallest score first; equal ones in the order of their numbers.

    Args:
        scores: any numbers.
        key: what is sorted in their place; ``sortable`` for percentiles.
    """
    n_dims = scores.shape[-1]
    rows = scores.reshape(-1, n_dims)
    found = np.empty(rows.shape, dtype=np.uint16 if n_dims <= _STEPS else np.int64)
    step = max(1, _CELLS_AT_ONCE // n_dims)
    numbers = np.arange(n_dims, dtype=found.dtype)
    for start in range(0, len(rows), step):
        order = _order(key(rows[start : start + step]))
        row_starts = np.arange(len(order))[:, None] * n_dims
        found[start : start + step].reshape(-1)[order + row_starts] = numbers
    return found.reshape(scores.shape)


def _order(scores: Num[np.ndarray, "row dim"]) -> Integer[np.ndarray, "row dim"]:
    n_dims = scores.shape[-1]
    if scores.dtype != np.uint16 or n_dims > _STEPS:
        return np.argsort(scores, axis=-1, kind="stable")
    # with the number behind the score no two keys are equal, and keys alone sort several times as fast as places of keys do
    keys = (scores.astype(np.uint32) << np.uint32(16)) | np.arange(n_dims, dtype=np.uint32)
    keys.sort(axis=-1)
    return keys & np.uint32(_STEPS)


def jaccard(ranks: ByReference, k: int) -> Float[np.ndarray, "*batch layer first second"]:
    """Jaccard index of the k stillest dimensions; the mean of both ways round.

    Args:
        ranks: from ``ranks_of``, ``*batch group layer dim``, as read on each reference: a group's on one and another's on the
            other, so that no two agree by what a reference got wrong. Twice the very same array where there is none.
        k: dimensions that count as those that change least.
    """
    first, second = (_by_layer(one < k).astype(np.float32) for one in ranks)
    shared = (first @ second.swapaxes(-1, -2)).astype(np.float64)
    found = shared / (2 * k - shared)
    return np.asarray((found + found.swapaxes(-1, -2)) / 2)


def spearman(ranks: ByReference) -> Float[np.ndarray, "*batch layer first second"]:
    """Rank correlation over all dimensions; see ``jaccard``."""
    n_dims = ranks[0].shape[-1]
    about_mean = [_by_layer(one) - np.float32((n_dims - 1) / 2) for one in ranks]
    return np.asarray(_both_ways(about_mean) / (n_dims * (n_dims**2 - 1) / 12))


def rank_biased_overlap(ranks: ByReference) -> Float[np.ndarray, "layer first second"]:
    """Rank-biased overlap, persistence 0.98; see ``jaccard``."""
    n_dims, n_groups = ranks[0].shape[-1], ranks[0].shape[0]
    of_place = place_weights(n_dims, RBO_PERSISTENCE, depth=n_dims).astype(np.float32)
    first, second = (of_place[_by_layer(one)] for one in ranks)
    found = np.stack([np.minimum(first[:, group : group + 1], second).sum(axis=2) for group in range(n_groups)], axis=1)
    return np.asarray((found + found.swapaxes(1, 2)) / 2)


def kendall_w_of(spearman: Float[np.ndarray, " *batch"], n: int) -> Float[np.ndarray, " *batch"]:
    """Kendall's W of n groups from the mean of their Spearman correlations, W = (1 + (n − 1) ρ̄) / n; ranks without ties.

    Source: Kendall & Babington Smith 1939, "The Problem of m Rankings".
    """
    return np.asarray((1.0 + (n - 1) * spearman) / n)


def mean_of_pairs(matrix: Float[np.ndarray, "*batch first second"], members: Bool[np.ndarray, " group"]) -> np.ndarray:
    """Mean over all pairs of different groups among some of them."""
    places = np.flatnonzero(members)
    first, second = np.triu_indices(len(places), 1)
    return np.asarray(matrix[..., places[first], places[second]].mean(axis=-1))


def _by_layer(values: Shaped[np.ndarray, "*batch group layer dim"]) -> Shaped[np.ndarray, "*batch layer group dim"]:
    return values.swapaxes(-3, -2)


def _both_ways(sides: list[np.ndarray]) -> np.ndarray:
    found = (sides[0] @ sides[1].swapaxes(-1, -2)).astype(np.float64)
    return np.asarray((found + found.swapaxes(-1, -2)) / 2)
