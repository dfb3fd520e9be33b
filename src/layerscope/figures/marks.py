"""Marks of cells in maps, with one meaning in every figure: dot = significant, faded = few, hatched = not tested.

Significant is meant after correction (q < 0.05). What is few is said below the figure.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from layerscope.bilingual import Language
from layerscope.figures.labels import label
from layerscope.figures.palette import GREY

SIGNIFICANT = 0.05
FADED = 0.65
"""Opacity of the white over what is few."""


def mark_tested(
    axes: Axes,
    q_values: Float[np.ndarray, "row column"],
    there: Bool[np.ndarray, "row column"],
    language: Language,
    *,
    shift: float = 0.0,
) -> list[str]:
    """Dots and hatching of a map whose cells are one unit wide; only words where no cell was tested.

    Args:
        axes: the map.
        q_values: NaN where a cell was not tested.
        there: cells that hold a value.
        language: of the notes.
        shift: of dots to the right, where cells hold numbers.

    Returns:
        What the marks mean, for below the figure.
    """
    is_tested = np.isfinite(q_values) & there
    if not is_tested.any():
        return [label("note:no_test", language)]
    found = np.argwhere(is_tested & (q_values < SIGNIFICANT))
    axes.scatter(found[:, 1] + shift, found[:, 0], s=2.0, color="black", linewidths=0, label="significant")
    untested = np.argwhere(there & ~is_tested)
    hatch(axes, untested)
    return [label("note:dots", language), *([label("note:hatched", language)] if len(untested) else [])]


def hatch(axes: Axes, cells: np.ndarray) -> None:
    """Hatch cells, given by row and column."""
    for row, column in cells:
        axes.add_patch(
            Rectangle(
                (column - 0.5, row - 0.5), 1, 1, fill=False, hatch="//////", edgecolor=GREY, linewidth=0, label="not tested"
            )
        )


def fade(axes: Axes, cells: Bool[np.ndarray, "row column"]) -> None:
    """Lay white over cells."""
    for row, column in np.argwhere(cells):
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, color="white", alpha=FADED, linewidth=0, label="few"))
