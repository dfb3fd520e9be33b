"""A row of the layers table as cells of text, rounded alike in a terminal and in a notebook."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def layer_cells(row: Mapping[Any, Any]) -> list[str]:
    """Variant, perplexity, ΔNLL, its interval, top-1 accuracy and agreement; a dash where there is none.

    Args:
        row: of layers.parquet.

    Examples:
        >>> row = {"variant": "removal-0", "family": "removal", "tokens_not_finite": 0, "ppl": 101_123.4, "agreement": 0.0}
        >>> row |= {"delta_nll_nats": 8.675, "delta_nll_low_nats": float("nan"), "delta_nll_high_nats": float("nan")}
        >>> layer_cells({**row, "top1_accuracy": 0.01})
        ['removal-0', '101,123.40', '+8.675', '-', '0.010', '0.000']
    """
    if row["tokens_not_finite"]:
        return [row["variant"], "not finite", *["-"] * 4]
    low, high, is_intact = row["delta_nll_low_nats"], row["delta_nll_high_nats"], row["family"] == "intact"
    return [
        row["variant"],
        f"{row['ppl']:,.2f}" if row["ppl"] < 1e6 else f"{row['ppl']:.2e}",
        "-" if is_intact else f"{row['delta_nll_nats']:+.3f}",
        "-" if is_intact or not math.isfinite(low) else f"{low:+.3f} {high:+.3f}",
        f"{row['top1_accuracy']:.3f}",
        f"{row['agreement']:.3f}",
    ]
