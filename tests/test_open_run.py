"""Any run directory opened in Python: by its kind, with its sentences, its table and its HTML."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import jaxtyping
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import layerscope as ls
from layerscope.errors import RunError
from layerscope.results.shown import Shown
from tests.made_up_searches import made_up_search, write_tasks
from tests.tiny_runs import TinyRuns


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up_search().write(tmp_path_factory.mktemp("search") / "run")


@pytest.fixture(scope="module")
def evaluated(searched: Path) -> Path:
    found = ls.FinishedSearch.open(searched).frontier
    best = found[found["is_best"] & (found["way"] == "search")]["path"].tolist()
    return write_tasks(searched, ["0-11", *best], {"blimp": "group"})


@pytest.fixture(scope="module")
def opened(runs: TinyRuns, searched: Path, evaluated: Path) -> dict[str, Shown]:
    folders = {"sweep": runs.tagged, "contrast": runs.contrast, "search": searched, "evaluation": evaluated}
    return {name: ls.open_run(folder) for name, folder in folders.items()}


def test_each_is_of_its_kind(opened: dict[str, Shown]) -> None:
    kinds = {name: type(run).__name__ for name, run in opened.items()}
    assert kinds == {
        "sweep": "FinishedRun",
        "contrast": "FinishedContrast",
        "search": "FinishedSearch",
        "evaluation": "FinishedEvaluation",
    }


def test_a_path_may_be_text(runs: TinyRuns) -> None:
    assert ls.open_run(str(runs.tagged)).directory.path == runs.tagged


def test_a_folder_without_a_run_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunError, match=r"holds manifest.json; '.*' has none: name the folder that 'layerscope sweep'"):
        ls.open_run(tmp_path)
    with pytest.raises(RunError, match=r"'layerscope search' printed, or that result.save wrote in Python\."):
        ls.open_run(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"manifest.json; '.*nope' does not exist: name the folder that 'layerscope sweep'"):
        ls.open_run(tmp_path / "nope")
    with pytest.raises(RunError, match=r"manifest.json; '.*file' is a file: name the folder that 'layerscope sweep'"):
        ls.open_run(str(tmp_path / "file"))
    for kind in (ls.FinishedRun, ls.FinishedContrast, ls.FinishedSearch, ls.FinishedEvaluation):
        with pytest.raises(RunError, match="nope' does not exist: name the folder that 'layerscope "):
            kind.open(tmp_path / "nope")
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as users run it
    for given in (None, 3, ["results"]):
        with pytest.raises(
            RunError, match=f"by its folder, as a string or a Path; got {type(given).__name__}: name the folder"
        ):
            ls.open_run(given)


def test_each_is_named_on_a_short_line(opened: dict[str, Shown]) -> None:
    for run in opened.values():
        said = repr(run)
        assert said == str(run)
        assert re.fullmatch(rf"{type(run).__name__}\({re.escape(run.model)}: [\w ,-]+\)", said), said  # type: ignore[attr-defined]
        assert len(said) < 100
    layers = opened["sweep"].to_pandas()
    assert f"{len(layers) - 1} variants on {layers['documents'][0]} texts, " in repr(opened["sweep"])
    assert repr(opened["search"]) == "FinishedSearch(made-up: from 12 to 8 layers on 12 held-out texts)"


def test_scores_and_proxies_of_a_run_are_data_frames(runs: TinyRuns) -> None:
    run = ls.FinishedRun.open(runs.tagged)
    one_by_one = [pq.read_table(path).to_pandas() for path in sorted((runs.tagged / "scores").glob("*.parquet"))]
    assert len(run.scores) == sum(map(len, one_by_one)) == len(run.layers) * int(run.tokens["scored"].to_pandas().sum())
    np.testing.assert_array_equal(run.scores["nll_nats"], np.concatenate([one["nll_nats"] for one in one_by_one]))
    assert run.scores.index.is_unique
    means = run.scores.groupby("variant", observed=True)["nll_nats"].mean()
    np.testing.assert_allclose(means[run.layers["variant"]], run.layers["nll_nats"], rtol=1e-5)
    pd.testing.assert_frame_equal(run.proxies, pq.read_table(runs.tagged / "proxies.parquet").to_pandas())


@pytest.mark.parametrize("name", ["sweep", "contrast", "search", "evaluation"])
def test_it_says_shows_and_gives_its_table(opened: dict[str, Shown], name: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = opened[name]
    assert run.summary() != run.summary(language="ja")
    assert len(run.to_pandas()) > 1
    run.show()
    assert run.summary() in capsys.readouterr().out


@pytest.mark.parametrize("name", ["sweep", "contrast", "search", "evaluation"])
def test_its_html_has_no_script_and_nothing_from_elsewhere(opened: dict[str, Shown], name: str) -> None:
    tags: list[str] = []
    attributes: list[str] = []

    class Read(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)
            attributes.extend(name for name, _ in attrs)

    html = opened[name]._repr_html_()
    Read().feed(html)
    assert "table" in tags
    assert not set(tags) & {"script", "img", "b onclick", "link", "iframe"}
    assert not [one for one in attributes if one.startswith("on") or one in ("src", "href")]


def test_a_search_says_what_its_command_prints(opened: dict[str, Shown]) -> None:
    from layerscope.searches.analysis.finding import search_findings

    run = opened["search"]
    assert isinstance(run, ls.FinishedSearch)
    found = [line.en for line in search_findings(run.frontier, run.gains, run.left_out, run.candidates)]
    head, *said, warning = run.summary().splitlines()
    assert head == "made-up on lee: from 12 to 8 layers, measured on 12 held-out texts."
    assert said == found[:4], "four and the warning"
    assert warning.startswith("Held out: only 12 texts:")


def test_a_contrast_says_the_verdict_first_and_then_what_stability_found(runs: TinyRuns, opened: dict[str, Shown]) -> None:
    intervention = json.loads((runs.contrast / "intervention.json").read_text(encoding="utf-8"))
    stability = json.loads((runs.contrast / "stability.json").read_text(encoding="utf-8"))
    _, verdict, *said = opened["contrast"].summary(language="ja").splitlines()
    assert verdict in [one["ja"] for one in intervention["verdict"].values()]
    assert said == [one["ja"] for one in stability["findings"]][:4]
    assert said
    bare = ls.open_run(runs.bare).summary()
    assert "Pairs with a placebo: " in bare
    assert "\n#" not in bare
