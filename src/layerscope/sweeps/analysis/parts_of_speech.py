"""Effects by part of speech of the predicted word, and by transition: pos.parquet and transitions.parquet.

Groups are those of the predicted word. Intervals are by documents; a tag's contrast is its effect less that of
all other words, which is what "this part of speech breaks more than others" means.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Float

from layerscope.language.words import CLOSED_TAGS, OPEN_TAGS, UPOS_TAGS
from layerscope.stats.looks import p_value_of_looks
from layerscope.stats.ratio import Interval, contrast_interval, ratio_interval
from layerscope.sweeps.analysis.item_sums import ItemSums
from layerscope.sweeps.analysis.q_values import q_values
from layerscope.sweeps.tables import POS, TRANSITIONS

FEWEST_ITEMS = 200
"""Below this a tag is marked."""
CLASSES = {"open": OPEN_TAGS, "closed": CLOSED_TAGS, "all": UPOS_TAGS}
_CHANGED, _LARGELY = 0.1, 0.5


def pos_table(by_item: dict[str, ItemSums], layers: pd.DataFrame, level: float) -> pa.Table:
    """One row per (unit, tag or class, variant); tags without a single unit are left out.

    Args:
        by_item: sums by part of speech, in the order of ``UPOS_TAGS``.
        layers: layers.parquet as a data frame, in the order of the variants; the intact model first.
        level: coverage of intervals.
    """
    frames = []
    for unit, sums in by_item.items():
        classes = sums.pooled([[UPOS_TAGS.index(tag) for tag in tags] for tags in CLASSES.values()])
        for kind, names, some in (("tag", UPOS_TAGS, sums), ("class", tuple(CLASSES), classes)):
            there = np.flatnonzero(some.counts.sum(axis=1))
            if len(there) == 0:  # texts whose words all have one token have no continuations
                continue
            rows = _effects([names[group] for group in there], _chosen(some, there), classes, layers, level)
            frames.append(rows.assign(unit=unit, kind=kind))
    table = pd.concat(frames, ignore_index=True)
    # one family of tests a unit: variants × tags; classes are pooled from the same words and are no further tests
    for name in ("", "contrast_"):
        table[f"{name}q_value"] = np.nan
        for _, rows in table[table["kind"] == "tag"].groupby("unit"):
            p_values = rows[f"{name}p_value"].to_numpy(dtype=float)
            table.loc[rows.index, f"{name}q_value"] = q_values(p_values, rows["family"].tolist())
    return POS.from_frame(table)


def transitions_table(pairs: Sequence[tuple[str, str]], sums: ItemSums, layers: pd.DataFrame, level: float) -> pa.Table:
    """One row per (pair of tags, variant), most frequent pairs first.

    Args:
        pairs: tag of the current word and of the next, in the order of the groups of ``sums``.
        sums: over the next words.
        layers: layers.parquet as a data frame.
        level: coverage of intervals; pairs with fewer than 200 words get none.
    """
    often = np.flatnonzero(sums.counts.sum(axis=1) >= FEWEST_ITEMS)
    everything = sums.pooled([list(range(len(pairs)))]) if pairs else sums
    frames = []
    for group, (tag, next_tag) in enumerate(pairs):
        frames.append(_means(tag, _chosen(sums, np.array([group])), 0, layers).assign(tag=tag, next_tag=next_tag))
    if not frames:
        return TRANSITIONS.build({column.name: [] for column in TRANSITIONS.columns})
    table = pd.concat(frames, ignore_index=True)
    own, _ = _intervals(_chosen(sums, often), everything, level)
    for name in ("delta_nll_low_nats", "delta_nll_high_nats", "p_value"):
        table[name] = np.nan
    n_variants = len(layers)
    for place, group in enumerate(often.tolist()):
        rows = table.index[group * n_variants : (group + 1) * n_variants]
        _put(table, rows, "delta_nll", own[place], level)
    table["q_value"] = q_values(table["p_value"].to_numpy(dtype=float), table["family"].tolist())
    return TRANSITIONS.from_frame(table.rename(columns={"items": "words"}))


def _effects(names: Sequence[str], sums: ItemSums, classes: ItemSums, layers: pd.DataFrame, level: float) -> pd.DataFrame:
    """Means, effects and intervals of some groups, one row per (group, variant)."""
    own, contrast = _intervals(sums, classes.pooled([[list(CLASSES).index("all")]]), level)
    frames = []
    whole = classes.nll_nats[list(CLASSES).index("all")].sum(axis=1)
    n_whole = int(classes.counts[list(CLASSES).index("all")].sum())
    for group, name in enumerate(names):
        rows = _means(name, sums, group, layers)
        n_items = int(sums.counts[group].sum())
        inside = sums.nll_nats[group].sum(axis=1)
        delta, rest = inside - inside[0], (whole - whole[0]) - (inside - inside[0])
        with np.errstate(invalid="ignore", divide="ignore"):
            rows["contrast_nats"] = delta / n_items - rest / (n_whole - n_items) if n_whole > n_items else np.nan
        rows.loc[0, "contrast_nats"] = np.nan
        for prefix, found in (("delta_nll", own), ("contrast", contrast)):
            _put(rows, rows.index, prefix, found[group], level)
        frames.append(rows)
    return pd.concat(frames, ignore_index=True)


def _means(name: str, sums: ItemSums, group: int, layers: pd.DataFrame) -> pd.DataFrame:
    """Everything but the intervals of one group: one row per variant."""
    n_items = int(sums.counts[group].sum())
    nll = sums.nll_nats[group].sum(axis=1) / n_items
    delta = nll - nll[0]
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = delta / nll[0]
    return pd.DataFrame(
        {
            "variant": layers["variant"],
            "family": layers["family"],
            "span_first": layers["span_first"],
            "tag": name,
            "items": n_items,
            "documents": int((sums.counts[group] > 0).sum()),
            "is_few": n_items < FEWEST_ITEMS,
            "intact_nll_nats": nll[0],
            "nll_nats": nll,
            "delta_nll_nats": delta,
            "intact_accuracy": sums.correct[group, 0] / n_items,
            "accuracy": sums.correct[group] / n_items,
            "agreement": sums.agreeing[group] / n_items,
            "kl_nats": sums.kl_nats[group] / n_items,
            "relative_change": relative,
            "change": [published_word(value) for value in relative],
            "not_finite": sums.not_finite[group],
        }
    )


def published_word(relative_change: float) -> str:
    """The published analysis' word for a relative change of the NLL: 10% and 50% are its thresholds."""
    if not abs(relative_change) > _CHANGED:
        return "unchanged"
    direction = "degraded" if relative_change > 0 else "improved"
    return f"largely {direction}" if abs(relative_change) > _LARGELY else direction


