"""Comparison figures: they say what the table says, in both languages, with no glyph missing and nothing clipped or covered."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from layerscope.language.words import UPOS_TAGS
from layerscope.sweeps.analysis.comparison import View
from layerscope.sweeps.figures.comparison import Scored, _looks, comparison_figures
from tests.drawn import in_each_language

DEPTH, LAYER = View("delta", "nats", "depth"), View("ppl", "nats", "layer")
ON = Scored("wiki-text-2", 1000, 123456)
DIFFERENT = ("protocol", "texts", "bos", "context", "tokens", "tagger")
NAMES = ("smollm2-135m", "Meta-Llama-3-8B (bfloat16)")


def lines(
    view: View, *, names=NAMES, tags: tuple[str, ...] = (), family: str = "removal", lowest: float = 0.02
) -> pd.DataFrame:
    """What ``curves`` makes: effects that fall from 8 to ``lowest``, over intact perplexities of 20 and more."""
    rows = []
    for tag, (number, name) in itertools.product(("all", *tags), enumerate(names)):
        n_layers, intact = 8 + number, 0.0 if view.measure == "delta" else 20.0 + number
        for layer in range(n_layers):
            value = intact + max(8.0 * np.exp(-layer), lowest) if lowest > 0 else 8.0 * np.exp(-layer) + lowest
            depth = layer / (n_layers - 1)
            numbers = {"value": value, "low": value - abs(value) * 0.2, "high": value * 1.2, "intact": intact}
            rows.append({"family": family, "tag": tag, "model": name, "layer": layer, "depth": depth, **numbers})
    return pd.DataFrame(rows).assign(variant="")


def drawn(figure: Figure) -> tuple[Figure, FigureCanvasAgg]:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # a missing glyph is a warning, and warnings are errors in these tests
    return figure, canvas


@pytest.mark.parametrize(
    ("view", "options", "scored"),
    [
        (DEPTH, {"tags": UPOS_TAGS, "lowest": -0.3}, ON),
        (DEPTH, {"family": "exchange"}, ON),
        (View("ppl", "bits", "depth"), {"tags": ("NOUN", "VERB"), "family": "block-removal:3"}, ON),
        (LAYER, {"tags": UPOS_TAGS[:5]}, Scored("wiki-text-2 / lee", None, None, DIFFERENT)),
        (View("ppl", "nats", "layer", of_text_means=True), {}, Scored(None, None, None)),
        (LAYER, {"names": [f"{'a-long-name-' * 6}{n}" for n in range(9)], "tags": ("X",)}, Scored("a_long_name_" * 9, 1, 2)),
    ],
)
def test_nothing_is_clipped_missing_or_covered(view: View, options: dict[str, object], scored: Scored) -> None:
    for name, figure in in_each_language(comparison_figures, lines(view, **options), view, scored).items():
        figure, canvas = drawn(figure)
        renderer = canvas.get_renderer()
        everything, (width, height) = figure.get_tightbbox(renderer), figure.get_size_inches()
        assert min(everything.x0, everything.y0) >= -0.01, name
        assert everything.x1 <= width + 0.01, name
        assert everything.y1 <= height + 0.01, name
        assert width == pytest.approx((17.5 if "_tags_" in name else 8.5) / 2.54)
        parts = [figure, *figure.subfigs]
        words = [text for part in parts for text in (part._suptitle, part._supxlabel, part._supylabel) if text is not None]
        boxes = [item.get_window_extent(renderer) for part in parts for item in part.legends]
        boxes += [item.get_window_extent(renderer) for item in words]
        boxes += [axes.get_tightbbox(renderer) for axes in figure.get_axes()]
        for one, other in itertools.combinations([box for box in boxes if box.width > 0], 2):
            assert not one.padded(-1).overlaps(other.padded(-1)), name


def test_there_is_one_figure_a_family_and_one_more_with_tags_in_each_language() -> None:
    table = pd.concat([lines(DEPTH), lines(DEPTH, family="exchange", tags=("NOUN",))])
    assert set(in_each_language(comparison_figures, table, DEPTH, ON)) == {
        f"{name}_{language}" for name in ("removal_delta", "exchange_delta", "exchange_delta_tags") for language in ("en", "ja")
    }


def test_lines_show_the_tables_numbers_over_the_axis_asked_for() -> None:
    table = lines(LAYER)
    (axes,) = in_each_language(comparison_figures, table, LAYER, ON)["removal_ppl_en"].axes
    assert axes.get_yscale() == "log"
    intact, first, its_intact = axes.get_lines()[:3]
    expected = table[table["model"] == NAMES[0]]
    np.testing.assert_allclose(first.get_ydata(), expected["value"])
    np.testing.assert_allclose(first.get_xdata(), expected["layer"])
    assert (intact.get_ydata()[0], its_intact.get_ydata()[0]) == (20.0, 21.0)
    assert intact.get_linestyle() == "--"
    assert intact.get_color() == first.get_color()
    assert axes.collections[0].get_paths()[0].vertices[:, 1].max() == pytest.approx(expected["high"].max())
    (legend,) = axes.figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts == [f"{NAMES[0]} (intact 20)", f"{NAMES[1]} (intact 21)", "intact", "95% interval"]


def test_relative_depth_says_how_it_is_defined() -> None:
    (axes,) = in_each_language(comparison_figures, lines(DEPTH), DEPTH, ON)["removal_delta_en"].axes
    np.testing.assert_allclose(axes.get_lines()[0].get_xdata(), np.arange(8) / 7)
    assert axes.get_xlabel() == "Relative depth: layer / (L − 1)"
    (axes,) = in_each_language(comparison_figures, lines(DEPTH, family="exchange"), DEPTH, ON)["exchange_delta_en"].axes
    assert axes.get_xlabel() == "Relative depth of i and i+1: (i + 0.5) / (L − 1)"


def test_zero_is_drawn_where_an_effect_or_its_interval_reaches_it() -> None:
    (axes,) = in_each_language(comparison_figures, lines(DEPTH), DEPTH, ON)["removal_delta_en"].axes
    assert axes.get_yscale() == "log"
    assert "black" not in {line.get_color() for line in axes.get_lines()}
    (axes,) = in_each_language(comparison_figures, lines(DEPTH, lowest=-0.3), DEPTH, ON)["removal_delta_en"].axes
    (zero,) = [line for line in axes.get_lines() if line.get_color() == "black"]
    assert zero.get_ydata()[0] == 0


def test_one_effect_next_to_nothing_leaves_an_axis_of_like_sizes_linear() -> None:
    table = lines(DEPTH, names=("m",)).assign(value=np.linspace(0.4, 0.7, 8), low=np.nan, high=np.nan)
    table.loc[3, "value"] = -1e-6
    (axes,) = in_each_language(comparison_figures, table, DEPTH, ON)["removal_delta_en"].axes
    assert axes.get_yscale() == "linear"


def test_panels_are_titled_with_their_tags_and_share_axes() -> None:
    figure = in_each_language(comparison_figures, lines(LAYER, tags=UPOS_TAGS[:5]), LAYER, ON)["removal_ppl_tags_ja"]
    panels = figure.get_axes()
    assert [axes.get_title() for axes in panels] == ["形容詞 ADJ", "副詞 ADV", "間投詞 INTJ", "名詞 NOUN", "固有名詞 PROPN"]
    assert {axes.get_ylim() for axes in panels} == {panels[0].get_ylim()}
    assert figure.subfigs[0].get_supylabel() == "1 語あたりのパープレキシティ（対数）"
    assert [text.get_text() for text in figure.subfigs[1].legends[0].get_texts()][:2] == list(NAMES)


def test_what_is_not_comparable_is_said_in_the_figure() -> None:
    figures = in_each_language(comparison_figures, lines(LAYER), LAYER, Scored("lee", 4, None, ("protocol", "texts")))
    assert figures["removal_ppl_en"].get_suptitle().splitlines() == [
        "removal · lee · only 4 texts",
        "not comparable, shown anyway; what differs:",
        "protocol, texts",
    ]
    assert figures["removal_ppl_ja"].get_suptitle().endswith("異なる点：\nプロトコル、テキスト")


def test_an_infinite_value_is_a_gap() -> None:
    table = lines(LAYER)
    table.loc[0, ["value", "high"]] = np.inf
    figure = in_each_language(comparison_figures, table, LAYER, ON)["removal_ppl_en"]
    drawn(figure)
    assert np.isnan(figure.axes[0].get_lines()[1].get_ydata()[0])


def test_twenty_models_look_different() -> None:
    looks = [tuple(sorted(look.items())) for look in itertools.islice(_looks(), 20)]
    assert len(set(looks)) == 20
    assert "--" not in {dict(look)["linestyle"] for look in looks}
