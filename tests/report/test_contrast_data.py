"""A contrast in a page: cells as means over subtypes, the order of places, what is left out, the numbers of single pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from layerscope.contrasts.finished import FinishedContrast
from layerscope.contrasts.tables import (
    CONSISTENCY,
    DIMENSIONS,
    INTERVENTION,
    LAYER_AGREEMENT,
    LAYER_SPECIFICITY,
    RANKING,
    TYPE_SPECIFICITY,
)
from layerscope.report.contrast_data import ContrastTables, contrast_data
from layerscope.report.packing import Packing
from layerscope.report.write import _contrast
from tests.report.unpack import array_of, table_of
from tests.tiny_runs import ANALYSED, CLOSING, IMAGE, POSITIONS, SCRIPT, SEPARATOR, SITES, TinyRuns

MEANING, GRAMMAR, CONTROL = ["subject", "place", "few"], ["tense", "typo"], ["random-word"]
PLACEBO = [f"{name}-placebo" for name in MEANING + GRAMMAR]
MEMBERS = {"meaning": MEANING, "grammar": GRAMMAR, "placebo": PLACEBO, "control": CONTROL}
LAYERS, WIDTH = 4, 32
SCALES = ("percentile", "z", "relative")


@pytest.fixture(scope="module")
def whole(runs: TinyRuns) -> tuple[FinishedContrast, dict, Packing]:
    """The contrast with its analysis, as a page has it."""
    run, packing = FinishedContrast.open(runs.contrast), Packing()
    return run, _contrast(run, packing, share=1.0), packing


def tolerance(scale: str) -> dict[str, float]:
    return {"rtol": 2e-4, "atol": 1e-9} if scale == "z" else {"rtol": 0, "atol": 2e-5}


def test_cells_of_sets_are_means_over_their_subtypes(whole) -> None:
    """By a plain loop over the rows of the run's own tables."""
    run, data, packing = whole
    for place in data["places"]:
        rows = run.differences(place["site"], place["position"]).astype({"group": str})
        for scale in ("percentile", "z", "relative"):
            found = array_of(place[scale], packing.chunks)
            assert found.shape == (len(place["sets"]), LAYERS, WIDTH)
            for number, name in enumerate(place["sets"]):
                total, counted = np.zeros((LAYERS, WIDTH)), 0
                for subtype in MEMBERS[name]:
                    of_subtype = rows[rows["group"] == subtype]
                    if (of_subtype["pairs"] == 0).all():
                        continue
                    counted += 1
                    for layer, dim, value in zip(of_subtype["layer"], of_subtype["dim"], of_subtype[scale], strict=True):
                        total[layer, dim] += value
                np.testing.assert_allclose(found[number], total / counted, **tolerance(scale))


def test_cells_of_subtypes_are_those_of_the_main_place(whole) -> None:
    run, data, packing = whole
    assert data["main"] == ["resid_post", "edit+1"]
    assert sorted(data["subtypes"]["names"]) == sorted(MEANING + GRAMMAR + PLACEBO + CONTROL)
    cells = run.cells(*data["main"])
    for scale in ("percentile", "z", "relative"):
        found = array_of(data["subtypes"][scale], packing.chunks)
        for number, name in enumerate(data["subtypes"]["names"]):
            np.testing.assert_allclose(found[number], cells[scale][name], **tolerance(scale))


def test_groups_and_members(whole) -> None:
    run, data, _ = whole
    assert data["members"] == MEMBERS
    assert [row["group"] for row in data["groups"]] == run.groups["group"].tolist()
    assert {row["group"]: row["pairs"] for row in data["groups"]} == dict(
        zip(run.groups["group"], run.groups["pairs"], strict=True)
    )
    assert (data["layers"], data["width"]) == (LAYERS, WIDTH)


def test_spread_is_that_of_ordinary_text(whole) -> None:
    run, data, packing = whole
    for site in SITES:
        np.testing.assert_array_equal(array_of(data["spread"][site], packing.chunks), run.spread(site).astype(np.float32))


def test_the_raw_scale_is_z_times_the_spread(whole) -> None:
    """So the page makes it."""
    run, data, packing = whole
    place = data["places"][0]
    z = array_of(place["z"], packing.chunks)[place["sets"].index("grammar")]
    raw = np.mean([run.cells(place["site"], place["position"])["raw"][name] for name in GRAMMAR], axis=0)
    np.testing.assert_allclose(z * array_of(data["spread"][place["site"]], packing.chunks), raw, rtol=3e-4, atol=1e-9)


