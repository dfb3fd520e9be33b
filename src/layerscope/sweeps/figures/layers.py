"""Figures of a sweep, from its layers table: effect by layer, accuracy and agreement, heads, proxies against the truth.

Functions take the table (layers.parquet as a data frame) and return a figure; saving is ``results``' work. Bands are the 95%
interval of the paired effect.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from layerscope.bilingual import Language
from layerscope.figures.labels import family_axis_label, in_lines, label, texts_label
from layerscope.figures.lines import band_in_legend, draw_band, draw_line
from layerscope.figures.names import Named, name_points, peaks_of
from layerscope.figures.palette import BLUE, COLOURS, MARKERS
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
from layerscope.paths.families import DEPTH, DEPTHS, is_of_heads
from layerscope.sweeps.analysis.layers import PROXY_NAMES
from layerscope.sweeps.analysis.places import layer_families, stands_at
from layerscope.sweeps.figures.depth import depth_figure
from layerscope.sweeps.figures.heads import heads_figure

_MOST_LINES = 60
_MOST_PEAKS = 5


def sweep_figures(
    layers: pd.DataFrame,
    proxies: pd.DataFrame,
    depths: pd.DataFrame | None = None,
    *,
    model: str,
    dataset: str,
    language: Language,
    width: Width | None = None,
) -> dict[str, Figure]:
    """Every figure that the table gives material for, by name.

    Args:
        layers: one row per variant.
        proxies: rank correlation of each proxy, one row per family and proxy.
        depths: prediction_depth.parquet; None where the run has no family of depths.
        model: its name, for the line above each figure.
        dataset: its name, for the same line.
        language: of all words.
        width: of each; if None, one column.
    """
    n_tokens = int(layers["tokens_scored"].iloc[0])
    n_texts = int(layers["documents"].iloc[0])
    scored = [f"{n_tokens:,} {label('tokens', language)}", texts_label(n_texts, language)]
    intact = layers.loc[layers["family"] == "intact", "ppl"].iloc[0]
    caption = "\n".join(in_lines([model, dataset, *scored, label("intact_ppl", language).format(n=f"{intact:.4g}")]))
    by_layer = [family for family in layer_families(layers) if family not in DEPTHS]
    of_heads = [family for family in dict.fromkeys(layers["family"]) if is_of_heads(family)]
    single = layers[~layers["family"].isin([*by_layer, *of_heads, "intact", *DEPTHS])]
    with figure_style(language, width):
        figures = {_file_name(family): effect_by_layer(layers, [family], caption, language) for family in by_layer}
        if "removal" in by_layer and "exchange" in by_layer:
            figures["removal+exchange"] = effect_by_layer(layers, ["removal", "exchange"], caption, language)
        if by_layer:
            figures["accuracy"] = accuracy_by_layer(layers, by_layer, caption, language)
        for family in of_heads:
            figures[_file_name(family)] = heads_figure(layers[layers["family"] == family], caption, language)
        if depths is not None:
            figures[DEPTH] = depth_figure(layers, depths, caption, language)
        if proxies["spearman"].notna().any():
            figures["proxies"] = proxies_against_truth(layers, proxies, caption, language)
        if len(single):
            figures["variants"] = effect_by_variant(single, caption, language)
    return figures


def effect_by_layer(layers: pd.DataFrame, families: list[str], caption: str, language: Language) -> Figure:
    """ΔNLL against the first layer that a variant touches, with its interval; what stands out has its layer's number."""
    figure, (axes,) = new_figure(height=2.6 + 0.12 * caption.count("\n"))
    named = []
    shown = layers[layers["family"].isin(families)]
    ends = [shown[f"delta_nll_{end}_nats"].to_numpy(float) for end in ("low", "high")]
    values = shown["delta_nll_nats"].to_numpy(float)
    for family, look in zip(families, zip(COLOURS, MARKERS, strict=True), strict=False):
        rows = layers[layers["family"] == family]
        at = stands_at(rows, "span_first")
        draw_band(axes, at, rows["delta_nll_low_nats"], rows["delta_nll_high_nats"], look)
        draw_line(axes, at, rows["delta_nll_nats"], look, label=label(f"name:{family}", language))
    axes.set_ylabel(label("delta", language))
    effect_axis(axes, [*values, *(end for end in ends[0] if end <= 0)], language)
    if (values <= 0).any() or (ends[0] <= 0).any():
        zero_line(axes, label=label("intact", language))
    if len(families) == 1:
        layer_axis(axes, family_axis_label(families[0], language))
    else:
        layer_axis(axes, label("layers:removal+exchange" if families == ["removal", "exchange"] else "layers", language))
    caption_above(figure, caption)
    handles = axes.get_legend_handles_labels()[0]
    if np.isfinite(ends).any():
        handles.append(band_in_legend(label("interval", language)))
    legend_above(axes, handles=handles)
    for family, colour in zip(families, COLOURS, strict=False):
        rows = layers[layers["family"] == family]
        at, effect = np.asarray(stands_at(rows, "span_first"), dtype=float), rows["delta_nll_nats"].to_numpy(float)
        named += [
            Named(at[place], effect[place], f"{at[place]:g}", colour) for place in peaks_of(axes, at, effect, _MOST_PEAKS)
        ]
    name_points(figure, axes, named)
    return figure


