"""How figures look: sizes for half a page's width, a colour-blind safe palette, fonts for English and Japanese.

Nothing global is changed: a figure is made inside ``figure_style`` and carries its fonts with it.
"""

from __future__ import annotations

import functools
import importlib.util
import math
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from layerscope.bilingual import Language

HALF_PAGE_INCHES = 3.5
_NOTEBOOK_DPI = 150
PAGE_INCHES = 7.0
# Okabe & Ito 2008, told apart by every common kind of colour blindness
BLUE, VERMILLION, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#555555"
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, "#E69F00", "#56B4E9", "#000000")
"""One a line, with ``MARKERS`` beside it for those who see no colours."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

_STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 7,
    "axes.labelsize": 8,
    "axes.unicode_minus": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 3,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",
}


@contextmanager
def figure_style(language: Language) -> Iterator[None]:
    """Matplotlib settings for one figure."""
    family = ["DejaVu Sans"] if language == "en" else [_japanese_font(), "DejaVu Sans"]
    with mpl.rc_context({**_STYLE, "font.family": family}):
        yield


class PageFigure(Figure):
    """A figure that a notebook shows at its own size, sharply."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        picture = BytesIO()
        self.savefig(picture, format="png", dpi=2 * _NOTEBOOK_DPI)
        width, height = self.get_size_inches()
        return picture.getvalue(), {"width": round(width * _NOTEBOOK_DPI), "height": round(height * _NOTEBOOK_DPI)}


def new_figure(*, height: float = 2.5, panels: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure half a page wide with panels below each other."""
    figure = PageFigure(figsize=(HALF_PAGE_INCHES, height))
    axes = figure.subplots(panels, 1, squeeze=False)
    return figure, list(axes[:, 0])


def log_axis(axes: Axes, which: Literal["x", "y"]) -> None:
    """A logarithmic axis whose ticks can be read, however narrow its range."""
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = axis.get_view_interval()
    ratio = high / low
    subs: tuple[float, ...] = (1.0,)
    if ratio < 10:
        subs = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
    elif ratio < 1000:
        subs = (1.0, 2.0, 5.0)
    axis.set_major_locator(LogLocator(base=10, subs=subs, numticks=12))
    axis.set_major_formatter(FuncFormatter(plain_number))
    axis.set_minor_formatter(NullFormatter())


def signed_log_axis(axes: Axes, values: pd.Series[float]) -> None:
    """A y axis that is logarithmic where sizes differ much, and linear near zero if an effect is negative."""
    sizes = values.abs()[values.abs() > 0]
    if len(sizes) and (values > 0).all() and sizes.max() / sizes.min() > 30:
        log_axis(axes, "y")
    elif len(sizes) and sizes.max() / sizes.min() > 30:
        axes.set_yscale("symlog", linthresh=float(10 ** np.round(np.log10(np.quantile(sizes, 0.1)))))
        axes.yaxis.set_major_formatter(FuncFormatter(signed_number))


def layer_axis(axes: Axes, name: str) -> None:
    """An x axis of layer numbers."""
    axes.set_xlabel(name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))


def signed_number(value: float, _: object = None) -> str:
    """``plain_number`` on both sides of zero."""
    return plain_number(value) if value >= 0 else f"-{plain_number(-value)}"


def plain_number(value: float, _: object = None) -> str:
    """``20``, ``0.5`` or ``10⁵`` in mathtext: what a reader expects on a tick."""
    if value >= 10_000:
        exponent = math.floor(math.log10(value) + 1e-9)  # of 10²⁹ in floating point, too
        mantissa = value / 10.0**exponent
        return f"$10^{{{exponent}}}$" if abs(mantissa - 1) < 1e-6 else f"${mantissa:g}\\cdot 10^{{{exponent}}}$"
    return f"{value:g}"


@functools.cache
def _japanese_font() -> str:
    """IPAexGothic, from the package matplotlib-fontja, without the package's change of global settings."""
    spec = importlib.util.find_spec("matplotlib_fontja")
    if spec is None or spec.origin is None:
        return "sans-serif"
    path = Path(spec.origin).parent / "fonts" / "ipaexg.ttf"
    font_manager.fontManager.addfont(path)
    return font_manager.FontProperties(fname=str(path)).get_name()
