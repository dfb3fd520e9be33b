"""Figure of single heads: the effect of each head's removal, layer by head, as a heat map."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from layerscope.bilingual import Language
from layerscope.figures.labels import label
from layerscope.figures.style import GREY, new_figure
from layerscope.sweeps.analysis.places import head_of, stands_at
from layerscope.sweeps.figures.heat_map import colour_bar, heat_map

_LEVEL = 0.05
_SHORTEST = 1.9
"""Inches: room for the name of the colour bar beside however few layers."""
_MOST_NUMBERS = 6
"""Heads a layer up to which each cell has room for its number."""
_BRIGHTNESS, _DARK = (0.299, 0.587, 0.114), 0.45
"""Weights of red, green and blue, and the brightness below which black cannot be read (ITU-R BT.601)."""


def heads_figure(rows: pd.DataFrame, caption: str, language: Language) -> Figure:
    """ΔNLL of each head, a row a layer and a column a head, with its number where it fits; a dot where zero is not excluded.

    Args:
        rows: rows of layers.parquet, of one family ``head-removal``.
        caption: what was scored.
        language: of all words.
    """
    placed = rows.assign(layer=stands_at(rows, "span_first").astype(int), head=head_of(rows))
    effect = placed.pivot(index="layer", columns="head", values="delta_nll_nats")
    q_values = placed.pivot(index="layer", columns="head", values="q_value").to_numpy(dtype=float)
    figure, (axes,) = new_figure(height=max(_SHORTEST, 1.1 + 0.17 * len(effect)))
    image = heat_map(axes, effect.to_numpy(dtype=float))
    is_tested = bool(np.isfinite(q_values).any())
    uncertain = np.argwhere(~(q_values < _LEVEL) & is_tested & effect.notna().to_numpy())
    has_numbers = effect.shape[1] <= _MOST_NUMBERS
    axes.scatter(uncertain[:, 1] + 0.4 * has_numbers, uncertain[:, 0], s=1.2, color="black", linewidths=0)
    is_dark = image.to_rgba(effect.to_numpy(dtype=float))[..., :3] @ _BRIGHTNESS < _DARK
    for (row, column), value in np.ndenumerate(effect.to_numpy(dtype=float)) if has_numbers else ():
        if np.isfinite(value):
            colour = "white" if is_dark[row, column] else "black"
            axes.text(column, row, f"{value:+.2g}", fontsize=5, color=colour, ha="center", va="center")
    axes.set_yticks(range(len(effect)), [str(layer) for layer in effect.index])
    step = max(1, round(effect.shape[1] / 12))
    axes.set_xticks(range(0, effect.shape[1], step), [str(head) for head in effect.columns[::step]])
    axes.set_xlabel(label("head-removal", language))
    axes.set_ylabel(label("layer", language))
    axes.set_title(caption, color=GREY)
    colour_bar(figure, image, axes, label("delta", language))
    figure.supxlabel(label("note:uncertain" if is_tested else "note:no_test", language), fontsize=6, color=GREY)
    return figure
