"""Lines with their intervals, which can be told apart where they lie over each other, without colours too."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Patch
from numpy.typing import ArrayLike

from layerscope.figures.palette import DASHES, GREY

_OPACITY = 0.15


def draw_line(axes: Axes, x: ArrayLike, y: ArrayLike, look: tuple[str, str], **more: Any) -> None:
    """A line of a colour, with its marker and the dashes that go with that."""
    colour, marker = look
    axes.plot(x, y, **{"color": colour, "marker": marker, "linestyle": DASHES[marker], **more})


def draw_band(axes: Axes, x: ArrayLike, low: ArrayLike, high: ArrayLike, look: tuple[str, str], **more: Any) -> None:
    """An interval along a line: pale, with edges in the dashes of the line."""
    colour, marker = look
    axes.fill_between(
        x, low, high, facecolor=(colour, _OPACITY), edgecolor=(colour, 0.7), linestyle=DASHES[marker], linewidth=0.5, **more
    )


def band_in_legend(name: str) -> Patch:
    """What a legend shows for bands of every colour."""
    return Patch(facecolor=(GREY, _OPACITY), edgecolor=(GREY, 0.7), linewidth=0.5, label=name)
