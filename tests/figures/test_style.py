"""Colours as on the page, scales that say what they are, marks with one meaning, and files that journals take."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from layerscope.errors import DataError
from layerscope.figures import palette
from layerscope.figures.files import ALL_FORMATS, write_figures
from layerscope.figures.lines import draw_band
from layerscope.figures.marks import mark_tested
from layerscope.figures.style import (
    DPI,
    centimetres,
    effect_axis,
    figure_style,
    layer_axis,
    new_figure,
    note_below,
    page_width,
    signed_number,
    symmetric_ticks,
    zero_line,
)
from tests.made_up_runs import TAGS

PAGE = Path(palette.__file__).parents[1] / "report" / "assets"


def test_the_page_and_figures_have_the_same_colours() -> None:
    light = (PAGE / "page.css").read_text(encoding="utf-8").split("}")[0]
    of_page = dict(re.findall(r"--([a-z0-9]+): (#[0-9a-f]{6});", light))
    assert [of_page[f"c{n}"] for n in range(1, 7)] == list(palette.COLOURS[:6])
    assert (of_page["low"], of_page["middle"], of_page["high"]) == (palette.LOW, palette.MIDDLE, palette.HIGH)
    assert (of_page["ink"], of_page["soft"], of_page["line"]) == (palette.INK, palette.GREY, palette.GRID)


def test_lines_differ_without_colours() -> None:
    assert len({str(palette.DASHES[marker]) for marker in palette.MARKERS}) == len(palette.MARKERS)
    with figure_style("en"):
        _, (axes,) = new_figure()
        for marker in palette.MARKERS[:3]:
            draw_band(axes, [0, 1], [0, 0], [1, 2], (palette.BLUE, marker))
    assert len({str(band.get_linestyle()) for band in axes.collections}) == 3
    assert all(band.get_linewidth()[0] > 0 for band in axes.collections)


@pytest.mark.parametrize(
    ("values", "scale", "name"),
    [
        ([1.0, 2.0, 5.0], "linear", "ΔNLL"),
        ([0.01, 0.1, 5.0], "log", "ΔNLL\n(log scale)"),
        ([-0.01, 0.0, 0.1, 5.0], "symlog", "ΔNLL\n(log; linear within ±0.01)"),
    ],
)
def test_an_axis_of_effects_says_its_scale(values: list[float], scale: str, name: str) -> None:
    with figure_style("en"):
        figure, (axes,) = new_figure()
        axes.plot(values)
        axes.set_ylabel("ΔNLL")
        effect_axis(axes, values, "en")
        zero_line(axes)
        figure.draw_without_rendering()
    assert (axes.get_yscale(), axes.get_ylabel()) == (scale, name)
    assert any(line.get_color() == "black" for line in axes.get_lines()) == (scale != "log")
    low, high = axes.get_ylim()
    assert low < min(values) < max(values) < high
    assert scale != "symlog" or list(axes.get_yticks()) == [-0.01, 0.0, 0.01, 0.1, 1.0]


def test_ticks_of_a_scale_around_zero() -> None:
    assert symmetric_ticks(10.0) == [-8.0, -2.0, 0.0, 2.0, 8.0]
    assert symmetric_ticks(0.3) == [-0.2, -0.07, 0.0, 0.07, 0.2]
    assert signed_number(-1e-6) == "-$10^{-6}$"


def test_dots_are_significant_and_hatching_is_not_tested() -> None:
    q_values = np.array([[0.001, 0.2], [np.nan, np.nan]])
    there = np.array([[True, True], [True, False]])
    with figure_style("en"):
        _, (axes,) = new_figure()
        notes = mark_tested(axes, q_values, there, "en")
        assert axes.collections[0].get_offsets().tolist() == [[0.0, 0.0]]
        (hatched,) = axes.patches
        assert (hatched.get_xy(), bool(hatched.get_hatch())) == ((-0.5, 0.5), True)
        assert notes == ["Dot: significant (q < 0.05)", "Hatched: not tested"]
        _, (axes,) = new_figure()
        assert mark_tested(axes, q_values * np.nan, there, "ja") == ["テキストが少なく、検定はできない"]
    assert not axes.patches


def test_widths_are_columns_or_centimetres() -> None:
    assert (centimetres("one"), centimetres("two"), centimetres(12.0)) == (8.5, 17.5, 12.0)
    for wrong in (2.0, 500.0, float("nan")):
        with pytest.raises(DataError, match="'one' or 'two' columns, or 8 to 40 centimetres; got"):
            centimetres(wrong)
    for given, inches in ((None, (8.5, 17.5)), ("one", (8.5, 8.5)), ("two", (17.5, 17.5)), (12.0, (12, 12))):
        with figure_style("en", given):  # type: ignore[arg-type]
            assert (page_width(), page_width(needs_two=True)) == pytest.approx([cm / 2.54 for cm in inches])


@pytest.mark.parametrize(("language", "words"), [("en", "First layer changed"), ("ja", "変更した最初の層")])
def test_files_have_300_dpi_and_text_that_is_text(language: str, words: str, tmp_path: Path) -> None:
    with figure_style(language):  # type: ignore[arg-type]
        figure, (axes,) = new_figure()
        axes.plot(range(len(TAGS)))
        layer_axis(axes, words)
        note_below(figure, words)
    for turn in ("a", "b"):
        write_figures(tmp_path / turn, {"removal": figure}, language, ALL_FORMATS)  # type: ignore[arg-type]
    png, svg, pdf = (tmp_path / "a" / f"removal_{language}.{suffix}" for suffix in ALL_FORMATS)
    with Image.open(png) as image:
        assert image.width == int(8.5 / 2.54 * DPI)
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert svg.read_text(encoding="utf-8").count(f">{words}</text>") == 2
    assert b"/FontFile2" in pdf.read_bytes()
    assert b"/Type3" not in pdf.read_bytes()
    for one in (png, svg, pdf):
        assert one.read_bytes() == (tmp_path / "b" / one.name).read_bytes()


def test_the_page_orders_parts_of_speech_as_figures_do() -> None:
    from layerscope.sweeps.figures.parts_of_speech import TAG_ORDER

    (of_page,) = re.findall(r'TAG_ORDER = "([A-Z ]+)"', (PAGE / "pos.js").read_text(encoding="utf-8"))
    assert tuple(of_page.split()) == TAG_ORDER
