"""``ppl.json``: the summary form of the published scripts with corpus measures added, small enough for an editor.

``avg_ppl`` keeps its published name and meaning, the mean over texts of each text's perplexity; unlike there, nothing is
clipped at 10⁴ and no text is left out. And what a family of variants comes to, in a clause: a variant hurts if its interval
lies above 0, and not because some variant has to have the largest number.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

_MEASURES = {
    "avg_ppl": "ppl_text_mean",
    "ppl": "ppl",
    "nll_nats": "nll_nats",
    "bits_per_byte": "bits_per_byte",
    "accuracy": "top1_accuracy",
    "agreement": "agreement",
    "kl_nats": "kl_nats",
    "delta_nll_nats": "delta_nll_nats",
    "delta_nll_low_nats": "delta_nll_low_nats",
    "delta_nll_high_nats": "delta_nll_high_nats",
    "path": "path",
}


def ppl_summary(layers: pd.DataFrame, *, model_name: str, dataset: str, protocol: str) -> dict[str, Any]:
    """The content of ppl.json.

    Args:
        layers: layers.parquet as a data frame.
        model_name: as the user wrote it.
        dataset: as the user wrote it.
        protocol: written form.
    """
    first = layers.iloc[0]
    summary: dict[str, Any] = {
        "model_name": model_name,
        "dataset": dataset,
        "protocol": protocol,
        "documents": int(first["documents"]),
        "tokens_scored": int(first["tokens_scored"]),
        "original": {},
        "removed": {},
        "exchanged": {},
        "other": {},
    }
    for row in layers.to_dict("records"):
        entry = {key: _plain(row[column]) for key, column in _MEASURES.items()}
        if row["family"] == "intact":
            summary["original"] = entry
        elif row["family"] == "removal":
            summary["removed"][f"layer_{int(row['span_first'])}"] = entry
        elif row["family"] == "exchange":
            summary["exchanged"][f"layer_{int(row['span_first'])}_with_{int(row['span_last'])}"] = entry
        else:
            summary["other"][row["variant"]] = entry
    return {key: value for key, value in summary.items() if value != {}}


def harm(family: pd.DataFrame) -> str:
    """Which of a family's variants hurts most, or that none does.

    Args:
        family: rows of layers.parquet, one or more.

    Returns:
        A clause without a full stop, with ΔNLL in nats per token.
    """
    ranked = family[np.isfinite(family["delta_nll_nats"])].sort_values("delta_nll_nats", kind="stable")
    if ranked.empty:
        return "no variant has a finite ΔNLL"
    least, most = ranked.iloc[0], ranked.iloc[-1]
    if ranked["delta_nll_low_nats"].isna().all():
        return f"ΔNLL is largest for {_effect(most)} and smallest for {_effect(least)}, without intervals, which take two texts"
    hurting = ranked[ranked["delta_nll_low_nats"] > 0]
    if hurting.empty:
        return f"none hurts, as no interval of ΔNLL lies above 0 (the largest is {_effect(most)})"
    said = f"{_effect(hurting.iloc[-1])} hurts most"
    n_others = len(ranked) - len(hurting)
    if n_others:
        return f"{said}; {n_others} of {len(ranked)} do not hurt, as their intervals reach 0 or lie below it"
    return f"{said}, {_effect(least)} least"


def _effect(row: pd.Series[Any]) -> str:
    return f"{row['variant']} ({row['delta_nll_nats']:+.3f} nats)"


def _plain(value: Any) -> Any:
    """JSON has no infinity and no NaN: both become null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
