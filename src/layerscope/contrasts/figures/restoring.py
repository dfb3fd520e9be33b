"""Figure of patching: how much of the wrong form's disadvantage goes by layer and position, and what the stillest carry."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from layerscope.bilingual import Language
from layerscope.contrasts.figures.agreement import line_with_band
from layerscope.contrasts.figures.units import caption_of
from layerscope.figures.labels import label, position_label
from layerscope.figures.palette import COLOURS, MARKERS
from layerscope.figures.style import (
    Width,
    caption_above,
    figure_style,
    layer_axis,
    legend_above,
    new_figure,
    note_below,
    zero_line,
)

ALL, CARRIED = "all", "carried"
"""Rows of the table that are drawn."""


def restoring_figures(
    restoring: pd.DataFrame, *, model: str, pairs: str, language: Language, width: Width | None = None
) -> dict[str, Figure]:
    """The figure, by its name; none for an empty table.

    Args:
        restoring: restoring.parquet.
        model: its name, for the line above the figure.
        pairs: name of the pairs, for the same line.
        language: of all words.
        width: of the figure; one column if None.
    """
    if not len(restoring):
        return {}
    with figure_style(language, width):
        return {"restoring": restored_by_layer(restoring, caption_of(model, pairs), language)}


def restored_by_layer(restoring: pd.DataFrame, caption: str, language: Language) -> Figure:
    """Above, what a patch of everything restores; below, what the stillest dimensions carry of it beyond others like them."""
    figure, (above, below) = new_figure(height=5.0, panels=2)
    positions = list(dict.fromkeys(restoring["position"].astype(str)))
    for axes, name in ((above, ALL), (below, CARRIED)):
        some = restoring[restoring["set"] == name]
        for position, colour, marker in zip(positions, COLOURS, MARKERS, strict=False):
            rows = some[some["position"] == position]
            if rows["share"].notna().any():
                line_with_band(axes, _as_shares(rows), ("layer", "share"), (colour, marker), position_label(position, language))
        zero_line(axes)
    above.axhline(1, color="black", linestyle=":", linewidth=0.9)
    above.set_ylabel(label("restored", language))
    below.set_ylabel(label("carried", language))
    layer_axis(above, "")
    layer_axis(below, label("layer", language))
    legend_above(above)
    caption_above(figure, caption)
    note_below(figure, label("note:restoring", language))
    return figure


def _as_shares(rows: pd.DataFrame) -> pd.DataFrame:
    """Intervals in parts of the margin, which is taken as known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        margin = rows["restored_nats"] / rows["share"]
        return rows.assign(low=rows["low"] / margin, high=rows["high"] / margin)
