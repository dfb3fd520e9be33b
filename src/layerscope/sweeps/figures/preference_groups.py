"""Which groups of pairs are drawn, and how they are called."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from layerscope.bilingual import Language
from layerscope.figures.labels import label
from layerscope.figures.style import HALF_PAGE_INCHES, PAGE_INCHES
from layerscope.sweeps.analysis.preference import finest_kind

_MAP_INCHES = 3.0
_INCHES_A_LETTER = 0.065
_LONGEST = 44


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
    """How wide a figure is whose rows have these labels, in inches: half a page, or what long ones need."""
    longest = max(map(len, labels), default=0)
    return float(np.clip(_MAP_INCHES + _INCHES_A_LETTER * longest, HALF_PAGE_INCHES, PAGE_INCHES))


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
