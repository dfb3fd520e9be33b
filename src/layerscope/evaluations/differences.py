"""A path's metric beside the intact model's, sample by sample. Numpy only.

Both answer the same samples, so what is counted is the sample's own difference: d̄ = Σ w d / Σ w, with the interval and p-value
of ``stats/ratio.py``. Of a perplexity exp(−Σ l / Σ w) the ratio to the intact model's is exp(−Σ Δl / Σ w), whose logarithm is
such a mean. Of a group whose tasks count alike, a sample weighs one over its task's number of them.
Metrics that are right or wrong have an interval of their own (``stats/paired_accuracy.py``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from layerscope.stats.paired_accuracy import paired_accuracy
from layerscope.stats.ratio import FEWEST_DOCUMENTS, ratio_interval


@dataclass(frozen=True)
class Difference:
    """Between a path and the intact model; NaN where there is no interval."""

    low: float = math.nan
    """Lower end of the 95% interval, in the metric's unit."""
    high: float = math.nan
    """Upper end."""
    p_value: float = math.nan
    """Of the difference being 0."""

    @property
    def tied(self) -> bool | None:
        """Whether the interval holds 0; None without one."""
        return None if math.isnan(self.low) or math.isnan(self.high) else bool(self.low <= 0.0 <= self.high)


@dataclass(frozen=True)
class SampleValues:
    """A metric sample by sample, in the order of the samples."""

    values: Float[np.ndarray, " sample"]
    """Of each: what is averaged, or a log-likelihood."""
    weights: Float[np.ndarray, " sample"]
    """In the mean."""


def difference(path: SampleValues, intact: SampleValues, *, aggregation: str, intact_value: float) -> Difference:
    """Interval of a path's value minus the intact model's.

    Args:
        path: its samples.
        intact: the same samples.
        aggregation: the harness's name for how one value is made of them.
        intact_value: the intact model's value, for perplexities.
    """
    change, weights = path.values - intact.values, intact.weights
    if aggregation == "mean":
        return _of_mean(change * weights, weights, is_right_or_wrong=_right_or_wrong(path, intact))
    if aggregation == "bits_per_byte":
        return _interval(-change / math.log(2.0), weights)
    log_ratio = _interval(-change, weights)
    low, high = (intact_value * math.expm1(end) for end in (log_ratio.low, log_ratio.high))
    return Difference(low, high, log_ratio.p_value)


def group_difference(paths: Sequence[SampleValues], intacts: Sequence[SampleValues], *, by_size: bool) -> Difference:
    """Interval of a mean over tasks, the sample being what is counted.

    Args:
        paths: a path's samples of each task.
        intacts: the intact model's.
        by_size: whether a task counts for as much as it has samples, or each for the same.
    """
    changes = np.concatenate([path.values - intact.values for path, intact in zip(paths, intacts, strict=True)])
    weights = np.concatenate([np.full(len(one.values), 1.0 if by_size else 1.0 / len(one.values)) for one in intacts])
    right_or_wrong = all(_right_or_wrong(path, intact) for path, intact in zip(paths, intacts, strict=True))
    return _of_mean(changes * weights, weights, is_right_or_wrong=right_or_wrong)


def _right_or_wrong(*samples: SampleValues) -> bool:
    return all(bool(np.isin(one.values, (0.0, 1.0)).all()) for one in samples)


def _of_mean(
    sums: Float[np.ndarray, " sample"], weights: Float[np.ndarray, " sample"], *, is_right_or_wrong: bool
) -> Difference:
    if not is_right_or_wrong or len(sums) < FEWEST_DOCUMENTS:
        return _interval(sums, weights)
    found = paired_accuracy(np.round(sums / weights), weights)
    return Difference(found.low, found.high, found.p_value)


def _interval(sums: Float[np.ndarray, " sample"], weights: Float[np.ndarray, " sample"]) -> Difference:
    if len(sums) < FEWEST_DOCUMENTS:
        return Difference()
    found = ratio_interval(sums[None, :], weights)
    return Difference(float(found.low[0]), float(found.high[0]), float(found.p_value[0]))
