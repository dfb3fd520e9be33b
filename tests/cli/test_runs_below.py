"""Runs below a folder, and short names: what ``report results``, ``--dtype bf16`` and ``--tag verb`` stand for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import PretrainedConfig

from layerscope.cli.runs_below import runs_in, unfinished_in
from layerscope.errors import DataError, ModelError, RunError
from layerscope.models.loading import resolve_dtype
from layerscope.sweeps.broken_words import WordsRequest, find_broken_words
from tests.made_up_records import contrast_manifest, evaluation_manifest, search_manifest, sweep_manifest


def put(folder: Path, manifest: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    put(folder / "removal" / "b", sweep_manifest())
    put(folder / "removal" / "a", sweep_manifest())
    put(folder / "removal" / "going on", sweep_manifest(status="running"))
    put(folder / "contrast" / "c", contrast_manifest())
    search = put(folder / "search" / "s", search_manifest())
    put(search / "evaluation", evaluation_manifest())
    put(search / "sweep inside", sweep_manifest())
    put(folder / "evaluate" / "e", evaluation_manifest())
    put(folder / "damaged", "no manifest")
    return folder


def test_finished_runs_of_the_kinds_that_are_asked_for(results: Path) -> None:
    sweeps = [results / "removal" / "a", results / "removal" / "b"]
    assert runs_in(results, ("sweep",)) == sweeps
    found = runs_in(results, ("sweep", "search", "contrast"))
    assert sorted(found) == sorted([*sweeps, results / "contrast" / "c", results / "search" / "s"])


def test_what_is_left_out_is_named(results: Path) -> None:
    assert set(unfinished_in(results, ("sweep", "search"))) == {results / "removal" / "going on", results / "damaged"}
    assert unfinished_in(results / "removal" / "a", ("sweep",)) == []


def test_a_run_is_itself_whatever_it_is(results: Path) -> None:
    for run in (results / "removal" / "going on", results / "damaged", results / "evaluate" / "e", results / "nowhere"):
        assert runs_in(run, ("sweep",)) == [run]


def test_a_folder_without_any_is_refused(results: Path) -> None:
    with pytest.raises(RunError, match="are 1 runs, and none of them is a finished sweep: name the folder"):
        runs_in(results / "contrast", ("sweep",))
    (results / "empty").mkdir()
    with pytest.raises(RunError, match="below '.*' nothing is a finished sweep or search: name the folder"):
        runs_in(results / "empty", ("sweep", "search"))


@pytest.mark.parametrize(
    ("name", "dtype"), [("bf16", torch.bfloat16), ("FP16", torch.float16), ("fp32", torch.float32), ("float16", torch.float16)]
)
def test_short_names_of_dtypes(name: str, dtype: torch.dtype) -> None:
    assert resolve_dtype(name, PretrainedConfig()) == dtype


def test_no_other_name_is_a_dtype() -> None:
    with pytest.raises(ModelError, match="A dtype is auto, float32, bfloat16, float16; got 'f16'"):
        resolve_dtype("f16", PretrainedConfig())


def test_a_tag_may_be_written_in_small_letters(runs) -> None:  # type: ignore[no-untyped-def]
    from layerscope.sweeps.finished import FinishedRun

    run = FinishedRun.open(runs.tagged)
    small, capital = (find_broken_words(run, WordsRequest("removal-1", tag)) for tag in ("noun", "NOUN"))
    assert small.title == capital.title
    assert set(small.words["upos"]) == {"NOUN"}
    with pytest.raises(DataError, match="got 'VERBS'"):
        find_broken_words(run, WordsRequest("removal-1", "verbs"))
