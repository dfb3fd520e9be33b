"""Differences that half precision makes exactly 0: how many, and from when on a reader is told."""

from __future__ import annotations

import pandas as pd

ZEROS_TOLD = 0.01
"""With a larger share, dimensions that change least cannot be told apart."""


def zero_share(groups: pd.DataFrame) -> float | None:
    """Share of the differences after the edit that are exactly 0; None without pairs.

    Args:
        groups: table ``groups``; identical and unrelated sentences are left out.
    """
    counted = groups[~groups["role"].astype(str).eq("bound")]
    n_pairs = int(counted["pairs"].sum())
    return float((counted["zero_share"] * counted["pairs"]).sum() / n_pairs) if n_pairs else None
