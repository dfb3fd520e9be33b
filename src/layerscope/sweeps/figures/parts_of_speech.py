"""Figures of a sweep by part of speech, from pos.parquet and transitions.parquet as data frames.

Heat map (tag × layer), open and closed classes by layer, effect against the intact model's difficulty, transitions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from layerscope.bilingual import Language
from layerscope.figures.labels import family_axis_label, in_lines, label, tag_label, texts_label
from layerscope.figures.lines import band_in_legend, draw_band, draw_line
from layerscope.figures.marks import fade, mark_tested
from layerscope.figures.names import Named, name_points
from layerscope.figures.palette import BLUE, GREEN, VERMILLION
from layerscope.figures.style import (
    Width,
    caption_above,
    effect_axis,
    figure_style,
    layer_axis,
    legend_above,
    log_axis,
    new_figure,
    note_below,
    zero_line,
)
from layerscope.sweeps.analysis.parts_of_speech import CLASSES, FEWEST_ITEMS
from layerscope.sweeps.analysis.places import stands_at
from layerscope.sweeps.analysis.tag_findings import FEWEST_WORDS
from layerscope.sweeps.figures.heat_map import colour_bar, heat_map

TAG_ORDER = (
    "NOUN", "PROPN", "VERB", "ADJ", "ADV", "INTJ", "AUX", "ADP", "DET", "PRON", "CCONJ", "SCONJ", "PART", "NUM",
    "PUNCT", "SYM", "X",
)  # fmt: skip
"""Rows from above, as on the report's page: open classes, closed ones, the rest."""
_SHORTEST = 2.2
"""Inches, of however few rows."""
_FEWEST_SHOWN = 50
"""Words of a transition below which it is in the table and not in the figure."""


def pos_figures(
    pos: pd.DataFrame,
    transitions: pd.DataFrame,
    families: list[str],
    *,
    n_texts: int,
    model: str,
    dataset: str,
    language: Language,
    width: Width | None = None,
) -> dict[str, Figure]:
    """Every figure, by name.

    Args:
        pos: pos.parquet.
        transitions: transitions.parquet.
        families: those with a variant for every layer or pair.
        n_texts: that were scored.
        model: its name, for the line above each figure.
        dataset: its name, for the same line.
        language: of all words.
        width: of each; if None, one column.
    """
    figures: dict[str, Figure] = {}
    words = pos[pos["unit"] == "word"]
    n_words = int(words.loc[words["tag"] == "all", "items"].iloc[0])
    scored = [f"{n_words:,} {label('words', language)}", texts_label(n_texts, language)]
    caption = "\n".join(in_lines([model, dataset, *scored]))
    for family in families:
        name = family.replace(":", "-")
        with figure_style(language, width):
            figures[f"pos_{name}"] = effects_by_tag_and_layer(words, family, caption, language)
            figures[f"pos_classes_{name}"] = classes_by_layer(pos, family, caption, language)
            figures[f"pos_difficulty_{name}"] = effect_against_difficulty(words, family, caption, language)
            often = transitions[(transitions["family"] == family) & (transitions["words"] >= _FEWEST_SHOWN)]
            if len(often):
                figures[f"transitions_{name}"] = effects_by_transition(often, caption, language)
    return figures


