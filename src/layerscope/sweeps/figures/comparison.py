"""Figures of several models over one axis: all scored tokens together, and one small panel per part of speech.

Functions take the lines of ``analysis.comparison.curves`` and return figures. On an axis of relative depth a variant lies at
the middle of the layers that it touches, divided by the number of layers − 1.
"""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from layerscope.bilingual import Language
from layerscope.figures.labels import LONGEST_CAPTION, family_axis_label, in_lines, label, tag_label, texts_label, width_of
from layerscope.figures.lines import band_in_legend, draw_band, draw_line
from layerscope.figures.names import Named, name_points, peaks_of
from layerscope.figures.palette import COLOURS, DASHES, GREY, MARKERS
from layerscope.figures.style import (
    LABEL,
    LETTER_INCHES,
    TEXT,
    Width,
    effect_axis,
    figure_style,
    is_wide,
    layer_axis,
    log_axis,
    new_figure,
    page_width,
    zero_line,
)
from layerscope.paths.families import DEPTHS
from layerscope.sweeps.analysis.comparison import OVERALL, Axis, View

_COLUMNS = {True: 4, False: 2}
"""Panels beside each other, in two columns of a paper and in one."""
_MOST_PEAKS = 4
_LONGEST_NAME = 48
"""Characters that one column holds beside a line of the legend, those of Japanese counted twice."""


@dataclass(frozen=True)
class Scored:
    """What the models of a comparison were scored on, for the line above each figure; None where it is not known or differs."""

    dataset: str | None
    """Name of the data set."""
    documents: int | None
    """Texts."""
    tokens: int | None
    """Scored tokens."""
    differences: tuple[str, ...] = ()
    """What is not comparable and was asked for all the same: keys of ``labels`` after ``differs:``."""
    remarks: tuple[str, ...] = ()
    """What differs because the models do: keys of ``labels`` after ``remark:``."""


def comparison_figures(
    curves: pd.DataFrame, view: View, scored: Scored, *, language: Language, width: Width | None = None
) -> dict[str, Figure]:
    """Every figure, by name.

    Args:
        curves: from ``analysis.comparison.curves``; models in the order of the legend.
        view: what was drawn, over what and in which unit.
        scored: what the models were scored on.
        language: of all words.
        width: of each; if None, one column for lines, two for panels.
    """
    figures: dict[str, Figure] = {}
    for family in dict.fromkeys(curves["family"]):
        rows = curves[curves["family"] == family]
        caption = _caption(family, scored, language)
        name = f"{family.replace(':', '-')}_{view.measure}"
        with figure_style(language, width):
            figures[name] = models_over_layers(rows, view, caption, language)
            if (rows["tag"] != OVERALL).any():
                figures[f"{name}_tags"] = models_by_tag(rows, view, caption, language)
    return figures


def models_over_layers(rows: pd.DataFrame, view: View, caption: str, language: Language) -> Figure:
    """One line per model with its interval band, over layers or relative depth; dashed lines for the intact models."""
    rows = rows[rows["tag"] == OVERALL]
    handles = _handles(rows, view, language)
    n_columns, legend_inches = _legend_form(handles, page_width())
    figure, (axes,) = new_figure(height=2.4 + legend_inches + 0.12 * caption.count("\n"))
    _draw(axes, rows, list(dict.fromkeys(rows["model"])), view.axis)
    axes.set_ylabel(_value_label(view, language, per_word=False))
    _value_axis([axes], rows, view, language)
    _x_axis(axes, rows["family"].iloc[0], view, language)
    figure.suptitle(caption, fontsize=TEXT, color=GREY)
    figure.legend(handles=handles, loc="outside lower center", ncols=n_columns)
    name_points(figure, axes, _peaks(axes, rows, view.axis))
    return figure


def _peaks(axes: Axes, rows: pd.DataFrame, axis: Axis) -> list[Named]:
    """The layers that stand out in each model, under their own numbers where the axis is relative."""
    named = []
    for model, look in zip(dict.fromkeys(rows["model"]), _looks(), strict=False):
        some = rows[rows["model"] == model].replace([np.inf, -np.inf], np.nan)
        x, y = (some[column].to_numpy(float) for column in (axis, "value"))
        places = peaks_of(axes, x, y, _MOST_PEAKS)
        named += [Named(x[place], y[place], f"{some['layer'].iloc[place]:g}", look["color"]) for place in places]
    return named


