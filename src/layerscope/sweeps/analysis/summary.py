"""``ppl.json``: the summary form of the published scripts with corpus measures added, small enough for an editor.

``avg_ppl`` keeps its published name and meaning, the mean over texts of each text's perplexity; unlike there, nothing is
clipped at 10⁴ and no text is left out.
"""

from __future__ import annotations

import math
from typing import Any

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


def _plain(value: Any) -> Any:
    """JSON has no infinity and no NaN: both become null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
