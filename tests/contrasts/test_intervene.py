"""An intervention on a run of a tiny model: sets that are run some at a time, margins, what is written."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from layerscope.contrasts import intervene as module
from layerscope.contrasts.analysis.choosing import RandomSets
from layerscope.contrasts.finished import FinishedContrast
from layerscope.contrasts.intervene import intervene
from layerscope.contrasts.intervened import InterveneRequest
from layerscope.contrasts.tables import INTERVENTION
from layerscope.errors import RunError
from tests.tiny_runs import TinyRuns

REQUEST = InterveneRequest(stable=3, n_sets=7, max_pairs=6, text_tokens=40)


@pytest.fixture
def run(runs: TinyRuns, tmp_path: Path) -> FinishedContrast:
    shutil.copytree(runs.contrast, tmp_path / "run")
    return FinishedContrast.open(tmp_path / "run")


def test_sets_at_once_or_a_few_at_a_time_come_to_the_same(run: FinishedContrast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RandomSets, "is_matched", True)  # else there is no p, and the first few are enough
    told: list[tuple[int, int]] = []
    whole = intervene(run, REQUEST, lambda what, done, total: told.append((done, total)) if what == "Ablating" else None)
    at_once = pd.read_parquet(run.directory.path / INTERVENTION.name)
    assert told[-1][0] == told[-1][1]
    monkeypatch.setattr(module, "_AT_ONCE", 2)
    some = intervene(run, REQUEST)
    pd.testing.assert_frame_equal(pd.read_parquet(run.directory.path / INTERVENTION.name), at_once, rtol=1e-6)
    for name in ("mean", "resample"):
        of_some, of_all = (one.effects[name].damage.random_effects for one in (some, whole))
        assert len(of_some) == 7
        np.testing.assert_allclose(of_some, of_all, rtol=1e-6)


def test_a_settled_null_takes_no_more_sets(run: FinishedContrast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 2)
    monkeypatch.setattr(module, "is_settled", lambda did, *_, **__: len(did.random_effects) >= 4)
    told: list[tuple[int, int]] = []
    found = intervene(run, REQUEST, lambda what, done, total: told.append((done, total)) if what == "Ablating" else None)
    assert len(found.effects["mean"].did.random_effects) == 4
    assert told[-1][0] == told[-1][1], "what is not run counts as done"
    stored = json.loads((run.directory.path / "intervention.json").read_text(encoding="utf-8"))
    assert stored["effects"]["mean"]["sets"] == 4


@pytest.mark.parametrize(("p_greater", "n_text_sets"), [(0.2, 2), (0.05, 7)])
def test_text_is_scored_under_all_sets_only_where_the_verdict_depends_on_damage(
    run: FinishedContrast, monkeypatch: pytest.MonkeyPatch, p_greater: float, n_text_sets: int
) -> None:
    monkeypatch.setattr(module, "N_TEXT_SETS", 2)
    found_did = module.did_of
    monkeypatch.setattr(
        module, "did_of", lambda *args, **options: dataclasses.replace(found_did(*args, **options), p_greater=p_greater)
    )
    monkeypatch.setattr(module, "is_settled", lambda *_, **__: False)
    told: list[tuple[int, int]] = []
    found = intervene(run, REQUEST, lambda what, done, total: told.append((done, total)) if what == "Ablating" else None)
    assert told[-1][0] == told[-1][1], "what is not run counts as done"
    rows = pd.read_parquet(run.directory.path / INTERVENTION.name)
    stored = json.loads((run.directory.path / "intervention.json").read_text(encoding="utf-8"))["effects"]
    for name in ("mean", "resample"):
        assert len(found.effects[name].damage.random_effects) == stored[name]["text_sets"] == n_text_sets
        assert len(found.effects[name].did.random_effects) == stored[name]["sets"] == 7
        of_this = rows[rows["replacement"] == name]["outcome"].value_counts()
        assert of_this["damage_nats"] == 1 + n_text_sets
        assert of_this["did_nats"] == 8


def test_what_is_written(run: FinishedContrast) -> None:
    found = intervene(run, REQUEST)
    stored = json.loads((run.directory.path / "intervention.json").read_text(encoding="utf-8"))
    assert stored["n_alike"] == found.n_alike
    assert set(stored["conclusion"]) == set(stored["verdict"]) == {"mean", "resample", "both"}
    assert stored["verdict"]["both"] == found.joint._asdict()
    assert set(stored["effects"]["mean"]["damage_excess"]) == {"effect", "low", "high"}
    if stored["conclusion"]["both"] == "not matched":
        assert stored["effects"]["mean"]["did_nats"]["p_greater"] is None


@pytest.mark.parametrize("margin", [0.0, -1.0, float("nan"), float("inf")])
def test_a_margin_is_above_nothing(run: FinishedContrast, margin: float) -> None:
    with pytest.raises(RunError, match=r"--damage-margin is a number of nats above 0; got"):
        intervene(run, InterveneRequest(stable=3, damage_margin=margin))
