"""Figures: they say what the table says, in both languages, with no glyph missing and nothing clipped."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from layerscope.figures.labels import _LABELS, family_axis_label, label
from layerscope.figures.style import plain_number
from layerscope.paths.families import FAMILIES
from layerscope.sweeps.figures.layers import sweep_figures
from tests.drawn import in_each_language


def layers(n_layers: int = 6, worst: float = 8.0) -> pd.DataFrame:
    rows = [{"variant": "intact", "family": "intact", "delta_nll_nats": 0.0, "top1_accuracy": 0.4, "agreement": 1.0}]
    for family in ("removal", "exchange", "block-removal:3"):
        for first in range(n_layers - (family != "removal")):
            effect = worst * np.exp(-first)
            rows.append(
                {
                    "variant": f"{family}-{first}",
                    "family": family,
                    "span_first": first,
                    "delta_nll_nats": effect,
                    "delta_nll_low_nats": effect * 0.9,
                    "delta_nll_high_nats": effect * 1.2,
                    "top1_accuracy": 0.3,
                    "agreement": 0.6,
                    "block_influence": 0.02 * (first + 1),
                    "angular_distance": 0.05 * (first + 1),
                }
            )
    rows.append({"variant": "0-2,(3|4|5.mlp)", "family": "path", "delta_nll_nats": -0.1, "span_first": 3})
    rows.append({"variant": "shuffle-0", "family": "shuffle:0", "delta_nll_nats": 4.0, "span_first": 0})
    frame = pd.DataFrame(rows)
    return frame.assign(ppl=20 * np.exp(frame["delta_nll_nats"]), tokens_scored=12345, documents=40)


PROXIES = pd.DataFrame(
    [(family, proxy, 6, -0.5) for family in ("removal", "exchange") for proxy in ("block_influence", "angular_distance")],
    columns=["family", "proxy", "variants", "spearman"],
)


@pytest.fixture(scope="module")
def figures() -> dict[str, Figure]:
    return in_each_language(sweep_figures, layers(), PROXIES, model="smollm2-135m", dataset="wiki-text-2")


def test_there_is_one_figure_a_question_in_each_language(figures: dict[str, Figure]) -> None:
    names = ("removal", "exchange", "block-removal-3", "removal+exchange", "accuracy", "proxies", "variants")
    assert set(figures) == {f"{name}_{language}" for name in names for language in ("en", "ja")}


def test_no_glyph_is_missing_and_no_text_is_clipped(figures: dict[str, Figure]) -> None:
    for name, figure in figures.items():
        canvas = FigureCanvasAgg(figure)
        canvas.draw()  # a missing glyph is a warning, and warnings are errors in these tests
        everything = figure.get_tightbbox(canvas.get_renderer())
        width, height = figure.get_size_inches()
        assert everything.x0 >= -0.01, name
        assert everything.y0 >= -0.01, name
        assert everything.x1 <= width + 0.01, name
        assert everything.y1 <= height + 0.01, name
        assert width == pytest.approx(8.5 / 2.54)


def test_lines_show_the_tables_numbers(figures: dict[str, Figure]) -> None:
    (axes,) = figures["removal_en"].axes
    assert axes.get_yscale() == "log"
    removal, *_ = axes.get_lines()
    table = layers()
    expected = table[table["family"] == "removal"]
    np.testing.assert_allclose(removal.get_ydata(), expected["delta_nll_nats"])
    np.testing.assert_allclose(removal.get_xdata(), expected["span_first"])
    (band,) = axes.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert heights.max() == pytest.approx(8.0 * 1.2)
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == ["removal", "95% interval"]
    assert "intact perplexity 20" in axes.get_figure().get_suptitle()


def test_japanese_figures_are_in_japanese(figures: dict[str, Figure]) -> None:
    (axes,) = figures["exchange_ja"].axes
    assert axes.get_ylabel() == "ΔNLL（nat／トークン）\n（対数目盛）"
    assert "交換" in axes.get_xlabel()
    caption = figures["exchange_ja"].get_suptitle()
    assert caption == "smollm2-135m · wiki-text-2 · 12,345 トークン\nテキスト 40 本のみ · 元のモデルのパープレキシティ 20"


def test_peaks_have_the_number_of_their_layer() -> None:
    table = layers(20)
    table.loc[table["variant"] == "removal-11", "delta_nll_nats"] = 1.77
    figure = in_each_language(sweep_figures, table, PROXIES, model="m", dataset="d")["removal_en"]
    assert {text.get_text() for text in figure.axes[0].texts} == {"0", "11"}


def test_a_narrow_range_has_ticks_that_can_be_read() -> None:
    figure = in_each_language(sweep_figures, layers(worst=0.4), PROXIES, model="m", dataset="d")["removal_en"]
    FigureCanvasAgg(figure).draw()
    (axes,) = figure.axes
    low, high = axes.get_ylim()
    shown = [tick for tick in axes.get_yticks() if low <= tick <= high]
    assert len(shown) >= 2


def test_styles_leave_matplotlib_as_it_was() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    in_each_language(sweep_figures, layers(), PROXIES, model="m", dataset="d")
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (20.0, "20"),
        (0.5, "0.5"),
        (1500.0, "1500"),
        (1e5, "$10^{5}$"),
        (2e4, "$2\\cdot 10^{4}$"),
        (1e44, "$10^{44}$"),
        (1e-3, "0.001"),
        (2e-6, "$2\\cdot 10^{-6}$"),
    ],
)
def test_numbers_on_ticks(value: float, text: str) -> None:
    assert plain_number(value) == text


def test_every_family_and_label_has_both_languages() -> None:
    for family in FAMILIES:
        assert label(f"name:{family}:3", "ja").endswith("3")
    assert all(english and japanese for english, japanese in _LABELS.values())


def test_a_family_without_words_of_its_own_has_the_general_ones_at_its_axis() -> None:
    assert family_axis_label("block-removal:3", "en") == label("block-removal", "en") != label("layers", "en")
    assert family_axis_label("made-up-of-late", "ja") == label("layers", "ja")


def test_of_many_variants_a_figure_shows_those_that_hurt_most_and_least_and_says_so() -> None:
    many = pd.DataFrame(
        [{"variant": f"path {i}", "family": "path", "delta_nll_nats": float(i), "span_first": 0} for i in range(500)]
    )
    table = pd.concat([layers(), many], ignore_index=True)
    figure = in_each_language(sweep_figures, table, PROXIES, model="smollm2-135m", dataset="lee")["variants_en"]
    (axes,) = figure.axes
    shown = [tick.get_text() for tick in axes.get_yticklabels()]
    assert len(shown) == 60
    assert (shown[0], shown[-1]) == ("path 499", "0-2,(3|4|5.mlp)")
    assert figure.get_suptitle().endswith("60 / 502")
    assert figure.get_size_inches()[1] < 16
