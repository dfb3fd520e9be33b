"""Figure of an intervention: what ablating the stable set does, among what ablating each of the random sets does."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from layerscope.bilingual import Language
from layerscope.contrasts.figures.units import caption_of
from layerscope.figures.labels import label
from layerscope.figures.palette import GREY, VERMILLION
from layerscope.figures.style import TEXT, Width, caption_above, figure_style, page_width
from layerscope.stats.permutation import permutation_p

OUTCOMES: dict[str, tuple[Literal["greater", "less", "two-sided"], str]] = {
    "did_nats": ("greater", "p(≥)"),
    "accuracy": ("less", "p(≤)"),
    "damage_nats": ("greater", "p(≥)"),
    "change_nats": ("greater", "p(≥)"),
    "gap_nats": ("two-sided", "p(≠)"),
}
"""Which side of the random sets an effect is looked for, and how that is written; in the order of the panels."""
_N_BINS = 24


def intervention_figures(
    intervention: pd.DataFrame,
    *,
    model: str,
    pairs: str,
    language: Language,
    intact_accuracy: float | None = None,
    with_p: bool = True,
    width: Width | None = None,
) -> dict[str, Figure]:
    """The figure, by its name; none for an empty table.

    Args:
        intervention: intervention.parquet; set 0 is the stable one.
        model: its name, for the line above the figure.
        pairs: name of the pairs, for the same line.
        language: of all words.
        intact_accuracy: share of pairs whose right side the intact model finds likelier.
        with_p: whether the random sets are like the stable one, so that a place among them is a p-value.
        width: of the figure; one column if None.
    """
    if not len(intervention):
        return {}
    with figure_style(language, width):
        caption = caption_of(model, pairs)
        return {"intervention": stable_among_random(intervention, caption, language, intact_accuracy, with_p=with_p)}


def stable_among_random(
    intervention: pd.DataFrame, caption: str, language: Language, intact_accuracy: float | None, *, with_p: bool = True
) -> Figure:
    """A histogram of random sets with the stable one as a line; an outcome a row, a replacement a column."""
    outcomes = [name for name in OUTCOMES if (intervention["outcome"] == name).any()]
    replacements = list(dict.fromkeys(intervention["replacement"]))
    figure = Figure(figsize=(page_width(), 0.8 + 1.4 * len(outcomes)))
    panels = figure.subplots(len(outcomes), len(replacements), squeeze=False, sharex="row", sharey="row")
    for row, outcome in enumerate(outcomes):
        limits = _limits(intervention.loc[intervention["outcome"] == outcome, "value"])
        panels[row][0].set_xlim(*limits)
        for axes, replacement in zip(panels[row], replacements, strict=True):
            here = (intervention["outcome"] == outcome) & (intervention["replacement"] == replacement)
            p_value = _panel(axes, intervention[here], outcome, limits, with_p=with_p)
            axes.set_title(f"{label(f'replacement:{replacement}', language)}\n{p_value}" if row == 0 else p_value)
        name = label(f"outcome:{outcome}", language)
        if outcome == "accuracy" and intact_accuracy is not None:
            name = f"{name}\n({label('intact_accuracy', language).format(value=f'{intact_accuracy:.2f}')})"
        for axes in panels[row]:
            axes.set_xlabel(name, fontsize=TEXT)
        panels[row][0].set_ylabel(label("n_sets", language), fontsize=TEXT)
    handles = [
        Patch(facecolor=GREY, alpha=0.5, label=label("random_sets", language)),
        Line2D([], [], color=VERMILLION, linewidth=1.6, label=label("stable_set", language)),
        Line2D([], [], color="black", linestyle=":", linewidth=0.8, label=label("no_change", language)),
    ]
    caption_above(figure, caption)
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, outcome: str, limits: tuple[float, float], *, with_p: bool) -> str:
    """Draw one outcome of one replacement, and say its p-value."""
    value = rows["value"].to_numpy(dtype=float)
    is_stable = rows["set"].to_numpy() == 0
    stable, random = value[is_stable & np.isfinite(value)], value[~is_stable]
    shown = random[np.isfinite(random)]
    if len(shown):
        axes.hist(shown, bins=_edges(shown, limits), color=GREY, alpha=0.5)
    axes.axvline(0, color="black", linestyle=":", linewidth=0.8)
    for one in stable:
        axes.axvline(one, color=VERMILLION, linewidth=1.6)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=3))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.grid(visible=False, axis="x")
    alternative, written = OUTCOMES[outcome]
    is_placed = with_p and len(random) > 0 and len(stable) > 0
    p_value = float(permutation_p(float(stable[0]), random, alternative=alternative)) if is_placed else np.nan
    return f"{written} –" if np.isnan(p_value) else f"{written} = {p_value:.2g}, n = {len(random)}"


def _limits(values: pd.Series[float]) -> tuple[float, float]:
    """Of an axis that holds all values and zero."""
    finite = values[np.isfinite(values)]
    low, high = min(0.0, float(finite.min())), max(0.0, float(finite.max()))
    room = 0.05 * (high - low) or 1.0
    return low - room, high + room


def _edges(values: np.ndarray, limits: tuple[float, float]) -> list[float]:
    """Of bins over what there is; one that can be seen if all values are about equal."""
    low, high = float(values.min()), float(values.max())
    room = (limits[1] - limits[0]) / 50
    return np.linspace(low, high, _N_BINS + 1).tolist() if high - low > room else [low - room, high + room]