def accuracy_by_layer(layers: pd.DataFrame, families: list[str], caption: str, language: Language) -> Figure:
    """Top-1 accuracy and agreement with the intact model, one below the other."""
    figure, panels = new_figure(height=4.0, panels=2)
    intact = layers[layers["family"] == "intact"].iloc[0]
    for axes, column, name in zip(panels, ("top1_accuracy", "agreement"), ("accuracy", "agreement"), strict=True):
        value = float(intact[column])
        axes.axhline(value, color="black", linestyle="--", linewidth=0.9, label=f"{label('intact', language)} ({value:.2f})")
        for family, look in zip(families, zip(COLOURS, MARKERS, strict=True), strict=False):
            rows = layers[layers["family"] == family]
            draw_line(axes, stands_at(rows, "span_first"), rows[column], look, label=label(f"name:{family}", language))
        axes.set_ylabel(label(name, language))
        axes.set_ylim(0, 1.04 if column == "agreement" else None)
    layer_axis(panels[-1], label("layers", language))
    panels[0].tick_params(labelbottom=False)
    panels[0].sharex(panels[1])
    caption_above(figure, caption)
    for axes in panels:  # each has an intact value of its own
        legend_above(axes)
    return figure


def proxies_against_truth(layers: pd.DataFrame, proxies: pd.DataFrame, caption: str, language: Language) -> Figure:
    """What the cheap proxies say against the measured effect, with their rank correlation."""
    figure, panels = new_figure(height=4.6, panels=2)
    families = list(dict.fromkeys(proxies.loc[proxies["spearman"].notna(), "family"]))
    for axes, proxy in zip(panels, PROXY_NAMES, strict=True):
        for family, colour, marker in zip(families, COLOURS, MARKERS, strict=False):
            rows = layers[(layers["family"] == family) & layers[proxy].notna()]
            rho = proxies.loc[(proxies["family"] == family) & (proxies["proxy"] == proxy), "spearman"].iloc[0]
            name = label("spearman_of", language).format(name=label(f"name:{family}", language), rho=f"{rho:.2f}")
            axes.scatter(rows[proxy], rows["delta_nll_nats"], s=10, color=colour, marker=marker, alpha=0.8, label=name)
        axes.set_xlabel(label(proxy, language))
        axes.set_ylabel(label("delta", language))
        shown = layers[layers["family"].isin(families) & layers[proxy].notna()]
        effect_axis(axes, shown["delta_nll_nats"], language)
        if shown[proxy].min() > 0 and shown[proxy].max() / shown[proxy].min() > 10:
            log_axis(axes, "x")
            axes.set_xlabel(f"{label(proxy, language)} {label('log_scale', language)}")
        legend_above(axes)
    caption_above(figure, caption)
    return figure


def effect_by_variant(single: pd.DataFrame, caption: str, language: Language) -> Figure:
    """ΔNLL of variants that belong to no layer axis, one per line, with its interval; of many, the worst and the mildest."""
    if len(single) > _MOST_LINES:  # a line each would be no figure; the table has them all
        ranked = single.sort_values("delta_nll_nats", ascending=False)
        shown = pd.concat([ranked.head(_MOST_LINES // 2), ranked.tail(_MOST_LINES // 2)])
        caption = f"{caption} · {len(shown)} / {len(single)}"
        single = shown
    figure, (axes,) = new_figure(height=1.2 + 0.22 * len(single))
    places = np.arange(len(single))[::-1]
    effect = single["delta_nll_nats"].to_numpy(dtype=float)
    low = effect - single["delta_nll_low_nats"].to_numpy(dtype=float)
    high = single["delta_nll_high_nats"].to_numpy(dtype=float) - effect
    errors = np.nan_to_num(np.clip(np.stack([low, high]), 0, None))
    axes.errorbar(effect, places, xerr=errors, fmt="o", color=BLUE, capsize=2)
    axes.axvline(0, color="black", linestyle="--", linewidth=0.9)
    axes.set_yticks(places, [_shortened(name) for name in single["variant"]])
    axes.set_ylim(-0.7, len(single) - 0.3)
    axes.set_xlabel(label("delta", language))
    caption_above(figure, caption)
    has_ends = bool(np.isfinite(low).any())
    note_below(figure, label("note:variants" if has_ends else "note:variants_bare", language))
    return figure


def _file_name(family: str) -> str:
    return family.replace(":", "-")


def _shortened(name: str) -> str:
    return name if len(name) <= 28 else f"{name[:27]}…"
