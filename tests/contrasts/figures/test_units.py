"""Figures of minimal pairs show what the tables say, in both languages, whatever the size of the model; nothing falls off."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from layerscope.bilingual import LANGUAGES
from layerscope.contrasts.figures.agreement import Place, agreement_by_layer
from layerscope.contrasts.figures.intervention import OUTCOMES, intervention_figures
from layerscope.contrasts.figures.movement import contraction_by_layer
from layerscope.contrasts.figures.units import (
    STABILITY_FIGURES,
    difference_against_spread,
    points_shown,
    smallest_of_neighbours,
    stability_figures,
    stillest_units,
    units_map,
)
from layerscope.contrasts.tables import (
    CONSISTENCY,
    CONTRACTION,
    DIVERGENCE,
    INTERVENTION,
    LAYER_AGREEMENT,
    LAYER_SPECIFICITY,
    RANKING,
)
from layerscope.figures.labels import group_label, position_label
from layerscope.figures.palette import BLUE, VERMILLION
from layerscope.figures.style import COLUMNS_CM, figure_style
from layerscope.results.schema import Table
from tests.drawn import in_each_language

SITE, POSITION = "resid_post", "edit+1"
PLACE = Place(SITE, POSITION, "percentile", "jaccard")
ROLES = {
    "random-word-reference-1": "reference",
    "random-word": "control",
    "unrelated": "bound",
    "subject": "meaning",
    "subject-placebo": "placebo",
    "negation": "meaning",
    "subject-verb-agreement": "grammar",
    "determiner-noun-agreement": "grammar",
    "a-subtype-of-somebody-else-with-a-long-name": "grammar",
}
NAMES = STABILITY_FIGURES


def frame(table: Table, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows as the run directory hands them back; what a row does not say is missing, and no column is made up."""
    schema = table.schema
    made = pd.DataFrame(rows, columns=schema.names)
    assert {name for row in rows for name in row} <= set(schema.names)
    return made.astype({name: "category" for name in schema.names if str(schema.field(name).type).startswith("dictionary")})


def tables(n_layers: int = 4, n_dims: int = 40, *, roles: dict[str, str] | None = None, has_intervals: bool = True) -> dict:
    roles = ROLES if roles is None else roles
    generator = np.random.default_rng(0)
    here = {"site": SITE, "position": POSITION, "scale": "percentile"}
    raw = np.exp(generator.normal(size=(n_layers, n_dims)))
    percentile = generator.uniform(0.2, 0.8, size=raw.shape)
    room = 0.05 if has_intervals else np.nan

    def about(value: float) -> dict[str, float]:
        return {"low": value - room, "high": value + 2 * room}

    ranking = []
    for scale, scores in (("percentile", percentile), ("raw", raw)):
        for place, unit in enumerate(np.argsort(scores, axis=None)[:25]):
            layer, dim = divmod(int(unit), n_dims)
            score = float(scores[layer, dim])
            row = {"set": "all", "scope": "all", "rank": place + 1, "layer": layer, "dim": dim, "score": score}
            ranking.append({**here, "scale": scale, **row, **about(score)})
    compared = [name for name, role in roles.items() if role in ("meaning", "grammar")]
    consistency = []
    for at, first in enumerate(compared):
        for second in compared[at:]:
            value = 0.9 if first == second else float(generator.uniform(0.1, 0.5))
            placebo = np.nan if first == second else 0.25 + 0.01 * at
            row = {"measure": "jaccard", "first": first, "second": second, "value": value, "placebo": placebo}
            consistency.append({**here, **row, "excess": value - placebo, "q_value": 0.01 if value > 0.4 else 0.5})
    sets = [name for name in ("meaning", "grammar") if name in roles.values()]
    by_layer = [
        {**here, "set": members, "position": position, "measure": "jaccard", "layer": layer, "excess": 0.1, **about(0.1)}
        for members in ("all", *sets)
        for position in ("edit", POSITION, "edit+2", "edit+3", "edit+4", "detection", "last")
        for layer in (None, *range(n_layers))
    ]
    shares = [
        {**here, "set": members, "layer": layer, "share": 0.3, "placebo": 0.2, **about(0.1), "distance": 0.25, "distance_p": p}
        for members, p in zip(("all", *sets), (0.004, np.nan, np.nan), strict=False)
        for layer in range(n_layers)
    ]
    contraction = [
        {
            "set": members,
            "quantity": quantity,
            "position": POSITION,
            "layer": layer,
            "value": value,
            "median": value,
            **about(value),
        }
        for members, value in (("control", 0.3), ("meaning", 0.2), ("error", -0.1), ("error-meaning", -0.3))
        for quantity in ("size", "contraction", "toward_right", "asymmetry")
        if quantity != "asymmetry" or members == "error"
        for layer in range(n_layers)
    ]
    divergence = [
        {
            "set": members,
            "distance": distance,
            "pairs": 40 - 10 * distance,
            "kl_nats": value,
            "median_nats": value,
            **about(value),
        }
        for members in ("control", "meaning", "error", "subject")
        for distance, value in enumerate((4.0, 1.0, 0.5, 0.1))
    ]
    return {
        "ranking": frame(RANKING, ranking),
        "consistency": frame(CONSISTENCY, consistency),
        "layer_agreement": frame(LAYER_AGREEMENT, by_layer),
        "layer_specificity": frame(LAYER_SPECIFICITY, shares),
        "contraction": frame(CONTRACTION, contraction),
        "divergence": frame(DIVERGENCE, divergence),
        "cells": {"percentile": percentile, "raw": raw, "spread": raw * 2},
        "by_type": {role: raw * (1 + at) for at, role in enumerate((*sets, "control"))},
        "roles": roles,
    }


