"""Bootstrap over documents of a ratio of sums, such as mean ΔNLL per token.

Tokens of one document are not independent, so whole documents are drawn with replacement.

Axes: ``measure`` (what is averaged, for example one row a variant), ``document``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Num

N_RESAMPLES = 2000
_DRAWN_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Resampling:
    """How intervals are made."""

    seed: int
    """Of the bootstrap."""
    level: float = 0.95
    """Coverage of each interval; above 0.95 where a run looked at its intervals before it stopped."""
    n_resamples: int = N_RESAMPLES
    """Draws."""

    @property
    def n_looks(self) -> int:
        """What p-values are multiplied with, where a run looked several times."""
        return round(0.05 / (1.0 - self.level))


@dataclass(frozen=True)
class Interval:
    """A percentile interval and a p-value for each measure; NaN with fewer than two documents or a sum that is not finite."""

    low: Float[np.ndarray, " measure"]
    """Lower end, in the measure's unit."""
    high: Float[np.ndarray, " measure"]
    """Upper end."""
    p_value: Float[np.ndarray, " measure"]
    """Two-sided, of the ratio being 0."""


def bootstrap_ratio(
    sums: Float[np.ndarray, "measure document"],
    counts: Num[np.ndarray, " document"],
    *,
    generator: np.random.Generator,
    n_resamples: int = N_RESAMPLES,
    level: float = 0.95,
) -> Interval:
    """Interval and p-value of Σ sums / Σ counts.

    Args:
        sums: per document, for example Σ ΔNLL over its tokens.
        counts: per document, for example its scored tokens.
        generator: source of randomness; the same one gives the same numbers.
        n_resamples: 2000 or more for an interval that can be quoted.
        level: coverage of the interval.

    Returns:
        Percentile interval. With r the ratio and r* its resampled values, p = (1 + #{|r* − r| ≥ |r|}) / (1 + n_resamples).

    Source: Efron & Tibshirani 1993, "An Introduction to the Bootstrap", sections 13.3 and 16.
    """
    n_documents = sums.shape[1]
    usable = np.isfinite(sums).all(axis=1) & (n_documents > 1)
    low, high, p_value = np.full((3, len(sums)), np.nan)
    if usable.any():
        resampled = _resampled_ratios(sums[usable], counts, generator, n_resamples)
        ratio = sums[usable].sum(axis=1) / counts.sum()
        tail = (1.0 - level) / 2.0
        low[usable], high[usable] = np.quantile(resampled, [tail, 1.0 - tail], axis=0)
        # a resampled value that equals the ratio but for rounding must count the same on every machine
        slack = 1e-12 * np.maximum(np.abs(ratio), np.finfo(float).tiny)
        as_far = (np.abs(resampled - ratio) >= np.abs(ratio) - slack).sum(axis=0)
        p_value[usable] = (1.0 + as_far) / (1.0 + n_resamples)
    return Interval(low, high, p_value)


def draw_again(
    n: int, n_resamples: int, generator: np.random.Generator, *, at_once: int | None = None
) -> Iterator[Float[np.ndarray, "resample drawn"]]:
    """How often each of n documents, or blocks, is drawn with replacement. Every bootstrap draws here.

    Args:
        n: what is drawn, as many times as there are.
        n_resamples: how often all of that is done.
        generator: source of randomness; the same one gives the same draws.
        at_once: resamples of each array that is yielded; by memory if None.
    """
    step = at_once or max(1, _DRAWN_AT_ONCE // n)
    even = np.full(n, 1.0 / n)
    for start in range(0, n_resamples, step):
        yield generator.multinomial(n, even, size=min(step, n_resamples - start)).astype(np.float64)


def _resampled_ratios(
    sums: Float[np.ndarray, "measure document"],
    counts: Num[np.ndarray, " document"],
    generator: np.random.Generator,
    n_resamples: int,
) -> Float[np.ndarray, "resample measure"]:
    """Σ sums / Σ counts of documents drawn with replacement."""
    draws = draw_again(sums.shape[1], n_resamples, generator)
    return np.concatenate([(some @ sums.T) / (some @ counts)[:, None] for some in draws])
