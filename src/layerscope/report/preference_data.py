"""What the page shows of pairs in a sweep: which side each variant prefers, and what lies beyond its damage.

Axes: rows are variants × units × groups of pairs; of ``beyond`` variants × groups × measures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from layerscope.report.packing import Packing, rounded
from layerscope.sweeps.pair_tables import PARTS

ROWS = 40_000
"""Rows of preference.parquet that are shown, at most: some sixty groups of pairs in ninety variants."""
WRITTEN = ("unit", "findings")
"""Of preference.json."""
_KINDS = ("all", "subtype", "term")
_EFFECTS = {
    "variant": "variant",
    "unit": "unit",
    "pairs": "pairs",
    "few": "is_few",
    "accuracy": "accuracy",
    "accuracy_intact": "intact_accuracy",
    "accuracy_change": "delta_accuracy",
    "accuracy_low": "delta_accuracy_low",
    "accuracy_high": "delta_accuracy_high",
    "margin": "margin_nats",
    "margin_intact": "intact_margin_nats",
    "margin_change": "delta_margin_nats",
    "margin_low": "delta_margin_low_nats",
    "margin_high": "delta_margin_high_nats",
    "q": "q_value",
    "not_finite": "not_finite",
}
_BEYOND = {
    "variant": "variant",
    "family": "family",
    "measure": "measure",
    "damage": "damage_nats",
    "effect": "effect",
    "low": "expected_low",
    "high": "expected_high",
    "beyond": "beyond",
    "error": "standard_error",
    "q": "q_value",
}


_DEPTHS = {
    "family": "family",
    "unit": "unit",
    "pairs": "pairs",
    "right": "pairs_right",
    "few": "is_few",
    "mean": "mean_depth",
    "low": "mean_depth_low",
    "high": "mean_depth_high",
    "median": "median_depth",
    "flips": "flips_back",
    "flips_low": "flips_back_low",
    "flips_high": "flips_back_high",
}


def preference_data(
    preference: pd.DataFrame,
    beyond: pd.DataFrame | None,
    depths: pd.DataFrame | None,
    written: Mapping[str, Any] | None,
    *,
    protocol: str,
    packing: Packing,
    share: float = 1.0,
) -> dict[str, Any]:
    """The pairs of a sweep as the page reads them.

    Args:
        preference: preference.parquet.
        beyond: beyond_damage.parquet; None where ``layerscope preference`` did not run.
        depths: preference_depth.parquet; None without a family of depths.
        written: preference.json; None there, too.
        protocol: how sentences were put to the model.
        packing: takes what is large.
        share: of the page's room for pairs that this run may have.

    Returns:
        ``groups`` by their numbers, which all tables name; where there is no room for all, those of most pairs.
    """
    named = preference.astype({"kind": str, "group": str, "unit": str})
    sizes = named.groupby(["kind", "group"], sort=False)["pairs"].max()
    order = sorted(sizes.index, key=lambda one: _KINDS.index(one[0]))
    room = int(ROWS * share) // max(named["variant"].nunique() * named["unit"].nunique(), 1)
    largest = sorted(order, key=lambda one: (one[0] != "all", -sizes[one]))[: max(room, 1)]
    shown = [one for one in order if one in set(largest)]
    of_run = set(named["unit"])
    is_read = beyond is not None and written is not None
    return {
        "protocol": protocol,
        "units": [unit for unit in PARTS if unit in of_run],
        "groups": [{"kind": kind, "name": name, "pairs": int(sizes[kind, name])} for kind, name in shown],
        "groups_of": len(order),
        "table": packing.table(_rows(named, shown, _EFFECTS)),
        "beyond": packing.table(_rows(beyond, shown, _BEYOND)) if beyond is not None and is_read else None,
        "depths": None if depths is None else packing.table(_rows(depths, shown, _DEPTHS)),
        "beyond_unit": written["unit"] if written is not None and is_read else None,
        "findings": rounded(written["findings"]) if written is not None and is_read else {},
    }


def _rows(table: pd.DataFrame, groups: list[tuple[str, str]], columns: Mapping[str, str]) -> pd.DataFrame:
    """Those of the groups, each named by its number."""
    number = {one: i for i, one in enumerate(groups)}
    found = [number.get(one, -1) for one in zip(table["kind"].astype(str), table["group"].astype(str), strict=True)]
    numbered = table.assign(group=found)
    numbered = numbered[numbered["group"] >= 0]
    return pd.DataFrame({"group": numbered["group"], **{name: numbered[column] for name, column in columns.items()}})
