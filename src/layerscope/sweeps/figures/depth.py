"""Figure of what each depth predicts: its NLL, and how many predictions are those of the whole model."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from layerscope.bilingual import Language
from layerscope.figures.labels import family_axis_label, label
from layerscope.figures.lines import band_in_legend, draw_band, draw_line
from layerscope.figures.palette import BLUE, GREEN, GREY, PURPLE, VERMILLION
from layerscope.figures.style import caption_above, layer_axis, legend_above, log_axis, new_figure
from layerscope.paths.families import DEPTH, DEPTHS
from layerscope.sweeps.analysis.places import stands_at

_LOOKS = dict(zip(DEPTHS, ((BLUE, "o"), (PURPLE, "s")), strict=True))
_DASHES = dict(zip(DEPTHS, ("-", ":"), strict=True))


def depth_figure(layers: pd.DataFrame, depths: pd.DataFrame, caption: str, language: Language) -> Figure:
    """NLL by depth with its interval; below it accuracy, agreement, and the share of predictions that stay.

    The logit lens and a tuned one lie over each other where a run has both.

    Args:
        layers: layers.parquet.
        depths: prediction_depth.parquet.
        caption: what was scored.
        language: of all words.
    """
    there = [family for family in DEPTHS if (layers["family"] == family).any()]
    intact = layers[layers["family"] == "intact"].iloc[0]
    figure, (above, below) = new_figure(height=4.8, panels=2)
    for family in there:
        name = label(f"lens:{family}", language) if len(there) > 1 else None
        _draw_nll(above, layers[layers["family"] == family], float(intact["nll_nats"]), _LOOKS[family], name)
        _draw_shares(below, layers[layers["family"] == family], depths[depths["family"] == family], language, there[0])
    name = f"{label('intact', language)} ({intact['nll_nats']:.2f})"
    above.axhline(intact["nll_nats"], color="black", linestyle="--", linewidth=0.9, label=name)
    log_axis(above, "y")
    above.set_ylabel(label("nll", language))
    caption_above(figure, caption)
    legend_above(above, handles=[*above.get_legend_handles_labels()[0], band_in_legend(label("interval", language))])
    if len(there) > 1:
        for family in there:
            below.plot([], [], color=GREY, linestyle=_DASHES[family], label=label(f"lens:{family}", language))
    below.set_ylim(0, 1.04)
    below.set_ylabel(label("share_of_tokens", language))
    legend_above(below)
    above.tick_params(labelbottom=False)
    above.sharex(below)
    layer_axis(below, family_axis_label(DEPTH, language))
    return figure


def _draw_nll(axes: Axes, rows: pd.DataFrame, intact: float, look: tuple[str, str], name: str | None) -> None:
    at = stands_at(rows, "span_last")
    low, high = (intact + rows[f"delta_nll_{end}_nats"] for end in ("low", "high"))
    draw_band(axes, at, low, high, look)
    draw_line(axes, at, rows["nll_nats"], look, label=name)


def _draw_shares(axes: Axes, rows: pd.DataFrame, depths: pd.DataFrame, language: Language, first: str) -> None:
    """Of one family; what a line shows is named once, for the first."""
    at, family = stands_at(rows, "span_last"), str(rows["family"].iloc[0])
    stays = [float((depths["depth"] <= depth).mean()) for depth in at]
    for name, values, colour, marker in (
        ("agreement", rows["agreement"], VERMILLION, "s"),
        ("stays", stays, GREEN, "^"),
        ("accuracy", rows["top1_accuracy"], BLUE, "o"),
    ):
        named = label(name, language) if family == first else None
        dashes = _DASHES[family] if family != first else "-"
        axes.plot(at, values, color=colour, marker=marker, linestyle=dashes, label=named)
