"""At which depth the preference of a model for the right side of pairs is made up, in sentences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from layerscope.bilingual import Bilingual
from layerscope.stats.ratio import FEWEST_DOCUMENTS
from layerscope.sweeps.analysis.depth_finding import LENSES
from layerscope.sweeps.analysis.preference import finest_kind

_FEWEST_NAMED = 20
"""Pairs of a group that is named."""


def preference_depth_finding(rows: pd.DataFrame, accuracy: Float[np.ndarray, " depth"], last: int) -> Bilingual:
    """The sentences under the depths of a model's preference.

    Args:
        rows: rows of preference_depth.parquet, of one family and unit.
        accuracy: share of all pairs whose right side is likelier, by depth from the embeddings to the last layer.
        last: the last layer.

    Returns:
        With a full stop. Groups are those of the finer kind that there is, and named where they have pairs enough.
    """
    everything = rows[rows["kind"].astype(str) == "all"].iloc[0]
    n_right, n_pairs = int(everything["pairs_right"]), int(everything["pairs"])
    if n_right == 0:
        return Bilingual(
            f"The whole model finds the right side likelier in none of {n_pairs:,} pairs.",
            f"モデル全体が正しい側を選ぶペアは {n_pairs:,} ペア中 1 つもない。",
        )
    lens = LENSES[str(everything["family"])]
    mean_en, mean_ja = _with_interval(everything, "mean_depth", "{:.1f}")
    flips_en, flips_ja = _with_interval(everything, "flips_back", "{:.0%}")
    en = (
        f"The whole model finds the right side likelier in {n_right:,} of {n_pairs:,} pairs; read through the {lens.en}, this "
        f"holds for them from layer {mean_en} on, on average (-1: embeddings; last layer: {last}). In {flips_en} of all pairs, "
        "the right side is likelier at some depth and not at a later one."
    )
    ja = (
        f"{lens.ja}による読み取り："
        f"モデル全体が正しい側を選ぶ {n_right:,} ペア（全 {n_pairs:,} ペア）では、平均して層 {mean_ja}からその選好が続く"
        f"（-1：埋め込み、最終層：{last}）。全ペアの {flips_ja}では、ある深さで正しい側が選ばれ、より後の深さで選ばれない。"
    )
    halfway_en, halfway_ja = _halfway(accuracy, int(everything["clusters"]))
    en, ja = en + halfway_en, ja + halfway_ja
    kind = finest_kind(rows)
    groups = rows[(rows["kind"].astype(str) == kind) & (rows["pairs_right"] >= _FEWEST_NAMED)].sort_values("mean_depth")
    if kind == "all" or len(groups) < 2:
        return Bilingual(en, ja)
    (first_en, first_ja), (last_en, last_ja) = (_with_interval(groups.iloc[at], "mean_depth", "{:.1f}") for at in (0, -1))
    names = groups["group"].astype(str)
    return Bilingual(
        f"{en} By group, the mean lies between {first_en} ({names.iloc[0]}) and {last_en} ({names.iloc[-1]}).",
        f"{ja}群別の平均は {first_ja}（{names.iloc[0]}）から {last_ja}（{names.iloc[-1]}）まで。",
    )


def halfway_depth(accuracy: Float[np.ndarray, " depth"], n_clusters: int) -> int | None:
    """The depth from which on accuracy stays at or above the middle between chance and the whole model's.

    Args:
        accuracy: by depth, from the embeddings (−1) to the last layer.
        n_clusters: independent pieces of which the accuracy is a mean; it counts as above chance from 1.96 standard errors on,
            as if all pairs of a cluster had one outcome.

    Returns:
        None where the whole model's accuracy is not told from chance.
    """
    if float(accuracy[-1]) - 0.5 <= 1.96 * 0.5 / np.sqrt(n_clusters):
        return None
    below = np.flatnonzero(accuracy < (0.5 + accuracy[-1]) / 2.0)
    return int(below[-1]) if len(below) else -1  # depths count from -1: the one after the last that is below


def _halfway(accuracy: Float[np.ndarray, " depth"], n_clusters: int) -> tuple[str, str]:
    """From where on accuracy lies between chance and the whole model; nothing where that is not told from chance."""
    depth = halfway_depth(accuracy, n_clusters)
    if depth is None:
        return "", ""
    whole = float(accuracy[-1])
    middle = (0.5 + whole) / 2.0
    place, where = ("the embeddings", "埋め込み") if depth < 0 else (f"layer {depth}", f"層 {depth}")
    return (
        f" From {place} on, at least {middle:.0%} of pairs are right, which is midway between chance and the whole model's "
        f"{whole:.0%}.",
        f"偶然（50%）とモデル全体（{whole:.0%}）の中間である {middle:.0%} 以上になるのは{where}から。",
    )


def _with_interval(row: pd.Series[Any], name: str, form: str) -> tuple[str, str]:
    """A value with its interval, if it is of templates or pairs enough, in both languages."""
    value = form.format(row[name])
    n_clusters = row["clusters_right"] if name == "mean_depth" else row["clusters"]
    if n_clusters < FEWEST_DOCUMENTS or pd.isna(row[f"{name}_low"]):
        return value, value
    low, high = (form.format(row[f"{name}_{end}"]) for end in ("low", "high"))
    return f"{value} [{low}, {high}]", f"{value}［{low}、{high}］"
