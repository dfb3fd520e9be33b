"""Pairs and depths in a page: the numbers of the run's tables, groups where there is no room for all, and what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from layerscope.report import preference_data as module
from layerscope.report.packing import Packing
from layerscope.report.preference_data import preference_data
from layerscope.report.provenance import provenance
from layerscope.report.write import write_report
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.pair_tables import BEYOND_DAMAGE, PREFERENCE, PREFERENCE_DEPTH
from layerscope.sweeps.tables import DEPTH_BY_TAG, PREDICTION_DEPTH
from tests.report.pair_runs import LAYERS, TERMS, UNIT, PairRuns, make_pair_runs
from tests.report.unpack import page_data, table_of

pytestmark = pytest.mark.slow

NUMBERS = {
    "accuracy": "accuracy", "accuracy_intact": "intact_accuracy", "accuracy_change": "delta_accuracy",
    "accuracy_low": "delta_accuracy_low", "accuracy_high": "delta_accuracy_high", "margin": "margin_nats",
    "margin_intact": "intact_margin_nats", "margin_change": "delta_margin_nats", "margin_low": "delta_margin_low_nats",
    "margin_high": "delta_margin_high_nats", "q": "q_value", "pairs": "pairs", "not_finite": "not_finite",
}  # fmt: skip
BEYOND = {
    "damage": "damage_nats", "effect": "effect", "low": "expected_low", "high": "expected_high", "beyond": "beyond",
    "error": "standard_error", "q": "q_value",
}  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> PairRuns:
    return make_pair_runs(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="module")
def page(runs: PairRuns, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, dict, Packing, tuple[str, ...], Path]:
    path = tmp_path_factory.mktemp("page") / "a.html"
    report = write_report([runs.read, runs.unread], path)
    data, packing = page_data(path)
    read, unread = data["sweeps"]
    return read, unread, packing, report.missing, path


def table(run: Path, which) -> pd.DataFrame:
    frame: pd.DataFrame = FinishedRun.open(run).directory.read_table(which).to_pandas()
    return frame.astype({name: str for name in ("variant", "family", "unit", "kind", "group", "measure") if name in frame})


def test_every_number_is_that_of_the_run(runs: PairRuns, page) -> None:
    held, packing = page[0]["preference"], page[2]
    names = [(one["kind"], one["name"]) for one in held["groups"]]
    for key, which, columns in (("table", PREFERENCE, NUMBERS), ("beyond", BEYOND_DAMAGE, BEYOND)):
        found, expected = table_of(held[key], packing.chunks), table(runs.read, which)
        assert len(found) == len(expected)
        assert found["variant"].tolist() == expected["variant"].tolist()
        assert [names[i] for i in found["group"]] == list(zip(expected["kind"], expected["group"], strict=True))
        for name, column in columns.items():
            np.testing.assert_allclose(found[name].astype(float), expected[column].astype(float), rtol=5.1e-5, err_msg=name)
    assert table_of(held["table"], packing.chunks)["unit"].tolist() == table(runs.read, PREFERENCE)["unit"].tolist()
    assert table_of(held["beyond"], packing.chunks)["measure"].tolist() == table(runs.read, BEYOND_DAMAGE)["measure"].tolist()


def test_groups_units_and_the_reading(runs: PairRuns, page) -> None:
    held = page[0]["preference"]
    kinds = {kind: [one["name"] for one in held["groups"] if one["kind"] == kind] for kind in ("all", "subtype", "term")}
    assert [one["kind"] for one in held["groups"]] == ["all", "subtype", "subtype", "term", "term", "term"]
    assert kinds["all"] == ["all"]
    assert set(kinds["subtype"]) == {"tense", "typo"}
    assert set(kinds["term"]) == set(TERMS)
    assert held["groups_of"] == 6
    assert held["units"] == ["edit", "continuation", "sentence"]
    assert held["beyond_unit"] == UNIT
    assert held["protocol"] == "plain"
    written = json.loads((runs.read / "preference.json").read_text(encoding="utf-8"))
    assert held["findings"] == written["findings"]
    assert set(held["findings"]) == {"removal", "exchange", "depth"}


def test_what_was_not_analysed_is_missing_and_named(runs: PairRuns, page) -> None:
    held = page[1]["preference"]
    assert (held["beyond"], held["beyond_unit"], held["findings"]) == (None, None, {})
    assert page[3] == (
        f"Parts of speech: layerscope pos {runs.unread}",
        f"Preference beyond the damage: layerscope preference {runs.unread}",
    )


def made_up(sizes: dict[tuple[str, str], int], n_variants: int = 3) -> pd.DataFrame:
    rows = [
        {"variant": f"removal-{n}", "unit": unit, "kind": kind, "group": group, "pairs": pairs}
        for n in range(n_variants)
        for (kind, group), pairs in sizes.items()
        for unit in ("edit", "sentence")
    ]
    frame = pd.DataFrame(rows)
    return frame.assign(**{column.name: 0.5 for column in PREFERENCE.columns if column.name not in frame})


@pytest.mark.parametrize(("room", "share"), [(30, 1.0), (60, 0.5), (6, 1.0), (1, 1.0), (10_000, 1.0)])
def test_where_there_is_no_room_for_all_groups_the_largest_are_kept(
    monkeypatch: pytest.MonkeyPatch, room: int, share: float
) -> None:
    """All pairs always; a group of a subtype may have the name of a term."""
    generator = np.random.default_rng(room)
    sizes = {("all", "all"): 400}
    sizes |= {("subtype", f"s{n}"): int(size) for n, size in enumerate(generator.permutation(40)[:9] + 1)}
    sizes |= {("term", f"s{n}"): int(size) + 100 for n, size in enumerate(generator.permutation(40)[:7] + 1)}
    monkeypatch.setattr(module, "ROWS", room)
    packing = Packing()
    held = preference_data(made_up(sizes), None, None, None, protocol="plain", packing=packing, share=share)
    n = max(int(room * share) // 6, 1)
    largest = sorted(sizes, key=lambda one: -sizes[one])[:n]
    assert {(one["kind"], one["name"]) for one in held["groups"]} == set(largest)
    assert [one["pairs"] for one in held["groups"]] == [sizes[one["kind"], one["name"]] for one in held["groups"]]
    assert held["groups"][0] == {"kind": "all", "name": "all", "pairs": 400}
    assert held["groups_of"] == 17
    assert held["units"] == ["edit", "sentence"]
    found = table_of(held["table"], packing.chunks)
    assert len(found) == 6 * min(n, 17)
    assert found["group"].value_counts().to_dict() == dict.fromkeys(range(min(n, 17)), 6)


def test_depths_stand_after_their_layer_and_say_how_much_stays(runs: PairRuns, page) -> None:
    found = table_of(page[0]["variants"], page[2].chunks)
    depths = found[found["family"] == "depth"]
    assert depths["first"].tolist() == list(range(-1, LAYERS))
    assert depths["depth"].tolist() == pytest.approx([at / (LAYERS - 1) for at in range(-1, LAYERS)], rel=1e-4)
    of_tokens = table(runs.read, PREDICTION_DEPTH)["depth"].to_numpy()
    assert depths["stays"].tolist() == pytest.approx([np.mean(of_tokens <= at) for at in range(-1, LAYERS)], rel=1e-4)
    assert depths["stays"].iloc[-1] == 1.0
    assert found.loc[found["family"] != "depth", "stays"].isna().all()


def test_depths_of_pairs_are_those_of_the_run(runs: PairRuns, page) -> None:
    expected = table(runs.read, PREFERENCE_DEPTH)
    for held in (page[0]["preference"], page[1]["preference"]):  # the sweep itself makes them
        names = [(one["kind"], one["name"]) for one in held["groups"]]
        found = table_of(held["depths"], page[2].chunks)
        assert found["unit"].tolist() == expected["unit"].tolist()
        assert set(found["family"]) == {"depth"}
        assert [names[i] for i in found["group"]] == list(zip(expected["kind"], expected["group"], strict=True))
        for name, column in {
            "mean": "mean_depth",
            "low": "mean_depth_low",
            "flips": "flips_back",
            "right": "pairs_right",
        }.items():
            np.testing.assert_allclose(found[name].astype(float), expected[column].astype(float), rtol=5.1e-5)


def test_prediction_depths_by_part_of_speech(runs: PairRuns, page) -> None:
    rows = table(runs.read, DEPTH_BY_TAG)
    rows = rows.astype({"tag": str}).set_index("tag")
    found = page[0]["depth_by_tag"]
    assert [one["tag"] for one in found] == ["all", *rows.index[rows["kind"] == "tag"]]
    for one in found:
        row = rows.loc[one["tag"]]
        assert (one["words"], one["few"]) == (row["words"], row["is_few"])
        for name, column in {"mean": "mean_depth", "low": "mean_depth_low", "median": "median_depth"}.items():
            assert one[name] is None if np.isnan(row[column]) else one[name] == pytest.approx(row[column], rel=5.1e-5)
    assert page[1]["depth_by_tag"] is None


def test_the_page_says_what_pairs_were_scored(runs: PairRuns, page) -> None:
    facts = page[0]["provenance"]["facts"]
    record = FinishedRun.open(runs.read).record
    assert facts == provenance(record, "")["facts"]
    assert (facts["pairs"], facts["pair_protocol"]) == (96, "plain")
    assert facts["pairs_from"].endswith("pairs.jsonl")
    assert "--pairs" in page[0]["provenance"]["command"]


def test_hostile_names_are_no_part_of_the_file(page) -> None:
    text = page[4].read_text(encoding="utf-8")
    assert "<img" not in text
    assert text.count("<script") == text.count("</script>")
