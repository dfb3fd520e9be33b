"""Figures of the preference for the right side of pairs: by layer with the damage above it, and against the damage."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from layerscope.bilingual import Language
from layerscope.figures.labels import family_axis_label, in_lines, label
from layerscope.figures.lines import band_in_legend, draw_band
from layerscope.figures.marks import mark_tested
from layerscope.figures.names import Named, name_points
from layerscope.figures.palette import COLOURS, DIVERGING, GREY, MARKERS
from layerscope.figures.style import (
    SMALL,
    Width,
    caption_above,
    figure_style,
    legend_above,
    log_axis,
    new_figure,
    note_below,
    symmetric_ticks,
)
from layerscope.paths.families import DEPTHS
from layerscope.sweeps.analysis.places import stands_at
from layerscope.sweeps.figures.preference_depth import preference_depth_figure
from layerscope.sweeps.figures.preference_groups import group_label, shown_groups, width_for

_MOST_NAMED = 8
_LARGEST_NAMED = 3
_LEVEL = 0.05


def preference_figures(
    preference: pd.DataFrame,
    beyond: pd.DataFrame,
    depths: pd.DataFrame | None,
    families: list[str],
    *,
    unit: str,
    model: str,
    language: Language,
    width: Width | None = None,
) -> dict[str, Figure]:
    """Every figure, by name.

    Args:
        preference: preference.parquet.
        beyond: beyond_damage.parquet.
        depths: preference_depth.parquet; None where the run has no family of depths.
        families: those with a variant for every layer or pair.
        unit: what NLLs are summed over, as in ``beyond``.
        model: its name, for the line above each figure.
        language: of all words.
        width: of each; if None, one column, or more where names of groups are long.
    """
    rows = preference[preference["unit"].astype(str) == unit].astype(dict.fromkeys(("family", "kind", "group", "variant"), str))
    outside = beyond.astype(dict.fromkeys(("family", "kind", "group", "measure", "variant"), str))
    n_pairs = int(rows.loc[rows["kind"] == "all", "pairs"].iloc[0])
    caption = "\n".join(in_lines([model, f"{n_pairs:,} {label('pairs', language)}", label(f"unit:{unit}", language)]))
    figures = {}
    with figure_style(language, width):
        for family in families:
            if family in DEPTHS:
                continue
            of_family, frames = (some[some["family"] == family] for some in (rows, outside[outside["measure"] == "margin"]))
            figures[f"preference_{family.replace(':', '-')}"] = by_layer(of_family, frames, caption, language)
        shown = outside[(outside["kind"] == "all") & (outside["measure"] == "margin")]
        if len(shown):
            figures["preference_damage"] = against_damage(shown, rows, caption, language)
        if depths is not None:
            of_unit = depths[depths["unit"].astype(str) == unit].astype(dict.fromkeys(("family", "kind", "group"), str))
            for family in dict.fromkeys(of_unit["family"]):
                shown, of_family = (some[some["family"] == family] for some in (rows, of_unit))
                lines = f"{caption}\n{label(f'lens:{family}', language)}"
                figures[f"preference_{family}"] = preference_depth_figure(shown, of_family, lines, language)
    return figures


def by_layer(rows: pd.DataFrame, outside: pd.DataFrame, caption: str, language: Language) -> Figure:
    """Damage above, and below it the change of accuracy by group of pairs.

    A dot stands where the margin's change is significant, a frame where the margin is beyond what damage allows.

    Args:
        rows: rows of preference.parquet, of one family and unit.
        outside: rows of beyond_damage.parquet, of the family and the margin.
        caption: what was scored.
        language: of all words.
    """
    names = shown_groups(rows)
    some = [rows[(rows["kind"] == kind) & (rows["group"] == group)] for kind, group in names]
    labels = [group_label(name, one, language) for name, one in zip(names, some, strict=True)]
    figure = Figure(figsize=(width_for(labels), 2.7 + 0.17 * len(names)))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[1.0, 0.4 + 0.17 * len(names)])
    at = stands_at(some[0], "span_first")
    damage = some[0]["damage_nats"].to_numpy(float)
    above.bar(np.arange(len(at)), damage, color=GREY, width=0.8)
    if (damage > 0).all() and damage.max() / damage.min() > 30:
        log_axis(above, "y", is_short=True)
    above.set_ylabel(label("damage", language))
    caption_above(figure, caption)
    change = np.stack([one["delta_accuracy"].to_numpy(float) for one in some])
    limit = max(float(np.nanmax(np.abs(change))), 0.01)
    image = below.imshow(change, aspect="auto", cmap=DIVERGING.reversed(), vmin=-limit, vmax=limit, interpolation="nearest")
    q_values = np.stack([one["q_value"].to_numpy(float) for one in some])
    notes = mark_tested(below, q_values, np.isfinite(change), language)
    is_tested = bool(np.isfinite(q_values).any())
    found = outside[outside["q_value"] < _LEVEL].groupby(["kind", "group"])
    signs = {name: dict(zip(rows["variant"], rows["beyond"], strict=True)) for name, rows in found}
    variants = some[0]["variant"].tolist()
    framed = [(x, y) for y, name in enumerate(names) for x, one in enumerate(variants) if one in signs.get(name, {})]
    for x, y in framed:
        below.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor="black", linewidth=0.8))
        sign = "+" if signs[names[y]][variants[x]] > 0 else "−"
        below.text(x, y, sign, ha="center", va="center", fontsize=SMALL, color="black")
    below.set_yticks(range(len(names)), labels)
    step = max(1, round(len(at) / 8))
    below.set_xticks(range(0, len(at), step), [str(int(layer)) for layer in at[::step]])
    below.set_xlabel(family_axis_label(rows["family"].iloc[0], language))
    below.grid(visible=False)
    bar = figure.colorbar(image, ax=[above, below], location="bottom", pad=0.02, fraction=0.05, aspect=40)
    bar.set_label(label("delta_accuracy", language))
    bar.set_ticks(symmetric_ticks(limit))
    notes[0] = label("note:margin_dots" if is_tested else "note:no_test_pairs", language)
    notes += [label("note:framed", language)] if framed else []
    notes += [label("note:few_pairs_star", language)] if any(bool(one["is_few"].iloc[0]) for one in some) else []
    note_below(figure, *notes)
    return figure


def against_damage(outside: pd.DataFrame, preference: pd.DataFrame, caption: str, language: Language) -> Figure:
    """Equal damage, different preference: each variant's margin over its damage, with what a falling relation allows.

    Args:
        outside: rows of beyond_damage.parquet, of all pairs and the margin.
        preference: rows of preference.parquet, of the unit.
        caption: what was scored.
        language: of all words.
    """
    figure, (axes,) = new_figure(height=3.7)
    everything = preference[preference["kind"] == "all"]
    intact = float(everything["intact_margin_nats"].iloc[0])
    axes.axhline(intact, color="black", linestyle="--", linewidth=0.9, label=f"{label('intact', language)} ({intact:.2f})")
    families = list(dict.fromkeys(outside["family"]))
    marked: list[Named] = []
    for family, colour, marker in zip(families, COLOURS, MARKERS, strict=False):
        rows = outside[outside["family"] == family].sort_values("damage_nats")
        x, y = rows["damage_nats"].to_numpy(float), intact + rows["effect"].to_numpy(float)
        is_found = rows["q_value"].to_numpy(float) < _LEVEL
        low, high = (intact + rows[f"expected_{end}"].to_numpy(float) for end in ("low", "high"))
        draw_band(axes, x, low, high, (colour, marker), step="mid")
        faces = [colour if found else "white" for found in is_found]
        axes.scatter(x, y, s=12, c=faces, edgecolors=colour, marker=marker, linewidths=0.8)
        axes.scatter(
            [], [], s=12, c="white", edgecolors=colour, marker=marker, linewidths=0.8, label=label(f"name:{family}", language)
        )
        far = rows.assign(y=y, found=is_found, size=rows["beyond"].abs()).sort_values(["found", "size"], ascending=False)
        worst = rows.assign(y=y).tail(_LARGEST_NAMED)  # of these damage says least
        named = pd.concat([far[far["size"] > 0].head(_MOST_NAMED), worst]).drop_duplicates("variant")
        for row in named.to_dict("records"):
            name = row["variant"].removeprefix(f"{family.partition(':')[0]}-")
            marked.append(Named(row["damage_nats"], row["y"], name, colour))
    if (outside["damage_nats"] > 0).all():
        log_axis(axes, "x")
    is_log = axes.get_xscale() == "log"
    axes.set_xlabel("\n".join([label("damage_axis", language), *([label("log_scale", language)] if is_log else [])]))
    axes.set_ylabel(label("margin", language))
    caption_above(figure, caption)
    legend_above(axes, handles=[*axes.get_legend_handles_labels()[0], band_in_legend(label("allowed", language))])
    note_below(figure, label("note:beyond", language))
    name_points(figure, axes, marked)
    return figure
