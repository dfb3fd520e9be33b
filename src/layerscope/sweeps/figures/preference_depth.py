"""Figure of the preference for the right side of pairs by depth: how often it is there, and from where on it stays."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from layerscope.bilingual import Language
from layerscope.figures.labels import family_axis_label, label
from layerscope.figures.palette import DIVERGING
from layerscope.figures.style import caption_above, layer_axis, note_below
from layerscope.sweeps.analysis.places import stands_at
from layerscope.sweeps.figures.preference_groups import group_label, shown_groups, width_for


def preference_depth_figure(preference: pd.DataFrame, depths: pd.DataFrame, caption: str, language: Language) -> Figure:
    """Accuracy by depth, one row per group of pairs, with the mean depth from which on the preference stays.

    Args:
        preference: rows of preference.parquet, of a family of depths and one unit.
        depths: rows of preference_depth.parquet, of the same.
        caption: what was scored.
        language: of all words.
    """
    names = shown_groups(preference)
    some = [preference[(preference["kind"] == kind) & (preference["group"] == group)] for kind, group in names]
    at = stands_at(some[0], "span_last").astype(int)
    labels = [group_label(name, one, language) for name, one in zip(names, some, strict=True)]
    figure = Figure(figsize=(width_for(labels), 1.8 + 0.2 * len(names)))
    axes = figure.subplots()
    accuracy = np.stack([one["accuracy"].to_numpy(float) for one in some])
    image = axes.imshow(
        accuracy,
        aspect="auto",
        cmap=DIVERGING.reversed(),
        vmin=0.0,
        vmax=1.0,
        interpolation="nearest",
        extent=(at[0] - 0.5, at[-1] + 0.5, len(names) - 0.5, -0.5),
    )
    for row, (kind, group) in enumerate(names):
        of_group = depths[(depths["kind"] == kind) & (depths["group"] == group)]
        for mean, low, high in of_group[["mean_depth", "mean_depth_low", "mean_depth_high"]].to_numpy(float):
            axes.plot([low, high], [row, row], color="black", linewidth=1.0)
            axes.plot([mean], [row], color="black", marker="|", markersize=6)
    axes.set_yticks(range(len(names)), labels)
    caption_above(figure, caption)
    layer_axis(axes, family_axis_label(preference["family"].iloc[0], language))
    axes.grid(visible=False)
    bar = figure.colorbar(image, ax=axes, location="bottom", pad=0.04, fraction=0.05, aspect=40)
    bar.set_label(label("pair_accuracy", language))
    notes = [label("note:mean_depth", language)]
    notes += [label("note:few_pairs_star", language)] if any(bool(one["is_few"].iloc[0]) for one in some) else []
    note_below(figure, *notes)
    return figure
