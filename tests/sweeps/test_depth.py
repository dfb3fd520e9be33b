"""A run with the family ``depth``: its last depth is the model to the bit, tables and figures, parts of speech, streaming."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from layerscope.draw import draw_figures
from layerscope.sweeps.compare import CompareRequest, compare_runs
from layerscope.sweeps.drawing import draw_comparison
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.parts_of_speech import TagRequest, tag_run
from layerscope.sweeps.prepare import SweepRequest, prepare_sweep
from layerscope.sweeps.run import run_sweep
from layerscope.sweeps.tables import DEPTH_BY_TAG, PREDICTION_DEPTH, SCORES, TOKEN_WORDS, WORDS

TEXTS = [f"Number {n} of the dogs saw {n + 3} old cats near the river." for n in range(9)]


def swept(model: Path, folder: Path, **changes: object) -> FinishedRun:
    path = folder / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS), encoding="utf-8")
    request = SweepRequest(
        str(model), str(path), experiments=("removal", "depth"), max_samples=None, output_dir=folder / "results", **changes
    )
    prepared = prepare_sweep(request)
    run_sweep(prepared)
    return FinishedRun.open(prepared.directory.path)


@pytest.fixture(scope="module")
def run(either_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    return swept(either_checkpoint, tmp_path_factory.mktemp("depth"))


def scores(run: FinishedRun) -> pd.DataFrame:
    frame = pd.concat(shard.to_pandas() for shard in run.directory.parts(SCORES))
    return frame.sort_values(["document", "position"]).set_index("variant")


def test_the_last_depth_is_the_model_to_the_bit(run: FinishedRun) -> None:
    names = run.layers["variant"].tolist()
    assert names[-5:] == ["depth--1", "depth-0", "depth-1", "depth-2", "depth-3"]
    found = scores(run)
    for column in ("nll_nats", "top1_id", "kl_nats"):
        np.testing.assert_array_equal(found.loc["depth-3", column], found.loc["intact", column])
    rows = run.layers.set_index("variant")
    assert rows.loc["depth-3", ["delta_nll_nats", "kl_nats", "agreement"]].tolist() == [0.0, 0.0, 1.0]
    # without its last layer a model is what stands after the one before
    np.testing.assert_array_equal(found.loc["depth-2", "nll_nats"], found.loc["removal-3", "nll_nats"])


def test_prediction_depths_are_those_of_the_scores(run: FinishedRun) -> None:
    table = run.directory.read_table(PREDICTION_DEPTH).to_pandas()
    found = scores(run)
    top1 = np.array([found.loc[f"depth-{k}", "top1_id"].to_numpy() for k in range(-1, 4)])
    expected = [next(k for k in range(-1, 4) if (column[k + 1 :] == column[-1]).all()) for column in top1.T]
    assert table["depth"].tolist() == expected
    assert table["changes"].tolist() == [(np.diff(column) != 0).sum() for column in top1.T]


@pytest.mark.slow
def test_parts_of_speech_have_a_mean_depth_and_figures_are_drawn(run: FinishedRun) -> None:
    tag_run(run, TagRequest())
    table = run.directory.read_table(DEPTH_BY_TAG).to_pandas().set_index("tag")
    words, tokens = (run.directory.read_table(one).to_pandas() for one in (WORDS, TOKEN_WORDS))
    depths = run.directory.read_table(PREDICTION_DEPTH).to_pandas().merge(tokens, on=["document", "position"])
    counted = words[(words["tokens"] > 0) & (words["tokens"] == words["tokens_scored"])]
    largest = depths.dropna(subset="word").groupby("word")["depth"].max()
    for tag, some in counted.groupby("upos", observed=True):
        values = largest.loc[some["word"]]
        assert table.loc[str(tag), ["words", "mean_depth", "median_depth"]].tolist() == pytest.approx(
            [len(values), values.mean(), values.median()]
        )
    low, mean, high = (table.loc["all", name] for name in ("mean_depth_low", "mean_depth", "mean_depth_high"))
    assert low <= mean <= high
    names = {path.stem for path in draw_figures(run.directory.path, languages=("en", "ja"))}
    assert {"depth_en", "depth_ja", "pos_depth_en", "removal_ja"} <= names


def test_streaming_gives_the_same(tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    plain, streamed = swept(tiny_checkpoint, tmp_path / "a"), swept(tiny_checkpoint, tmp_path / "b", stream=True)
    pd.testing.assert_frame_equal(scores(plain), scores(streamed))


def test_two_models_lie_over_each_other_by_relative_depth(tiny_checkpoint: Path, run: FinishedRun, tmp_path: Path) -> None:
    other = swept(tiny_checkpoint, tmp_path)
    request = CompareRequest(axis="depth", anyway=True, output_dir=tmp_path / "compared")
    found = compare_runs([run.directory.path, other.directory.path], request)
    rows = found.curves[found.curves["family"] == "depth"]
    assert sorted(set(rows["layer"])) == [-1, 0, 1, 2, 3]
    np.testing.assert_allclose(rows["depth"], rows["layer"] / 3)
    assert set(found.fragility["family"]) == set(found.correlation["family"]) == {"removal"}
    assert "depth_delta_en.png" in {path.name for path in draw_comparison(found, ["en"])}
