"""What the analyses of one place (site, position) and scale return, as rows of the tables that are written. Pure conversion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from layerscope.contrasts.analysis.agreement import ranks_of
from layerscope.contrasts.analysis.consistency import Consistency, Excess
from layerscope.contrasts.analysis.contraction import LayerEffect
from layerscope.contrasts.analysis.group_scores import GroupScores, MatchedScores
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
            of_units = scores[scale][over_all.layer, over_all.dim]
            low, high = intervals(groups[scale], over_all, of_units, generator=generator)
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


def consistency_rows(found: Consistency, groups: Sequence[MatchedScores], k: int) -> pd.DataFrame:
    """Every two groups, and each with itself."""
    rows: list[Row] = []
    own = [group.own for group in groups if group.name in found.names]
    n_dims = own[0].scores[0].shape[2]
    means = [group.mean(group.pairs[None]) for group in own]
    top = [ranks_of(np.stack([mean[side][0] for mean in means])) < k for side in (0, 1)]
    for first in range(len(own)):
        for second in range(first, len(own)):
            # each read on another reference: on the same one, its sampling error would make them overlap
            overlaps = overlap_excess(top[0][first], top[1][second])
            is_same = first == second
            above = int((benjamini_hochberg(overlaps.p_value) < LEVEL).sum())
            rows += [
                {
                    "measure": one.measure,
                    "first": found.names[first],
                    "second": found.names[second],
                    "chance": one.chance,
                    **_excess_row(one.found, (first, second)),
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
        shared = {"set": one.members, "subtypes": one.n_groups, "measure": one.measure, "chance": one.chance}
        rows.append({**shared, "layer": None, **_excess_row(one.overall, ())})
        rows += [{**shared, "layer": layer, **_excess_row(one.by_layer, (layer,))} for layer in range(len(one.by_layer.value))]
    return pd.DataFrame(rows)


def layer_share_rows(found: Iterable[LayerShares]) -> pd.DataFrame:
    """Every set and layer."""
    rows: list[Row] = []
    for one in found:
        for layer in range(len(one.share.value)):
            row = _excess_row(one.share, (layer,))
            share = row.pop("value")
            rows.append(
                {
                    "set": one.members,
                    "layer": layer,
                    "share": share,
                    **row,
                    "distance": one.distance,
                    "distance_p": one.distance_p,
                }
            )
    return pd.DataFrame(rows)


def balance_rows(groups: Iterable[MatchedScores]) -> pd.DataFrame:
    """How many pairs of each type are compared with their placebos, and how large these are beside them."""
    return pd.DataFrame(
        [
            {
                "group": group.name,
                "placebos": group.placebo.name,
                "pairs": int(min(group.own.pairs.sum(), group.placebo.pairs.sum())),
                "blocks": len(group.own.pairs),
                "log_ratio": group.log_ratio,
                "refused": group.refusal,
            }
            for group in groups
        ],
        columns=["group", "placebos", "pairs", "blocks", "log_ratio", "refused"],
    )


def _excess_row(found: Excess, at: tuple[int, ...]) -> Row:
    value, placebo = float(found.value[at]), float(found.placebo[at])
    return {
        "value": value,
        "placebo": placebo,
        "excess": value - placebo,
        "low": float(found.low[at]),
        "high": float(found.high[at]),
        "p_value": float(found.p_value[at]),
    }


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