# order and room


def test_places_begin_with_the_main_one_then_come_those_analysed(whole) -> None:
    _, data, _ = whole
    places = [(place["site"], place["position"]) for place in data["places"]]
    assert places[0] == ("resid_post", "edit+1")
    assert set(places[:4]) == {(site, position) for site in SITES for position in ANALYSED}
    assert set(places) == {(site, position) for site in SITES for position in POSITIONS}
    assert data["places_of"] == len(places) == 6


@pytest.mark.parametrize(
    ("room", "n_places", "has_subtypes"), [(9, 6, True), (8, 6, False), (6, 6, False), (2, 2, False), (0, 1, False)]
)
def test_what_is_left_out_where_room_is_short(
    whole, monkeypatch: pytest.MonkeyPatch, room: int, n_places: int, has_subtypes: bool
) -> None:
    """A place takes four sets on three scales; eleven groups take eleven quarters of that."""
    run, _, _ = whole
    a_place = 12 * LAYERS * WIDTH
    monkeypatch.setattr("layerscope.report.contrast_data.CELLS", room * a_place)
    data = _contrast(run, packing := Packing(), share=1.0)
    assert len(data["places"]) == n_places
    assert data["places_of"] == 6, "how many there are is said all the same"
    assert (data["subtypes"] is not None) == has_subtypes
    first = data["places"][0]
    assert [first["site"], first["position"]] == data["main"], "the main place is always there"
    sizes = [array_of(place[scale], packing.chunks).size for place in data["places"] for scale in SCALES]
    assert sum(sizes) <= max(room, 1) * a_place


