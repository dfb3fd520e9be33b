"""Figure of what each depth predicts: its NLL, and how many predictions are those of the whole model."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from layerscope.bilingual import Language
from layerscope.figures.labels import family_axis_label, label
from layerscope.figures.style import BLUE, GREEN, GREY, VERMILLION, layer_axis, log_axis, new_figure
from layerscope.paths.families import DEPTH
from layerscope.sweeps.analysis.places import stands_at


def depth_figure(layers: pd.DataFrame, depths: pd.DataFrame, caption: str, language: Language) -> Figure:
    """NLL by depth with its interval; below it accuracy, agreement, and the share of predictions that stay.

    Args:
        layers: layers.parquet.
        depths: prediction_depth.parquet.
        caption: what was scored.
        language: of all words.
    """
    rows = layers[layers["family"] == DEPTH]
    at = stands_at(rows, "span_last")
    intact = layers[layers["family"] == "intact"].iloc[0]
    figure, (above, below) = new_figure(height=4.2, panels=2)
    low, high = (intact["nll_nats"] + rows[f"delta_nll_{end}_nats"] for end in ("low", "high"))
    above.fill_between(at, low, high, color=BLUE, alpha=0.25, linewidth=0)
    above.plot(at, rows["nll_nats"], color=BLUE, marker="o")
    name = f"{label('intact', language)} ({intact['nll_nats']:.2f})"
    intact_line = above.axhline(intact["nll_nats"], color="black", linestyle="--", linewidth=0.9, label=name)
    log_axis(above, "y")
    above.set_ylabel(label("nll", language))
    above.set_title(caption, color=GREY)
    above.legend(handles=[intact_line, Patch(facecolor=GREY, alpha=0.25, label=label("interval", language))], loc="best")
    stays = [float((depths["depth"] <= depth).mean()) for depth in at]
    for name, values, colour, marker in (
        ("agreement", rows["agreement"], VERMILLION, "s"),
        ("stays", stays, GREEN, "^"),
        ("accuracy", rows["top1_accuracy"], BLUE, "o"),
    ):
        below.plot(at, values, color=colour, marker=marker, label=label(name, language))
    below.set_ylim(0, 1.04)
    below.set_ylabel(label("share_of_tokens", language))
    below.legend(loc="best")
    above.tick_params(labelbottom=False)
    above.sharex(below)
    layer_axis(below, family_axis_label(DEPTH, language))
    return figure
