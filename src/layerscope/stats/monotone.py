"""What a falling relation allows: bounds on one point's value from the others, and how far it lies outside them.

If y never rises with x, a point's y is at most that of every point with a smaller x, and at least that of every one with a
larger x. The bounds are the medians of the three next ones on either side, so that no point bears witness for itself, and one
that is out of line accuses none of its neighbours; of two, the one that allows more. With fewer than two on a side there is no
bound there. Nothing is assumed of the relation's form.

Axes: ``point``, ``cluster``, ``part`` (what is left out together).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import stats
from scipy.optimize import isotonic_regression

from layerscope.stats.ratio import degrees_of_freedom

FEWEST_POINTS = 6
"""Points that a relation needs."""
FEWEST_CLUSTERS = 8
"""With fewer there are no p-values."""
_WITNESSES = 3
"""Points on either side that a bound is the median of."""
_MOST_PARTS = 50
"""Parts that clusters are put together to for the jackknife."""
_ROUNDING = 1e-10
"""Of a value: less is no spread."""


@dataclass(frozen=True)
class Outside:
    """How far each point lies outside what the others allow."""

    low: Float[np.ndarray, " point"]
    """Least value that a falling relation through the others allows; −∞ for the two of the largest x."""
    high: Float[np.ndarray, " point"]
    """Largest one; +∞ for the two of the smallest x."""
    beyond: Float[np.ndarray, " point"]
    """Value less the nearer bound: below 0 under the lower one, above 0 over the upper one, 0 between them."""
    error: Float[np.ndarray, " point"]
    """Standard error of value less the nearer bound, by leaving out clusters; NaN with fewer than two."""
    p_value: Float[np.ndarray, " point"]
    """Two-sided, of lying within the bounds; at most 0.05 in 5 of 100 points on a bound, in fewer of those between. NaN where
    no cluster makes a difference."""


class Neighbours:
    """Which points bound which; the order in x is that of the whole sample, and never drawn again.

    Args:
        x: of each point.
    """

    def __init__(self, x: Float[np.ndarray, " point"]) -> None:
        order = np.argsort(x, kind="stable")
        self._smaller = [order[x[order] < value][-_WITNESSES:] for value in x]
        self._larger = [order[x[order] > value][:_WITNESSES] for value in x]

    def bounds(
        self, y: Float[np.ndarray, "... point"]
    ) -> tuple[Float[np.ndarray, "... point"], Float[np.ndarray, "... point"]]:
        """Least and largest value of each point that the others allow: −∞ and +∞ where they do not say.

        Args:
            y: of each point; several samples at once.
        """
        low, high = np.full(y.shape, -np.inf), np.full(y.shape, np.inf)
        for point, (smaller, larger) in enumerate(zip(self._smaller, self._larger, strict=True)):
            if len(smaller) > 1:
                high[..., point] = np.sort(y[..., smaller])[..., len(smaller) // 2]
            if len(larger) > 1:
                low[..., point] = np.sort(y[..., larger])[..., (len(larger) - 1) // 2]
        return low, high

    def witnesses(self, y: Float[np.ndarray, " point"]) -> tuple[Int[np.ndarray, " point"], Int[np.ndarray, " point"]]:
        """Which point each bound is the value of; the point itself where there is none.

        Args:
            y: of each point.
        """
        low, high = np.arange(len(y)), np.arange(len(y))
        for point, (smaller, larger) in enumerate(zip(self._smaller, self._larger, strict=True)):
            if len(smaller) > 1:
                high[point] = smaller[np.argsort(y[smaller], kind="stable")[len(smaller) // 2]]
            if len(larger) > 1:
                low[point] = larger[np.argsort(y[larger], kind="stable")[(len(larger) - 1) // 2]]
        return low, high


def outside(
    x: Float[np.ndarray, " point"], sums: Float[np.ndarray, "point cluster"], counts: Int[np.ndarray, " cluster"]
) -> Outside:
    """How far points lie outside what a falling relation allows, with what leaving out clusters does to it.

    Args:
        x: of each point.
        sums: of y over the items of each cluster; y is Σ sums / Σ counts.
        counts: items of each cluster.
    """
    neighbours = Neighbours(x)
    y = sums.sum(axis=1) / counts.sum()
    low, high = neighbours.bounds(y)
    under, over = low - y, y - high
    # the bound that is broken; of both, where they cross, the one that is broken less; of none, the nearer one
    is_under = np.where((under > 0) & (over > 0), under < over, under > over)
    beyond = np.where(is_under, -np.maximum(under, 0.0), np.maximum(over, 0.0))
    part = np.arange(len(counts)) % _MOST_PARTS
    n_parts = int(part.max(initial=-1)) + 1
    if n_parts < 2:
        nothing = np.full(len(x), np.nan)
        return Outside(low, high, beyond, nothing, nothing)
    sums_of = np.stack([np.bincount(part, row, minlength=n_parts) for row in sums])
    counts_of = np.bincount(part, counts, minlength=n_parts)
    y_left = ((sums.sum(axis=1, keepdims=True) - sums_of) / (counts.sum() - counts_of)).T
    low_left, high_left = neighbours.bounds(y_left)
    nearer = np.where(is_under, -under, over)
    with np.errstate(invalid="ignore", divide="ignore"):
        # a bound that jumps between points of one value hides how uncertain each is: the larger error of both
        of_bound = y_left - np.where(is_under, low_left, high_left)
        of_witness = y_left - y_left[:, np.where(is_under, *neighbours.witnesses(y))]
        error = np.maximum(_spread(of_bound), _spread(of_witness))
        # where leaving out changes nothing but the last digits there is no spread to hold a distance against
        is_spread = error > _ROUNDING * np.maximum(np.abs(y), np.where(np.isfinite(nearer), np.abs(nearer), 0.0))
        t = np.where(is_spread, np.where(is_under, -nearer, nearer) / error, np.nan)
        p_value = np.where(np.isfinite(t), np.minimum(2.0 * stats.t.sf(t, degrees_of_freedom(counts_of)), 1.0), np.nan)
    has_bound = np.isfinite(nearer)
    if len(counts) < FEWEST_CLUSTERS:
        p_value = np.full(len(x), np.nan)
    return Outside(low, high, beyond, np.where(has_bound, error, np.nan), np.where(has_bound, p_value, np.nan))


def _spread(left: Float[np.ndarray, "part point"]) -> Float[np.ndarray, " point"]:
    """The jackknife's standard error, of values with each part left out."""
    n_parts = len(left)
    error: np.ndarray = np.sqrt((n_parts - 1) / n_parts * ((left - left.mean(axis=0)) ** 2).sum(axis=0))
    return error


def explained(
    x: Float[np.ndarray, " point"], y: Float[np.ndarray, " point"], *, n_permutations: int, seed: int
) -> tuple[float, float]:
    """How much of y a falling relation with x explains, and how often permuted points are explained as well.

    Returns:
        1 − Σ (y − fit)² / Σ (y − ȳ)² of the isotonic fit, and (1 + #≥) / (1 + permutations); NaN where all y are the same.
    """
    order = np.argsort(x, kind="stable")
    y = y[order]
    total = float(((y - y.mean()) ** 2).sum())
    if total == 0.0 or not np.isfinite(total):
        return float("nan"), float("nan")

    def share(values: np.ndarray) -> float:
        fitted = isotonic_regression(values, increasing=False).x
        return 1.0 - float(((values - fitted) ** 2).sum()) / total

    found = share(y)
    generator = np.random.default_rng(seed)
    as_good = sum(share(generator.permutation(y)) >= found - 1e-12 for _ in range(n_permutations))
    return found, (1 + as_good) / (1 + n_permutations)
