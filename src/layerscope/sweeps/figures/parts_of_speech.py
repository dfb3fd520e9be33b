"""Figures of a sweep by part of speech, from pos.parquet and transitions.parquet as data frames.

Heat map (tag × layer), open and closed classes by layer, effect against the intact model's difficulty, transitions.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from layerscope.bilingual import Language
from layerscope.figures.labels import family_axis_label, in_lines, label, tag_label, texts_label
from layerscope.figures.style import (
    BLUE,
    GREEN,
    GREY,
    VERMILLION,
    figure_style,
    layer_axis,
    log_axis,
    new_figure,
    signed_log_axis,
)
from layerscope.language.words import UPOS_TAGS
from layerscope.sweeps.analysis.parts_of_speech import CLASSES, FEWEST_ITEMS
from layerscope.sweeps.analysis.places import stands_at
from layerscope.sweeps.figures.heat_map import colour_bar, heat_map

_SIGNIFICANT = 0.05
_SHORTEST = 1.9
"""Inches: room for the name of the colour bar beside however few rows."""
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
    """
    figures: dict[str, Figure] = {}
    words = pos[pos["unit"] == "word"]
    n_words = int(words.loc[words["tag"] == "all", "items"].iloc[0])
    scored = [f"{n_words:,} {label('words', language)}", texts_label(n_texts, language)]
    caption = "\n".join(in_lines([model, dataset, *scored]))
    for family in families:
        name = family.replace(":", "-")
        with figure_style(language):
            figures[f"pos_{name}"] = effects_by_tag_and_layer(words, family, caption, language)
            figures[f"pos_classes_{name}"] = classes_by_layer(pos, family, caption, language)
            figures[f"pos_difficulty_{name}"] = effect_against_difficulty(words, family, caption, language)
            often = transitions[(transitions["family"] == family) & (transitions["words"] >= _FEWEST_SHOWN)]
            if len(often):
                figures[f"transitions_{name}"] = effects_by_transition(often, caption, language)
    return figures


def effects_by_tag_and_layer(words: pd.DataFrame, family: str, caption: str, language: Language) -> Figure:
    """ΔNLL of each part of speech at each layer; a dot where zero cannot be excluded after false-discovery control."""
    rows = words[(words["family"] == family) & (words["kind"] == "tag")]
    rows = rows.assign(layer=stands_at(rows, "span_first"))
    tags = [tag for tag in UPOS_TAGS if tag in set(rows["tag"])]
    effect = rows.pivot(index="tag", columns="layer", values="delta_nll_nats").loc[tags]
    q_values = rows.pivot(index="tag", columns="layer", values="q_value").loc[tags]
    sizes = rows.drop_duplicates("tag").set_index("tag")
    figure, (axes,) = new_figure(height=max(_SHORTEST, 1.0 + 0.17 * len(tags)))
    image = heat_map(axes, effect.to_numpy(dtype=float))
    is_tested = bool(q_values.notna().any(axis=None))
    uncertain = np.argwhere(~(q_values.to_numpy(dtype=float) < _SIGNIFICANT) & is_tested)
    axes.scatter(uncertain[:, 1], uncertain[:, 0], s=1.2, color="black", linewidths=0)
    marks = ["*" if sizes.loc[tag, "is_few"] else "" for tag in tags]
    counts = [int(sizes["items"][tag]) for tag in tags]
    names = [f"{tag_label(tag, language)} ({n:,}){mark}" for tag, n, mark in zip(tags, counts, marks, strict=True)]
    axes.set_yticks(range(len(tags)), names)
    _layer_ticks(axes, [int(layer) for layer in effect.columns])
    axes.set_xlabel(family_axis_label(family, language))
    axes.set_title(caption, color=GREY)
    colour_bar(figure, image, axes, label("delta_word", language))
    note = label("note:uncertain" if is_tested else "note:no_test", language) + (
        f"\n{label('note:few', language)}" if any(marks) else ""
    )
    figure.supxlabel(note, fontsize=6, color=GREY)
    return figure


