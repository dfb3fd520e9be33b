"""What the page shows of a contrast run: cells by layer and dimension, rankings, agreement, correction, single pairs.

Cells are kept for sets of pairs (meaning, grammar, their placebos, random words) at as many sites and positions as there is
room for, the main place first, and for single subtypes at the main place. Axes: ``set``, ``layer``, ``dim``; ``pair``,
``position``, ``state``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from layerscope.contrasts.analysis.exact_zeros import ZEROS_TOLD, zero_share
from layerscope.report.packing import Packing, rounded

CELLS = 4_500_000
"""Cells of sets and subtypes, all scales together, at most: two bytes each."""
TOP = 20
"""Units of a ranking that are shown, at most."""
PAIRS = 600
"""Pairs shown one by one, at most."""
SCALES = ("percentile", "z", "relative")
"""Kept; the raw scale is z times σ."""
INTERVENTION_SHOWN = ("site", "position", "units", "verdict", "effects", "conclusion", "request", "balance")
"""Of intervention.json."""
_SETS = ("meaning", "grammar", "placebo", "control")
_TABLES: dict[str, tuple[str, ...]] = {
    "ranking": (
        *("set", "site", "position", "scale", "rank", "layer", "dim", "score", "low", "high"),
        *("percentile", "raw", "z", "relative", "spread"),
    ),
    "consistency": (
        *("site", "position", "scale", "measure", "first", "second", "value", "chance", "placebo", "excess", "low", "high"),
        *("p_value", "q_value"),
    ),
    "layer_agreement": (
        *("set", "site", "position", "scale", "measure", "layer", "value", "chance", "placebo", "excess", "low", "high"),
        *("p_value", "q_value"),
    ),
    "layer_specificity": ("set", "site", "position", "scale", "layer", "share", "placebo", "excess", "low", "high", "q_value"),
    "type_specificity": (
        *(
            "site",
            "position",
            "scale",
            "within_subtype",
            "between_subtypes",
            "within_placebo",
            "between_placebos",
            "subtype_p",
            "subtype_q",
        ),
        *("within_type", "between_types", "type_p", "type_q"),
    ),
    "contraction": ("set", "quantity", "position", "layer", "pairs", "value", "low", "high", "q_value"),
    "divergence": ("set", "distance", "pairs", "kl_nats", "low", "high"),
    "preferences": ("group", "pairs", "agreed"),
    "dimensions": ("set", "site", "position", "layer", "dim", "percentile", "placebo", "q_value"),
}
"""Columns of each table of ``layerscope stability`` that are shown."""

Cells = Mapping[str, Mapping[str, Float[np.ndarray, "layer dim"]]]
"""By scale and group."""


@dataclass(frozen=True)
class ContrastTables:
    """A contrast run, as it was read."""

    groups: pd.DataFrame
    """One row per group."""
    pairs: pd.DataFrame
    """One row per pair."""
    movement: pd.DataFrame
    """One row per pair, position and layer."""
    predictions: pd.DataFrame
    """One row per pair and distance."""
    spread: Mapping[str, Float[np.ndarray, "layer dim"]]
    """σ over ordinary text, by site."""
    stability: Mapping[str, pd.DataFrame]
    """Tables of ``layerscope stability`` by name, as far as they are there."""
    written: Mapping[str, Any]
    """stability.json; empty if it is not there."""
    intervention: Mapping[str, Any] | None
    """intervention.json."""
    random_sets: pd.DataFrame | None
    """intervention.parquet."""


def contrast_data(
    tables: ContrastTables,
    cells: Callable[[str, str], Cells],
    places: Sequence[tuple[str, str]],
    *,
    positions: Sequence[str],
    packing: Packing,
    share: float = 1.0,
) -> dict[str, Any]:
    """A contrast run as the page reads it.

    Args:
        tables: of the run.
        cells: every group's cells at a site and position.
        places: sites and positions of the run, the main one first.
        positions: of the run, in its order.
        packing: takes what is large.
        share: of the page's room for cells that this run may have.
    """
    room = int(CELLS * share)
    roles = dict(zip(tables.groups["group"].astype(str), tables.groups["role"].astype(str), strict=True))
    main = cells(*places[0])
    compared = [name for name in main["percentile"] if roles[name] in _SETS]
    shown: list[dict[str, Any]] = []
    for place in places:
        at_place = main if place == places[0] else cells(*place)
        found = _sets(at_place, roles)
        size = sum(values.size for values in found.values())
        if not size or (shown and size > room):
            continue
        room -= size
        packed = {scale: _packed(scale, values, packing) for scale, values in found.items()}
        shown.append({"site": place[0], "position": place[1], "sets": _set_names(at_place, roles), **packed})
    subtypes = {scale: np.stack([main[scale][name] for name in compared]) for scale in SCALES} if compared else {}
    has_subtypes = bool(compared) and sum(values.size for values in subtypes.values()) <= room
    members = {role: [name for name in compared if roles[name] == role] for role in _SETS}
    return {
        "main": list(places[0]),
        "zeros": zero_share(tables.groups),
        "zeros_told": ZEROS_TOLD,
        "groups": rounded(tables.groups.astype({"group": str, "role": str}).astype(object).to_dict("records")),
        "members": members,
        "places": shown,
        "places_of": len(places),
        "subtypes": (
            {"names": compared, **{scale: _packed(scale, values, packing) for scale, values in subtypes.items()}}
            if has_subtypes
            else None
        ),
        "spread": {site: packing.floats(values) for site, values in tables.spread.items()},
        "tables": {name: packing.table(_shown(name, tables.stability[name])) for name in _TABLES if name in tables.stability},
        "reading": tables.written.get("reading"),
        "request": tables.written.get("request"),
        "refused": list(tables.written.get("refused", ())),
        "intervention": _intervention(tables, packing),
        "pairs": _single_pairs(tables, positions, packing),
    }


def _set_names(cells: Cells, roles: Mapping[str, str]) -> list[str]:
    there = {roles[name] for name in cells["percentile"]}
    return [role for role in _SETS if role in there]


def _sets(cells: Cells, roles: Mapping[str, str]) -> dict[str, np.ndarray]:
    """``set layer dim`` by scale: the mean over a set's groups, each counting the same."""
    names = _set_names(cells, roles)
    if not names:
        return {}
    return {
        scale: np.stack(
            [np.mean([one for group, one in cells[scale].items() if roles[group] == role], axis=0) for role in names]
        )
        for scale in SCALES
    }


