"""Statistics by their plain definitions, which the fast ones are held against. Only tests use them.

Axes: ``rater`` (what orders), ``unit`` (what is ordered or chosen).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from layerscope.stats.rank_agreement import _ranks, _refuse_nan, place_weights


def kendall_w(scores: Float[np.ndarray, "rater unit"]) -> float:
    """Kendall's coefficient of concordance, corrected for ties.

    Args:
        scores: two raters or more, without NaN; equal scores of a rater share their mean rank.

    Returns:
        W from 0 to 1; 1/m is expected of m raters at random. NaN if no rater tells any unit from another. With R the sums of
        ranks of D units, W = 12 Σ(R − R̄)² / (m²(D³ − D) − m ΣT), where T = Σ(t³ − t) over a rater's groups of t tied units.
        As (D³ − D − T)/12 is the sum of squares of a rater's ranks about their mean, W is Σ(R − R̄)² over m times the total
        of those.

    Raises:
        ValueError: if there is one rater only, or NaN.

    Source: Kendall & Babington Smith 1939, "The Problem of m Rankings"; Kendall 1948, "Rank Correlation Methods", chapter 6.
    """
    n_raters, n_units = scores.shape
    if n_raters < 2:
        raise ValueError(f"Agreement needs two raters or more; there is {n_raters}.")
    about_mean = _ranks(scores) - (n_units + 1) / 2
    greatest = n_raters * (about_mean**2).sum()
    return float((about_mean.sum(axis=0) ** 2).sum() / greatest) if greatest > 0 else float("nan")


def rank_biased_overlap(
    first: Float[np.ndarray, " unit"], second: Float[np.ndarray, " unit"], *, persistence: float, depth: int
) -> float:
    """Rank-biased overlap of two orders, extrapolated from their tops.

    Args:
        first: scores, without NaN; the smallest is at the top, and of equal ones that with the lower index.
        second: likewise, of the same units.
        persistence: p, between 0 and 1: the chance of reading on after each place; the first 1/(1 − p) places matter most.
        depth: places of both lists that are read, from 1 to the number of units.

    Returns:
        From 0 to 1: X_k/k · pᵏ + (1 − p)/p · Σ_d X_d/d · pᵈ over d = 1 … k, where k is the depth and X_d units are shared by
        the first d places of both. Beyond k the agreement X_k/k is taken to go on; a depth of all units therefore adds pᵏ to
        any two lists. Ties raise the overlap: both lists break them the same way.

    Raises:
        ValueError: if there is NaN, or persistence or depth is out of range.

    Source: Webber, Moffat & Zobel 2010, "A Similarity Measure for Indefinite Rankings", equation 32 with lists of one length.
    """
    weights = _place_weights(np.stack([first, second]), persistence, depth)
    return float(weights.min(axis=0).sum())


def rbo_matrix(scores: Float[np.ndarray, "rater unit"], *, persistence: float, depth: int) -> Float[np.ndarray, "rater rater"]:
    """Rank-biased overlap of each rater with each; see ``rank_biased_overlap``.

    Args:
        scores: without NaN; the smallest is at the top.
        persistence: between 0 and 1.
        depth: places of each list that are read, from 1 to the number of units.

    Returns:
        From 0 to 1, and 1 on the diagonal.

    Raises:
        ValueError: if there is NaN, or persistence or depth is out of range.
    """
    weights = _place_weights(scores, persistence, depth)
    return np.stack([np.minimum(one, weights).sum(axis=1) for one in weights])


def _place_weights(scores: Float[np.ndarray, "rater unit"], persistence: float, depth: int) -> Float[np.ndarray, "rater unit"]:
    """``place_weights`` of each unit in each list."""
    _refuse_nan(scores)
    weights = np.empty(scores.shape)
    of_place = place_weights(scores.shape[1], persistence, depth=depth)
    np.put_along_axis(weights, np.argsort(scores, axis=1, kind="stable"), np.broadcast_to(of_place, scores.shape), axis=1)
    return weights


def jaccard(first: Bool[np.ndarray, "... unit"], second: Bool[np.ndarray, "... unit"]) -> Float[np.ndarray, " ..."]:
    """Units in both sets over units in either.

    Args:
        first: one or more sets.
        second: likewise; broadcast against the first.

    Returns:
        From 0 to 1; NaN where both sets are empty.

    Source: Jaccard 1912, "The Distribution of the Flora in the Alpine Zone".
    """
    either = np.asarray((first | second).sum(axis=-1))
    shared = (first & second).sum(axis=-1)
    return np.asarray(np.divide(shared, either, out=np.full(either.shape, np.nan), where=either > 0))