def test_the_share_of_a_page(whole, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _, _ = whole
    monkeypatch.setattr("layerscope.report.contrast_data.CELLS", 8 * 12 * LAYERS * WIDTH)
    assert len(_contrast(run, Packing(), share=0.5)["places"]) == 4


# tables


def test_tables_are_those_of_the_analysis(whole) -> None:
    run, data, packing = whole
    expected = run.directory.read_table(CONSISTENCY).to_pandas()
    found = table_of(data["tables"]["consistency"], packing.chunks)
    for name in ("site", "position", "scale", "measure", "first", "second"):
        assert found[name].tolist() == expected[name].astype(str).tolist()
    for name in ("value", "chance", "placebo", "excess", "low", "high", "p_value", "q_value"):
        np.testing.assert_allclose(found[name].astype(float), expected[name].astype(float), rtol=5.1e-5)
    of_placebos = {
        LAYER_AGREEMENT: ("placebo",),
        LAYER_SPECIFICITY: ("placebo",),
        TYPE_SPECIFICITY: ("within_subtype", "between_subtypes", "within_placebo", "between_placebos", "subtype_p"),
        DIMENSIONS: ("placebo",),
    }
    for table, names in of_placebos.items():
        expected = run.directory.read_table(table).to_pandas()
        found = table_of(data["tables"][table.name.removesuffix(".parquet")], packing.chunks)
        assert not {"control", "cliffs_delta"} & set(found)
        for name in names:
            np.testing.assert_allclose(found[name].astype(float), expected[name].astype(float), rtol=5.1e-5, atol=1e-9)
    ranking = run.directory.read_table(RANKING).to_pandas()
    found = table_of(data["tables"]["ranking"], packing.chunks)
    assert len(found) == (ranking["scope"].astype(str) == "all").sum(), "over all layers only"
    assert "scope" not in found
    assert set(data["tables"]) == {
        "ranking", "consistency", "layer_agreement", "layer_specificity", "type_specificity", "contraction", "divergence",
        "preferences", "dimensions",
    }  # fmt: skip
    assert set(data["reading"]) == {"en", "ja"}
    assert data["request"]["k"] == 5
    assert any(line.startswith("few: 6 pairs with a placebo, in 6 blocks") for line in data["refused"])


def test_an_intervention_and_its_null(whole) -> None:
    run, data, packing = whole
    expected = run.directory.read_table(INTERVENTION).to_pandas()
    found = table_of(data["intervention"]["sets"], packing.chunks)
    np.testing.assert_allclose(found["value"], expected["value"], rtol=5.1e-5)
    effect = data["intervention"]["effects"]["mean"]["did_nats"]
    rows = expected[(expected["replacement"] == "mean") & (expected["outcome"] == "did_nats")]
    assert effect["effect"] == pytest.approx(rows["value"].iloc[0], rel=5.1e-5)
    assert effect["random_mean"] == pytest.approx(rows["value"].iloc[1:].mean(), rel=5.1e-5)
    assert data["intervention"]["units"] == [{"layer": 0, "dim": 3}, {"layer": 2, "dim": 31}]


def test_without_an_analysis(runs: TinyRuns) -> None:
    data = _contrast(FinishedContrast.open(runs.bare), packing := Packing(), share=1.0)
    assert data["tables"] == {}
    assert (data["reading"], data["request"], data["refused"], data["intervention"]) == (None, None, [], None)
    assert len(data["places"]) == 6
    assert len(table_of(data["pairs"]["table"], packing.chunks)) > 100


# single pairs


def test_pairs_are_a_sample_of_each_group(whole) -> None:
    run, data, packing = whole
    found = table_of(data["pairs"]["table"], packing.chunks)
    of_group = run.pairs["group"].astype(str).value_counts()
    share = 600 // len(of_group)
    assert data["pairs"]["of"] == len(run.pairs)
    counts = found["group"].value_counts()
    assert counts.to_dict() == {name: min(share, n) for name, n in of_group.items()}
    all_of = run.pairs[run.pairs["group"].astype(str) == "subject"]["sentence1"].tolist()
    places = [all_of.index(one) for one in found[found["group"] == "subject"]["sentence1"]]
    assert places == sorted(places)
    sentences = "\n".join(found["sentence1"].tolist() + found["sentence2"].tolist())
    for text in (SCRIPT, IMAGE, CLOSING, SEPARATOR):
        assert text in sentences, "just as it was written"


def test_a_large_group_is_taken_evenly_with_its_ends(whole, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _, _ = whole
    monkeypatch.setattr("layerscope.report.contrast_data.PAIRS", 45)
    data = _contrast(run, packing := Packing(), share=1.0)
    found = table_of(data["pairs"]["table"], packing.chunks)
    counts = run.pairs["group"].astype(str).value_counts()
    assert set(found["group"]) == set(counts.index), "no group is left out"
    assert (found["group"].value_counts() <= 45 // len(counts)).all()
    of_group = run.pairs[run.pairs["group"].astype(str) == "typo"]["sentence1"].tolist()
    shown = found[found["group"] == "typo"]["sentence1"].tolist()
    assert (shown[0], shown[-1]) == (of_group[0], of_group[-1])


def test_numbers_of_pairs_are_those_of_the_run(whole) -> None:
    run, data, packing = whole
    found = table_of(data["pairs"]["table"], packing.chunks)
    size = array_of(data["pairs"]["size"], packing.chunks)
    predicted = array_of(data["pairs"]["predicted"], packing.chunks)
    assert data["pairs"]["positions"] == list(POSITIONS)
    assert size.shape == (len(found), 3, LAYERS + 1)
    keys = run.pairs.astype({"group": str}).set_index(["group", "sentence1", "sentence2"])
    moved = run.movement.astype({"position": str}).set_index(["pair", "position", "layer"]).sort_index()
    said = run.predictions.set_index(["pair", "distance"]).sort_index()
    for row in range(0, len(found), 7):
        one = keys.loc[tuple(found.loc[row, ["group", "sentence1", "sentence2"]])]
        one = one.iloc[0] if isinstance(one, pd.DataFrame) else one
        assert found.loc[row, "edit_nll1_nats"] == pytest.approx(float(one["edit_nll1_nats"]), rel=5.1e-5)
        assert found.loc[row, "prefers"] == one["prefers"]
        for number, position in enumerate(POSITIONS):
            for layer in range(LAYERS):
                there = moved.loc[int(one["pair"]), position, layer]
                assert size[row, number, layer + 1] == pytest.approx(there["size_after"], rel=1e-6)
            assert size[row, number, 0] == pytest.approx(moved.loc[int(one["pair"]), position, 0]["size_before"], rel=1e-6)
        for distance in range(predicted.shape[2]):
            try:
                there = said.loc[int(one["pair"]), distance]
            except KeyError:
                assert np.isnan(predicted[:, row, distance]).all()
                continue
            expected = there[["nll1_nats", "nll2_nats", "kl_nats"]].astype(float)
            np.testing.assert_allclose(predicted[:, row, distance], expected, rtol=1e-5, atol=1e-9)


# made by hand


@dataclass(frozen=True)
class ByHand:
    """Two layers, three dimensions, one site."""

    tables: ContrastTables
    cells: Callable[[str, str], dict]


@pytest.fixture
def by_hand() -> ByHand:
    roles = ["reference", "meaning", "meaning", "control", "placebo"]
    groups = pd.DataFrame({"group": [*"rabcp"], "role": roles, "pairs": 1, "zero_share": [0.5, 0.0, 0.0, 0.3, 0.1]})
    values = {"r": 9.0, "a": 0.2, "b": 0.6, "c": 0.5, "p": 0.3}
    cells = {
        scale: {name: np.full((2, 3), value) for name, value in values.items()} for scale in ("percentile", "z", "relative")
    }
    pairs = pd.DataFrame(
        {
            "pair": [0], "group": ["a"], "type": ["meaning"], "template": ["t"], "right": pd.array([None], dtype="Int8"),
            "sentence1": ["x"], "sentence2": ["y"], "prefers": pd.array([None], dtype="Int8"),
            "edit_nll1_nats": [np.nan], "edit_nll2_nats": [np.nan],
        }
    )  # fmt: skip
    movement = pd.DataFrame({name: [] for name in ("pair", "position", "layer", "size_before", "size_after")})
    predictions = pd.DataFrame({name: [] for name in ("pair", "distance", "nll1_nats", "nll2_nats", "kl_nats")})
    tables = ContrastTables(groups, pairs, movement, predictions, {"resid_post": np.ones((2, 3))}, {}, {}, None, None)
    return ByHand(tables, lambda *_: cells)


def test_each_subtype_counts_the_same_and_references_are_left_out(by_hand: ByHand) -> None:
    packing = Packing()
    data = contrast_data(by_hand.tables, by_hand.cells, [("resid_post", "edit")], positions=["edit"], packing=packing)
    (place,) = data["places"]
    assert place["sets"] == ["meaning", "placebo", "control"]
    for scale in ("percentile", "z", "relative"):
        found = array_of(place[scale], packing.chunks)
        np.testing.assert_allclose(found[:, 0, 0], [0.4, 0.3, 0.5], rtol=1e-4)
    assert data["subtypes"]["names"] == ["a", "b", "c", "p"]
    assert data["pairs"]["of"] == 1
    assert table_of(data["pairs"]["table"], packing.chunks)["right"].tolist() == [None]


def test_a_place_without_a_set_is_not_shown(by_hand: ByHand) -> None:
    def cells(site: str, position: str) -> dict:
        found = by_hand.cells(site, position)
        return found if position == "edit" else {scale: {"r": values["r"]} for scale, values in found.items()}

    places = [("resid_post", "edit"), ("resid_post", "last")]
    data = contrast_data(by_hand.tables, cells, places, positions=["edit", "last"], packing=Packing())
    assert [place["position"] for place in data["places"]] == ["edit"]
    assert data["places_of"] == 2


def test_a_run_of_references_alone_has_no_map(by_hand: ByHand) -> None:
    def cells(site: str, position: str) -> dict:
        return {scale: {"r": values["r"]} for scale, values in by_hand.cells(site, position).items()}

    tables = replace(by_hand.tables, groups=by_hand.tables.groups[:1])
    data = contrast_data(tables, cells, [("resid_post", "edit")], positions=["edit"], packing=Packing())
    assert data["places"] == []
    assert data["subtypes"] is None


def test_exact_zeros_are_counted_by_hand(by_hand: ByHand) -> None:
    tables = by_hand.tables
    weighted = tables.groups.assign(pairs=[1, 1, 1, 2, 4], role=["bound", "meaning", "meaning", "control", "placebo"])
    found = contrast_data(
        replace(tables, groups=weighted), by_hand.cells, [("resid_post", "edit")], positions=("edit",), packing=Packing()
    )
    assert found["zeros"] == pytest.approx((0.0 + 0.0 + 2 * 0.3 + 4 * 0.1) / 8)
