"""Figures of agreement and layers: which subtypes agree, in which layers, and where the stillest units lie.

Functions take tables of a contrast run as data frames, cut to one ``Place``. Everything stands beside placebos.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import CenteredNorm, Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from layerscope.bilingual import Language
from layerscope.figures.labels import group_label, label, position_label
from layerscope.figures.lines import draw_band, draw_line
from layerscope.figures.marks import SIGNIFICANT, hatch
from layerscope.figures.palette import BLUE, COLOURS, DIVERGING, GREY, MARKERS, PURPLE, SEQUENTIAL, VERMILLION
from layerscope.figures.style import (
    SMALL,
    caption_above,
    is_wide,
    layer_axis,
    legend_above,
    new_figure,
    note_below,
    page_width,
)

LOOKS = {
    "all": ("black", "D"),
    "meaning": (BLUE, "o"),
    "grammar": (VERMILLION, "s"),
    "error": (VERMILLION, "s"),
    "control": (GREY, "^"),
    "placebo": (GREY, "v"),
    "error-meaning": (PURPLE, "D"),
}
"""Colour and marker of a set of pairs, the same in every figure."""
ROLES = ("meaning", "grammar", "control")
"""Of the groups that are compared, in the order in which they stand."""
_MOST_POSITIONS = 6
_BESIDE_INCHES = 1.7
"""Of a matrix: names and the scale."""
_CELL_INCHES = 0.155
"""At which a cell holds a number."""


@dataclass(frozen=True)
class Place:
    """What a figure is of, and how it was counted."""

    site: str
    """For example ``resid_post``."""
    position: str
    """The main one, for example ``edit+1``."""
    scale: str
    """The primary one of ``ranking``."""
    measure: str
    """Of agreement, for example ``jaccard``."""

    def of(self, table: pd.DataFrame) -> pd.DataFrame:
        """Rows of this place."""
        rows = self.at_all_positions(table)
        return rows[rows["position"] == self.position]

    def at_all_positions(self, table: pd.DataFrame) -> pd.DataFrame:
        """Rows of its site, scale and, where the table distinguishes them, measure."""
        here = (table["site"] == self.site) & (table["scale"] == self.scale)
        return table[here & (table["measure"] == self.measure) if "measure" in table else here]


def agreement_of_groups(
    consistency: pd.DataFrame, roles: Mapping[str, str], place: Place, caption: str, language: Language
) -> Figure:
    """Each group with each: the measure, and its excess over that of their placebos; halves of one group on the diagonal."""
    rows = place.of(consistency)
    names = _in_order(rows, roles)
    role_of = [roles[name] for name in names]
    value, excess, q_value = (_matrix(rows, names, column) for column in ("value", "excess", "q_value"))
    np.fill_diagonal(excess, np.nan)
    width = page_width(needs_two=True)
    beside = is_wide(width)
    across = (width / (1 + beside)) - _BESIDE_INCHES
    figure = Figure(figsize=(width, (across + 1.7) if beside else 2 * across + 3.2))
    left, right = figure.subplots(1, 2) if beside else figure.subplots(2, 1)
    measure = label(f"measure:{place.measure}", language)
    highest = _largest(value)
    shown = Normalize(min(0.0, float(np.nanmin(value, initial=0.0))), highest)
    image = _matrix_map(left, value, SEQUENTIAL, shown)
    figure.colorbar(image, ax=left, pad=0.02, fraction=0.05).set_label(measure)
    if across / len(names) >= _CELL_INCHES:
        for (row, column), number in np.ndenumerate(value):
            if np.isfinite(number):
                colour = "white" if shown(number) > 0.6 else "black"
                left.text(column, row, _two_digits(number), fontsize=SMALL, ha="center", va="center", color=colour)
    for at in range(len(names)):
        left.add_patch(Rectangle((at - 0.5, at - 0.5), 1, 1, fill=False, edgecolor="black", linewidth=1.0, zorder=3))
    image = _matrix_map(right, excess, DIVERGING, CenteredNorm(0.0, _largest(np.abs(excess))))
    figure.colorbar(image, ax=right, pad=0.02, fraction=0.05).set_label(label("excess", language))
    marked = np.argwhere((q_value < SIGNIFICANT) & np.isfinite(excess))
    right.scatter(marked[:, 1], marked[:, 0], s=3, color="black", linewidths=0)
    is_untested = np.isfinite(excess) & ~np.isfinite(q_value)
    if np.isfinite(q_value).any():
        hatch(right, np.argwhere(is_untested))
    for axes in (left, right):
        _group_axes(axes, names, role_of, language)
    handles = [
        Line2D([], [], color=LOOKS[role][0], marker="s", linestyle="", label=label(f"set:{role}", language))
        for role in dict.fromkeys(role_of)
    ]
    if len(handles) > 1:
        legend_above(left, handles=handles)
    if beside:
        right.set_yticks([])
    else:
        left.set_xticks([])
    caption_above(figure, caption)
    placebos = rows["placebo"].dropna()
    placebo = f"{placebos.mean():.2f}" if len(placebos) else "–"
    notes = [label("note:consistency", language).format(placebo=placebo)]
    notes += [label("note:hatched", language)] if is_untested.any() and np.isfinite(q_value).any() else []
    note_below(figure, *notes)
    return figure


def agreement_by_layer(layer_agreement: pd.DataFrame, place: Place, caption: str, language: Language) -> Figure:
    """Excess of agreement over placebos: all types at each position, below it each type at the main one."""
    rows = place.at_all_positions(layer_agreement)
    rows = rows[rows["layer"].notna()]
    figure, (above, below) = new_figure(height=5.0, panels=2)
    everything = rows[rows["set"] == "all"]
    known = list(dict.fromkeys(everything["position"]))
    others = [position for position in known if position != place.position][: _MOST_POSITIONS - 1]
    positions = [position for position in known if position == place.position or position in others]
    for position, colour, marker in zip(positions, COLOURS, MARKERS, strict=False):
        some = everything[everything["position"] == position]
        line_with_band(
            above,
            some,
            ("layer", "excess"),
            (colour, marker),
            position_label(position, language),
            has_band=position == place.position,
        )
    at_main = rows[rows["position"] == place.position]
    for members in ("meaning", "grammar"):
        some = at_main[at_main["set"] == members]
        if len(some):
            line_with_band(below, some, ("layer", "excess"), LOOKS[members], label(f"set:{members}", language))
    measure = label(f"measure:{place.measure}", language)
    for axes in (above, below):
        axes.axhline(0, color="black", linestyle="--", linewidth=0.9)
        axes.set_ylabel(label("profile:positions", language).format(measure=measure, excess=label("excess", language)))
        layer_axis(axes, label("layer", language) if axes is below else "")
        legend_above(axes)
    caption_above(figure, caption)
    note = label("note:bands", language).format(position=position_label(place.position, language))
    note_below(figure, note)
    return figure


def share_by_layer(layer_specificity: pd.DataFrame, place: Place, caption: str, language: Language) -> Figure:
    """Where the stillest units of all layers together lie, beside where those of placebos do."""
    rows = place.of(layer_specificity)
    figure, (axes,) = new_figure(height=4.0)
    sets = [members for members in ("all", "meaning", "grammar") if (rows["set"] == members).any()]
    for members in sets:
        some = rows[rows["set"] == members].sort_values("layer")
        p_value = some["distance_p"].iloc[0]
        p = "p –" if pd.isna(p_value) else f"p = {p_value:.2g}"
        distance = label("distance", language).format(d=f"{some['distance'].iloc[0]:.2f}", p=p)
        name = f"{label(f'set:{members}', language)} ({distance})"
        draw_line(axes, some["layer"], some["share"], LOOKS[members], label=name)
    first = rows[rows["set"] == sets[0]].sort_values("layer")
    layers, placebo, low, high = (first[name].to_numpy(dtype=float) for name in ("layer", "placebo", "low", "high"))
    draw_band(axes, layers, placebo + low, placebo + high, LOOKS[sets[0]])
    axes.set_ylim(bottom=0.0)
    draw_line(axes, layers, placebo, LOOKS["placebo"], label=label("set:placebo", language))
    n_layers = len(layers)
    axes.axhline(1 / n_layers, color="black", linestyle=":", linewidth=0.9, label=label("uniform", language))
    axes.set_ylabel(label("share", language))
    layer_axis(axes, label("layer", language))
    caption_above(figure, caption)
    note_below(figure, label("note:shares", language))
    legend_above(axes)
    return figure


def line_with_band(
    axes: Axes,
    rows: pd.DataFrame,
    columns: tuple[str, str],
    look: tuple[str, str],
    name: str,
    *,
    has_band: bool = True,
) -> None:
    """A line with its 95% interval; an interval that is missing is not drawn."""
    colour, _ = look
    rows = rows.sort_values(columns[0])
    x, y, low, high = (rows[column].to_numpy(dtype=float) for column in (*columns, "low", "high"))
    if has_band and np.isfinite(low).any():
        draw_band(axes, x, low, high, look)
        if len(x) == 1:  # a band without width
            axes.vlines(x, low, high, color=colour)
    draw_line(axes, x, y, look, label=name)


def _in_order(rows: pd.DataFrame, roles: Mapping[str, str]) -> list[str]:
    """Groups of the table that are compared, those of one role together."""
    found = {*rows["first"], *rows["second"]}
    return [name for role in ROLES for name in roles if roles[name] == role and name in found]


def _matrix(rows: pd.DataFrame, names: Sequence[str], column: str) -> np.ndarray:
    """Each group with each; NaN where the table has no row for two."""
    place_of = {name: place for place, name in enumerate(names)}
    matrix = np.full((len(names), len(names)), np.nan)
    rows = rows[rows["first"].isin(names) & rows["second"].isin(names)]
    for first, second, value in zip(rows["first"], rows["second"], rows[column].to_numpy(dtype=float), strict=True):
        row, other = place_of[first], place_of[second]
        matrix[row, other] = matrix[other, row] = value
    return matrix


def _matrix_map(axes: Axes, values: np.ndarray, colours: str | Colormap, norm: Normalize) -> AxesImage:
    image = axes.imshow(values, cmap=colours, norm=norm, interpolation="nearest", aspect="auto")
    axes.grid(visible=False)
    axes.set_facecolor("#eeeeee")
    return image


def _group_axes(axes: Axes, names: Sequence[str], roles: Sequence[str], language: Language) -> None:
    """Names in the colour of their role, lines between roles."""
    shown = [group_label(name, language) for name in names]
    axes.set_xticks(range(len(names)), shown, rotation=90, fontsize=SMALL)
    axes.set_yticks(range(len(names)), shown, fontsize=SMALL)
    for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
        for tick, role in zip(ticks, roles, strict=True):
            tick.set_color(LOOKS[role][0])
    borders = [at - 0.5 for at in range(1, len(roles)) if roles[at] != roles[at - 1]]
    for border in borders:
        axes.axhline(border, color="black", linewidth=0.8)
        axes.axvline(border, color="black", linewidth=0.8)


def _largest(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return max(float(finite.max()), 1e-6) if len(finite) else 1.0


def _two_digits(value: float) -> str:
    """``.23``, ``-.1``, ``1``: as short as it can be read."""
    text = f"{value:.2f}"
    return "1" if text == "1.00" else text.replace("0.", ".", 1)