def models_by_tag(rows: pd.DataFrame, view: View, caption: str, language: Language) -> Figure:
    """Small multiples, the same lines for the words of one part of speech a panel, all on the same axes."""
    models = list(dict.fromkeys(rows["model"]))
    rows = rows[rows["tag"] != OVERALL]
    tags = list(dict.fromkeys(rows["tag"]))
    width = page_width(needs_two=True)
    n_columns = min(_COLUMNS[is_wide(width)], len(tags))
    n_rows = math.ceil(len(tags) / n_columns)
    handles = _handles(rows, view, language)
    n_legend, legend_inches = _legend_form(handles, width)
    heights = [0.9 + 1.25 * n_rows + 0.12 * caption.count("\n"), legend_inches]
    figure = Figure(figsize=(width, sum(heights)))
    (above,), (below,) = figure.subfigures(
        2, 1, squeeze=False, height_ratios=heights
    )  # else the legend would cover the label of the x axis
    panels = above.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    for axes, tag in zip(panels.flat, tags, strict=False):
        _draw(axes, rows[rows["tag"] == tag], models, view.axis)
        axes.set_title(tag_label(tag, language))
    name = _value_axis(
        list(panels.flat), rows, view, language
    )  # before the x axis is set, which would fix limits of a linear y axis
    _x_axis(panels.flat[0], rows["family"].iloc[0], view, language, n_ticks=5)
    panels.flat[0].set_xlabel("")
    if panels.flat[0].get_yscale() == "log":
        panels.flat[0].locator_params(axis="y", numticks=6)
    for place in range(len(tags), n_rows * n_columns):
        panels.flat[place].remove()
        panels.flat[place - n_columns].tick_params(labelbottom=True)
    above.supxlabel(_x_label(rows["family"].iloc[0], view, language), fontsize=LABEL)
    above.supylabel("\n".join(filter(None, [_value_label(view, language, per_word=True), name])), fontsize=LABEL)
    above.suptitle(caption, fontsize=TEXT, color=GREY)
    below.legend(handles=handles, loc="center", ncols=n_legend)
    return figure


def _draw(axes: Axes, rows: pd.DataFrame, models: Sequence[str], axis: Axis) -> None:
    """The lines, bands and intact lines of one panel; an infinite value is a gap."""
    intact = rows.drop_duplicates("model").set_index("model")["intact"]
    for model, look in zip(models, _looks(), strict=False):
        some = rows[rows["model"] == model].replace([np.inf, -np.inf], np.nan)
        if intact[model] != 0:
            axes.axhline(intact[model], color=look["color"], linestyle="--", linewidth=0.8)
        draw_band(axes, some[axis], some["low"], some["high"], (look["color"], look["marker"]))
        draw_line(axes, some[axis], some["value"], (look["color"], look["marker"]), markersize=2.5)


def _looks() -> Iterator[dict[str, Any]]:
    """Colours and markers, with their dashes, of one model after the other, none twice before all are used up."""
    rounds = itertools.count()
    for turn in rounds:
        for place, colour in enumerate(COLOURS):
            marker = MARKERS[(place + turn) % len(MARKERS)]
            yield {"color": colour, "marker": marker, "linestyle": DASHES[marker], "markersize": 2.5}


def _handles(rows: pd.DataFrame, view: View, language: Language) -> list[Line2D | Patch]:
    """The legend: one line per model, with the intact perplexity if one figure shows it; then what is dashed, and the band."""
    handles: list[Line2D | Patch] = []
    values = rows.drop_duplicates("model")
    for model, value, look in zip(values["model"], values["intact"], _looks(), strict=False):
        name = model
        if view.measure == "ppl" and (rows["tag"] == OVERALL).all():
            name = f"{name} ({label('intact', language)} {value:.3g})"
        handles.append(Line2D([], [], label=textwrap.fill(name, _LONGEST_NAME), **look))
    if view.measure == "ppl" or (_effects(rows) <= 0).any():
        handles.append(Line2D([], [], color=GREY, linestyle="--", linewidth=0.9, label=label("intact", language)))
    if rows["low"].notna().any():
        handles.append(band_in_legend(label("interval", language)))
    return handles


