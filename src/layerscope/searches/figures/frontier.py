"""Figures of the frontier: held-out ΔNLL of every path against what is left of the model, and against what that saves."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from layerscope.bilingual import Language
from layerscope.figures.labels import label
from layerscope.figures.lines import draw_band
from layerscope.figures.palette import BLUE, DASHES, GREY, VERMILLION
from layerscope.figures.style import caption_above, effect_axis, legend_above, new_figure, note_below, zero_line

_WAYS = {"one-shot": (VERMILLION, "s"), "search": (BLUE, "o")}
"""Colour and marker; the search is drawn over the others."""
_DELTA, _LOW, _HIGH = "delta_nll_nats", "delta_nll_low_nats", "delta_nll_high_nats"
_ROOM = 0.04
"""Of an axis, left free at either end."""


def frontier_figure(frontier: pd.DataFrame, caption: str, language: Language) -> Figure:
    """ΔNLL against the layers that run: search and one-shot with every draw, random paths as points.

    Args:
        frontier: frontier.parquet, the intact model first.
        caption: what was searched.
        language: of all words.
    """
    figure, (axes,) = new_figure(height=3.3)
    _draw_random(axes, frontier, "layers")
    for way in _WAYS:
        _draw_draws(axes, frontier, way, "layers", language)
        best = _outward(frontier, way)
        draw_band(axes, best["layers"], best[_LOW], best[_HIGH], _WAYS[way])
    _finish(axes, frontier, "layers", language)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    axes.set_xlabel(label("kept_layers", language).format(n=f"{frontier['layers'].iloc[0]:g}"))
    _legend(axes, language)
    caption_above(figure, caption)
    _note(figure, frontier, "note:frontier_bands", language)
    return figure


def cost_figure(frontier: pd.DataFrame, caption: str, language: Language) -> Figure:
    """ΔNLL against parameters; below it the search's against the time of a token.

    Args:
        frontier: frontier.parquet with ``ratio``, ``ratio_low`` and ``ratio_high`` of speed.parquet beside it.
        caption: what was searched.
        language: of all words.
    """
    figure, (above, below) = new_figure(height=5.2, panels=2)
    for axes, x, name in ((above, "millions", "parameters"), (below, "ratio", "time_ratio")):
        placed = frontier.assign(millions=frontier["parameters"] / 1e6)
        placed = placed[placed[x].notna() & (placed["way"].isin(["intact", "search"]) if x == "ratio" else True)]
        _draw_random(axes, placed, x)
        for way in _WAYS:
            _draw_draws(axes, placed, way, x, language)
            best = _outward(placed, way)[1:]
            across = (best[x] - best["ratio_low"], best["ratio_high"] - best[x]) if x == "ratio" else None
            upright = (best[_DELTA] - best[_LOW], best[_HIGH] - best[_DELTA])
            axes.errorbar(
                best[x], best[_DELTA], yerr=upright, xerr=across, fmt="none", ecolor=_WAYS[way][0], elinewidth=0.8, alpha=0.6
            )
        _finish(axes, placed, x, language)
        axes.set_xlabel(label(name, language))
    _legend(above, language)
    caption_above(figure, caption)
    _note(figure, frontier, "note:frontier_bars", language)
    return figure


def _outward(frontier: pd.DataFrame, way: str, draw: int | None = None) -> pd.DataFrame:
    """A way's best paths, or those of a draw, behind the intact model; that alone where there are none."""
    of_way = frontier[(frontier["way"] == way) & (frontier["is_best"] if draw is None else frontier["draw"] == draw)]
    intact = frontier.iloc[:1].assign(**{_LOW: 0.0, _HIGH: 0.0})
    order = (of_way["layers"] - intact["layers"].iloc[0]).abs().sort_values(kind="stable").index
    rows: pd.DataFrame = pd.concat([intact, of_way.loc[order]])
    return rows


def _draw_draws(axes: Axes, frontier: pd.DataFrame, way: str, x: str, language: Language) -> None:
    colour, marker = _WAYS[way]
    dashes = DASHES[marker]
    draws = sorted(set(frontier.loc[frontier["way"] == way, "draw"]))
    for draw in draws if len(draws) > 1 else ():
        rows = _outward(frontier, way, draw)
        axes.plot(rows[x], rows[_DELTA], color=colour, linestyle=dashes, linewidth=0.5, alpha=0.7)
    if draws:
        best = _outward(frontier, way)
        axes.plot(
            best[x],
            best[_DELTA],
            color=colour,
            marker=marker,
            linestyle=dashes,
            linewidth=1.6,
            label=label(f"way:{way}", language),
        )
    if len(draws) > 1 and way == "search":
        axes.plot([], [], color=GREY, linewidth=0.5, label=label("single_draws", language))


def _draw_random(axes: Axes, frontier: pd.DataFrame, x: str) -> None:
    rows = frontier[(frontier["way"] == "random") & frontier[_DELTA].notna()]
    for _, of_size in rows.groupby(x):
        axes.plot(of_size[x], of_size[_DELTA], color=GREY, linewidth=0.6, alpha=0.6)
    axes.plot(rows[x], rows[_DELTA], color=GREY, marker="x", linestyle="none", alpha=0.8)


def _finish(axes: Axes, frontier: pd.DataFrame, x: str, language: Language) -> None:
    """The intact model, the axis away from it, and a scale that shows the search beside random paths."""
    axes.plot(frontier[x].iloc[:1], [0.0], color="black", marker="o", linestyle="none")
    axes.set_ylabel(label("held_out_delta", language))
    effect_axis(axes, [0.0, *np.ravel(frontier[[_DELTA, _LOW, _HIGH]].to_numpy(float))], language)
    zero_line(axes)
    ends = [float(frontier[x].min()), float(frontier[x].max())]
    room = _ROOM * (ends[1] - ends[0]) or 0.5
    shrinks = frontier[x].iloc[0] - ends[0] >= ends[1] - frontier[x].iloc[0]
    if x != "ratio":
        axes.set_xlim(*((ends[1] + room, ends[0] - room) if shrinks else (ends[0] - room, ends[1] + room)))
    elif shrinks:
        axes.invert_xaxis()


def _legend(axes: Axes, language: Language) -> None:
    """Above the axes, where it hides nothing."""
    handles = axes.get_legend_handles_labels()[0][::-1]
    random = [line for line in axes.get_lines() if line.get_marker() == "x" and len(np.asarray(line.get_xdata()))]
    for line in random:
        line.set_label(label("way:random", language))
    intact = next(line for line in axes.get_lines() if line.get_linestyle() == "--" and line.get_color() == "black")
    intact.set_label(label("intact", language))
    handles = [*handles, *random[:1], intact]
    legend_above(axes, handles=handles)


def _note(figure: Figure, frontier: pd.DataFrame, bands: str, language: Language) -> None:
    notes = [label(bands, language)] if np.isfinite(frontier[_LOW]).any() else []
    is_repeated = frontier.loc[frontier["way"] == "search", "draw"].nunique() > 1
    notes += [label("note:best_path", language)] if is_repeated else []
    note_below(figure, *notes)
