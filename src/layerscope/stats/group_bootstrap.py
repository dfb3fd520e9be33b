"""Bootstrap over documents of the means of several groups at once, and of each group's difference from all the others.

Words of a document are not independent, so whole documents are drawn with replacement; every group sees the same draws.

Axes: ``group`` (for example parts of speech), ``measure`` (for example variants), ``document``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Num

from layerscope.stats.bootstrap import N_RESAMPLES, draw_again

FEWEST_DOCUMENTS = 5
"""With fewer documents that hold a group at all there is no interval; with fewer texts a sweep has no p."""


@dataclass(frozen=True)
class GroupIntervals:
    """Percentile intervals and p-values; NaN for groups in fewer than five documents and sums that are not finite."""

    low: Float[np.ndarray, "group measure"]
    """Lower end, in the measure's unit."""
    high: Float[np.ndarray, "group measure"]
    """Upper end."""
    p_value: Float[np.ndarray, "group measure"]
    """Two-sided, of the value being 0."""


def bootstrap_groups(
    sums: Float[np.ndarray, "group measure document"],
    counts: Num[np.ndarray, "group document"],
    *,
    whole_sums: Float[np.ndarray, "measure document"],
    whole_counts: Num[np.ndarray, " document"],
    generator: np.random.Generator,
    n_resamples: int = N_RESAMPLES,
    level: float = 0.95,
) -> tuple[GroupIntervals, GroupIntervals]:
    """Intervals of each group's mean, and of its difference from the mean of everything outside the group.

    Args:
        sums: per document, for example Σ ΔNLL over its nouns.
        counts: per document, for example its nouns.
        whole_sums: per document, over all groups and what is in none.
        whole_counts: likewise.
        generator: source of randomness; the same one gives the same numbers.
        n_resamples: 2000 or more for an interval that can be quoted.
        level: coverage of the interval.

    Returns:
        Of Σ sums / Σ counts; and of that less Σ (whole − sums) / Σ (whole − counts). With r the value and r* its resampled
        values, p = (1 + #{|r* − r| ≥ |r|}) / (1 + number of r*). Draws without a single member are left out.

    Source: Efron & Tibshirani 1993, "An Introduction to the Bootstrap", sections 13.3 and 16.
    """
    n_groups, n_measures, n_documents = sums.shape
    is_number, is_whole_number = np.isfinite(sums).all(axis=2), np.isfinite(whole_sums).all(axis=1)
    sums, whole_sums = np.where(is_number[:, :, None], sums, 0.0), np.where(is_whole_number[:, None], whole_sums, 0.0)
    means = np.full((n_resamples, n_groups, n_measures), np.nan)
    contrasts = np.full((n_resamples, n_groups, n_measures), np.nan)
    draws_done = 0
    for draws in draw_again(n_documents, n_resamples, generator):
        rows = slice(draws_done, draws_done + len(draws))
        all_sums, all_counts = draws @ whole_sums.T, draws @ whole_counts
        for group in range(n_groups):
            in_sums, in_counts = draws @ sums[group].T, draws @ counts[group]
            means[rows, group], contrasts[rows, group] = _mean_and_contrast(in_sums, in_counts, all_sums, all_counts)
        draws_done += len(draws)
    mean, contrast = np.full((2, n_groups, n_measures), np.nan)
    in_all, n_all = whole_sums.sum(axis=1), np.array([whole_counts.sum()])
    for group in range(n_groups):
        one, n_one = sums[group].sum(axis=1), np.array([counts[group].sum()])
        (mean[group],), (contrast[group],) = _mean_and_contrast(one[None], n_one, in_all[None], n_all)
    enough = ((counts > 0).sum(axis=1) >= FEWEST_DOCUMENTS)[:, None] & is_number
    return _intervals(mean, means, enough, level), _intervals(contrast, contrasts, enough & is_whole_number, level)


def _mean_and_contrast(
    sums: Float[np.ndarray, "resample measure"],
    counts: Num[np.ndarray, " resample"],
    whole_sums: Float[np.ndarray, "resample measure"],
    whole_counts: Num[np.ndarray, " resample"],
) -> tuple[Float[np.ndarray, "resample measure"], Float[np.ndarray, "resample measure"]]:
    with np.errstate(divide="ignore", invalid="ignore"):  # no member, or nothing outside: no value
        inside = sums / counts[:, None]
        return inside, inside - (whole_sums - sums) / (whole_counts - counts)[:, None]


def _intervals(
    value: Float[np.ndarray, "group measure"],
    resampled: Float[np.ndarray, "resample group measure"],
    enough: np.ndarray,
    level: float,
) -> GroupIntervals:
    low, high, p_value = np.full((3, *value.shape), np.nan)
    tail = (1.0 - level) / 2.0
    for group, measure in np.argwhere(enough & np.isfinite(value)):
        found = resampled[:, group, measure]
        found = found[np.isfinite(found)]
        one = value[group, measure]
        low[group, measure], high[group, measure] = np.quantile(found, [tail, 1.0 - tail])
        # a resampled value that equals the value but for rounding must count the same on every machine
        slack = 1e-12 * max(abs(one), np.finfo(float).tiny)
        p_value[group, measure] = (1.0 + (np.abs(found - one) >= abs(one) - slack).sum()) / (1.0 + len(found))
    return GroupIntervals(low, high, p_value)
