"""Benjamini and Hochberg's adjustment of p-values, with gaps let through."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy import stats


def benjamini_hochberg(p_values: Float[np.ndarray, " test"]) -> Float[np.ndarray, " test"]:
    """Adjusted p-values of those that are there; NaN stays NaN and does not count as a test.

    Source: Benjamini & Hochberg 1995, "Controlling the False Discovery Rate".
    """
    adjusted = np.full_like(p_values, np.nan)
    there = ~np.isnan(p_values)
    if there.any():
        adjusted[there] = stats.false_discovery_control(p_values[there])
    return adjusted
