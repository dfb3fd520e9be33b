"""How far two samples lie apart, whatever their number: by order (Cliff's δ) and by size (log ratio of medians).

Axes: ``first`` and ``second`` (values of the samples, which need not be paired or equally many), ``*batch`` (any number of
comparisons, for example one a dimension).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy import stats


def cliffs_delta(
    first: Float[np.ndarray, "*batch first"], second: Float[np.ndarray, "*batch second"]
) -> Float[np.ndarray, "*batch"]:
    """P(first > second) − P(first < second) over all pairs of values, exact.

    Args:
        first: one value or more each.
        second: likewise.

    Returns:
        From −1 (every first value is below every second one) to 1; ties count half to each side. NaN where there is NaN.

    Raises:
        ValueError: if a sample is empty.

    Source: Cliff 1993, "Dominance Statistics"; by the rank sum of Mann & Whitney 1947, δ = 2U/(n₁n₂) − 1.
    """
    n_first, n_second = _sizes(first, second)
    ranks = stats.rankdata(np.concatenate([first, second], axis=-1), axis=-1)
    wins = ranks[..., :n_first].sum(axis=-1) - n_first * (n_first + 1) / 2
    return np.asarray(2.0 * wins / (n_first * n_second) - 1.0)


def log_ratio_of_medians(
    first: Float[np.ndarray, "*batch first"], second: Float[np.ndarray, "*batch second"]
) -> Float[np.ndarray, "*batch"]:
    """log(median of first / median of second).

    Args:
        first: one value or more each, not negative, for example absolute differences.
        second: likewise.

    Returns:
        Nats: 0 where the medians are equal, log 2 = 0.69 where the first is twice the second, −∞ or ∞ where one of them is 0.
        NaN where both are 0, one is negative, or there is NaN.

    Raises:
        ValueError: if a sample is empty.
    """
    _sizes(first, second)
    with np.errstate(divide="ignore", invalid="ignore"):
        above, below = (np.log(np.median(sample.astype(np.float64), axis=-1)) for sample in (first, second))
        return np.asarray(above - below)


def _sizes(first: Float[np.ndarray, "*batch first"], second: Float[np.ndarray, "*batch second"]) -> tuple[int, int]:
    sizes = first.shape[-1], second.shape[-1]
    if 0 in sizes:
        raise ValueError(f"Each sample needs one value or more; there are {sizes[0]} and {sizes[1]}.")
    return sizes