def _packed(scale: str, values: np.ndarray, packing: Packing) -> dict[str, Any]:
    if scale == "z":
        return packing.sizes(values)
    return packing.fractions(values, 0.0, 1.0 if scale == "percentile" else 2.0)


def _shown(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    shown = frame[(frame["scope"] == "all") & (frame["rank"] <= TOP)] if name == "ranking" else frame
    return shown[list(_TABLES[name])]


def _intervention(tables: ContrastTables, packing: Packing) -> dict[str, Any] | None:
    if tables.intervention is None or tables.random_sets is None:
        return None
    found = tables.intervention
    kept = {name: found[name] for name in INTERVENTION_SHOWN}
    return {**rounded(kept), "sets": packing.table(tables.random_sets)}


def _single_pairs(tables: ContrastTables, order: Sequence[str], packing: Packing) -> dict[str, Any]:
    """A sample of the pairs, evenly over each group, with how far apart their sides are and what both predict."""
    groups = tables.pairs["group"].astype(str)
    there = [name for name in tables.groups["group"].astype(str) if (groups == name).any()]
    share = max(PAIRS // max(len(there), 1), 1)
    rows = []
    for name in there:
        of_group = np.flatnonzero((groups == name).to_numpy())
        rows += of_group[np.unique(np.linspace(0, len(of_group) - 1, min(share, len(of_group))).round().astype(int))].tolist()
    sample = tables.pairs.iloc[rows].reset_index(drop=True)
    columns = ("group", "type", "template", "right", "sentence1", "sentence2", "prefers", "edit_nll1_nats", "edit_nll2_nats")
    place = {int(pair): row for row, pair in enumerate(sample["pair"])}
    positions = list(dict.fromkeys(tables.movement["position"].astype(str)))
    positions = [one for one in order if one in positions]
    moved = tables.movement[tables.movement["pair"].isin(place)]
    n_layers = int(tables.movement["layer"].max()) + 1 if len(tables.movement) else 0
    size = np.full((len(sample), len(positions), n_layers + 1), np.nan)
    at = (
        moved["pair"].map(place).to_numpy(dtype=int),
        moved["position"].astype(str).map(positions.index).to_numpy(dtype=int),
        moved["layer"].to_numpy(dtype=int),
    )
    size[at] = moved["size_before"]
    size[at[0], at[1], at[2] + 1] = moved["size_after"]
    said = tables.predictions[tables.predictions["pair"].isin(place)]
    n_distances = int(said["distance"].max()) + 1 if len(said) else 0
    predicted = np.full((3, len(sample), n_distances), np.nan)
    where = (said["pair"].map(place).to_numpy(dtype=int), said["distance"].to_numpy(dtype=int))
    for number, name in enumerate(("nll1_nats", "nll2_nats", "kl_nats")):
        predicted[number, *where] = said[name]
    return {
        "of": len(tables.pairs),
        "table": packing.table(sample[list(columns)]),
        "positions": positions,
        "size": packing.floats(size),
        "predicted": packing.floats(predicted),
    }
