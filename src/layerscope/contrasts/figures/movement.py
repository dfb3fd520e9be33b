"""Figures of what happens to a difference on its way: how layers shrink it, and how predictions part after the edit.

Correction of errors would show as more contraction and more movement to the right side than for pairs of similar size that
differ in meaning, and as predictions that come together again.
"""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from layerscope.bilingual import Language
from layerscope.contrasts.figures.agreement import LOOKS, line_with_band
from layerscope.figures.labels import label
from layerscope.figures.marks import FADED
from layerscope.figures.palette import PURPLE
from layerscope.figures.style import caption_above, layer_axis, legend_above, log_axis, new_figure, note_below, symlog_axis

_SETS = ("control", "meaning", "error")
_FEWEST_PAIRS = 20
_LOG_FROM = 30
_OUTLIES_FROM = 4


def contraction_by_layer(contraction: pd.DataFrame, position: str, caption: str, language: Language) -> Figure:
    """The way to the other side and its asymmetry, contraction of each set, and errors less meaning at equal size."""
    rows = contraction[contraction["position"] == position]
    figure, panels = new_figure(height=6.4, panels=3)

    def draw(panel: int, members: str, quantity: str, look: tuple[str, str], name: str) -> None:
        some = rows[(rows["set"] == members) & (rows["quantity"] == quantity)]
        if len(some):
            line_with_band(panels[panel], some, ("layer", "value"), look, name)

    for members in _SETS:
        draw(1, members, "contraction", LOOKS[members], label(f"set:{members}", language))
        name = label("movement:toward_right" if members == "error" else f"set:{members}", language)
        draw(0, members, "toward_right", LOOKS[members], name)
    draw(2, "error-meaning", "contraction", LOOKS["error-meaning"], label("set:error-meaning", language))
    draw(0, "error", "asymmetry", (PURPLE, "D"), label("movement:asymmetry", language))
    for axes, name in zip(panels, ("toward_right", "contraction", "contraction_difference"), strict=True):
        axes.axhline(0, color="black", linestyle="--", linewidth=0.9)
        axes.set_ylabel(label(name, language))
        if axes is panels[0]:
            _hold_outliers(axes, rows[rows["quantity"].isin(["toward_right", "asymmetry"])], language)
        layer_axis(axes, label("layer", language) if axes is panels[-1] else "")
        legend_above(axes)
    caption_above(figure, caption)
    note = f"{label('interval_bands', language)}{label('note:contraction', language)}"
    note_below(figure, note)
    return figure


def _hold_outliers(axes: Axes, rows: pd.DataFrame, language: Language) -> None:
    """Where differences are next to nothing, what is divided by them is large: there the axis grows logarithmic."""
    shown = rows[rows["set"].isin(_SETS)]
    sizes_and_signs = shown[["value", "low", "high"]].to_numpy(float)
    sizes = shown[["value", "low", "high"]].abs().max(axis=1)
    usual = float(sizes.quantile(0.9)) if sizes.notna().any() else 0.0
    if usual > 0 and sizes.max() / usual > _OUTLIES_FROM:
        symlog_axis(axes, sizes_and_signs, 10.0 ** round(math.log10(usual)), language)


def divergence_by_distance(divergence: pd.DataFrame, caption: str, language: Language) -> Figure:
    """KL between the sides' predictions, by tokens after the edit; faded where few pairs are that long."""
    rows = divergence[divergence["set"].isin(_SETS)]
    figure, (axes,) = new_figure(height=3.2)
    for members in _SETS:
        some = rows[rows["set"] == members]
        if not len(some):
            continue
        _, marker = LOOKS[members]
        line_with_band(axes, some, ("distance", "kl_nats"), LOOKS[members], label(f"set:{members}", language))
        few = some[some["pairs"] < _FEWEST_PAIRS]
        axes.plot(few["distance"], few["kl_nats"], color="white", marker=marker, linestyle="", alpha=FADED)
    sizes = rows.loc[rows["kl_nats"] > 0, "kl_nats"]
    if len(sizes) == len(rows) and sizes.max() / sizes.min() > _LOG_FROM:
        log_axis(axes, "y")
    scale = [label("log_scale", language)] if axes.get_yscale() == "log" else []
    axes.set_ylabel("\n".join([label("kl", language), *scale]))
    layer_axis(axes, label("distance_from_edit", language))
    caption_above(figure, caption)
    note = label("interval_bands", language)
    if (rows["pairs"] < _FEWEST_PAIRS).any():
        note = f"{note}{label('note:few_pairs', language).format(n=_FEWEST_PAIRS)}"
    note_below(figure, note)
    legend_above(axes)
    return figure