def effects_by_tag_and_layer(words: pd.DataFrame, family: str, caption: str, language: Language) -> Figure:
    """ΔNLL of each part of speech at each layer; a dot where it is significant after false-discovery control."""
    rows = words[(words["family"] == family) & (words["kind"] == "tag")]
    rows = rows.assign(layer=stands_at(rows, "span_first"))
    tags = [tag for tag in TAG_ORDER if tag in set(rows["tag"])]
    effect = rows.pivot(index="tag", columns="layer", values="delta_nll_nats").loc[tags]
    q_values = rows.pivot(index="tag", columns="layer", values="q_value").loc[tags]
    sizes = rows.drop_duplicates("tag").set_index("tag")
    counts = [int(sizes["items"][tag]) for tag in tags]
    is_rare = np.array(counts) < FEWEST_WORDS
    rare_cells = np.broadcast_to(is_rare[:, None], effect.shape)
    figure, (axes,) = new_figure(height=max(_SHORTEST, 1.6 + 0.17 * len(tags)))
    image = heat_map(axes, effect.to_numpy(dtype=float), counts=~rare_cells)
    notes = mark_tested(axes, q_values.to_numpy(dtype=float), effect.notna().to_numpy(), language)
    fade(axes, rare_cells & effect.notna().to_numpy())
    marks = ["*" if sizes.loc[tag, "is_few"] else "" for tag in tags]
    names = [f"{tag_label(tag, language)} ({n:,}){mark}" for tag, n, mark in zip(tags, counts, marks, strict=True)]
    axes.set_yticks(range(len(tags)), names)
    _layer_ticks(axes, [int(layer) for layer in effect.columns])
    axes.set_xlabel(family_axis_label(family, language))
    caption_above(figure, caption)
    colour_bar(figure, image, axes, label("delta_word", language), language)
    notes += [label("note:few", language)] if any(marks) else []
    notes += [_faded(language, bool(is_rare.all()))] if is_rare.any() else []
    note_below(figure, *notes)
    return figure


def classes_by_layer(pos: pd.DataFrame, family: str, caption: str, language: Language) -> Figure:
    """Open and closed classes: whole words, then the tokens that begin a word and those that go on with it."""
    figure, panels = new_figure(height=6.6, panels=3)
    for axes, unit in zip(panels, ("word", "first", "continuation"), strict=True):
        rows = pos[(pos["family"] == family) & (pos["unit"] == unit)]
        shown = rows[rows["tag"].isin(["open", "closed"])]
        for tag, look in (("open", (BLUE, "o")), ("closed", (VERMILLION, "s"))):
            some = rows[rows["tag"] == tag]
            layers, low, high = stands_at(some, "span_first"), some["delta_nll_low_nats"], some["delta_nll_high_nats"]
            draw_band(axes, layers, low, high, look)
            draw_line(axes, layers, some["delta_nll_nats"], look, label=label(f"class:{tag}", language))
        axes.set_ylabel(label(f"delta_{unit}", language))
        low_ends = shown["delta_nll_low_nats"].to_numpy(float)
        effect_axis(axes, [*shown["delta_nll_nats"].to_numpy(float), *low_ends[low_ends <= 0]], language)
        zero_line(axes)
        axes.tick_params(labelbottom=axes is panels[-1])
        layer_axis(axes, family_axis_label(family, language) if axes is panels[-1] else "")
    caption_above(figure, caption)
    handles = panels[0].get_legend_handles_labels()[0]
    legend_above(panels[0], handles=[*handles, band_in_legend(label("interval", language))])
    return figure


def effect_against_difficulty(words: pd.DataFrame, family: str, caption: str, language: Language) -> Figure:
    """Median ΔNLL over layers against the intact model's NLL: words that are easy have little to lose, or much."""
    rows = words[(words["family"] == family) & (words["kind"] == "tag")]
    shown = rows.groupby("tag", observed=True)[["intact_nll_nats", "delta_nll_nats", "is_few", "items"]].median()
    is_rare = shown["items"] < FEWEST_WORDS
    scaled = shown if is_rare.all() else shown[~is_rare]
    figure, (axes,) = new_figure(height=3.5)
    named = []
    for name, colour, marker in (("open", BLUE, "o"), ("closed", VERMILLION, "s"), ("other", GREEN, "^")):
        some = shown[np.array([_class_of(str(tag)) == name for tag in shown.index])]
        opacity = np.where(some["items"] < FEWEST_WORDS, 0.3, 1.0)
        x, y = some["intact_nll_nats"].to_numpy(), some["delta_nll_nats"].to_numpy()
        axes.scatter(x, y, s=14, color=[to_rgba(colour, one) for one in opacity], marker=marker, linewidths=0)
        axes.scatter([], [], s=14, color=colour, marker=marker, label=label(f"class:{name}", language))
        named += [
            Named(at[0], at[1], f"{tag}{'*' * bool(few)}", colour)
            for tag, at, few in zip(some.index, zip(x, y, strict=True), some["is_few"], strict=True)
        ]
    axes.set_xlabel(label("intact_nll_word", language))
    axes.set_ylabel(label("median_delta_word", language))
    _limits_of(axes, scaled, language)
    caption_above(figure, caption)
    legend_above(axes)
    left_out = [tag for tag in shown.index if not _is_inside(axes, *shown.loc[tag, ["intact_nll_nats", "delta_nll_nats"]])]
    notes = [label("note:few", language)] if shown["is_few"].any() else []
    notes += [_faded(language, bool(is_rare.all()), left_out)] if is_rare.any() else []
    note_below(figure, *notes)
    frequent_first = sorted(named, key=lambda one: -shown["items"][one.name.rstrip("*")])
    name_points(figure, axes, frequent_first)
    return figure