def drawn(**changed: Any) -> dict[str, Figure]:
    given = {**tables(), "model": "smollm2-135m", "pairs": "templates", "site": SITE, "position": POSITION, "k": 25}
    return in_each_language(stability_figures, **{**given, **changed})


@pytest.fixture(scope="module")
def figures() -> dict[str, Figure]:
    return drawn()


def random_sets(values: np.ndarray, stable: float) -> pd.DataFrame:
    rows = [
        {"replacement": replacement, "outcome": outcome, "set": at, "value": float(value)}
        for replacement in ("mean", "resample")
        for outcome in ("did_nats", "accuracy", "damage_nats", "change_nats")
        for at, value in enumerate((stable, *values))
    ]
    return frame(INTERVENTION, rows)


def check_nothing_is_cut(figure: Figure, name: str) -> None:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # a missing glyph is a warning, and warnings are errors in these tests
    everything, page = figure.get_tightbbox(canvas.get_renderer()), figure.bbox_inches
    assert everything.x0 >= page.x0 - 0.01, name
    assert everything.x1 <= page.x1 + 0.01, name
    assert everything.y0 >= page.y0 - 0.01, name
    assert everything.y1 <= page.y1 + 0.01, name
    assert round(2.54 * page.width, 6) in COLUMNS_CM.values(), name


