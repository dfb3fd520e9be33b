"""Which groups of pairs are drawn, and how they are called."""

from __future__ import annotations

import pandas as pd

from layerscope.bilingual import Language
from layerscope.figures.labels import label


def shown_groups(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Kind and name of the groups of pairs that are drawn: all, and the finest names that there are.

    Args:
        rows: rows of preference.parquet, of one family and unit.
    """
    groups = rows[["kind", "group", "pairs"]].drop_duplicates()
    if (groups["kind"] == "term").any():  # the source's own names are finer than subtypes
        groups = groups[groups["kind"] != "subtype"]
    elif (groups["kind"] == "subtype").sum() == 1:
        groups = groups[groups["kind"] == "all"]
    return list(zip(groups["kind"], groups["group"], strict=True))


def group_label(group: tuple[str, str], rows: pd.DataFrame, language: Language) -> str:
    """A group's name, how many pairs it has, and a star where those are few."""
    kind, name = group
    mark = "*" if bool(rows["is_few"].iloc[0]) else ""
    return f"{_shortened(label('all_pairs', language) if kind == 'all' else name)} ({int(rows['pairs'].iloc[0]):,}){mark}"


def _shortened(name: str) -> str:
    return name if len(name) <= 30 else f"{name[:29]}…"
