"""Names of points: no two over each other, none over a point, the important ones first; and which points are peaks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from layerscope.figures.names import Named, name_points, peaks_of
from layerscope.figures.style import figure_style, log_axis, new_figure


@pytest.mark.parametrize(("spread", "all_fit"), [(1.0, True), (0.05, False)])
def test_names_overlap_neither_each_other_nor_points(spread: float, all_fit: bool) -> None:
    generator = np.random.default_rng(0)
    x, y = generator.uniform(0.5 - spread / 2, 0.5 + spread / 2, size=(2, 17))
    with figure_style("en"):
        figure, (axes,) = new_figure(height=3.2)
        axes.scatter(x, y, s=14)
        axes.set_xlim(-0.1, 1.1)
        axes.set_ylim(-0.1, 1.1)
        put = name_points(figure, axes, [Named(*at, f"PROPN{n}") for n, at in enumerate(zip(x, y, strict=True))])
        figure.draw_without_rendering()
        renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [one.get_window_extent(renderer) for one in put]
    assert (len(put) == 17) == all_fit
    assert [one.get_text() for one in put][:1] == ["PROPN0"]
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)
    points = axes.transData.transform(np.column_stack([x, y]))
    for box, at in itertools.product(boxes, points):
        assert not box.contains(*at)
        assert axes.get_window_extent().fully_containsx(box.x0)


def test_a_point_off_the_axes_gets_no_name() -> None:
    with figure_style("en"):
        figure, (axes,) = new_figure()
        axes.plot([0, 1], [0, 1], marker="o")
        axes.set_xlim(0, 1)
        assert name_points(figure, axes, [Named(17.0, -0.7, "INTJ")]) == []


def test_peaks_are_what_stands_out_on_the_axis_as_it_is_scaled() -> None:
    effect = np.array([8.0, 3.0, 0.3, 0.2, 0.21, 0.2, 2.0, 0.2, 0.1, 0.2, 0.6, 0.2, 0.1, 0.9])
    with figure_style("en"):
        _, (axes,) = new_figure()
        axes.plot(effect)
        assert peaks_of(axes, np.arange(14), effect, 5) == [0, 6]  # 0.9 of 8 is little
        log_axis(axes, "y")
        found = peaks_of(axes, np.arange(14), effect, 5)
    assert sorted(found) == [0, 6, 10, 13]  # and much of 0.1; 0.21 stands out on neither
    assert found[0] == 0
    assert peaks_of(axes, np.arange(14), effect, 2) == found[:2]
    assert peaks_of(axes, np.arange(3), np.full(3, np.nan), 5) == []
