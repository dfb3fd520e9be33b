"""Figure of which layers go in which order: layers by size, shaded by the share of draws that do without them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from layerscope.bilingual import Language
from layerscope.figures.labels import label
from layerscope.figures.palette import GREY, GRID, SEQUENTIAL, VERMILLION
from layerscope.figures.style import SMALL, caption_above, note_below, page_width

_HALVES = ("without_attention", "without_mlp")
_BESIDE_INCHES, _INCHES_A_SIZE = 1.3, 0.14
_LONGEST_MOVES = 30
"""Characters above a column."""


def order_figure(
    left_out: pd.DataFrame, first: pd.DataFrame, moves: Mapping[float, str], caption: str, language: Language
) -> Figure:
    """One row per layer, one column per size; the left half of a cell is the layer's attention, the right one its MLP.

    Args:
        left_out: left_out.parquet.
        first: the same of the first draw alone; its cells have a dot.
        moves: of the first draw, by size, those that led to it from the size before.
        caption: what was searched.
        language: of all words.
    """
    sizes = sizes_outward(left_out)
    share, dotted = (_halves(rows, sizes) for rows in (left_out, first))
    n_layers = len(share)
    width = page_width(needs_two=_BESIDE_INCHES + _INCHES_A_SIZE * len(sizes) > page_width())
    figure = Figure(figsize=(width, 2.3 + 0.11 * n_layers))
    axes = figure.subplots()
    extent = (-0.5, len(sizes) - 0.5, -0.5, n_layers - 0.5)
    image = axes.imshow(
        share, aspect="auto", cmap=SEQUENTIAL, vmin=0.0, vmax=1.0, interpolation="nearest", origin="lower", extent=extent
    )
    _draw_cells(axes, n_layers, len(sizes), has_halves=not np.array_equal(share[:, ::2], share[:, 1::2]))
    _draw_dots(axes, dotted)
    _name(axes, sizes, n_layers, moves, language)
    caption_above(figure, caption)
    if left_out["draws"].max() > 1:
        bar = figure.colorbar(image, ax=axes, pad=0.02, fraction=0.05)
        bar.set_label(label("share_without", language))
    notes = [label("note:order_dots", language), label("note:order_halves", language)]
    has_halves = not np.array_equal(share[:, ::2], share[:, 1::2])
    note_below(figure, *notes[: 1 + has_halves])
    return figure


def sizes_outward(left_out: pd.DataFrame) -> list[float]:
    """Sizes of a table, from the one nearest to the whole model on."""
    whole = int(left_out["layer"].max()) + 1
    return sorted({float(size) for size in left_out["layers"]}, key=lambda size: (abs(size - whole), size))


def _halves(left_out: pd.DataFrame, sizes: Sequence[float]) -> Float[np.ndarray, "layer half"]:
    """Share of draws without each half of a layer, attention and MLP of a size side by side; a gap where there is no path."""
    columns = []
    for size in sizes:
        rows = left_out[left_out["layers"] == size].sort_values("layer")
        for half in _HALVES:
            share = rows[half].to_numpy(float) / rows["draws"].to_numpy(float)
            columns.append(share if len(rows) else np.full(int(left_out["layer"].max()) + 1, np.nan))
    return np.stack(columns, axis=1)


def _draw_cells(axes: Axes, n_layers: int, n_sizes: int, *, has_halves: bool) -> None:
    axes.grid(visible=False)
    axes.hlines(np.arange(n_layers - 1) + 0.5, -0.5, n_sizes - 0.5, color=GRID, linewidth=0.3)
    axes.vlines(np.arange(n_sizes - 1) + 0.5, -0.5, n_layers - 0.5, color=GREY, linewidth=0.5)
    if has_halves:
        axes.vlines(np.arange(n_sizes), -0.5, n_layers - 0.5, color=GRID, linewidth=0.3)


def _draw_dots(axes: Axes, first: Float[np.ndarray, "layer half"]) -> None:
    attention, mlp = first[:, ::2] > 0, first[:, 1::2] > 0
    for cells, shift in ((attention & mlp, 0.0), (attention & ~mlp, -0.25), (mlp & ~attention, 0.25)):
        rows, columns = np.nonzero(cells)
        axes.scatter(columns + shift, rows, s=9, color=VERMILLION, edgecolors="white", linewidths=0.5, marker="D")


def _name(axes: Axes, sizes: Sequence[float], n_layers: int, moves: Mapping[float, str], language: Language) -> None:
    every = max(1, round(len(sizes) / 24))
    axes.set_xticks(range(0, len(sizes), every), [f"{size:g}" for size in sizes[::every]])
    axes.tick_params(axis="x", labelrotation=90 if len(sizes) > 12 else 0)
    step = max(1, round(n_layers / 16))
    axes.set_yticks(range(0, n_layers, step), [str(layer) for layer in range(0, n_layers, step)])
    axes.set_xlabel(label("kept_layers", language).format(n=n_layers))
    axes.set_ylabel(label("layer", language))
    above = axes.secondary_xaxis("top")
    there = [moves.get(size, "") for size in sizes]
    shown = [move if len(move) <= _LONGEST_MOVES else f"{move[: _LONGEST_MOVES - 1]}…" for move in there]
    above.set_xticks(range(len(sizes)), shown, rotation=90, fontsize=SMALL)
    above.tick_params(length=0)
