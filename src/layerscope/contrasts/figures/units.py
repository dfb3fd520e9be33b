"""Figures of a contrast run: which units change least, on the primary scale and the raw one, and what their spread explains.

Tables come as data frames, scores of units as arrays [layer, dim]; a unit is a dimension of a layer. Agreement and layers are
drawn in ``agreement``, contraction and divergence in ``movement``.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.colors import CenteredNorm, Colormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from layerscope.bilingual import Language
from layerscope.contrasts.figures.agreement import LOOKS, ROLES, Place, agreement_by_layer, agreement_of_groups, share_by_layer
from layerscope.contrasts.figures.movement import contraction_by_layer, divergence_by_distance
from layerscope.figures.labels import label, position_label
from layerscope.figures.palette import BLUE, DIVERGING, SEQUENTIAL, VERMILLION
from layerscope.figures.style import (
    SMALL,
    Width,
    caption_above,
    figure_style,
    is_wide,
    legend_above,
    log_axis,
    new_figure,
    note_below,
    page_width,
)
from layerscope.stats.rank_agreement import spearman_matrix

PRIMARY, RAW = "percentile", "raw"
LIKE_OTHERS = 0.5
"""Percentile of what changes as much as under other words of that size."""
STABILITY_FIGURES = (
    "heatmap", "stable_dimensions", "scatter", "consistency", "layer_profile", "layer_shares", "contraction", "divergence",
)  # fmt: skip
"""Names of all that ``stability_figures`` may give."""
_MOST_COLUMNS = 150
_MOST_ROWS = 50
_MOST_BARS = 20
_MOST_POINTS, _EXTREMES = 4000, 200
_SEED = 0
_LONGEST_LINE = 54
_LOG_FROM = 30


def stability_figures(
    *,
    ranking: pd.DataFrame,
    consistency: pd.DataFrame | None,
    layer_agreement: pd.DataFrame | None,
    layer_specificity: pd.DataFrame | None,
    contraction: pd.DataFrame,
    divergence: pd.DataFrame,
    cells: Mapping[str, Float[np.ndarray, "layer dim"]],
    by_type: Mapping[str, Float[np.ndarray, "layer dim"]],
    roles: Mapping[str, str],
    model: str,
    pairs: str,
    site: str,
    position: str,
    k: int,
    language: Language,
    measure: str = "jaccard",
    width: Width | None = None,
) -> dict[str, Figure]:
    """Every figure that the tables give material for, by name.

    Args:
        ranking: ranking.parquet.
        consistency: consistency.parquet; None, like the next two, where there is too little to compare.
        layer_agreement: layer_agreement.parquet.
        layer_specificity: layer_specificity.parquet.
        contraction: contraction.parquet.
        divergence: divergence.parquet.
        cells: of all types at the main place: ``percentile``, ``raw`` and the reference's ``spread``.
        by_type: mean raw differences at the main place of ``meaning``, ``grammar`` and ``control``, or some of them.
        roles: what each group of pairs is for, by name, in the order in which groups of one role shall stand.
        model: its name, for the line above each figure.
        pairs: name of the pairs, for the same line.
        site: the main one.
        position: the main one.
        k: units, or dimensions of a layer, that count as those that change least.
        language: of all words.
        measure: of agreement, the one that is drawn.
        width: of each; if None, one column, or two for matrices and lists beside each other.
    """
    place = Place(site, position, PRIMARY, measure)
    with figure_style(language, width):
        line = caption_of(model, pairs)
        here = f"{line}\n{label(f'site:{site}', language)} · {position_label(position, language)}"
        with_k = f"{here} · k = {k}"
        everywhere = f"{line}\n{label(f'site:{site}', language)} · k = {k}"
        drawn = {"heatmap": units_map(cells[PRIMARY], cells[RAW], here, language)}
        if (_top(ranking, place)["scale"] == PRIMARY).any():
            drawn["stable_dimensions"] = stillest_units(ranking, place, here, language)
        if by_type:
            drawn["scatter"] = difference_against_spread(cells["spread"], by_type, here, language)
        if consistency is not None and len(place.of(consistency)):
            drawn["consistency"] = agreement_of_groups(consistency, roles, place, with_k, language)
        if layer_agreement is not None and place.at_all_positions(layer_agreement)["layer"].notna().any():
            drawn["layer_profile"] = agreement_by_layer(layer_agreement, place, everywhere, language)
        if layer_specificity is not None and len(place.of(layer_specificity)):
            drawn["layer_shares"] = share_by_layer(layer_specificity, place, with_k, language)
        if (contraction["position"] == position).any():
            at = f"{line}\n{position_label(position, language)}"
            drawn["contraction"] = contraction_by_layer(contraction, position, at, language)
        if len(divergence):
            drawn["divergence"] = divergence_by_distance(divergence, line, language)
    return drawn


def caption_of(model: str, pairs: str) -> str:
    """What was compared in what, in lines that half a page holds."""
    return textwrap.fill(f"{model} · {pairs}", _LONGEST_LINE)


def units_map(
    percentile: Float[np.ndarray, "layer dim"], raw: Float[np.ndarray, "layer dim"], caption: str, language: Language
) -> Figure:
    """Every layer and dimension on the primary scale, below it on the raw one; a column keeps the smallest of its values."""
    n_layers, n_dims = percentile.shape
    width = math.ceil(n_dims / _MOST_COLUMNS)
    figure, panels = new_figure(height=2.2 + 0.09 * min(max(n_layers, 8), _MOST_ROWS), panels=2)
    binned = smallest_of_neighbours(percentile, width)
    farthest = float(np.nanmax(np.abs(binned - LIKE_OTHERS), initial=0.01))
    raw_binned = smallest_of_neighbours(raw, width)
    positive = raw_binned[raw_binned > 0]
    smallest, largest = (float(positive.min()), float(positive.max())) if len(positive) else (1.0, 1.0)
    for axes, values, colours, norm, scale in (
        (panels[0], binned, DIVERGING, CenteredNorm(LIKE_OTHERS, farthest), PRIMARY),
        (panels[1], np.maximum(raw_binned, smallest), SEQUENTIAL, LogNorm(smallest, 1.01 * largest), RAW),
    ):
        _units_panel(figure, axes, values, (colours, norm), n_dims=n_dims, width=width)
        axes.set_ylabel(label("layer", language))
        figure.axes[-1].set_ylabel(label(f"scale:{scale}", language))
    panels[1].set_xlabel(label("dimension", language))
    caption_above(figure, caption)
    if width > 1:
        note_below(figure, label("note:smallest", language).format(n=width))
    return figure


def smallest_of_neighbours(values: Float[np.ndarray, "layer dim"], width: int) -> Float[np.ndarray, "layer column"]:
    """The smallest of so many neighbouring dimensions; the last column may hold fewer. NaN only where all are."""
    return np.asarray(np.fmin.reduceat(values, np.arange(0, values.shape[1], width), axis=1))


def _units_panel(
    figure: Figure, axes: Axes, values: np.ndarray, colours: tuple[Colormap, Normalize], *, n_dims: int, width: int
) -> None:
    n_layers, n_columns = values.shape
    extent = (-0.5, n_columns * width - 0.5, -0.5, n_layers - 0.5)
    image = axes.imshow(
        values, aspect="auto", origin="lower", extent=extent, cmap=colours[0], norm=colours[1], interpolation="nearest"
    )
    axes.set_xlim(-0.5, n_dims - 0.5)
    axes.grid(visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=7, min_n_ticks=1))
    bar = figure.colorbar(image, ax=axes, pad=0.02, fraction=0.05)
    if isinstance(colours[1], LogNorm):
        log_axis(bar.ax, "y")


def stillest_units(ranking: pd.DataFrame, place: Place, caption: str, language: Language) -> Figure:
    """Those that change least on the primary scale, beside those on the raw one; each with its 95% interval."""
    top = _top(ranking, place)
    scales = [scale for scale in (PRIMARY, RAW) if (top["scale"] == scale).any()]
    units = {scale: {*zip(rows["layer"], rows["dim"], strict=True)} for scale, rows in top.groupby("scale", observed=True)}
    shared = set.intersection(*(units[scale] for scale in scales)) if len(scales) > 1 else set()
    n_bars = int(top["scale"].value_counts().max())
    width = page_width(needs_two=True)
    rows_of_panels = 1 if is_wide(width) else len(scales)
    figure = Figure(figsize=(width, 0.8 + rows_of_panels * (0.6 + 0.15 * max(n_bars, 4))))
    panels = figure.subplots(rows_of_panels, len(scales) // rows_of_panels, squeeze=False).ravel()
    for axes, scale in zip(panels, scales, strict=True):
        rows = top[top["scale"] == scale].sort_values("rank")
        _unit_bars(axes, rows, shared)
        axes.set_title(label(f"stillest:{scale}", language))
        axes.set_xlabel(label(f"scale:{scale}", language))
        if scale == PRIMARY:
            axes.axvline(LIKE_OTHERS, color="black", linestyle="--", linewidth=0.9, label=label("like_others", language))
            axes.set_xlim(0, max(1.05 * LIKE_OTHERS, axes.get_xlim()[1]))
    handles = [
        *panels[0].get_legend_handles_labels()[0],
        Patch(facecolor=BLUE, label=label("on_one", language)),
        Patch(facecolor=VERMILLION, label=label("on_both", language).format(n=n_bars, shared=len(shared))),
    ]
    caption_above(figure, caption)
    figure.legend(handles=handles, loc="outside lower center", ncols=3 if is_wide(width) else 1)
    return figure


def _unit_bars(axes: Axes, rows: pd.DataFrame, shared: set[tuple[int, int]]) -> None:
    """A bar a unit, the stillest on top; those in both lists in another colour."""
    units = list(zip(rows["layer"], rows["dim"], strict=True))
    score, low, high = (rows[column].to_numpy(dtype=float) for column in ("score", "low", "high"))
    errors = np.nan_to_num(np.clip(np.stack([score - low, high - score]), 0, None))
    places = np.arange(len(rows))
    colours = [VERMILLION if unit in shared else BLUE for unit in units]
    has_interval = bool(np.isfinite(low).any())
    axes.barh(
        places,
        score,
        height=0.7,
        color=colours,
        xerr=errors if has_interval else None,
        error_kw={"elinewidth": 0.8, "capsize": 1.5, "ecolor": "black"},
    )
    axes.set_yticks(places, [f"L{layer} · d{dim}" for layer, dim in units], fontsize=SMALL)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    if score.min() > 0 and score.max() / score.min() > _LOG_FROM:
        axes.set_xlim(score.min() / 3, 1.5 * float(np.nanmax([*score, *high])))
        log_axis(axes, "x")


def _top(ranking: pd.DataFrame, place: Place) -> pd.DataFrame:
    """The stillest units of all types and layers together at a place, on the primary and the raw scale."""
    here = (ranking["set"] == "all") & (ranking["scope"] == "all") & (ranking["rank"] <= _MOST_BARS)
    here &= (ranking["site"] == place.site) & (ranking["position"] == place.position)
    return ranking[here & ranking["scale"].isin([PRIMARY, RAW])].astype({"scale": str})


def difference_against_spread(
    spread: Float[np.ndarray, "layer dim"],
    by_type: Mapping[str, Float[np.ndarray, "layer dim"]],
    caption: str,
    language: Language,
) -> Figure:
    """Raw difference of every unit against its own spread: what is always small changes little, whatever the pair."""
    figure, (axes,) = new_figure(height=3.4)
    sizes = [0]
    for members in (role for role in reversed(ROLES) if role in by_type):
        difference = by_type[members].ravel()
        usable = np.flatnonzero((spread.ravel() > 0) & (difference > 0))  # others have no place on a log axis
        x, y = spread.ravel()[usable], difference[usable]
        rho = spearman_matrix(np.stack([x, y]).astype(np.float64))[0, 1] if len(usable) > 1 else math.nan
        shown = points_shown(x, y, np.random.default_rng(_SEED))
        sizes.append(len(shown))
        colour, marker = LOOKS[members]
        axes.scatter(x[shown], y[shown], s=3, color=colour, marker=marker, alpha=0.25, linewidths=0, rasterized=True)
        name = f"{label(f'set:{members}', language)} ($\\rho$ = {rho:.2f})"
        axes.scatter([], [], s=14, color=colour, marker=marker, label=name)
    if max(sizes):
        log_axis(axes, "x")
        log_axis(axes, "y")
    scale = [label("log_scale", language)] if max(sizes) else []
    axes.set_xlabel("\n".join([label("spread", language), *scale]))
    axes.set_ylabel("\n".join([label("scale:raw", language), *scale]))
    legend_above(axes)
    caption_above(figure, caption)
    note = label("note:sample" if max(sizes) < spread.size else "note:all", language)
    note_below(figure, note.format(shown=f"{max(sizes):,}", all=f"{spread.size:,}"))
    return figure


def points_shown(
    x: Float[np.ndarray, " point"], y: Float[np.ndarray, " point"], generator: np.random.Generator
) -> Int[np.ndarray, " shown"]:
    """All points, or of too many those whose y/x is smallest and largest, and some of the rest at random."""
    if len(x) <= _MOST_POINTS:
        return np.arange(len(x))
    order = np.argsort(y / x, kind="stable")
    some = generator.choice(order[_EXTREMES:-_EXTREMES], size=_MOST_POINTS - 2 * _EXTREMES, replace=False)
    return np.sort(np.concatenate([order[:_EXTREMES], some, order[-_EXTREMES:]]))