def _legend_form(handles: Sequence[Line2D | Patch], width: float) -> tuple[int, float]:
    """Columns of a legend that fit into a width, and the height of its lines, both in inches."""
    names = [str(handle.get_label()) for handle in handles]
    longest = max(width_of(line) for name in names for line in name.splitlines())
    n_columns = max(1, min(len(names), int((width + 0.1) / (0.55 + LETTER_INCHES * longest))))
    columns = np.array_split([name.count("\n") + 1 for name in names], n_columns)  # as matplotlib fills them
    return n_columns, 0.1 + 0.15 * max(int(lines.sum()) for lines in columns)


def _value_axis(panels: Sequence[Axes], rows: pd.DataFrame, view: View, language: Language) -> str:
    """Perplexities on a log axis, effects on a signed one where sizes differ much; bits are logarithms already.

    The intact model is the zero of effects, drawn where an effect or an interval reaches it.

    Returns:
        What the axis says of its scale, beside the name that it has.
    """
    name = panels[0].get_ylabel()
    if view.measure == "ppl" and view.unit == "nats":
        log_axis(panels[0], "y")
    elif view.measure == "delta":
        effects = _effects(rows)
        small = float(
            effects.abs().quantile(0.1)
        )  # one effect that happens to be next to nothing does not make sizes differ much
        effect_axis(panels[0], effects.abs().clip(lower=small) * np.sign(effects.to_numpy()), language)
        for axes in panels if (effects <= 0).any() else ():
            zero_line(axes)
    scale = panels[0].get_ylabel().removeprefix(name).strip()
    if len(panels) > 1:
        panels[0].set_ylabel("")
    return scale


def _effects(rows: pd.DataFrame) -> pd.Series[float]:
    """Values, and the lower ends of intervals that reach zero: what an axis has to hold."""
    values: pd.Series[float] = pd.concat([rows["value"], rows.loc[rows["low"] <= 0, "low"]]).astype(float)
    return values[np.isfinite(values)]


def _x_axis(axes: Axes, family: str, view: View, language: Language, *, n_ticks: int = 8) -> None:
    if view.axis == "layer":
        layer_axis(axes, _x_label(family, view, language))
        axes.locator_params(axis="x", nbins=n_ticks)
    else:
        axes.set_xlabel(_x_label(family, view, language))
        axes.set_xlim(min(-0.03, axes.dataLim.x0 - 0.03), 1.03)


def _x_label(family: str, view: View, language: Language) -> str:
    if view.axis == "layer":
        return family_axis_label(family, language)
    own = {
        "exchange": "relative_depth:exchange",
        **dict.fromkeys(DEPTHS, "relative_depth:depth"),
        **dict.fromkeys(("removal", "repetition", "attention-removal", "mlp-removal"), "relative_depth"),
    }
    return label(own.get(family.partition(":")[0], "relative_depth:middle"), language)


def _value_label(view: View, language: Language, *, per_word: bool) -> str:
    if view.of_text_means and view.measure == "ppl":
        return label("ppl_text_mean", language)
    key = f"{view.measure}_word" if per_word else view.measure
    return label(f"{key}_bits" if view.unit == "bits" else key, language)


def _caption(family: str, scored: Scored, language: Language) -> str:
    """What was done on what; below it, what of it is not comparable. In lines that half a page holds."""
    parts = [label(f"name:{family}", language), *textwrap.wrap(scored.dataset or "", LONGEST_CAPTION)]
    parts += [] if scored.documents is None else [texts_label(scored.documents, language)]
    parts += [] if scored.tokens is None else [f"{scored.tokens:,} {label('tokens', language)}"]
    lines = [*in_lines(parts, " · "), *(label(f"remark:{name}", language) for name in scored.remarks)]
    if scored.differences:
        different = [label(f"differs:{name}", language) for name in scored.differences]
        lines += [label("not_comparable", language), *in_lines(different, ", " if language == "en" else "、")]
    return "\n".join(lines)
