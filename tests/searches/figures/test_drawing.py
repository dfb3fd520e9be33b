"""Figures of a search in both languages: what lines, points, cells and words there are, against the tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from layerscope.draw import draw_figures
from layerscope.errors import RunError
from layerscope.figures.labels import label
from layerscope.figures.palette import BLUE, GREY, VERMILLION
from layerscope.searches.drawing import of_frontier
from layerscope.searches.finished import FinishedSearch
from tests.made_up_searches import made_up_search

CASES: dict[str, dict[str, Any]] = {
    "several": {"n_layers": 14, "steps": 5, "n_draws": 3},
    "halves": {"n_layers": 6, "moves": ("attention-removal", "mlp-removal"), "steps": 7, "n_draws": 2},
    "alone": {"moves": ("removal", "exchange"), "n_draws": 1, "n_random": 0, "has_one_shot": False, "steps": 3},
    "grown": {"moves": ("block-repeat:2",), "n_draws": 1, "steps": 3},
    "long": {"n_layers": 40, "steps": 30, "n_draws": 2},
    "one text": {"n_texts": 1, "n_draws": 1},
}


@pytest.fixture(params=CASES, scope="module")
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FinishedSearch:
    folder = tmp_path_factory.mktemp("search") / str(request.param)
    return FinishedSearch.open(made_up_search(**CASES[request.param]).write(folder))


def figures(run: FinishedSearch, language: str = "en") -> dict[str, Figure]:
    return of_frontier(run)(language=language)


def lines(axes: Axes, colour: str, *, width: float) -> list[np.ndarray]:
    found = [line for line in axes.get_lines() if line.get_color() == colour and line.get_linewidth() == width]
    return [np.asarray(line.get_xydata()) for line in found if len(np.asarray(line.get_xdata()))]


@pytest.mark.slow
def test_every_figure_fits_its_page(run: FinishedSearch) -> None:
    written = draw_figures(run.directory.path, languages=["en", "ja"])
    goes = run.left_out[["without_attention", "without_mlp"]].to_numpy().any()
    names = ["frontier", "frontier_cost", *(["order"] if goes else [])]
    assert sorted({path.stem.rpartition("_")[0] for path in written}) == names
    assert len(written) == 4 * len(names)


def test_the_frontier_holds_every_path(run: FinishedSearch) -> None:
    axes = figures(run)["frontier"].axes[0]
    table = run.frontier
    for way, colour in (("search", BLUE), ("one-shot", VERMILLION)):
        rows = table[table["way"] == way]
        bold = lines(axes, colour, width=1.6)
        assert len(bold) == (1 if len(rows) else 0)
        if len(rows):
            best = rows[rows["is_best"]]
            assert sorted(map(tuple, bold[0][1:].tolist())) == sorted(
                zip(best["layers"].astype(float), best["delta_nll_nats"], strict=True)
            )
            assert bold[0][0].tolist() == [table["layers"].iloc[0], 0.0]
            away = np.abs(bold[0][:, 0] - table["layers"].iloc[0])
            assert (np.diff(away) >= 0).all()
        n_draws = rows["draw"].nunique()
        assert len(lines(axes, colour, width=0.5)) == (n_draws if n_draws > 1 else 0)
    points = next((line for line in axes.get_lines() if line.get_marker() == "x" and line.get_color() == GREY), None)
    assert points is not None
    assert len(np.asarray(points.get_xdata())) == (table["way"] == "random").sum()
    assert len(axes.collections) == 2, "a band for each way"
    right, left = axes.get_xlim()[::-1]
    shrinks = table["layers"].min() < table["layers"].iloc[0]
    assert (left > right) == shrinks or table["layers"].nunique() == 1, "away from the intact model, from left to right"


def test_time_is_that_of_the_search_alone(run: FinishedSearch) -> None:
    _, below = figures(run)["frontier_cost"].axes
    best = run.frontier[(run.frontier["way"] == "search") & run.frontier["is_best"]]
    ratio = dict(zip(run.speed["path"], run.speed["ratio"], strict=True))
    (bold,) = lines(below, BLUE, width=1.6)
    assert sorted(bold[1:, 0]) == pytest.approx(sorted(ratio[path] for path in best["path"]))
    assert lines(below, VERMILLION, width=1.6) == []


@pytest.mark.parametrize("language", ["en", "ja"])
def test_legends_name_what_is_there(run: FinishedSearch, language: str) -> None:
    axes = figures(run, language)["frontier"].axes[0]
    ways = [f"way:{way}" for way in ("search", "one-shot", "random") if (run.frontier["way"] == way).any()]
    single = ["single_draws"] if run.record.request.draws > 1 else []
    legend = axes.get_legend()
    assert legend is not None
    expected = {label(name, language) for name in [*ways, *single, "intact"]}  # type: ignore[arg-type]
    assert {text.get_text() for text in legend.get_texts()} == expected


def test_cells_are_shares_of_draws(run: FinishedSearch) -> None:
    found = figures(run)
    if "order" not in found:
        assert not run.left_out["without_layer"].any()
        return
    axes = found["order"].axes[0]
    shade = np.asarray(axes.get_images()[0].get_array())
    sizes = [float(text.get_text()) for text in axes.get_xticklabels()]
    every = round(shade.shape[1] / 2 / len(sizes))
    for place, size in enumerate(sizes):
        rows = run.left_out[run.left_out["layers"] == size].sort_values("layer")
        column = 2 * place * max(every, 1)
        assert shade[:, column].tolist() == pytest.approx((rows["without_attention"] / rows["draws"]).tolist())
        assert shade[:, column + 1].tolist() == pytest.approx((rows["without_mlp"] / rows["draws"]).tolist())
    first = run.frontier[(run.frontier["way"] == "search") & (run.frontier["draw"] == 0)]
    moves = [text.get_text() for text in axes.child_axes[0].get_xticklabels()]
    assert [one for one in moves if one] == [written.split()[-1] for written in first["moves"]][: len(moves)]


def test_nothing_else_is_drawn_of_a_search(run: FinishedSearch) -> None:
    with pytest.raises(RunError, match="Of this run are drawn frontier; got 'layers'"):
        draw_figures(Path(run.directory.path), of=["layers"])