def legend_of(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def words_of(figure: Figure) -> list[str]:
    """Every text that is no number, no unit's name and not the caption, which begins with the model's name."""
    figure.draw_without_rendering()
    texts = {text.get_text().strip() for text in figure.findobj(Text) if text.get_visible()}
    plain = re.compile(r"[-−.\d]*|L\d+ · d\d+|\$.*\$|smollm2-135m · .*|p\(.\) .*|.*…", re.DOTALL)
    return sorted(text for text in texts if not plain.fullmatch(text))


@pytest.mark.slow
def test_every_figure_in_both_languages_with_nothing_cut(figures: dict[str, Figure]) -> None:
    assert set(figures) == {f"{name}_{language}" for name in NAMES for language in LANGUAGES}
    everything = figures | in_each_language(
        intervention_figures, random_sets(np.linspace(-1, 1, 50), 2.0), model="smollm2-135m", pairs="p"
    )
    for name, figure in everything.items():
        check_nothing_is_cut(figure, name)
        assert len(words_of(figure)) >= 2, name
        for text in words_of(figure) if name.endswith("_ja") else ():
            assert re.search("[ぁ-んァ-ヶ一-龥]", text), (name, text)


def test_the_heat_map_keeps_the_smallest_value_of_each_column() -> None:
    values = np.ones((2, 320))
    values[1, 317] = 0.25
    values[0, 0] = np.nan
    binned = smallest_of_neighbours(values, 3)
    assert binned.shape == (2, 107)
    assert binned[1, 105] == 0.25
    assert (binned == 0.25).sum() == 1
    assert binned[0, 0] == 1.0


@pytest.mark.parametrize(("n_dims", "n_columns", "width"), [(32, 32, 1), (576, 144, 4), (16_384, 149, 110)])
def test_a_heat_map_of_any_width_can_be_read(n_dims: int, n_columns: int, width: int) -> None:
    cells = tables(3, n_dims)["cells"]
    with figure_style("en"):
        figure = units_map(cells["percentile"], cells["raw"], "smollm2-135m · pairs", "en")
    primary, raw = figure.axes[:2]
    shown = np.asarray(primary.images[0].get_array())
    assert shown.shape == (3, n_columns)
    np.testing.assert_allclose(shown[2, 1], cells["percentile"][2, width : 2 * width].min())
    np.testing.assert_allclose(np.asarray(raw.images[0].get_array())[0, 0], cells["raw"][0, :width].min())
    low, high = primary.images[0].get_clim()
    assert (low + high) / 2 == pytest.approx(0.5)
    assert primary.get_xlim() == (-0.5, n_dims - 0.5)
    ticks = [tick for tick in primary.get_xticks() if 0 <= tick < n_dims]
    assert len(ticks) >= 3
    assert all(tick == int(tick) for tick in ticks)
    assert primary.get_ylim() == (-0.5, 2.5)  # layer 0 at the bottom
    assert any(f"smallest value of {width} " in text for text in words_of(figure)) == (width > 1)
    check_nothing_is_cut(figure, "heatmap")


def test_bars_are_the_ranking_with_its_intervals_and_say_what_both_scales_find() -> None:
    ranking = tables()["ranking"]
    rows = ranking[ranking["rank"] <= 20]
    with figure_style("en"):
        figure = stillest_units(ranking, PLACE, "caption", "en")
    units = {}
    for axes, scale in zip(figure.axes, ("percentile", "raw"), strict=True):
        of_scale = rows[rows["scale"] == scale].sort_values("rank")
        bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
        np.testing.assert_allclose([bar.get_width() for bar in bars], of_scale["score"])
        names = [text.get_text() for text in axes.get_yticklabels()]
        assert names == [f"L{row.layer} · d{row.dim}" for row in of_scale.itertuples()]
        (errors,) = axes.collections
        ends = np.array([path.vertices[:, 0] for path in errors.get_paths()])
        np.testing.assert_allclose(ends, of_scale[["low", "high"]])
        assert axes.get_ylim()[0] > axes.get_ylim()[1]  # rank 1 on top
        units[scale] = dict(zip(names, bars, strict=True))
    shared = set(units["percentile"]) & set(units["raw"])
    for name, bar in units["raw"].items():
        assert to_hex(bar.get_facecolor()) == (VERMILLION if name in shared else BLUE)
    assert [line.get_xdata()[0] for line in figure.axes[0].get_lines() if line.get_linestyle() == "--"] == [0.5]
    assert figure.legends[0].get_texts()[-1].get_text().endswith(f"lists of 20: {len(shared)}")


def test_a_raw_scale_that_spans_much_is_logarithmic() -> None:
    ranking = tables()["ranking"]
    is_first = (ranking["scale"] == "raw") & (ranking["rank"] == 1)
    ranking.loc[is_first, ["score", "low", "high"]] = [1e-4, np.nan, np.nan]
    axes = stillest_units(ranking, PLACE, "caption", "en").axes[1]
    assert axes.get_xscale() == "log"
    assert axes.get_xlim()[0] < 1e-4


def test_of_many_points_the_extremes_are_kept_and_the_legend_holds_the_correlation() -> None:
    generator = np.random.default_rng(1)
    x, y = np.exp(generator.normal(size=(2, 20_000)))
    shown = points_shown(x, y, np.random.default_rng(0))
    assert len(shown) == len(set(shown)) == 4000
    order = np.argsort(y / x)
    assert {*order[:200], *order[-200:]} <= set(shown)
    np.testing.assert_array_equal(shown, points_shown(x, y, np.random.default_rng(0)))
    many, few = tables(2, 10_000), tables()
    figure = difference_against_spread(many["cells"]["spread"], many["by_type"], "caption", "en")
    assert legend_of(figure.axes[0]) == [f"{name} ($\\rho$ = 1.00)" for name in ("control (random word)", "grammar", "meaning")]
    assert len(figure.axes[0].collections[0].get_offsets()) == 4000
    assert any(text.startswith("4,000 of 20,000") for text in words_of(figure))
    assert any(
        text.startswith("Every point")
        for text in words_of(difference_against_spread(few["cells"]["spread"], few["by_type"], "", "en"))
    )


def test_the_matrix_shows_values_excess_and_what_is_significant(figures: dict[str, Figure]) -> None:
    left, right = figures["consistency_en"].axes[:2]
    names = [text.get_text() for text in left.get_yticklabels()]
    long_name = "a-subtype-of-some…"
    agreement = ["subj.–verb agr.", "det.–noun agr.", long_name]
    assert names == ["subject", "negation", *agreement]
    assert [text.get_text() for text in left.get_xticklabels()] == names
    rows = tables()["consistency"]
    values, excess = (np.ma.filled(axes.images[0].get_array(), np.nan) for axes in (left, right))
    one = rows[(rows["first"] == "subject") & (rows["second"] == "determiner-noun-agreement")].iloc[0]
    assert values[0, 3] == values[3, 0] == one["value"]
    assert excess[0, 3] == pytest.approx(one["excess"])
    assert (np.diag(values) == 0.9).all()
    assert np.isnan(np.diag(excess)).all()  # halves of one group are no agreement of two
    frames = [patch for patch in left.patches if isinstance(patch, Rectangle) and not patch.get_fill()]
    assert len(frames) == len(names)
    marked = {(int(row), int(column)) for column, row in right.collections[0].get_offsets()}
    assert marked == {tuple(at) for at in np.argwhere(values > 0.4) if at[0] != at[1]}
    borders = sorted(float(line.get_ydata()[0]) for line in right.get_lines() if len(set(line.get_ydata())) == 1)
    assert borders == [1.5]
    # of the ten pairs of different groups four begin with the first, three with the second, and so on
    beside = (4 * 0.25 + 3 * 0.26 + 2 * 0.27 + 0.28) / 10
    for language, word in (("en", "placebos"), ("ja", "プラセボ")):
        figure = figures[f"consistency_{language}"]
        assert re.search(rf"{word}[:：] ?{beside:.2f}$", figure.get_supxlabel())
    assert not any("random" in text or "control" in text for text in words_of(figures["consistency_en"]))


def test_profiles_show_six_positions_with_the_main_one_and_each_type(figures: dict[str, Figure]) -> None:
    above, below = figures["layer_profile_en"].axes
    assert legend_of(above) == ["edit", "edit+1", "edit+2", "edit+3", "edit+4", "detection"]
    assert len(above.collections) == 1  # the band of the main position
    assert legend_of(below) == ["meaning", "grammar"]
    assert len(below.collections) == 2
    np.testing.assert_array_equal(above.get_lines()[0].get_xdata(), range(4))  # the mean over layers is no layer
    place = replace(PLACE, position="last")
    at_last = agreement_by_layer(tables()["layer_agreement"], place, "caption", "en").axes[0]
    assert legend_of(at_last)[-1] == "last"


def test_shares_stand_beside_those_of_placebos(figures: dict[str, Figure]) -> None:
    (axes,) = figures["layer_shares_en"].axes
    assert legend_of(axes)[:2] == ["all types (distance 0.25, p = 0.004)", "meaning (distance 0.25, p –)"]
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((0.25, 0.4))  # placebos + the interval of the excess
    assert legend_of(axes)[-2:] == ["placebo (same size and place)", "1 / layers"]
    assert list(axes.get_lines()[-2].get_ydata()) == [0.2] * 4
    assert axes.get_lines()[-1].get_ydata()[0] == 1 / 4
    assert "placebos" in figures["layer_shares_en"].get_supxlabel()
    assert "プラセボ" in figures["layer_shares_ja"].get_supxlabel()


def test_contraction_and_divergence_show_the_tables_numbers(figures: dict[str, Figure]) -> None:
    first, second, third = figures["contraction_en"].axes
    assert [line.get_ydata()[0] for line in second.get_lines()] == [0.3, 0.2, -0.1, 0]
    assert [line.get_ydata()[0] for line in third.get_lines()] == [-0.3, 0]
    assert legend_of(first)[-2:] == ["error: wrong to right", "error: asymmetry"]
    assert first.get_yscale() == "linear"
    contraction = tables()["contraction"]
    contraction.loc[(contraction["quantity"] == "asymmetry") & (contraction["layer"] == 0), ["value", "high"]] = [5, 30]
    assert contraction_by_layer(contraction, POSITION, "caption", "en").axes[0].get_yscale() == "symlog"
    (axes,) = figures["divergence_en"].axes
    assert legend_of(axes) == ["control (random word)", "meaning", "error"]
    assert axes.get_yscale() == "log"
    hollow = [line for line in axes.get_lines() if line.get_markerfacecolor() == "white"]
    assert [list(line.get_xdata()) for line in hollow] == [[3], [3], [3]]


MANY = {f"subtype-{number}": "grammar" for number in range(18)} | {"random-word": "control"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_layers", "n_dims", "roles", "has_intervals"),
    [
        (1, 32, ROLES, True),
        (80, 32, {"subject": "meaning"}, False),
        (2, 64, {"typo": "grammar", "random-word": "control"}, True),
        (3, 32, MANY, False),
    ],
)
def test_odd_runs_are_drawn(n_layers: int, n_dims: int, roles: dict[str, str], has_intervals: bool) -> None:
    made = drawn(**tables(n_layers, n_dims, roles=roles, has_intervals=has_intervals), pairs="many words " * 20)
    assert set(made) == {f"{name}_{language}" for name in NAMES for language in LANGUAGES}
    for name, figure in made.items():
        if name.endswith("_en"):  # Japanese ones are looked at above
            check_nothing_is_cut(figure, name)


def test_what_there_is_no_material_for_is_left_out() -> None:
    empty = {name: table.iloc[:0] for name, table in tables().items() if isinstance(table, pd.DataFrame)}
    assert set(drawn(**empty, by_type={})) == {"heatmap_en", "heatmap_ja"}
    refused = dict.fromkeys(("consistency", "layer_agreement", "layer_specificity"))
    left = {f"{name}_{language}" for name in NAMES for language in LANGUAGES if name not in refused}
    assert set(drawn(**refused)) == {name for name in left if not name.startswith("layer_")}
    cells = {"percentile": np.full((2, 32), np.nan), "raw": np.zeros((2, 32)), "spread": np.zeros((2, 32))}
    made = drawn(cells=cells, by_type={"meaning": cells["raw"]}, ranking=empty["ranking"])
    for name in ("heatmap_en", "scatter_en"):
        check_nothing_is_cut(made[name], name)


def test_the_stable_set_stands_among_the_random_ones_with_its_p_value() -> None:
    table = random_sets(np.arange(19) / 10, 5.0)
    figure = in_each_language(intervention_figures, table, model="m", pairs="p", intact_accuracy=0.83)["intervention_en"]
    panels = np.array(figure.axes).reshape(4, 2)
    shown = [name for name in OUTCOMES if name != "gap_nats"]
    for row, outcome in zip(panels, shown, strict=True):
        for axes in row:
            assert sum(bar.get_height() for bar in axes.patches) == 19
            assert axes.get_lines()[-1].get_xdata()[0] == 5.0
            assert axes.get_xlim()[1] > 5.0
            p = "p(≤) = 1" if outcome == "accuracy" else "p(≥) = 0.05"  # (1 + 0) / (1 + 19)
            assert axes.get_title().endswith(f"{p}, n = 19")
    assert panels[0, 1].get_title().startswith("replaced by resampling")
    assert panels[1, 0].get_xlabel().endswith("(intact: 0.83)")


@pytest.mark.parametrize(("values", "stable"), [(np.zeros(30), 0.0), (np.array([]), 1.0), (np.array([np.nan, 2.0]), np.nan)])
def test_effects_that_do_not_vary_or_are_no_numbers_are_drawn(values: np.ndarray, stable: float) -> None:
    for name, figure in in_each_language(intervention_figures, random_sets(values, stable), model="m", pairs="p").items():
        check_nothing_is_cut(figure, name)
        has_p = len(values) > 0 and bool(np.isfinite([*values, stable]).all())
        assert all(("=" in axes.get_title()) == has_p for axes in figure.axes)
    assert in_each_language(intervention_figures, random_sets(values, stable).iloc[:0], model="m", pairs="p") == {}


def test_names_of_groups_and_positions() -> None:
    assert group_label("typo-aligned", "en") == "typo, aligned"
    assert group_label("typo-aligned", "ja") == "綴り誤り（長さ違い）"
    assert group_label("mine", "ja") == "mine"
    assert group_label("typo-placebo", "en") == "typo, placebo"
    assert group_label("typo-placebo", "ja") == "綴り誤り（プラセボ）"
    assert group_label("mine-placebo", "en") == "mine, placebo"
    assert (position_label("edit+12", "en"), position_label("edit+12", "ja")) == ("edit+12", "編集位置+12")
