"""How figures look: widths for one and two columns of a paper, type, axes, fonts for English and Japanese.

Nothing global is changed: a figure is made inside ``figure_style`` and carries its fonts with it. Colours are in ``palette``.
"""

from __future__ import annotations

import functools
import importlib.util
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator
from numpy.typing import ArrayLike

from layerscope.bilingual import Language
from layerscope.errors import DataError
from layerscope.figures.labels import INCHES_A_LETTER, label, width_of, wrapped
from layerscope.figures.palette import GREY, GRID

CM_AN_INCH = 2.54
_BESIDE_CM = 13.0
_BESIDE_AXES_INCHES, _HANDLE_INCHES, LETTER_INCHES = 0.55, 0.42, 0.0525
"""What stands beside axes, a legend's line with its room, and a letter of the legend."""
_LOG_FROM = 30
_MOST_POWERS = 4
_BETWEEN = "  ·  "

Width = Literal["one", "two"] | float | int
"""Of a figure: one or two columns of a paper, or centimetres."""
COLUMNS_CM = {"one": 8.5, "two": 17.5}
"""Widths that the columns of Nature (8.9 and 18.3 cm), PNAS (8.7 and 17.8) and IEEE (8.9 and 18.2) hold without scaling."""
NARROWEST_CM, WIDEST_CM = 8.0, 40.0
"""Below the first, names beside and below the axes leave no room for data."""
LABEL, TEXT, SMALL = 8, 7, 6
"""Points, the same at every width: names of axes; all other text; names of points and numbers in cells."""
DPI = 300
_NOTEBOOK_DPI = 150

_STYLE: dict[Any, Any] = {
    "font.size": LABEL,
    "axes.titlesize": TEXT,
    "axes.labelsize": LABEL,
    "axes.unicode_minus": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "figure.dpi": DPI,
    "figure.titlesize": TEXT,
    "figure.labelsize": LABEL,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "hatch.linewidth": 0.5,
    "legend.fontsize": TEXT,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 3,
    "xtick.labelsize": TEXT,
    "ytick.labelsize": TEXT,
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",
}


def centimetres(width: Width) -> float:
    """A width as a number.

    Raises:
        DataError: it is neither a column's name nor a number that a figure can have.

    Examples:
        >>> centimetres("two"), centimetres(12)
        (17.5, 12.0)
    """
    known = COLUMNS_CM.get(width) if isinstance(width, str) else float(width)
    if known is None or not NARROWEST_CM <= known <= WIDEST_CM:
        raise DataError(
            f"The width of a figure is 'one' or 'two' columns, or {NARROWEST_CM:g} to {WIDEST_CM:g} centimetres; got {width!r}."
        )
    return known


@contextmanager
def figure_style(language: Language, width: Width | None = None) -> Iterator[None]:
    """Matplotlib settings for one figure.

    Args:
        language: of its words.
        width: of every figure that is made; if None, one column, or two for those that need them.
    """
    family = ["DejaVu Sans"] if language == "en" else [_japanese_font(), "DejaVu Sans"]
    narrow, wide = (centimetres(name if width is None else width) / CM_AN_INCH for name in ("one", "two"))
    # matplotlib has one place for the size of figures to come: here it holds the two widths, and heights are each figure's own
    with mpl.rc_context({**_STYLE, "font.family": family, "figure.figsize": (narrow, wide)}):
        yield


class PageFigure(Figure):
    """A figure that a notebook shows at its own size, sharply."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        picture = BytesIO()
        self.savefig(picture, format="png", dpi=2 * _NOTEBOOK_DPI)
        width, height = self.get_size_inches()
        return picture.getvalue(), {"width": round(width * _NOTEBOOK_DPI), "height": round(height * _NOTEBOOK_DPI)}


def page_width(*, needs_two: bool = False) -> float:
    """Inches that a figure is wide inside ``figure_style``; one that needs two columns may still have to do with one."""
    narrow, wide = mpl.rcParams["figure.figsize"]
    return float(wide if needs_two else narrow)


def is_wide(width: float) -> bool:
    """Whether a width in inches holds panels beside each other."""
    return width * CM_AN_INCH > _BESIDE_CM


def new_figure(*, height: float = 2.5, panels: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure one column wide with panels below each other."""
    figure = PageFigure(figsize=(page_width(), height))
    axes = figure.subplots(panels, 1, squeeze=False)
    return figure, list(axes[:, 0])


def caption_above(figure: Figure, text: str) -> None:
    """What a figure is of, over everything else."""
    figure.suptitle(text, fontsize=TEXT, color=GREY)


def note_below(figure: Figure, *notes: str) -> None:
    """How a figure is read, below it, in lines that it holds."""
    room = int(figure.get_size_inches()[0] / INCHES_A_LETTER)
    lines: list[str] = []
    for note in filter(None, notes):
        joined = f"{lines[-1]}{_BETWEEN}{note}" if lines else note
        if lines and width_of(joined) <= room:
            lines[-1] = joined
        else:
            lines += wrapped(note, room)
    figure.supxlabel("\n".join(lines), fontsize=TEXT, color=GREY)


