"""Intervals and p-values of a ratio of sums over documents, such as mean ΔNLL per token, and of differences of two ratios.

Tokens of one document are not independent, so the document is what is counted. Documents are few, differ in length and have
skewed effects; each of the three makes a plain interval too narrow, and each has its remedy here:

1. Variance by the jackknife: each of n documents is left out once, u_i = √((n − 1)/n) (r − r₍₋ᵢ₎), V = Σ u_i². Unlike
   linearised residuals, this does not make a long document look well fitted because it draws the ratio to itself.
2. Degrees of freedom by Satterthwaite's approximation, as if effects per token had the same spread in each document: n − 1 if
   all are of one length, few if a few documents hold most tokens.
3. Skewness by Hall's cubic transformation of τ = r/√V: with k = Σ u_i³ / V^1.5,
   Z = τ + kτ²/3 + k²τ³/27 + k/6 is held against Student's t. It rises with τ, so that p and interval come from one formula.

Sources: Efron & Stein 1981, "The Jackknife Estimate of Variance"; Satterthwaite 1946, "An Approximate Distribution of Estimates
of Variance Components"; Bell & McCaffrey 2002, "Bias Reduction in Standard Errors for Linear Regression with Multi-Stage
Samples"; Hall 1992, "On the Removal of Skewness by Transformation". How often it errs, by simulation: docs/design/few-texts.md.

Axes: ``measure`` (what is averaged, for example one row per variant), ``document``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Num
from scipy import stats

FEWEST_DOCUMENTS = 8
"""With fewer there is no p-value, and so no q."""
FEW_DOCUMENTS = 50
"""With fewer, whatever shows an interval says how many there were."""


@dataclass(frozen=True)
class Interval:
    """An interval and a p-value for each measure; NaN where there are too few documents or a sum is not finite."""

    low: Float[np.ndarray, " measure"]
    """Lower end, in the measure's unit; NaN with fewer than two documents."""
    high: Float[np.ndarray, " measure"]
    """Upper end."""
    p_value: Float[np.ndarray, " measure"]
    """Two-sided, of the value being 0; NaN with fewer than eight documents, and where they do not differ at all."""


def ratio_interval(
    sums: Float[np.ndarray, "measure document"],
    counts: Num[np.ndarray, " document"],
    *,
    level: float = 0.95,
    cautious: bool = False,
) -> Interval:
    """Interval and p-value of Σ sums / Σ counts.

    Args:
        sums: per document, for example Σ ΔNLL over its tokens, or over its nouns.
        counts: per document, for example its scored tokens; documents with none are not counted.
        level: coverage of the interval.
        cautious: take the wider of each end with and without the correction for skewness, and the larger p. Where a text or two
            stand out the correction follows them: at levels far above 0.95 intervals are much too short then, and those of a
            difference of two effects, which is skewed by chance alone, a little.
    """
    return _interval(_leave_one_out(sums, counts), level, cautious=cautious)


def contrast_interval(
    sums: Float[np.ndarray, "measure document"],
    counts: Num[np.ndarray, " document"],
    *,
    rest_sums: Float[np.ndarray, "measure document"],
    rest_counts: Num[np.ndarray, " document"],
    level: float = 0.95,
) -> Interval:
    """Interval and p-value of Σ sums / Σ counts − Σ rest_sums / Σ rest_counts, both over the same documents.

    Args:
        sums: per document, for example Σ ΔNLL over its nouns.
        counts: per document, for example its nouns.
        rest_sums: per document, for example over its other words.
        rest_counts: likewise.
        level: coverage of the interval.
    """
    one, rest = _leave_one_out(sums, counts), _leave_one_out(rest_sums, rest_counts)
    with np.errstate(invalid="ignore"):
        difference = _LeftOut(
            one.value - rest.value,
            one.influence - rest.influence,
            # not those of two independent samples: both are of the same documents
            min(one.freedom, rest.freedom),
            min(one.n_documents, rest.n_documents),
        )
    return _interval(difference, level)


