"""Effects as colours: the heat map that several figures of a sweep share, and its scale, the same as on the report's page."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.colors import FuncNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import FuncFormatter

from layerscope.bilingual import Language
from layerscope.figures.labels import label, wrapped
from layerscope.figures.palette import DIVERGING
from layerscope.figures.style import LABEL, LETTER_INCHES, TEXT, page_width, signed_number, symmetric_ticks

_BESIDE_INCHES = 0.9
"""Of a map, room for the names of its rows."""
_WITHIN = 0.98
"""Share of the sizes that the scale holds; larger ones have its last colour."""


def heat_map(
    axes: Axes, values: Float[np.ndarray, "row column"], *, counts: Bool[np.ndarray, "row column"] | None = None
) -> AxesImage:
    """Vermillion where prediction gets worse, blue where it gets better, by the square root of the size.

    Args:
        axes: to draw into.
        values: NaN where there is none.
        counts: cells that the scale is made for; all if None.
    """
    is_there = np.isfinite(values) & (values != 0)
    held = is_there & counts if counts is not None and (is_there & counts).any() else is_there
    sizes = np.abs(values[held])
    largest = float(np.quantile(sizes, _WITHIN)) if len(sizes) else 1.0
    norm = FuncNorm((_root, _square), vmin=-largest, vmax=largest)
    image = axes.imshow(values, aspect="auto", cmap=DIVERGING, norm=norm, interpolation="nearest")
    axes.grid(visible=False)
    return image


def colour_bar(figure: Figure, image: AxesImage, axes: Axes, name: str, language: Language) -> None:
    """The scale of a heat map, which says its law, and by its points whether values go beyond it."""
    values: np.ndarray = np.ma.masked_invalid(np.ma.asarray(image.get_array(), dtype=float)).compressed()
    low, high = image.get_clim()
    is_beyond = (bool((values < low).any()), bool((values > high).any()))
    extend = {(True, True): "both", (True, False): "min", (False, True): "max"}.get(is_beyond, "neither")
    bar = figure.colorbar(image, ax=axes, location="bottom", pad=0.03, fraction=0.05, aspect=40, extend=extend)
    room = int((page_width() - _BESIDE_INCHES) / (LETTER_INCHES * LABEL / TEXT))
    bar.set_label("\n".join(wrapped(label("root_scale", language).format(name=name), room)))
    bar.minorticks_off()
    bar.set_ticks(symmetric_ticks(high))
    bar.ax.xaxis.set_major_formatter(FuncFormatter(signed_number))


def _root(values: Float[np.ndarray, ...]) -> Float[np.ndarray, ...]:
    return np.asarray(np.sign(values) * np.sqrt(np.abs(values)))


def _square(values: Float[np.ndarray, ...]) -> Float[np.ndarray, ...]:
    return np.asarray(np.sign(values) * np.square(values))
