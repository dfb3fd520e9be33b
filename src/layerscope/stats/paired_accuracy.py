"""The difference of two accuracies on the same samples: Bonett and Price's adjusted Wald interval.

Of n samples, l are lost (right before, wrong now) and w are won; the others say nothing of the difference. With one more of
each, p = (l + 1) / (n + 2) and q = (w + 1) / (n + 2), it is (q − p) ± z √((p + q − (q − p)²) / (n + 2)). Where no sample
changes it is not of no width, and it holds where few do, as the jackknife's does not. With weights h, n is Kish's
(Σ h)² / Σ h², and l and w are n times their share of the weight.

Source: Bonett & Price 2012, "Adjusted Wald Confidence Interval for a Difference of Binomial Proportions Based on Paired Data";
Kish 1965, "Survey Sampling".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats


@dataclass(frozen=True)
class PairedAccuracy:
    """Interval and p-value of the difference."""

    low: float
    """Lower end, −1 or more."""
    high: float
    """Upper end, 1 or less."""
    p_value: float
    """Two-sided, of the difference being 0; below 1 − level where the interval leaves 0 out."""


def paired_accuracy(
    changes: Float[np.ndarray, " sample"], weights: Float[np.ndarray, " sample"], *, level: float = 0.95
) -> PairedAccuracy:
    """Interval of the mean of changes that are −1 (lost), 0 or 1 (won).

    Args:
        changes: one per sample.
        weights: of each in the mean.
        level: coverage of the interval.

    Examples:
        >>> found = paired_accuracy(np.zeros(98), np.ones(98))
        >>> round(found.low, 4), round(found.high, 4), found.p_value
        (-0.0277, 0.0277, 1.0)
    """
    n = float(weights.sum() ** 2 / (weights**2).sum())
    lost, won = (float(n * weights[changes == side].sum() / weights.sum()) for side in (-1.0, 1.0))
    p, q = (lost + 1.0) / (n + 2.0), (won + 1.0) / (n + 2.0)
    centre, error = q - p, math.sqrt((p + q - (q - p) ** 2) / (n + 2.0))
    half = float(stats.norm.ppf((1.0 + level) / 2.0)) * error
    return PairedAccuracy(max(centre - half, -1.0), min(centre + half, 1.0), float(2.0 * stats.norm.sf(abs(centre) / error)))
