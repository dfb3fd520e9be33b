"""How far groups of pairs agree on which dimensions change least: all measures of agreement at once, layer by layer.

Made for thousands of resampled scores: one sort gives the ranks, everything else is arithmetic on them. The plain forms are in
``stats`` and the tests hold these against them.

Axes: ``group``, ``layer``, ``dim``; ``first`` and ``second`` are groups.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from layerscope.stats.rank_agreement import place_weights

MEASURES = ("jaccard", "spearman", "rbo")
RBO_PERSISTENCE = 0.98
"""The first 50 dimensions carry most of the weight of rank-biased overlap."""
_LESS_THAN_ROUNDING, _LEAST = 1e-13, 1e-300


@dataclass(frozen=True)
class Agreement:
    """Of each group with each, in each layer."""

    jaccard: Float[np.ndarray, "layer first second"]
    """Of the k dimensions that change least."""
    spearman: Float[np.ndarray, "layer first second"]
    """Rank correlation over all dimensions."""
    rbo: Float[np.ndarray, "layer first second"]
    """Rank-biased overlap, persistence 0.98."""

    def measure(self, name: str) -> Float[np.ndarray, "layer first second"]:
        """By name."""
        found: np.ndarray = getattr(self, name)
        return found


def ranks_of(scores: Float[np.ndarray, "*batch dim"]) -> Int[np.ndarray, "*batch dim"]:
    """Rank of each dimension, from 0, smallest score first; equal ones in the order of their numbers."""
    # float32 scores that differ do so by far more than this, so that it orders equal ones only; a stable sort takes five times
    # as long
    number = np.arange(scores.shape[-1])
    order = np.argsort(scores * (1.0 + _LESS_THAN_ROUNDING * number) + _LEAST * number, axis=-1)
    ranks = np.empty(order.shape, dtype=np.int32)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(scores.shape[-1], dtype=np.int32), order.shape), axis=-1)
    return ranks


def agreement(first: Int[np.ndarray, "group layer dim"], second: Int[np.ndarray, "group layer dim"], k: int) -> Agreement:
    """All measures, of every group with every other.

    Args:
        first: from ``ranks_of``, of scores read on one reference.
        second: the same read on another, so that no two groups agree by what the reference got wrong; the mean of both ways
            round is taken. The very same array where scores need no reference.
        k: dimensions that count as those that change least.
    """
    n_dims = first.shape[2]
    one, other = first.swapaxes(0, 1), second.swapaxes(0, 1)
    is_top = [(ranks < k).astype(np.float32) for ranks in (one, other)]
    shared = is_top[0] @ is_top[1].swapaxes(1, 2)
    about_mean = [ranks - np.float32((n_dims - 1) / 2) for ranks in (one, other)]
    spearman = about_mean[0] @ about_mean[1].swapaxes(1, 2) / np.float32(n_dims * (n_dims**2 - 1) / 12)
    of_place = place_weights(n_dims, RBO_PERSISTENCE, depth=n_dims).astype(np.float32)
    weights = [of_place[ranks] for ranks in (one, other)]
    rbo = np.stack(
        [np.minimum(weights[0][:, group : group + 1], weights[1]).sum(axis=2) for group in range(len(first))], axis=1
    )
    found = (shared / (2 * k - shared), spearman, rbo)
    if first is second:
        return Agreement(*found)
    return Agreement(*((matrix + matrix.swapaxes(1, 2)) / 2 for matrix in found))


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
