"""Sets of the k smallest, and how far two of them overlap beyond chance.

Chance is that of two sets drawn blindly: it knows nothing of scales that the units share, which only a control shows.

Axes: ``unit`` (what is chosen, for example dimensions of the residual stream), ``...`` (any number of sets, broadcast).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats


@dataclass(frozen=True)
class OverlapExcess:
    """Units that two sets share, beside what sets of their sizes share by chance."""

    overlap: Int[np.ndarray, " ..."]
    """Shared units."""
    expected: Float[np.ndarray, " ..."]
    """Shared units of two sets of these sizes that are drawn blindly, on average."""
    p_value: Float[np.ndarray, " ..."]
    """One-sided: how probable as many shared units or more are by chance."""

    @property
    def excess(self) -> Float[np.ndarray, " ..."]:
        """Shared units beyond the expected ones; negative with fewer."""
        return np.asarray(self.overlap - self.expected)


def smallest(scores: Float[np.ndarray, "... unit"], k: int) -> Bool[np.ndarray, "... unit"]:
    """Which units are among the k smallest.

    Args:
        scores: one or more rows of scores; infinities are scores like others, NaN is none.
        k: from 1 to the number of units.

    Returns:
        True for k units of a row. Of units that tie at the border, those with the lower index are in. NaN is never chosen, so a
        row with fewer than k numbers has fewer than k units.

    Raises:
        ValueError: if k is out of range.
    """
    _check_k(k, scores.shape[-1])
    border = np.partition(scores, k - 1, axis=-1)[..., k - 1 : k]
    border = np.where(np.isnan(border), np.inf, border)  # NaN sorts last: here are fewer than k numbers, and all are in
    below, tied = scores < border, scores == border
    room = k - below.sum(axis=-1, keepdims=True)
    crowded = tied.sum(axis=-1) > room[..., 0]  # seldom: only there are ties counted from the left
    tied[crowded] &= np.cumsum(tied[crowded], axis=-1) <= room[crowded]
    return np.asarray(below | tied)


def expected_jaccard(k: int, n_units: int) -> float:
    """Mean Jaccard index of two blind sets of k: E[o / (2k − o)], with o hypergeometric. Subtract this one for an excess.

    Args:
        k: size of both sets, from 1 to the number of units.
        n_units: units to choose from.

    Raises:
        ValueError: if k is out of range.
    """
    _check_k(k, n_units)
    overlap = np.arange(k + 1)
    return float(stats.hypergeom.pmf(overlap, n_units, k, k) @ (overlap / (2 * k - overlap)))


def overlap_excess(first: Bool[np.ndarray, "... unit"], second: Bool[np.ndarray, "... unit"]) -> OverlapExcess:
    """Shared units of two sets, against the hypergeometric distribution of blind sets of the same sizes.

    Args:
        first: one or more sets.
        second: likewise, of any size; broadcast against the first.

    Returns:
        With k₁ and k₂ the sizes and o the shared units of n: expected k₁k₂/n, and P(overlap ≥ o).

    Source: Fisher 1935, "The Logic of Inductive Inference" (one-sided exact test).
    """
    n_units, n_first, n_second = first.shape[-1], first.sum(axis=-1), second.sum(axis=-1)
    overlap = np.asarray((first & second).sum(axis=-1))
    p_value = stats.hypergeom.sf(overlap - 1, n_units, n_first, n_second)
    return OverlapExcess(overlap, np.asarray(n_first * n_second / n_units), np.asarray(p_value))


def _check_k(k: int, n_units: int) -> None:
    if not 1 <= k <= n_units:
        raise ValueError(f"k is from 1 to the number of units, {n_units}; it is {k}.")