def classes_by_layer(pos: pd.DataFrame, family: str, caption: str, language: Language) -> Figure:
    """Open and closed classes: whole words, then the tokens that begin a word and those that go on with it."""
    figure, panels = new_figure(height=5.2, panels=3)
    for axes, unit in zip(panels, ("word", "first", "continuation"), strict=True):
        rows = pos[(pos["family"] == family) & (pos["unit"] == unit)]
        shown = rows[rows["tag"].isin(["open", "closed"])]
        for tag, colour, marker in (("open", BLUE, "o"), ("closed", VERMILLION, "s")):
            some = rows[rows["tag"] == tag]
            layers, low, high = stands_at(some, "span_first"), some["delta_nll_low_nats"], some["delta_nll_high_nats"]
            axes.fill_between(layers, low, high, color=colour, alpha=0.25, linewidth=0)
            axes.plot(layers, some["delta_nll_nats"], color=colour, marker=marker, label=label(f"class:{tag}", language))
        axes.axhline(0, color="black", linestyle="--", linewidth=0.9)
        signed_log_axis(axes, shown["delta_nll_nats"])
        axes.set_ylabel(label(f"delta_{unit}", language))
        axes.tick_params(labelbottom=axes is panels[-1])
        layer_axis(axes, family_axis_label(family, language) if axes is panels[-1] else "")
    panels[0].set_title(caption, color=GREY)
    panels[0].legend(loc="best")
    return figure


def effect_against_difficulty(words: pd.DataFrame, family: str, caption: str, language: Language) -> Figure:
    """Median ΔNLL over layers against the intact model's NLL: words that are easy have little to lose, or much."""
    rows = words[(words["family"] == family) & (words["kind"] == "tag")]
    shown = rows.groupby("tag", observed=True)[["intact_nll_nats", "delta_nll_nats", "is_few"]].median()
    figure, (axes,) = new_figure(height=3.2)
    for name, colour, marker in (("open", BLUE, "o"), ("closed", VERMILLION, "s"), ("other", GREEN, "^")):
        some = shown[np.array([_class_of(str(tag)) == name for tag in shown.index])]
        x, y = some["intact_nll_nats"].to_numpy(), some["delta_nll_nats"].to_numpy()
        faces = ["white" if few else colour for few in some["is_few"]]
        axes.scatter(x, y, s=14, c=faces, edgecolors=colour, marker=marker)
        axes.scatter([], [], s=14, color=colour, marker=marker, label=label(f"class:{name}", language))
        for tag, at in zip(some.index, zip(x, y, strict=True), strict=True):
            axes.annotate(str(tag), at, xytext=(3, 2), textcoords="offset points", fontsize=5.5)
    if shown["is_few"].any():
        figure.supxlabel(label("note:few_hollow", language), fontsize=6, color=GREY)
    if (shown["delta_nll_nats"] > 0).all():
        log_axis(axes, "x")
        log_axis(axes, "y")
    else:
        axes.axhline(0, color="black", linestyle="--", linewidth=0.9)
    axes.margins(x=0.12)
    axes.set_xlabel(label("intact_nll_word", language))
    axes.set_ylabel(label("median_delta_word", language))
    axes.set_title(caption, color=GREY)
    # on the axes its marks would look like points
    figure.legend(loc="outside upper center", ncols=3, fontsize=6, columnspacing=1.0, handletextpad=0.1)
    return figure


def effects_by_transition(often: pd.DataFrame, caption: str, language: Language) -> Figure:
    """Median ΔNLL over layers of each pair (part of speech of a word, of the next); a dot where there are under 200 words."""
    order = [*UPOS_TAGS, "START"]
    median = often.groupby(["tag", "next_tag"], observed=True)["delta_nll_nats"].median().unstack()
    median = median.loc[[tag for tag in order if tag in median.index], [tag for tag in order if tag in median.columns]]
    figure, (axes,) = new_figure(height=max(_SHORTEST, 1.5 + 0.16 * len(median)))
    image = heat_map(axes, median.to_numpy(dtype=float))
    sizes = often.groupby(["tag", "next_tag"], observed=True)["words"].first().unstack().loc[median.index, median.columns]
    few = np.argwhere(sizes.to_numpy(dtype=float) < FEWEST_ITEMS)
    axes.scatter(few[:, 1], few[:, 0], s=1.2, color="black", linewidths=0)
    figure.supxlabel(label("note:few_dots", language), fontsize=6, color=GREY)
    axes.set_yticks(range(len(median)), median.index.tolist())
    axes.set_xticks(range(median.shape[1]), median.columns.tolist(), rotation=90)
    axes.set_ylabel(label("current_word", language))
    axes.set_xlabel(label("next_word", language))
    axes.set_title(caption, color=GREY)
    colour_bar(figure, image, axes, label("median_delta_word", language))
    return figure


def _layer_ticks(axes: Axes, layers: list[int]) -> None:
    step = max(1, round(len(layers) / 8))
    places = range(0, len(layers), step)
    axes.set_xticks(list(places), [str(layers[place]) for place in places])


def _class_of(tag: str) -> str:
    return next((name for name in ("open", "closed") if tag in CLASSES[name]), "other")