def legend_above(axes: Axes, *, handles: Sequence[Artist] | None = None) -> None:
    """A legend over the axes, where it covers nothing, in as many columns as there is room for."""
    named = axes.get_legend_handles_labels()[0] if handles is None else handles
    if not named:
        return
    figure, grid = axes.get_figure(root=True), axes.get_gridspec()
    across = page_width() if figure is None else float(figure.get_size_inches()[0])
    width = (across - _BESIDE_AXES_INCHES) / (1 if grid is None else grid.ncols)
    longest = max(width_of(line) for one in named for line in str(one.get_label()).splitlines())
    n_columns = max(1, min(len(named), int(width / (_HANDLE_INCHES + LETTER_INCHES * longest))))
    axes.legend(
        handles=list(named),
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=n_columns,
        columnspacing=1.0,
        borderaxespad=0.2,
    )


def log_axis(axes: Axes, which: Literal["x", "y"], *, is_short: bool = False) -> None:
    """A logarithmic axis whose ticks can be read, however narrow its range; on a short one there are few."""
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = axis.get_view_interval()
    ratio = high / low
    subs: tuple[float, ...] = (1.0,)
    if is_short and ratio > 20:
        subs = (1.0,)
    elif ratio < 10:
        subs = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
    elif ratio < 1000:
        subs = (1.0, 2.0, 5.0)
    axis.set_major_locator(LogLocator(base=10, subs=subs, numticks=5 if is_short else 12))
    axis.set_major_formatter(FuncFormatter(plain_number))
    axis.set_minor_formatter(NullFormatter())


def effect_axis(axes: Axes, values: ArrayLike, language: Language, *, which: Literal["x", "y"] = "y") -> None:
    """An axis of effects: linear where sizes are alike, else logarithmic, on both sides of zero if one reaches it.

    Its name says so: it has to be set before.

    Args:
        axes: drawn already.
        values: that decide, with those ends of intervals that reach zero.
        language: of the name.
        which: axis.
    """
    numbers = np.asarray(values, dtype=float).ravel()
    numbers = numbers[np.isfinite(numbers)]
    sizes = np.abs(numbers[numbers != 0])
    if not len(sizes) or sizes.max() / np.quantile(sizes, 0.1) < _LOG_FROM:
        return
    if (numbers > 0).all():
        log_axis(axes, which)
        _add_to_name(axes, which, label("log_scale", language))
    else:
        threshold = float(10 ** np.round(np.log10(np.quantile(sizes, 0.1))))
        symlog_axis(axes, numbers, threshold, language, which=which)


def symlog_axis(axes: Axes, values: ArrayLike, threshold: float, language: Language, *, which: Literal["x", "y"] = "y") -> None:
    """An axis that is logarithmic on both sides of zero, and linear within a threshold of it; its name says so."""
    numbers = np.asarray(values, dtype=float).ravel()
    axis = axes.yaxis if which == "y" else axes.xaxis
    (axes.set_yscale if which == "y" else axes.set_xscale)("symlog", linthresh=threshold)
    axis.set_major_locator(FixedLocator(_signed_ticks(numbers[np.isfinite(numbers)], threshold)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(signed_number))
    _add_to_name(axes, which, label("symlog_scale", language).format(n=plain_number(threshold)))


def _add_to_name(axes: Axes, which: Literal["x", "y"], scale: str) -> None:
    axis = axes.yaxis if which == "y" else axes.xaxis
    axis.set_label_text(f"{axis.get_label_text()}\n{scale}".strip())


def zero_line(axes: Axes, **named: Any) -> None:
    """The intact model, or no difference: a dashed line at zero, where the axis has a zero."""
    if axes.get_yscale() != "log":
        axes.axhline(0, color="black", linestyle="--", linewidth=0.9, **named)


def _signed_ticks(values: np.ndarray, threshold: float) -> list[float]:
    """Zero, and powers of ten on both sides as far as there are values, none nearer to zero than the axis is logarithmic."""
    first, last = (round(math.log10(threshold)), math.floor(math.log10(np.abs(values).max()) + 1e-9))
    powers = [10.0**power for power in range(last, first - 1, -max(1, math.ceil((last - first + 1) / _MOST_POWERS)))]
    there = [0.0, *powers, *(-power for power in powers)]
    return sorted(one for one in there if one == 0 or values.min() <= one <= values.max())


def symmetric_ticks(largest: float) -> list[float]:
    """Zero and two round numbers on both sides of it, none so near to an end that its number is cut."""
    inner, outer = (float(f"{part * largest:.1g}") for part in (0.25, 0.8))
    steps = sorted({step for step in (inner, outer) if 0 < step <= 0.95 * largest} or {0.5 * largest})
    return [*(-step for step in reversed(steps)), 0.0, *steps]


def layer_axis(axes: Axes, name: str) -> None:
    """An x axis of layer numbers."""
    axes.set_xlabel(name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))


def signed_number(value: float, _: object = None) -> str:
    """``plain_number`` on both sides of zero."""
    return plain_number(value) if value >= 0 else f"-{plain_number(-value)}"


def plain_number(value: float, _: object = None) -> str:
    """``20``, ``0.5`` or ``10⁵`` in mathtext: what a reader expects on a tick."""
    if value >= 10_000 or 0 < value < 0.000_95:
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
