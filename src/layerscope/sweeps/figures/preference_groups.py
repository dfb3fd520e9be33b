"""Which groups of pairs are drawn, and how they are called."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from layerscope.bilingual import Language
from layerscope.figures.labels import label, width_of
from layerscope.figures.style import LETTER_INCHES, is_wide, page_width
from layerscope.sweeps.analysis.preference import finest_kind

_MAP_INCHES = 1.8
_LONGEST, _LONGEST_IN_ONE = 44, 24
"""Characters of a name, in two columns and in one."""


def shown_groups(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Kind and name of the groups of pairs that are drawn: all, and the finest names that there are.

    Args:
        rows: rows of preference.parquet, of one family and unit.
    """
    groups = rows[["kind", "group", "pairs"]].drop_duplicates()
    groups = groups[groups["kind"].isin(["all", finest_kind(groups)])]
    return list(zip(groups["kind"], groups["group"], strict=True))


def group_label(group: tuple[str, str], rows: pd.DataFrame, language: Language) -> str:
    """A group's name, how many pairs it has, and a star where those are few."""
    kind, name = group
    mark = "*" if bool(rows["is_few"].iloc[0]) else ""
    shown = _shortened(label("all_pairs", language) if kind == "all" else name).replace("$", r"\$")  # a dollar begins a formula
    return f"{shown} ({int(rows['pairs'].iloc[0]):,}){mark}"


def width_for(labels: Sequence[str]) -> float:
    """How wide a figure is whose rows have these labels, in inches: one column, or two where long ones need them."""
    longest = max(map(width_of, labels), default=0)
    return page_width(needs_two=_MAP_INCHES + LETTER_INCHES * longest > page_width())


def _shortened(name: str) -> str:
    most = _LONGEST if is_wide(page_width(needs_two=True)) else _LONGEST_IN_ONE
    return name if len(name) <= most else f"{name[: most - 1]}…"
