"""What the analyses of one place (site, position) and scale return, as rows of the tables that are written. Pure conversion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from layerscope.contrasts.analysis.agreement import ranks_of
from layerscope.contrasts.analysis.consistency import Consistency
from layerscope.contrasts.analysis.contraction import LayerEffect
from layerscope.contrasts.analysis.group_scores import GroupScores
from layerscope.contrasts.analysis.specificity import LayerShares
from layerscope.contrasts.analysis.stillest import SCALES, Ranked, intervals, rank_units
from layerscope.stats.false_discovery import benjamini_hochberg
from layerscope.stats.top_sets import overlap_excess

Row = dict[str, Any]
LEVEL = 0.05


def ranking_rows(
    name: str,
    scores: Mapping[str, Float[np.ndarray, "layer dim"]],
    spread: Float[np.ndarray, "layer dim"],
    groups: Mapping[str, Sequence[GroupScores]],
    *,
    k: int,
    within_layers: bool,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """The units of a set that change least, on every scale.

    Args:
        name: of the set.
        scores: on each scale.
        spread: σ of each unit.
        groups: the set's groups on the scales that have blocks.
        k: how many.
        within_layers: whether each layer is ranked by itself, too.
        generator: of the intervals.
    """
    found = []
    for scale in SCALES:
        within, over_all = rank_units(scores[scale], k)
        low, high = np.full((2, len(over_all.layer)), np.nan)
        if groups.get(scale):
            low, high = intervals(groups[scale], over_all, generator=generator)
        found.append(_ranked(name, scale, over_all, scores, spread, low, high))
        if within_layers:
            gaps = np.full(len(within.layer), np.nan)
            found.append(_ranked(name, scale, within, scores, spread, gaps, gaps))
    return pd.concat(found, ignore_index=True)


def _ranked(
    name: str,
    scale: str,
    units: Ranked,
    scores: Mapping[str, np.ndarray],
    spread: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
) -> pd.DataFrame:
    at = (units.layer, units.dim)
    return pd.DataFrame(
        {
            "set": name,
            "scale": scale,
            "scope": units.scope,
            "rank": units.rank,
            "layer": units.layer,
            "dim": units.dim,
            "score": scores[scale][at],
            "low": low,
            "high": high,
            **{other: scores[other][at] for other in SCALES},
            "spread": spread[at],
        }
    )


def consistency_rows(found: Consistency, groups: Sequence[GroupScores], k: int) -> pd.DataFrame:
    """Every two groups, and each with itself."""
    rows: list[Row] = []
    n_dims = groups[0].scores[0].shape[2]
    top = [ranks_of(np.stack([group.mean(group.pairs[None])[side][0] for group in groups])) < k for side in (0, 1)]
    for first in range(len(groups)):
        for second in range(first, len(groups)):
            # each read on another reference: on the same one, its sampling error would make them overlap
            overlaps = overlap_excess(top[0][first], top[1][second])
            is_same = first == second
            above = int((benjamini_hochberg(overlaps.p_value) < LEVEL).sum())
            rows += [
                {
                    "measure": one.measure,
                    "first": found.names[first],
                    "second": found.names[second],
                    "value": one.value[first, second],
                    "chance": one.chance,
                    "control": one.control,
                    "excess": one.value[first, second] - one.control,
                    "low": one.low[first, second],
                    "high": one.high[first, second],
                    "p_value": one.p_value[first, second],
                    "overlap": np.nan if is_same else float(np.mean(overlaps.overlap)),
                    "overlap_expected": k * k / n_dims,
                    "layers_above_chance": None if is_same else above,
                }
                for one in found.pairs
            ]
    return pd.DataFrame(rows)


def layer_agreement_rows(found: Consistency) -> pd.DataFrame:
    """Every set and measure, layer by layer and averaged over them."""
    rows: list[Row] = []
    for one in found.sets:
        shared = {"set": one.members, "measure": one.measure, "chance": one.chance}
        value, control, low, high, p_value = one.overall
        rows.append({**shared, "layer": None, "value": value, "control": control, "low": low, "high": high, "p_value": p_value})
        for layer, (value, control, low, high, p_value) in enumerate(
            zip(one.value, one.control, one.low, one.high, one.p_value, strict=True)
        ):
            rows.append(
                {**shared, "layer": layer, "value": value, "control": control, "low": low, "high": high, "p_value": p_value}
            )
    frame = pd.DataFrame(rows)
    frame["excess"] = frame["value"] - frame["control"]
    return frame


def layer_share_rows(found: Iterable[LayerShares]) -> pd.DataFrame:
    """Every set and layer."""
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "set": one.members,
                    "layer": np.arange(len(one.share)),
                    "share": one.share,
                    "control": one.control,
                    "excess": one.share - one.control,
                    "low": one.low,
                    "high": one.high,
                    "p_value": one.p_value,
                    "distance": one.distance,
                    "distance_p": one.distance_p,
                }
            )
            for one in found
        ],
        ignore_index=True,
    )


def effect_rows(effects: Iterable[LayerEffect]) -> pd.DataFrame:
    """Every set, quantity and layer that has a value."""
    frames = [
        pd.DataFrame(
            {
                "set": one.set,
                "quantity": one.quantity,
                "layer": np.arange(len(one.value)),
                "pairs": one.pairs,
                "value": one.value,
                "median": one.median,
                "low": one.low,
                "high": one.high,
                "p_value": one.p_value,
            }
        )
        for one in effects
    ]
    return pd.concat(frames, ignore_index=True).dropna(subset=["value"]) if frames else pd.DataFrame()


def with_q(frame: pd.DataFrame, family: Sequence[str], *, p: str = "p_value", q: str = "q_value") -> pd.DataFrame:
    """Benjamini-Hochberg within each family: rows that agree in these columns."""
    frame[q] = np.nan
    for _, rows in frame.groupby(list(family), observed=True, dropna=False, sort=False):
        frame.loc[rows.index, q] = benjamini_hochberg(rows[p].to_numpy(dtype=float))
    return frame
