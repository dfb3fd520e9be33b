"""What each variant does to the preference for the right side of pairs: accuracy and margin by group, with intervals.

The margin of a pair is the NLL of its wrong side less that of its right one, in nats; the effect is variant − intact, pair by
pair. Pairs of one template are not independent: intervals are over templates, or over pairs where a group has fewer than ten.

Axes: ``variant``, ``pair``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Bool, Float, Int

from layerscope.results.schema import gaps
from layerscope.stats.ratio import Interval, ratio_interval
from layerscope.sweeps.analysis.q_values import q_values
from layerscope.sweeps.pair_tables import PAIR_EFFECTS, PARTS, PREFERENCE, SIDES

_SCORES = tuple(f"{part}_{side}_nats" for part in PARTS for side in SIDES)
FEWEST_TEMPLATES = 10
"""With fewer, pairs are the clusters, as where a source has one template for all."""
FEW_PAIRS = 40
"""Below this a group is marked."""


@dataclass(frozen=True)
class PairGroup:
    """Pairs that are read together."""

    kind: str
    """``all``, ``subtype`` or ``term``."""
    name: str
    """Of the subtype or term."""
    pairs: Int[np.ndarray, " pair"]
    """Their numbers."""


def effects_table(parts: Iterable[pa.Table], variants: Sequence[str], n_pairs: int) -> pa.Table:
    """pair_effects.parquet: variants in the order given, pairs in that of pairs.parquet.

    Args:
        parts: of pair_scores, each with all variants.
        variants: names.
        n_pairs: of the run.
    """
    values = {name: np.full((len(variants), n_pairs), np.nan) for name in _SCORES}
    row_of = {name: row for row, name in enumerate(variants)}
    for part in parts:
        row = np.array([row_of[name] for name in part["variant"].to_pylist()])
        for name, found in values.items():
            found[row, part["pair"].to_numpy()] = part[name].to_numpy(zero_copy_only=False)
    for unit in PARTS:
        right, wrong = (values[f"{unit}_{side}_nats"] for side in SIDES)
        with np.errstate(invalid="ignore"):  # infinite on both sides: no margin
            values[f"{unit}_margin_nats"] = wrong - right
    codes = np.repeat(np.arange(len(variants), dtype=np.int32), n_pairs)
    return PAIR_EFFECTS.build(
        {
            "variant": pa.DictionaryArray.from_arrays(codes, pa.array(variants, pa.string())),
            "pair": np.tile(np.arange(n_pairs), len(variants)),
            **{name: found.ravel() if name.startswith("sentence") else gaps(found.ravel()) for name, found in values.items()},
        }
    )


def pair_groups(pairs: pd.DataFrame) -> Iterator[PairGroup]:
    """All pairs, each subtype, and each name of the source's own.

    Args:
        pairs: pairs.parquet.
    """
    yield PairGroup("all", "all", np.arange(len(pairs)))
    for kind in ("subtype", "term"):
        names = pairs[kind].astype(str).to_numpy()
        for name in dict.fromkeys(names):
            if name:
                yield PairGroup(kind, name, np.flatnonzero(names == name))


def finest_kind(groups: pd.DataFrame) -> str:
    """By which names groups of pairs are told apart: the source's own, where every pair has one; else subtypes, if several.

    Args:
        groups: ``kind``, ``group`` and ``pairs``; one row per group, or several of the same.

    Returns:
        ``term``, ``subtype``, or ``all``.
    """
    rows = groups.astype({"kind": str, "group": str}).drop_duplicates(["kind", "group"])
    n_pairs, n_groups = rows.groupby("kind")["pairs"].sum(), rows["kind"].value_counts()
    for kind in ("term", "subtype"):
        if n_groups.get(kind, 0) > 1 and n_pairs[kind] == n_pairs["all"]:
            return kind
    return "all"


def clusters_of(templates: np.ndarray) -> tuple[str, Int[np.ndarray, " pair"]]:
    """What is independent in a group: its templates; its pairs where those are few. With the cluster of each pair."""
    _, cluster = np.unique(templates, return_inverse=True)
    if cluster.max(initial=-1) + 1 < FEWEST_TEMPLATES:
        return "pair", np.arange(len(templates))
    return "template", np.asarray(cluster)


def preference_table(effects: pd.DataFrame, pairs: pd.DataFrame, layers: pd.DataFrame, *, is_tie_right: bool) -> pa.Table:
    """One row per unit, group and variant.

    Args:
        effects: pair_effects.parquet.
        pairs: pairs.parquet.
        layers: layers.parquet, in the order of the variants; the intact model first.
        is_tie_right: whether the right side counts as preferred where both are exactly as likely.
    """
    shape = (len(layers), len(pairs))
    frames = []
    for unit in PARTS:
        margin = effects[f"{unit}_margin_nats"].to_numpy(dtype=float, na_value=np.nan).reshape(shape)
        # a part that one side lacks has no NLL in any variant; what overflowed in one is there in the intact model
        is_there = ~np.isnan(margin[0])
        for group in pair_groups(pairs):
            chosen = group.pairs[is_there[group.pairs]]
            if len(chosen):
                templates = pairs["template"].astype(str).to_numpy()[chosen]
                rows = _group_rows(margin[:, chosen], templates, layers, is_tie_right=is_tie_right)
                frames.append(rows.assign(unit=unit, kind=group.kind, group=group.name))
    table = pd.concat(frames, ignore_index=True)
    table["q_value"] = np.nan
    for _, rows in table.groupby(["unit", "kind"]):
        table.loc[rows.index, "q_value"] = q_values(rows["p_value"].to_numpy(dtype=float), rows["family"].tolist())
    return PREFERENCE.from_frame(table)


def _group_rows(
    margin: Float[np.ndarray, "variant pair"], templates: np.ndarray, layers: pd.DataFrame, *, is_tie_right: bool
) -> pd.DataFrame:
    """One row per variant."""
    with np.errstate(invalid="ignore"):
        correct: Bool[np.ndarray, "variant pair"] = margin >= 0 if is_tie_right else margin > 0
        delta = margin - margin[0]
    kind, cluster = clusters_of(templates)
    counts = np.bincount(cluster)
    of_margin, of_accuracy = (_over_clusters(values, cluster, counts) for values in (delta, correct - correct[0].astype(float)))
    is_intact = (layers["family"] == "intact").to_numpy()

    def unless_intact(values: np.ndarray) -> np.ndarray:
        return np.where(is_intact, np.nan, values)

    with np.errstate(invalid="ignore"):
        return pd.DataFrame(
            {
                **{name: layers[name].to_numpy() for name in ("variant", "family", "span_first", "span_last")},
                "pairs": margin.shape[1],
                "clusters": len(counts),
                "clusters_of": kind,
                "is_few": margin.shape[1] < FEW_PAIRS,
                "damage_nats": layers["delta_nll_nats"].to_numpy(dtype=float),
                "intact_accuracy": correct[0].mean(),
                "accuracy": correct.mean(axis=1),
                "delta_accuracy": correct.mean(axis=1) - correct[0].mean(),
                "delta_accuracy_low": unless_intact(of_accuracy.low),
                "delta_accuracy_high": unless_intact(of_accuracy.high),
                "intact_margin_nats": margin[0].mean(),
                "margin_nats": margin.mean(axis=1),
                "delta_margin_nats": delta.mean(axis=1),
                "delta_margin_low_nats": unless_intact(of_margin.low),
                "delta_margin_high_nats": unless_intact(of_margin.high),
                "p_value": unless_intact(of_margin.p_value),
                "not_finite": (~np.isfinite(margin)).sum(axis=1),
            }
        )


def _over_clusters(
    values: Float[np.ndarray, "variant pair"], cluster: Int[np.ndarray, " pair"], counts: Int[np.ndarray, " cluster"]
) -> Interval:
    sums = np.stack([np.bincount(cluster, row, minlength=len(counts)) for row in values])
    return ratio_interval(sums, counts)
