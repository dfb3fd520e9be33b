"""Names of points in a figure: put where they cover neither another name nor a point, left out where no place is free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox, BboxBase
from scipy.signal import find_peaks

from layerscope.figures.palette import INK
from layerscope.figures.style import SMALL

_AROUND = ((0, 1), (1, 1), (-1, 1), (1, 0), (-1, 0), (1, -1), (-1, -1), (0, -1))
"""Where a name is tried, in this order: above its point and beside it, then farther off, then below."""
_NEAR, _FAR = 3.5, 9.0
"""Points of type from a point to its name; a name that is far has a line to its point."""
_POINT = 2.2
"""Half of a drawn point, in points of type."""
_PROMINENT = 0.12
"""Part of the axis by which a value has to stand out to be a peak."""


@dataclass(frozen=True)
class Named:
    """A point that shall have its name."""

    x: float
    """In the axes' data."""
    y: float
    """In the axes' data."""
    name: str
    colour: str = INK


def name_points(figure: Figure, axes: Axes, points: Sequence[Named]) -> list[Annotation]:
    """Name points, the first ones first, as far as there is room.

    Args:
        figure: complete but for the names, which move nothing.
        axes: that hold the points.
        points: in the order of their importance.

    Returns:
        The names that were put.
    """
    figure.draw_without_rendering()
    pixels = figure.dpi / 72
    inside = axes.get_window_extent()
    taken: list[BboxBase] = [*_drawn_points(axes, _POINT * pixels)]
    legend = axes.get_legend()
    taken += [legend.get_window_extent()] if legend is not None else []
    put = []
    for point in points:
        at = axes.transData.transform((point.x, point.y))
        if not (np.isfinite(at).all() and inside.contains(*at)):
            continue
        note = axes.annotate(
            point.name, (point.x, point.y), xytext=(0, 0), textcoords="offset points", fontsize=SMALL, color=point.colour
        )
        note.set_in_layout(False)
        size = np.asarray(note.get_window_extent().size)
        place = _free_place(at, size, taken, inside, pixels)
        if place is None:
            note.remove()
            continue
        box, distance = place
        note.set_position(tuple((box.p0 - at) / pixels))
        if distance == _FAR:
            axes.plot(
                *_line_to(at, box, axes),
                color=point.colour,
                linewidth=0.4,
                marker="",
                label="_line to a name",
                scalex=False,
                scaley=False,
            )
        taken.append(box)
        put.append(note)
    return put


def peaks_of(axes: Axes, x: np.ndarray, y: np.ndarray, most: int) -> list[int]:
    """Places of the values that stand out of their neighbours on an axis as it is scaled, the most prominent first."""
    scaled = axes.yaxis.get_transform().transform(np.asarray(y, dtype=float))
    if not np.isfinite(scaled).any():
        return []
    lowest, highest = np.nanmin(scaled), np.nanmax(scaled)
    room = highest - lowest or 1.0
    filled = np.concatenate([[lowest - room], np.where(np.isfinite(scaled), scaled, lowest - room), [lowest - room]])
    found, about = find_peaks(filled, prominence=_PROMINENT * room)
    order = np.argsort(-about["prominences"], kind="stable")
    return [int(found[place]) - 1 for place in order[:most] if np.isfinite(x[found[place] - 1])]


def _free_place(
    at: np.ndarray, size: np.ndarray, taken: Sequence[BboxBase], inside: BboxBase, pixels: float
) -> tuple[Bbox, float] | None:
    width, height = size
    tries = [(distance, *way) for half in (_AROUND[:5], _AROUND[5:]) for distance in (_NEAR, _FAR) for way in half]
    for distance, right, up in tries:
        middle = at + np.array([right, up]) * (distance * pixels + np.array([width, height]) / 2 * np.abs([right, up]))
        box = Bbox.from_bounds(middle[0] - width / 2, middle[1] - height / 2, width, height)
        is_inside = inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1
        if is_inside and not any(box.overlaps(other) for other in taken):
            return box, distance
    return None


def _line_to(at: np.ndarray, box: Bbox, axes: Axes) -> np.ndarray:
    """From a point to the nearest place of a box, in data."""
    near = np.clip(at, box.p0, box.p1)
    return np.asarray(axes.transData.inverted().transform([at, near])).T


def _drawn_points(axes: Axes, radius: float) -> list[Bbox]:
    """Boxes of scattered points, and of points along the lines that have markers."""
    places = []
    for line in axes.get_lines():
        if line.get_marker() not in ("", "None", None) and len(np.asarray(line.get_xdata())):
            at = axes.transData.transform(np.asarray(line.get_xydata(), dtype=float))
            places.append(_along(at, radius) if line.get_linestyle() not in ("", "None") else at)
    scattered = [one.get_offsets() for one in axes.collections if isinstance(one, PathCollection)]
    places += [axes.transData.transform(np.asarray(offsets, dtype=float)) for offsets in scattered]
    return [Bbox([at - radius, at + radius]) for at in np.concatenate([*places, np.empty((0, 2))]) if np.isfinite(at).all()]


def _along(at: Float[np.ndarray, "point 2"], step: float) -> Float[np.ndarray, "place 2"]:
    """Places on the straight lines from point to point, no farther from each other than a step."""
    at = at[np.isfinite(at).all(axis=1)]
    counts = [max(2, int(np.hypot(*(other - one)) / step) + 1) for one, other in pairwise(at)]
    parts = [np.linspace(one, other, count) for (one, other), count in zip(pairwise(at), counts, strict=True)]
    return np.concatenate(parts) if parts else at