def _intervals(sums: ItemSums, everything: ItemSums, level: float) -> tuple[list[Interval], list[Interval]]:
    """Of each group's ΔNLL, and of its contrast with everything outside it."""
    own, contrast = [], []
    with np.errstate(invalid="ignore"):  # infinite in both: no number, and no interval
        whole = everything.nll_nats[0] - everything.nll_nats[0][:1]
        for nll, counts in zip(sums.nll_nats, sums.counts, strict=True):
            inside = nll - nll[:1]
            rest = {"rest_sums": whole - inside, "rest_counts": everything.counts[0] - counts}
            own.append(ratio_interval(inside, counts, level=level))
            contrast.append(contrast_interval(inside, counts, **rest, level=level))
    return own, contrast


def _put(table: pd.DataFrame, rows: pd.Index[int], prefix: str, found: Interval, level: float) -> None:
    """Write a group's intervals and p-values into its rows; the intact model, which is row 0, has none."""
    p_name = "p_value" if prefix == "delta_nll" else f"{prefix}_p_value"
    p_values = p_value_of_looks(found.p_value, level)
    for name, values in ((f"{prefix}_low_nats", found.low), (f"{prefix}_high_nats", found.high), (p_name, p_values)):
        kept: Float[np.ndarray, " variant"] = values.copy()
        kept[0] = np.nan
        table.loc[rows, name] = kept


def _chosen(sums: ItemSums, groups: np.ndarray) -> ItemSums:
    return ItemSums(*(getattr(sums, name)[groups] for name in sums.__dataclass_fields__))
