"""What a falling relation allows: bounds on one point's value from all the others, and how far it lies outside them.

If y never rises with x, a point's y lies between those of its neighbours in x: at most that of the next smaller x, at least
that of the next larger one. Their values come of an isotonic fit of medians to all points but the one in question, so that no
point bears witness for itself, and one that is out of line accuses none of its neighbours. Beyond the largest x there is no
lower bound. Nothing is assumed of the relation's form.

Axes: ``point``, ``cluster``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import stats
from scipy.optimize import isotonic_regression

FEWEST_POINTS = 6
"""Points that a relation needs."""
FEWEST_CLUSTERS = 8
"""With fewer there are no p-values."""
_MOST_PARTS = 50
"""Parts that clusters are put together to for the jackknife."""


@dataclass(frozen=True)
class Outside:
    """How far each point lies outside what the others allow."""

    low: Float[np.ndarray, " point"]
    """Least value that a falling relation through the others allows; −∞ beyond the largest x."""
    high: Float[np.ndarray, " point"]
    """Largest one; +∞ before the smallest x."""
    beyond: Float[np.ndarray, " point"]
    """Value less the nearer bound: below 0 under the lower one, above 0 over the upper one, 0 between them."""
    error: Float[np.ndarray, " point"]
    """Standard error of value less the nearer bound, by leaving out clusters; NaN with fewer than two."""
    p_value: Float[np.ndarray, " point"]
    """Two-sided, of lying within the bounds; at most 0.05 in 5 of 100 points on a bound, in fewer of those between."""


def allowed(
    x: Float[np.ndarray, " point"], y: Float[np.ndarray, " point"]
) -> tuple[Float[np.ndarray, " point"], Float[np.ndarray, " point"]]:
    """Bounds on each y from all other points.

    Args:
        x: of each.
        y: of each, expected to fall with x.
    """
    order = np.argsort(x, kind="stable")
    low, high = np.full(len(x), -np.inf), np.full(len(x), np.inf)
    for place, point in enumerate(order):
        others = np.delete(order, place)
        n_smaller = int((x[others] < x[point]).sum())
        first_larger = len(others) - int((x[others] > x[point]).sum())
        if n_smaller:
            high[point] = falling_medians(y[others], upper=True)[n_smaller - 1]
        if first_larger < len(others):
            low[point] = falling_medians(y[others], upper=False)[first_larger]
    return low, high


def falling_medians(y: Float[np.ndarray, " point"], *, upper: bool) -> Float[np.ndarray, " point"]:
    """The falling step function nearest to some values in Σ |y − fit|: one value out of line moves none of its neighbours.

    Neighbours that do not fall are pooled and get their median, the upper or the lower one of an even number.
    """
    pools: list[list[float]] = []
    middle: list[float] = []
    for value in y.tolist():
        pool = [value]
        while middle and middle[-1] < _median(pool, upper):
            middle.pop()
            pool = sorted([*pools.pop(), *pool])
        pools.append(pool)
        middle.append(_median(pool, upper))
    return np.repeat(middle, [len(pool) for pool in pools])


def _median(pool: list[float], upper: bool) -> float:
    """Of values in ascending order."""
    return pool[len(pool) // 2 if upper else (len(pool) - 1) // 2]


def outside(
    x: Float[np.ndarray, " point"], sums: Float[np.ndarray, "point cluster"], counts: Int[np.ndarray, " cluster"]
) -> Outside:
    """How far points lie outside what a falling relation allows, with what leaving out clusters does to it.

    Args:
        x: of each point.
        sums: of y over the items of each cluster; y is Σ sums / Σ counts.
        counts: items of each cluster.
    """
    y = sums.sum(axis=1) / counts.sum()
    low, high = allowed(x, y)
    # below both where the two are one; between them the nearer one is held against
    is_under = (y < low) | ((y <= high) & (_distance(y, low) < _distance(y, high)))
    beyond = np.minimum(y - low, 0.0) + np.maximum(y - high, 0.0)
    parts = np.arange(len(counts)) % _MOST_PARTS
    n_parts = int(parts.max(initial=-1)) + 1
    nearer = np.where(is_under, y - low, y - high)
    if n_parts < 2:
        nothing = np.full(len(x), np.nan)
        return Outside(low, high, beyond, nothing, nothing)
    left = np.zeros((n_parts, len(x)))
    for part in range(n_parts):
        kept = parts != part
        y_left = sums[:, kept].sum(axis=1) / counts[kept].sum()
        low_left, high_left = allowed(x, y_left)
        left[part] = np.where(is_under, y_left - low_left, y_left - high_left)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.sqrt((n_parts - 1) / n_parts * ((left - left.mean(axis=0)) ** 2).sum(axis=0))
        t = np.where(is_under, -nearer, nearer) / error
        p_value = np.where(np.isfinite(t), np.minimum(2.0 * stats.t.sf(t, n_parts - 1), 1.0), np.nan)
    has_bound = np.isfinite(nearer)
    if len(counts) < FEWEST_CLUSTERS:
        p_value = np.full(len(x), np.nan)
    return Outside(low, high, beyond, np.where(has_bound, error, np.nan), np.where(has_bound, p_value, np.nan))


def _distance(y: Float[np.ndarray, " point"], bound: Float[np.ndarray, " point"]) -> Float[np.ndarray, " point"]:
    """To a bound; infinite where there is none."""
    return np.where(np.isfinite(bound), np.abs(y - bound), np.inf)


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
