"""ΔNLL by layer as an SVG that stands in a page: axes in the page's own text colour, every point with its numbers as a title.

Axes: x is the first layer that a variant touches, y is ΔNLL in nats per token, logarithmic on both sides of zero where sizes
differ much; the caption says so in the words of the figures.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from layerscope.figures.labels import label
from layerscope.figures.palette import COLOURS
from layerscope.paths.families import DEPTHS
from layerscope.results.inline import escaped
from layerscope.sweeps.analysis.findings import in_nats
from layerscope.sweeps.analysis.places import layer_families

WIDTH, HEIGHT = 680, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 12, 24, 40
_LABELLED = 5
"""Points with the largest effect, whose layer stands beside them."""
_LETTER, _LINE = 6.5, 11
"""Pixels that a letter of a label is wide at most, and high."""
_GAP = 7
"""Pixels between a point, or the end of its interval, and its label."""


@dataclass(frozen=True)
class Scale:
    """From ΔNLL to a place between 0 and 1, and the values that are marked."""

    place: Callable[[float], float]
    """Of a value."""
    ticks: tuple[float, ...]
    """In the values' unit."""
    linear_within: float | None
    """Below this size steps are of equal size, above of equal ratio; None where all are of equal size."""


def effect_scale(values: list[float]) -> Scale:
    """A scale that holds zero and every value.

    Args:
        values: finite.
    """
    low, high = min([0.0, *values]), max([0.0, *values])
    if low == high:
        low, high = -1.0, 1.0
    sizes = np.abs([value for value in values if value])
    linear_within = None
    if len(sizes) and sizes.max() / sizes.min() > 30:
        linear_within = float(10 ** np.round(np.log10(max(np.quantile(sizes, 0.2), sizes.max() / 1000))))

    def bent(value: float) -> float:
        return value if linear_within is None else math.asinh(value / linear_within)

    first, last = bent(low), bent(high)
    margin = 0.06 * (last - first)
    if linear_within is None:
        step = 10.0 ** math.floor(math.log10((high - low) / 2))
        step *= next(factor for factor in (5, 2, 1) if (high - low) / (step * factor) >= 2)
        ticks = [round(step * k, 10) for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
    else:
        powers = [10.0**k for k in range(round(math.log10(linear_within)), math.floor(math.log10(sizes.max())) + 1)]
        ticks = [one for one in (*(-power for power in reversed(powers)), 0.0, *powers) if low <= one <= high]
    return Scale(lambda value: (bent(value) - first + margin) / (last - first + 2 * margin), tuple(ticks), linear_within)


def effect_chart(layers: pd.DataFrame) -> str:
    """The chart, or an empty string where no family stands over a layer axis.

    Args:
        layers: layers.parquet.
    """
    families = [family for family in layer_families(layers) if family not in DEPTHS]
    shown = layers[layers["family"].isin(families) & np.isfinite(layers["delta_nll_nats"])]
    if shown.empty:
        return ""
    families = [family for family in families if (shown["family"] == family).any()]
    rows = shown.to_dict("records")
    ends = [row[name] for row in rows for name in ("delta_nll_nats", "delta_nll_low_nats", "delta_nll_high_nats")]
    scale = effect_scale([float(value) for value in ends if math.isfinite(value)])
    last = max(int(shown["span_first"].max()), 1)

    def x(layer: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * (layer + 0.5) / (last + 1)

    def y(value: float) -> float:
        return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * scale.place(value)

    is_single = bool((shown["span_first"] == shown["span_last"]).all())
    parts = [_axes(x, y, scale, last, "layer" if is_single else "first layer that is changed")]
    for family, colour, marker in zip(families, COLOURS, "os^" * len(families), strict=False):
        parts.append(_series(shown[shown["family"] == family].sort_values("span_first"), x, y, colour, marker))
    parts += _peaks(rows, x, y)
    legend = "" if len(families) == 1 else _legend(families)
    bent = ""
    if scale.linear_within is not None:
        bent = f" {label('symlog_scale', 'en').format(n=f'{scale.linear_within:g}')}"
    title = f"ΔNLL by layer: {', '.join(families)}"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" aria-label="{escaped(title)}" '
        f'style="max-width:100%;height:auto;font:11px sans-serif;fill:currentColor">{"".join(parts)}{legend}'
        f'<text x="{_LEFT}" y="12">ΔNLL (variant − intact, nats per token){bent}</text></svg>'
    )


def _axes(x: Callable[[float], float], y: Callable[[float], float], scale: Scale, last: int, name: str) -> str:
    parts = []
    for tick in scale.ticks:
        width, opacity = (1.2, 0.7) if tick == 0 else (0.6, 0.25)
        parts.append(
            f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="currentColor" '
            f'stroke-width="{width}" opacity="{opacity}"/>'
            f'<text x="{_LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:+g}</text>'.replace("+0<", "0<")
        )
    step = max(math.ceil((last + 1) / 12), 1)
    parts += [
        f'<text x="{x(float(layer)):.1f}" y="{HEIGHT - _BOTTOM + 16}" text-anchor="middle">{layer}</text>'
        for layer in range(0, last + 1, step)
    ]
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    return "".join(parts) + f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{name}</text>'


def _series(rows: pd.DataFrame, x: Callable[[float], float], y: Callable[[float], float], colour: str, marker: str) -> str:
    points = [(row, x(float(row["span_first"])), y(row["delta_nll_nats"])) for row in rows.to_dict("records")]
    line = " ".join(f"{left:.1f},{top:.1f}" for _, left, top in points)
    parts = [f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>']
    for row, left, top in points:
        low, high = row["delta_nll_low_nats"], row["delta_nll_high_nats"]
        if math.isfinite(low) and math.isfinite(high):
            parts.append(
                f'<line x1="{left:.1f}" x2="{left:.1f}" y1="{y(low):.1f}" y2="{y(high):.1f}" stroke="{colour}" '
                'stroke-width="1.5" opacity="0.8"/>'
            )
        parts.append(_marker(left, top, colour, marker, _said(row)))
    return "".join(parts)


def _marker(left: float, top: float, colour: str, marker: str, title: str) -> str:
    told = f"<title>{escaped(title)}</title>"
    if marker == "o":
        return f'<circle cx="{left:.1f}" cy="{top:.1f}" r="4" fill="{colour}">{told}</circle>'
    if marker == "s":
        return f'<rect x="{left - 3.5:.1f}" y="{top - 3.5:.1f}" width="7" height="7" fill="{colour}">{told}</rect>'
    corners = f"{left:.1f},{top - 5:.1f} {left - 4.5:.1f},{top + 3.5:.1f} {left + 4.5:.1f},{top + 3.5:.1f}"
    return f'<polygon points="{corners}" fill="{colour}">{told}</polygon>'


def _peaks(rows: list[dict[Any, Any]], x: Callable[[float], float], y: Callable[[float], float]) -> list[str]:
    """The layers with the largest effect, named above whatever is drawn there, where there is room."""
    drawn = [_drawn(row, x, y) for row in rows]
    parts = []
    ranked = sorted((row for row in rows if row["delta_nll_nats"] > 0), key=lambda row: -row["delta_nll_nats"])
    for row in ranked[:_LABELLED]:
        text = f"{int(row['span_first'])}: {row['delta_nll_nats']:+.2f}"
        width = _LETTER * len(text)
        middle = min(max(x(float(row["span_first"])), _LEFT + width / 2), WIDTH - width / 2)
        box = _box_above(_drawn(row, x, y), middle, width)
        while (hit := next((one for one in drawn if _overlap(one, box)), None)) is not None:
            box = _box_above(hit, middle, width)
        if box.top >= _TOP - _LINE:
            drawn.append(box)
            parts.append(f'<text x="{middle:.1f}" y="{box.bottom:.1f}" text-anchor="middle">{text}</text>')
    return parts


@dataclass(frozen=True)
class _Box:
    """A rectangle of pixels, y downwards."""

    left: float
    right: float
    top: float
    bottom: float


def _drawn(row: dict[Any, Any], x: Callable[[float], float], y: Callable[[float], float]) -> _Box:
    """A point and its interval."""
    middle, ends = x(float(row["span_first"])), [row["delta_nll_low_nats"], row["delta_nll_high_nats"]]
    heights = [y(float(value)) for value in ends if math.isfinite(value)]
    point = y(row["delta_nll_nats"])
    return _Box(middle - 5, middle + 5, min([point - 5, *heights]), max([point + 5, *heights]))


def _box_above(under: _Box, middle: float, width: float) -> _Box:
    """A label over something that is drawn."""
    bottom = under.top - _GAP + 5
    return _Box(middle - width / 2, middle + width / 2, bottom - _LINE, bottom)


def _overlap(one: _Box, other: _Box) -> bool:
    return one.left < other.right and other.left < one.right and one.top < other.bottom and other.top < one.bottom


def _legend(families: list[str]) -> str:
    parts, left = [], WIDTH - _RIGHT - 110 * len(families)
    for family, colour, marker in zip(families, COLOURS, "os^" * len(families), strict=False):
        parts.append(
            _marker(float(left), 8.0, colour, marker, family) + f'<text x="{left + 8}" y="12">{escaped(family)}</text>'
        )
        left += 110
    return "".join(parts)


def _said(row: dict[Any, Any]) -> str:
    return f"{row['variant']}: ΔNLL {in_nats(row, 'delta_nll', 'en')}"
