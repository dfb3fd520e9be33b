"""What holds of every kind of figure, in both languages and at both widths: limits, type, what is cut and what overlaps."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from layerscope.bilingual import LANGUAGES, Language
from layerscope.figures.style import CM_AN_INCH, COLUMNS_CM, LABEL, SMALL, TEXT, figure_style
from layerscope.sweeps.figures.parts_of_speech import classes_by_layer, effect_against_difficulty
from tests.figures.kinds import every_figure, words_with_a_rare_tag

FILLED = 0.4
"""Least part of an axis that its data, with the zero that they are measured from, take."""
EVERY = [
    pytest.param(language, width, marks=[pytest.mark.slow] if width == "two" else [])
    for language in LANGUAGES
    for width in COLUMNS_CM
]


def data_of(axes: Axes) -> tuple[np.ndarray, np.ndarray]:
    """All x and all y that are drawn in the axes' data; of lines across, where they stand."""
    found: list[np.ndarray] = []
    for line in axes.get_lines():
        points = np.asarray(line.get_xydata(), dtype=float)
        if not len(points):
            continue
        if line.get_transform() == axes.get_yaxis_transform(which="grid"):  # a horizontal line across
            points = np.column_stack([np.full(len(points), np.nan), points[:, 1]])
        elif line.get_transform() == axes.get_xaxis_transform(which="grid"):
            points = np.column_stack([points[:, 0], np.full(len(points), np.nan)])
        found.append(points)
    for collection in axes.collections:
        if isinstance(collection, PathCollection):
            found.append(np.ma.filled(np.ma.asarray(collection.get_offsets(), dtype=float), np.nan))
        elif isinstance(collection, PolyCollection):
            found += [path.vertices[path.vertices[:, 0] != path.vertices[0, 0]] for path in collection.get_paths()]
        elif isinstance(collection, LineCollection) and collection.get_transform() == axes.transData:
            found += [np.asarray(segment) for segment in collection.get_segments()]
    for patch in axes.patches:
        if isinstance(patch, Rectangle) and patch.get_transform().contains_branch(axes.transData):
            found.append(patch.get_bbox().get_points())
    for image in axes.get_images():
        left, right, bottom, top = image.get_extent()
        found.append(np.array([[left, bottom], [right, top]]))
    points = np.concatenate(found) if found else np.empty((0, 2))
    return points[:, 0], points[:, 1]


def filled(axes: Axes, which: str) -> float:
    """Part of an axis, as it is scaled, over which its data go; 1 where they do not differ."""
    values = data_of(axes)[which == "y"]
    scale = (axes.xaxis if which == "x" else axes.yaxis).get_transform()
    limits = np.sort(scale.transform(np.array(axes.get_xlim() if which == "x" else axes.get_ylim(), dtype=float)))
    values = values[np.isfinite(values)]
    if (axes.get_xscale() if which == "x" else axes.get_yscale()) == "log":
        values = values[values > 0]
    elif limits[0] <= scale.transform(np.zeros(1))[0] <= limits[1]:
        values = np.append(values, 0.0)
    if len(values) < 2 or np.ptp(values) == 0:
        return 1.0
    places = np.clip(scale.transform(values), *limits)
    return float(np.ptp(places) / (limits[1] - limits[0]))


def drawn_axes(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.get_axes() if axes.get_label() != "<colorbar>"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_limits_are_those_of_the_data(language: Language) -> None:
    faults = [
        (name, place, which, axes.get_xlim(), axes.get_ylim())
        for name, figure in every_figure(language, "one").items()
        for place, axes in enumerate(drawn_axes(figure))
        for which in "xy"
        if filled(axes, which) < FILLED
    ]
    assert not faults


def test_the_test_of_limits_finds_an_axis_that_runs_to_nothing() -> None:
    """As one did whose line at zero was drawn before its axis was logarithmic."""
    with figure_style("en"):
        figure = classes_by_layer(words_with_a_rare_tag(), "removal", "caption", "en")
    axes = figure.axes[1]
    assert axes.get_yscale() == "log"
    assert filled(axes, "y") > FILLED
    axes.set_ylim(bottom=1e-15)
    assert filled(axes, "y") < FILLED


@pytest.mark.parametrize(("language", "width"), EVERY)
def test_nothing_is_cut_and_type_is_the_same_at_every_width(language: Language, width: str) -> None:
    faults = []
    for name, figure in every_figure(language, width).items():
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw_without_rendering()  # a missing glyph is a warning, and warnings are errors in these tests
        everything, (across, high) = figure.get_tightbbox(renderer), figure.get_size_inches()
        assert across == pytest.approx(COLUMNS_CM[width] / CM_AN_INCH), name
        beyond = np.round([-everything.x0, -everything.y0, everything.x1 - across, everything.y1 - high], 3)
        faults += [(name, beyond.tolist())] if beyond.max() > 0.01 else []
        FigureCanvasBase(figure)  # lets the pixels go
        sizes = {text.get_fontsize() for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()}
        assert sizes <= {LABEL, TEXT, SMALL}, (name, sizes)
    assert not faults


def boxes_of(figure: Figure) -> list[tuple[str, Bbox]]:
    """Every text that is not in a cell, with the space that it takes."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    texts: list[Text] = []
    for part in (figure, *figure.subfigs):
        texts += [one for one in (part._suptitle, part._supxlabel, part._supylabel) if one is not None]
        texts += [text for legend in part.legends for text in legend.get_texts()]
    for axes in figure.get_axes():
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            texts += [axis.label]
            texts += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
        legend = axes.get_legend()
        texts += [axes.title, *([] if legend is None else legend.get_texts())]
        texts += [one for one in axes.texts if isinstance(one, Annotation)]
    shown = [text for text in texts if text.get_text().strip() and text.get_visible()]
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in shown]
    FigureCanvasBase(figure)  # lets the pixels go
    return boxes


@pytest.mark.parametrize(("language", "width"), EVERY)
def test_no_two_texts_lie_over_each_other(language: Language, width: str) -> None:
    faults = []
    for name, figure in every_figure(language, width).items():
        figure.draw_without_rendering()
        for (one, box), (other, over) in itertools.combinations(boxes_of(figure), 2):
            faults += [(name, one, other)] if box.padded(-2).overlaps(over.padded(-2)) else []
    assert not faults


def test_one_symbol_has_one_meaning() -> None:
    """Spearman's correlation is ρ; contraction has no letter."""
    for name, figure in every_figure("en", "one").items():
        for text in figure.findobj(Text):
            if re.search(r"ρ|\\rho", text.get_text()):
                assert "Spearman" in figure.get_supxlabel() + text.get_text(), (name, text.get_text())


def test_a_rare_part_of_speech_moves_no_axis_and_is_named_below() -> None:
    words = words_with_a_rare_tag()
    words = words[words["unit"] == "word"]
    drawn = []
    with figure_style("en"):
        for table in (words, words[words["tag"] != "INTJ"]):
            figure = effect_against_difficulty(table, "removal", "caption", "en")
            drawn.append((figure.axes[0].get_xlim(), figure.axes[0].get_ylim()))
            names = {text.get_text().rstrip("*") for text in figure.axes[0].texts}
            assert names == {"NOUN", "VERB", "ADJ", "ADP", "DET", "PUNCT"}
            assert ("outside the axes: INTJ" in figure.get_supxlabel().replace("\n", " ")) == (table is words)
    assert drawn[0] == drawn[1]
