"""The figures of a finished search, from its tables."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pandas as pd
from matplotlib.figure import Figure

from layerscope.bilingual import Language
from layerscope.figures.labels import in_lines, label
from layerscope.figures.style import Width, figure_style
from layerscope.searches.analysis.order import FirstDraw, first_draw
from layerscope.searches.figures.frontier import cost_figure, frontier_figure
from layerscope.searches.figures.order import order_figure
from layerscope.searches.finished import FinishedSearch
from layerscope.stats.ratio import FEW_DOCUMENTS

Draw = Callable[..., dict[str, Figure]]
"""Takes ``language`` and ``width`` and gives figures by name."""


def of_frontier(run: FinishedSearch) -> Draw:
    """Every path that was measured, what each saves, and which layers went, where some did."""
    times = run.speed.drop_duplicates("path")[["path", "ratio", "ratio_low", "ratio_high"]]
    first = first_draw(run.frontier, run.record.model.layers)
    return partial(_figures, run, run.frontier.merge(times, on="path", how="left"), run.left_out, first)


DRAWN: dict[str, Callable[[FinishedSearch], Draw | None]] = {"frontier": of_frontier}
"""By what is drawn, the function that finds its tables."""


def _figures(
    run: FinishedSearch,
    frontier: pd.DataFrame,
    left_out: pd.DataFrame,
    first: FirstDraw,
    *,
    language: Language,
    width: Width | None = None,
) -> dict[str, Figure]:
    caption = _caption(run, language)
    with figure_style(language, width):
        found = {
            "frontier": frontier_figure(frontier, caption, language),
            "frontier_cost": cost_figure(frontier, caption, language),
        }
        if left_out[["without_attention", "without_mlp"]].to_numpy().any():
            moves = [label("other_path", language) if one is None else " ".join(one) for one in first.moves]
            above = dict(zip(first.sizes, moves, strict=True))
            caption = _caption(run, language, has_held_out=False)
            found["order"] = order_figure(left_out, first.left_out, above, caption, language)
    return found


def _caption(run: FinishedSearch, language: Language, *, has_held_out: bool = True) -> str:
    request = run.record.request
    draws = label("one_draw" if request.draws == 1 else "draws", language)
    parts = [run.model, run.dataset, request.method, *request.moves, draws.format(n=request.draws, texts=request.calibration)]
    if has_held_out:
        few = request.held_out < FEW_DOCUMENTS
        parts.append(label("held_out_few" if few else "held_out_texts", language).format(n=request.held_out))
    return "\n".join(in_lines(parts))
