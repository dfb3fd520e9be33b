"""What the page is told of a search: every path with its gain, time and commands; layers, tasks, findings."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from layerscope.report.provenance import provenance
from layerscope.report.search_data import MEASURES, path_commands
from layerscope.report.write import write_report
from layerscope.searches.analysis.finding import search_findings
from layerscope.searches.finished import FinishedSearch
from layerscope.sweeps.analysis.few_texts import few_texts
from tests.made_up_records import search_record
from tests.made_up_searches import made_up_search, write_tasks
from tests.report.unpack import page_data, table_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up_search(n_layers=9, steps=3, n_draws=2).write(tmp_path_factory.mktemp("search") / "a search")


@pytest.fixture(scope="module")
def told(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Any]:
    path = tmp_path_factory.mktemp("page") / "a.html"
    assert write_report([folder], path).missing == ()
    data, packing = page_data(path)
    (search,) = data["searches"]
    assert (data["sweeps"], data["contrasts"]) == ([], [])
    return search, packing.chunks


def test_paths_are_those_of_the_frontier(folder: Path, told: tuple[dict[str, Any], Any]) -> None:
    run, rows = FinishedSearch.open(folder), table_of(told[0]["paths"], told[1])
    table = run.frontier
    assert rows["path"].tolist() == table["path"].tolist()
    assert rows["way"].tolist() == table["way"].tolist()
    for name, column in (("delta", "delta_nll_nats"), ("low", "delta_nll_low_nats"), ("layers", "layers")):
        assert rows[name].to_numpy(float) == pytest.approx(table[column].to_numpy(float), rel=1e-4, abs=1e-12, nan_ok=True)
    times = dict(zip(run.speed["path"], run.speed["ratio"], strict=True))
    found = {path: times.get(path, np.nan) for path in table["path"]}
    assert rows["time"].to_numpy(float) == pytest.approx([found[path] for path in table["path"]], rel=1e-4, nan_ok=True)


def test_a_gain_is_that_of_its_draw_and_size(folder: Path, told: tuple[dict[str, Any], Any]) -> None:
    run, rows = FinishedSearch.open(folder), table_of(told[0]["paths"], told[1])
    n_compared = 0
    for row in rows.to_dict("records"):
        gains = run.gains[(run.gains["draw"] == row["draw"]) & (run.gains["layers"] == row["layers"])]
        own = gains[gains["against"] == "one-shot"]
        if row["way"] != "search":
            assert not row["compared"]
            assert pd.isna(row["gain"])
            continue
        assert row["gain"] == pytest.approx(float(own["gain_nats"].iloc[0]), rel=1e-4)
        assert row["same"] == bool(own["same_path"].iloc[0])
        chance = gains[gains["against"] == "random"].iloc[0]
        assert (row["random_paths"], row["random_as_good"]) == (chance["random_paths"], chance["random_as_good"])
        n_compared += row["compared"]
    assert n_compared == 6


def test_findings_warning_and_the_first_draw(folder: Path, told: tuple[dict[str, Any], Any]) -> None:
    run, data = FinishedSearch.open(folder), told[0]
    findings = search_findings(run.frontier, run.gains, run.left_out, run.candidates)
    assert data["findings"] == [one._asdict() for one in findings]
    warning = few_texts(12)
    assert warning is not None
    assert data["warning"] == warning._asdict()
    first = run.frontier[(run.frontier["way"] == "search") & (run.frontier["draw"] == 0)]
    assert data["first"]["sizes"] == first["layers"].tolist()
    assert [" ".join(one) for one in data["first"]["moves"]] == [moves.split()[-1] for moves in first["moves"]]
    alone = table_of(data["first"]["left_out"], told[1])
    assert alone["without_layer"].sum() == 1 + 2 + 3
    assert alone["draws"].unique().tolist() == [1]
    assert table_of(data["left_out"], told[1])["without_layer"].tolist() == run.left_out["without_layer"].tolist()


def test_commands_survive_a_shell_and_name_what_was_searched(folder: Path, told: tuple[dict[str, Any], Any]) -> None:
    record = search_record(request={"model": "my models/tiny", "dataset": "some texts.txt", "split": None})
    path = ["--path", "0-3,(4|5),6"]
    found = path_commands(record, path[1])
    sweep, export, evaluate = (shlex.split(found[name]) for name in ("sweep", "export", "evaluate"))
    for words in (sweep, export, evaluate):
        assert words[:1] + words[2:8] == ["layerscope", *("--model", "my models/tiny", "--dtype", record.request.dtype), *path]
    assert sweep[sweep.index("--dataset") + 1] == "some texts.txt"
    assert "--split" not in sweep
    assert export[-2:] == ["--output-dir", "made-up-path"]
    assert evaluate[-2:] == ["--tasks", "blimp"]
    rows = table_of(told[0]["paths"], told[1])
    for row in rows.to_dict("records"):
        for name in ("sweep", "export", "evaluate"):
            words = shlex.split(row[name])
            assert words[words.index("--path") + 1] == row["path"]
    whole = shlex.split(told[0]["evaluate"])
    assert whole[-3:] == [f"@{folder}/frontier", "--tasks", "blimp"]
    assert "--dtype" in whole


def test_the_command_that_made_it() -> None:
    record = search_record(
        request={
            "keep": [0, 3],
            "until_ci": 0.01,
            "steps": 4,
            "compile": True,
            "budget_layers": 2.5,
            "moves": ["removal", "exchange"],
        }
    )
    words = shlex.split(provenance(record, "folder")["command"])
    options = dict(zip(words[2::2], words[3::2], strict=True))
    assert words[:2] == ["layerscope", "search"]
    assert options["--budget"] == "2.5"
    assert options["--moves"] == "removal,exchange"
    assert (options["--keep"], options["--until-ci"], options["--steps"], options["--compile"]) == ("0,3", "0.01", "4", "on")
    facts = provenance(record, "folder")["facts"]
    assert (facts["moves"], facts["held_out"], facts["paths_scored"]) == ("removal, exchange", 32, 5)


def test_tasks_of_an_evaluation_inside_the_folder(tmp_path: Path) -> None:
    folder = made_up_search(n_layers=6, steps=2, n_draws=1).write(tmp_path / "search")
    run = FinishedSearch.open(folder)
    best = run.frontier[(run.frontier["way"] == "search") & run.frontier["is_best"]]["path"].tolist()
    write_tasks(folder, ["0-5", *best], {"arc_easy": "task", "blimp": "group"})
    write_report([folder], tmp_path / "a.html")
    data, packing = page_data(tmp_path / "a.html")
    tasks = data["searches"][0]["tasks"]
    names = [(one["kind"], one["task"], one["metric"], one["limit"]) for one in tasks["measures"]]
    assert names == [("group", "blimp", "acc", None), ("task", "arc_easy", "acc", None)]
    rows = table_of(tasks["rows"], packing.chunks)
    blimp = rows[rows["measure"] == 0]
    assert blimp["path"].tolist() == ["0-5", *best]
    assert blimp["value"].tolist() == pytest.approx([0.7, 0.67, 0.64])
    assert blimp["delta"].tolist()[1:] == pytest.approx([-0.03, -0.06])
    assert tasks["measures_of"] == len(names) <= MEASURES


@pytest.mark.parametrize("state", ["running", "another kind", "no manifest"])
def test_an_evaluation_that_is_none_yet(tmp_path: Path, state: str) -> None:
    folder = made_up_search(n_layers=6, steps=2, n_draws=1).write(tmp_path / "search")
    inside = write_tasks(folder, ["0-5"], {"blimp": "group"})
    path = inside / "manifest.json"
    manifest = json.loads(path.read_text())
    changed = {"running": {"status": "running"}, "another kind": {"kind": "sweep"}, "no manifest": {}}[state]
    path.write_text(json.dumps({**manifest, **changed}))
    if state == "no manifest":
        path.unlink()
    write_report([folder], tmp_path / "a.html")
    assert page_data(tmp_path / "a.html")[0]["searches"][0]["tasks"] is None