@dataclass(frozen=True)
class _LeftOut:
    """A ratio, or a difference of two, and what leaving out each document does to it."""

    value: Float[np.ndarray, " measure"]
    influence: Float[np.ndarray, "measure document"]
    """√((n − 1)/n) (r − r₍₋ᵢ₎), 0 for a document without a count."""
    freedom: float
    """Degrees of freedom of Σ influence²."""
    n_documents: int
    """With a count."""


def _leave_one_out(sums: Float[np.ndarray, "measure document"], counts: Num[np.ndarray, " document"]) -> _LeftOut:
    there = counts > 0
    n, influence = int(there.sum()), np.zeros_like(sums)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = sums.sum(axis=1) / counts.sum()
        # r − (S − s) / (N − n) = (s − r n) / (N − n)
        left = (sums - ratio[:, None] * counts)[:, there] / (counts.sum() - counts)[there]
        influence[:, there] = np.sqrt((n - 1) / max(n, 1)) * left
    return _LeftOut(ratio, influence, degrees_of_freedom(counts), n)


def degrees_of_freedom(counts: Num[np.ndarray, " document"]) -> float:
    """2 E[V]² / Var[V] of the jackknife's variance V, if effects per token are normal with one variance; 1 or more.

    With h a document's share of the counts and c = (h / (1 − h))², V is proportional to the quadratic form
    Σ c (x − Σ h x)² of standard normal x, whose matrix is M = diag(c) − h c' − c h' + (Σ c) h h': tr(M)² / tr(M²).
    """
    h = counts[counts > 0] / max(counts.sum(), 1)
    if len(h) < 2:
        return 1.0
    c = (h / (1.0 - h)) ** 2
    hh, hc, cc, hhc, hcc = h @ h, h @ c, c @ c, (h * h) @ c, (h * c) @ c
    trace = c.sum() - 2.0 * hc + c.sum() * hh
    trace_of_square = (
        cc - 4.0 * hcc + 2.0 * c.sum() * hhc + 2.0 * (hc**2 + hh * cc) - 4.0 * c.sum() * hh * hc + (c.sum() * hh) ** 2
    )
    return max(float(trace**2 / trace_of_square), 1.0)


def _interval(found: _LeftOut, level: float, *, cautious: bool = False) -> Interval:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        error = np.sqrt((found.influence**2).sum(axis=1))
        # where the effect is one and the same in every document, rounding is all that is left
        is_spread = error > 1e-12 * np.abs(found.value)
        skewness = np.where(is_spread & (found.n_documents > 2), (found.influence**3).sum(axis=1) / error**3, 0.0)
        tau = found.value / error
        z = tau + skewness * tau**2 / 3.0 + skewness**2 * tau**3 / 27.0 + skewness / 6.0
        p_value = 2.0 * stats.t.sf(np.abs(z), found.freedom)
    p_value = np.where(is_spread, p_value, np.where(found.value == 0.0, 1.0, np.nan))
    quantile = float(stats.t.ppf((1.0 + level) / 2.0, found.freedom))
    low, high = (found.value - error * _tau_at(end, skewness) for end in (quantile, -quantile))
    if cautious:
        low, high = np.fmin(low, found.value - error * quantile), np.fmax(high, found.value + error * quantile)
        p_value = np.fmax(p_value, np.where(is_spread, 2.0 * stats.t.sf(np.abs(tau), found.freedom), p_value))
    known = np.isfinite(found.value) & np.isfinite(error) & (found.n_documents >= 2)
    tested = known & (found.n_documents >= FEWEST_DOCUMENTS)
    return Interval(np.where(known, low, np.nan), np.where(known, high, np.nan), np.where(tested, p_value, np.nan))


def _tau_at(z: float, skewness: Float[np.ndarray, " measure"]) -> Float[np.ndarray, " measure"]:
    """The transformation's inverse: τ = (3/k) (∛(1 + k (z − k/6)) − 1), which is z where there is no skewness."""
    is_skewed = np.abs(skewness) > 1e-6
    k = np.where(is_skewed, skewness, 1.0)
    return np.where(is_skewed, 3.0 / k * (np.cbrt(1.0 + k * (z - k / 6.0)) - 1.0), z)
