"""How far raters put the same units into the same order: Kendall's W, Spearman's ρ, rank-biased overlap.

W and ρ weigh the whole order alike; rank-biased overlap looks at its top. Small scores are at the top throughout.

Axes: ``rater`` (what orders, for example types of pairs), ``unit`` (what is ordered, for example dimensions).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy import stats


def spearman_matrix(scores: Float[np.ndarray, "rater unit"]) -> Float[np.ndarray, "rater rater"]:
    """Spearman's ρ of each rater with each: the correlation of their ranks.

    Args:
        scores: without NaN; equal scores of a rater share their mean rank.

    Returns:
        From −1 to 1; NaN with a rater whose scores are all equal.

    Raises:
        ValueError: if there is NaN.

    Source: Spearman 1904, "The Proof and Measurement of Association between Two Things".
    """
    about_mean = _ranks(scores) - (scores.shape[1] + 1) / 2
    length = np.sqrt((about_mean**2).sum(axis=1))
    unit_length = about_mean / np.where(length > 0, length, np.nan)[:, None]
    return np.asarray(np.clip(unit_length @ unit_length.T, -1.0, 1.0))


def chance_rbo(n_units: int, persistence: float, *, depth: int) -> float:
    """Expected rank-biased overlap of two random orders of the same units.

    Args:
        n_units: units in the order.
        persistence: between 0 and 1.
        depth: places of both lists that are read, from 1 to the number of units.

    Returns:
        (1 − pᵏ) / ((1 − p) n), which is the definition with E[X_d] = d²/n put in, term by term, and summed.

    Raises:
        ValueError: if persistence or depth is out of range.
    """
    _check_reading(n_units, persistence, depth)
    return (1.0 - persistence**depth) / ((1.0 - persistence) * n_units)


def _ranks(scores: Float[np.ndarray, "rater unit"]) -> Float[np.ndarray, "rater unit"]:
    _refuse_nan(scores)
    return np.asarray(stats.rankdata(scores, axis=1))


def place_weights(n_units: int, persistence: float, *, depth: int) -> Float[np.ndarray, " place"]:
    """What a unit at each place adds to its list's rank-biased overlap with one that has it as high or higher.

    A unit at places r and s counts in X_d from d = max(r, s) on, so it adds w(max(r, s)), where w(r) is pᵏ/k and the sum of
    (1 − p) pᵈ⁻¹/d over d = r … k. As w falls, that is the smaller of w(r) and w(s), and the overlap is the sum of minima.

    Raises:
        ValueError: if persistence or depth is out of range.
    """
    _check_reading(n_units, persistence, depth)
    place = np.arange(1, depth + 1)
    terms = (1.0 - persistence) * persistence ** (place - 1.0) / place
    terms[-1] += persistence**depth / depth
    weights = np.zeros(n_units)
    weights[:depth] = np.cumsum(terms[::-1])[::-1]
    return weights


def _refuse_nan(scores: Float[np.ndarray, "rater unit"]) -> None:
    n_gaps = int(np.isnan(scores).sum())
    if n_gaps:
        raise ValueError(f"NaN has no rank; {n_gaps} of {scores.size} scores are NaN. Leave those units out for every rater.")


def _check_reading(n_units: int, persistence: float, depth: int) -> None:
    if not 0.0 < persistence < 1.0:
        raise ValueError(f"Persistence is between 0 and 1; it is {persistence}.")
    if not 1 <= depth <= n_units:
        raise ValueError(f"Depth is from 1 to the number of units, {n_units}; it is {depth}.")
