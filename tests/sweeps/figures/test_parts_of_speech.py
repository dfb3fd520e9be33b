"""Figures of parts of speech show what the table says, in both languages, and nothing falls off the page."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from layerscope.bilingual import LANGUAGES
from layerscope.figures.style import figure_style
from layerscope.sweeps.figures.parts_of_speech import effects_by_tag_and_layer, pos_figures
from tests.drawn import in_each_language
from tests.made_up_runs import made_up_run


@pytest.fixture(scope="module")
def pos() -> pd.DataFrame:
    return made_up_run(n_documents=30, planted={"VERB": 0.5}, seed=0, n_variants=6).pos()


def transitions_of(pos: pd.DataFrame) -> pd.DataFrame:
    rows = pos[(pos["unit"] == "word") & (pos["kind"] == "tag")]
    return rows.assign(next_tag=rows["tag"], words=rows["items"])


def test_every_figure_in_both_languages(pos: pd.DataFrame) -> None:
    figures = in_each_language(pos_figures, pos, transitions_of(pos), ["removal"], n_texts=60, model="tiny", dataset="texts")
    names = ("pos_removal", "pos_classes_removal", "pos_difficulty_removal", "transitions_removal")
    assert set(figures) == {f"{name}_{language}" for name in names for language in LANGUAGES}
    for name, figure in figures.items():
        check_nothing_is_cut(figure, name)


@pytest.mark.parametrize("n_tags", [1, 2, 3, 5])
@pytest.mark.parametrize("tested", [True, False])
def test_few_parts_of_speech_fill_a_page_of_their_own(pos: pd.DataFrame, n_tags: int, tested: bool) -> None:
    tags = pos.loc[pos["kind"] == "tag", "tag"].unique()[:n_tags]
    some = pos[(pos["kind"] == "class") | pos["tag"].isin(tags)].assign(is_few=True)
    if not tested:
        some = some.assign(p_value=np.nan, q_value=np.nan)
    caption = {"n_texts": 3, "model": "a-model-of-some-longer-name", "dataset": "a-data-set-of-a-longer-name"}
    figures = in_each_language(pos_figures, some, transitions_of(some), ["removal"], **caption)
    for name, figure in figures.items():
        check_nothing_is_cut(figure, name)


def check_nothing_is_cut(figure: Figure, name: str) -> None:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    everything, page = figure.get_tightbbox(canvas.get_renderer()), figure.bbox_inches
    assert everything.x0 >= page.x0 - 0.01, name
    assert everything.x1 <= page.x1 + 0.01, name
    assert everything.y0 >= page.y0 - 0.01, name
    assert everything.y1 <= page.y1 + 0.01, name


def test_the_heat_map_shows_the_table(pos: pd.DataFrame) -> None:
    words = pos[pos["unit"] == "word"]
    with figure_style("en"):
        figure = effects_by_tag_and_layer(words, "removal", "caption", "en")
    axes = figure.axes[0]
    shown = np.asarray(axes.images[0].get_array())
    labels = [text.get_text().split(" ")[0] for text in axes.get_yticklabels()]
    assert labels == ["NOUN", "VERB", "ADJ", "ADP", "DET", "PUNCT"]
    verbs = words[(words["tag"] == "VERB") & (words["family"] == "removal")].sort_values("span_first")
    np.testing.assert_allclose(shown[labels.index("VERB")], verbs["delta_nll_nats"])
    rows = words[(words["family"] == "removal") & (words["kind"] == "tag")]
    assert len(axes.collections[0].get_offsets()) == (rows["q_value"] < 0.05).sum()


def test_too_few_texts_for_a_test_have_no_dots_and_say_so(pos: pd.DataFrame) -> None:
    with figure_style("en"):
        untested = pos[pos["unit"] == "word"].assign(q_value=np.nan)
        figure = effects_by_tag_and_layer(untested, "removal", "five texts", "en")
    assert not figure.get_axes()[0].collections
    assert not figure.get_axes()[0].patches, "nothing is hatched where nothing was tested"
    assert figure.get_supxlabel().startswith("Too few texts for a test of any cell")
