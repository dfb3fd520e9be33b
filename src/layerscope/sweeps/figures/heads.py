"""Figure of single heads: the effect of each head's removal, layer by head, as a heat map."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from layerscope.bilingual import Language
from layerscope.figures.labels import label
from layerscope.figures.marks import mark_tested
from layerscope.figures.style import SMALL, caption_above, new_figure, note_below
from layerscope.sweeps.analysis.places import head_of, stands_at
from layerscope.sweeps.figures.heat_map import colour_bar, heat_map

_SHORTEST = 1.9
"""Inches, of however few layers."""
_MOST_NUMBERS = 6
"""Heads per layer up to which each cell has room for its number."""
_BRIGHTNESS, _DARK = (0.299, 0.587, 0.114), 0.45
"""Weights of red, green and blue, and the brightness below which black cannot be read (ITU-R BT.601)."""


def heads_figure(rows: pd.DataFrame, caption: str, language: Language) -> Figure:
    """ΔNLL of each head, one row per layer and one column per head, with its number where it fits; a dot if significant.

    Args:
        rows: rows of layers.parquet, of one family ``head-removal``.
        caption: what was scored.
        language: of all words.
    """
    placed = rows.assign(layer=stands_at(rows, "span_first").astype(int), head=head_of(rows))
    effect = placed.pivot(index="layer", columns="head", values="delta_nll_nats")
    q_values = placed.pivot(index="layer", columns="head", values="q_value").to_numpy(dtype=float)
    figure, (axes,) = new_figure(height=max(_SHORTEST, 1.6 + 0.17 * len(effect)))
    image = heat_map(axes, effect.to_numpy(dtype=float))
    has_numbers = effect.shape[1] <= _MOST_NUMBERS
    notes = mark_tested(axes, q_values, effect.notna().to_numpy(), language, shift=0.42 * has_numbers)
    is_dark = image.to_rgba(effect.to_numpy(dtype=float))[..., :3] @ _BRIGHTNESS < _DARK
    for (row, column), value in np.ndenumerate(effect.to_numpy(dtype=float)) if has_numbers else ():
        if np.isfinite(value):
            colour = "white" if is_dark[row, column] else "black"
            axes.text(column, row, f"{value:+.2g}", fontsize=SMALL, color=colour, ha="center", va="center")
    axes.set_yticks(range(len(effect)), [str(layer) for layer in effect.index])
    step = max(1, round(effect.shape[1] / 12))
    axes.set_xticks(range(0, effect.shape[1], step), [str(head) for head in effect.columns[::step]])
    axes.set_xlabel(label("head-removal", language))
    axes.set_ylabel(label("layer", language))
    caption_above(figure, caption)
    colour_bar(figure, image, axes, label("delta", language), language)
    note_below(figure, *notes)
    return figure
