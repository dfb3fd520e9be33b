"""The ways to run a sweep, from request to tables: plain, streamed, compiled or not, and until intervals are narrow."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from layerscope.errors import DataError, PathError, RunError
from layerscope.sweeps.analysis.layers import effect_intervals, layers_table
from layerscope.sweeps.analysis.totals import sum_by_document
from layerscope.sweeps.prepare import SweepRequest, prepare_sweep
from layerscope.sweeps.run import run_sweep
from layerscope.sweeps.tables import DOCUMENTS, LAYERS, SCORES, SPANS, TOKENS

WORDS = ("the", "cat", "sat", "on", "a", "mat", "while", "rain", "fell", "over", "small", "towns", "and", "nobody", "spoke")


@pytest.fixture
def request_for(either_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    generator = np.random.default_rng(0)
    texts = [" ".join(generator.choice(WORDS, size=generator.integers(2, 9))) for _ in range(120)]
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")

    def make(output: str = "results", **changes) -> SweepRequest:
        options = {"model": str(either_checkpoint), "dataset": str(path), "output_dir": tmp_path / output, "batch_tokens": 256}
        return SweepRequest(**{**options, **changes})

    return make


def run(request: SweepRequest) -> pd.DataFrame:
    prepared = prepare_sweep(request)
    assert run_sweep(prepared)
    return prepared.directory.read_table(LAYERS).to_pandas()


def test_plain_and_streamed_runs_give_the_same_tables(request_for) -> None:
    fast = run(request_for("fast", max_samples=20))
    streamed = run(request_for("streamed", max_samples=20, stream=True, stream_memory=1e-5))
    plain = run(request_for("plain", max_samples=20, plain=True))
    pd.testing.assert_frame_equal(fast, streamed)
    for table in (fast, plain):
        table[["ppl", "ppl_text_mean"]] = np.log(table[["ppl", "ppl_text_mean"]])  # nats, as the other columns
    pd.testing.assert_frame_equal(fast, plain, rtol=0, atol=1e-5)


def test_a_path_that_cannot_be_streamed_is_refused_before_anything_is_written(request_for, tmp_path: Path) -> None:
    with pytest.raises(PathError, match="'reversal-0-3' needs layer 1 when layer 3 has been reached"):
        prepare_sweep(request_for("none", experiments=("reversal:0-3",), stream=True))
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"until_ci": 0.0}, "--until-ci is a half-width in nats above 0; got 0.0"),
        ({"until_ci": float("nan")}, "--until-ci is a half-width in nats above 0; got nan"),
        ({"stream": True, "stream_memory": -1.0}, "--stream-memory is a number of GiB above 0; got -1.0"),
        ({"stream": True, "plain": True}, "--plain uses no fast path and --stream is one"),
    ],
)
def test_bad_options_are_refused(request_for, change: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        prepare_sweep(request_for(**change))


def test_it_stops_as_soon_as_every_interval_is_narrow_enough(request_for) -> None:
    request = request_for(max_samples=None, until_ci=0.06)
    prepared = prepare_sweep(request)
    assert [some.documents for some in prepared.rounds] == [32, 48, 72, 108, 120]
    assert prepared.level == 1 - 0.05 / 5
    assert run_sweep(prepared)
    directory = prepared.directory
    layers = directory.read_table(LAYERS).to_pandas()
    documents = int(layers["documents"].iloc[0])
    assert 32 < documents < 120, "this precision takes more than one look and not all texts"
    assert len(directory.read_table(DOCUMENTS)) == documents
    assert set(directory.read_table(TOKENS)["document"].to_pylist()) == set(range(documents))
    half_widths = (layers["delta_nll_high_nats"] - layers["delta_nll_low_nats"]) / 2
    assert half_widths.max() <= 0.06
    precision = json.loads((directory.path / "manifest.json").read_text(encoding="utf-8"))["precision"]
    assert precision["documents"] == documents
    assert precision["reached_nats"] == half_widths.max()
    assert precision["widest"] == layers["variant"][half_widths.idxmax()]
    assert (precision["cap"], precision["looks"], precision["asked_nats"]) == (120, 5, 0.06)

    # at the look before, some interval was too wide; and the texts are a random part of the corpus, not its beginning
    looks = [some.documents for some in prepared.rounds]
    before = looks.index(documents) - 1
    n_shards = sum(len(some.shards) for some in prepared.rounds[: before + 1])
    names = [variant.name for variant in prepared.plan.variants]
    table = directory.read_table(DOCUMENTS).slice(0, looks[before])
    totals = sum_by_document(table, directory.parts(SCORES, n_shards), names)
    interval = effect_intervals(totals, level=prepared.level)
    assert np.nanmax(interval.high - interval.low) / 2 > 0.06
    lines = Path(request.dataset).read_text(encoding="utf-8").splitlines()
    assert directory.read_table(DOCUMENTS)["text"].to_pylist() != lines[:documents]


def test_p_values_and_intervals_pay_for_the_looks(request_for) -> None:
    request = request_for(max_samples=40, until_ci=1e-9)
    prepared = prepare_sweep(request)
    assert run_sweep(prepared)
    directory, n_shards = prepared.directory, len(prepared.shards)
    looked = directory.read_table(LAYERS).to_pandas()
    assert (looked["documents"] == 40).all(), "the cap comes first"
    totals = sum_by_document(
        directory.read_table(DOCUMENTS), directory.parts(SCORES, n_shards), [v.name for v in prepared.plan.variants]
    )
    spans = directory.parts(SPANS, n_shards)
    once = layers_table(totals, spans, prepared.plan.variants, prepared.plan.n_layers).to_pandas()
    np.testing.assert_allclose(looked["p_value"], (once["p_value"] * 2).clip(upper=1.0))
    is_variant = once["family"] != "intact"
    assert (looked["delta_nll_low_nats"] < once["delta_nll_low_nats"])[is_variant].all()
    assert (looked["delta_nll_high_nats"] > once["delta_nll_high_nats"])[is_variant].all()
    np.testing.assert_array_equal(looked["delta_nll_nats"], once["delta_nll_nats"])


def test_a_missing_compiler_is_a_note_and_the_run_goes_on(request_for, monkeypatch, caplog) -> None:
    monkeypatch.setattr("layerscope.sweeps.runner.compile_decoder", lambda *_: "InvalidCxxCompiler: no working C++ compiler")
    with caplog.at_level(logging.WARNING, logger="layerscope"):
        run(request_for(max_samples=5, compile="on"))
    assert "Layers are not compiled (InvalidCxxCompiler: no working C++ compiler)" in caplog.text
    manifest = json.loads(next(Path(request_for().output_dir).rglob("manifest.json")).read_text(encoding="utf-8"))
    assert manifest["environment"]["compiled"] is False
    assert manifest["request"]["compile"] is True


def test_compiling_is_automatic_only_where_the_work_is_long(request_for, monkeypatch) -> None:
    assert prepare_sweep(request_for()).compile is False
    monkeypatch.setattr("layerscope.sweeps.prepare._compiling_costs", lambda _: 1e6)
    assert prepare_sweep(request_for()).compile is True
    assert prepare_sweep(request_for(compile="off")).compile is False
    assert prepare_sweep(request_for(plain=True)).compile is False
    assert prepare_sweep(request_for(stream=True)).compile is False


def test_a_run_does_not_go_on_with_other_kernels(request_for, monkeypatch) -> None:
    monkeypatch.setattr("layerscope.sweeps.runner.compile_decoder", lambda *_: "no compiler")
    request = request_for(max_samples=5, compile="on")
    run(request)
    directory = prepare_sweep(request).directory
    path = directory.path / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["status"], manifest["environment"]["compiled"] = "running", True
    path.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(RunError, match="began with compiled layers and this is without"):
        run_sweep(prepare_sweep(request))