def effects_by_transition(often: pd.DataFrame, caption: str, language: Language) -> Figure:
    """Median ΔNLL over layers of each pair (part of speech of a word, of the next); faded where there are under 200 words."""
    order = [*TAG_ORDER, "START"]
    median = often.groupby(["tag", "next_tag"], observed=True)["delta_nll_nats"].median().unstack()
    median = median.loc[[tag for tag in order if tag in median.index], [tag for tag in order if tag in median.columns]]
    figure, (axes,) = new_figure(height=max(_SHORTEST, 2.0 + 0.16 * len(median)))
    image = heat_map(axes, median.to_numpy(dtype=float))
    sizes = often.groupby(["tag", "next_tag"], observed=True)["words"].first().unstack().loc[median.index, median.columns]
    is_few = sizes.to_numpy(dtype=float) < FEWEST_ITEMS
    fade(axes, is_few)
    axes.set_yticks(range(len(median)), median.index.tolist())
    axes.set_xticks(range(median.shape[1]), median.columns.tolist(), rotation=90)
    axes.set_ylabel(label("current_word", language))
    axes.set_xlabel(label("next_word", language))
    caption_above(figure, caption)
    colour_bar(figure, image, axes, label("median_delta_word", language).replace("\n", " "), language)
    note_below(figure, label("note:faded", language).format(n=FEWEST_ITEMS) if is_few.any() else "")
    return figure


def _limits_of(axes: Axes, shown: pd.DataFrame, language: Language) -> None:
    """Axes that hold some of the points, logarithmic where effects allow it."""
    x, y = shown["intact_nll_nats"].to_numpy(float), shown["delta_nll_nats"].to_numpy(float)
    is_log = bool((y > 0).all() and (x > 0).all())
    for which, values in (("x", x), ("y", y)):
        finite = (
            np.log(values[np.isfinite(values)])
            if is_log
            else np.append(values[np.isfinite(values)], 0.0 if which == "y" else x[np.isfinite(x)][:1])
        )
        if not len(finite):
            continue
        room = 0.12 * (finite.max() - finite.min()) or 0.5
        ends = np.array([finite.min() - room, finite.max() + room])
        (axes.set_xlim if which == "x" else axes.set_ylim)(*(np.exp(ends) if is_log else ends))
        if is_log:
            log_axis(axes, "x" if which == "x" else "y")
            axis = axes.xaxis if which == "x" else axes.yaxis
            axis.set_label_text(f"{axis.get_label_text()}\n{label('log_scale', language)}")
    if not is_log:
        zero_line(axes)


def _is_inside(axes: Axes, x: float, y: float) -> bool:
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    return bool(left <= x <= right and low <= y <= high)


def _faded(language: Language, is_scaled: bool, outside: Sequence[str] = ()) -> str:
    """What faded means, whether the scale holds it, and what lies off the axes."""
    parts = [label("note:faded", language).format(n=FEWEST_WORDS)]
    parts += [] if is_scaled else [label("note:off_scale", language)]
    parts += [label("note:outside", language).format(tags=", ".join(outside))] if outside else []
    return ("; " if language == "en" else "；").join(parts)


def _layer_ticks(axes: Axes, layers: list[int]) -> None:
    step = max(1, round(len(layers) / 8))
    places = range(0, len(layers), step)
    axes.set_xticks(list(places), [str(layers[place]) for place in places])


def _class_of(tag: str) -> str:
    return next((name for name in ("open", "closed") if tag in CLASSES[name]), "other")
