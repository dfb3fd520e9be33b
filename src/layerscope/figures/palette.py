"""Colours of figures, those of the report's page in its light form: one table for lines, and scales for maps.

The page has the same values as ``--c1`` to ``--c6``, ``--low``, ``--middle`` and ``--high``; a test compares them.
"""

from __future__ import annotations

from matplotlib.colors import LinearSegmentedColormap

# after Okabe & Ito 2008, told apart by every common kind of colour blindness; darkened where white paper needs it
BLUE, VERMILLION, GREEN, PURPLE, AMBER, SKY = "#0072b2", "#d55e00", "#00805e", "#a9558a", "#b07800", "#3a94cf"
INK, GREY, GRID = "#1c1e21", "#5a6068", "#d9dcdf"
LOW, MIDDLE, HIGH = BLUE, "#f4f3ef", VERMILLION
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, AMBER, SKY, "#000000")
"""One a line, with ``MARKERS`` and ``DASHES`` beside it for those who see no colours."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = dict(
    zip(
        MARKERS,
        ("-", (0, (4, 1.2)), (0, (1, 0.8)), (0, (5, 1, 1, 1)), (0, (2.5, 1)), (0, (7, 1.5)), (0, (3, 1, 1, 1, 1, 1))),
        strict=True,
    )
)
"""Of a line, by its marker."""

DIVERGING = LinearSegmentedColormap.from_list("layerscope_diverging", [LOW, MIDDLE, HIGH])
"""Better than the intact model, as it, worse; or less than, as, more than what a value is compared with."""
SEQUENTIAL = LinearSegmentedColormap.from_list("layerscope_sequential", [MIDDLE, BLUE])
"""From none to much."""
