"""A run with ``tuned-depth``: the record, resuming, every way to run, tables, figures, what is said, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from transformers import AutoModelForCausalLM

from layerscope.cli.main import main
from layerscope.draw import draw_figures
from layerscope.errors import LayerscopeError, PathError, RunError
from layerscope.models.tuned_lens_files import read_tuned_lens
from layerscope.report.provenance import provenance
from layerscope.sweeps.compare import CompareRequest, compare_runs
from layerscope.sweeps.drawing import by_layer
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.pair_tables import PAIR_EFFECTS
from layerscope.sweeps.parts_of_speech import TagRequest, tag_run
from layerscope.sweeps.prepare import SweepRequest, prepare_sweep
from layerscope.sweeps.run import run_sweep
from layerscope.sweeps.tables import DEPTH_BY_TAG, PREDICTION_DEPTH, SCORES
from tests.lens_files import random_state, save_lens

TEXTS = [f"Number {n} of the dogs saw {n + 3} old cats near the river." for n in range(9)]
BOTH = ("removal", "depth", "tuned-depth")
PAIR = {
    **dict.fromkeys(("linguistics_term", "UID", "field"), "made_up"),
    "pairID": "0",
    "sentence_good": "The dogs see.",
    "sentence_bad": "The dogs sees.",
}


@pytest.fixture(scope="module")
def lens(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = AutoModelForCausalLM.from_pretrained(tiny_checkpoint)
    return save_lens(tmp_path_factory.mktemp("lens") / "a lens", random_state(), model=model)


def request_of(model: Path, folder: Path, lens: Path | None, **changes: object) -> SweepRequest:
    folder.mkdir(exist_ok=True)
    path = folder / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS), encoding="utf-8")
    settings = {"experiments": BOTH, "max_samples": None, "output_dir": folder / "results", **changes}
    return SweepRequest(str(model), str(path), tuned_lens=lens, **settings)


def swept(model: Path, folder: Path, lens: Path | None, **changes: object) -> FinishedRun:
    prepared = prepare_sweep(request_of(model, folder, lens, **changes))
    run_sweep(prepared)
    return FinishedRun.open(prepared.directory.path)


@pytest.fixture(scope="module")
def run(tiny_checkpoint: Path, lens: Path, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    return swept(tiny_checkpoint, tmp_path_factory.mktemp("tuned"), lens, batch_tokens=200)


def scores(run: FinishedRun) -> pd.DataFrame:
    frame = pd.concat(shard.to_pandas() for shard in run.directory.parts(SCORES))
    return frame.sort_values(["variant", "document", "position"]).set_index("variant")


def test_the_last_depth_is_the_model_and_no_layer_runs_for_any(run: FinishedRun, tiny_checkpoint: Path, tmp_path: Path) -> None:
    assert run.layers["variant"].tolist()[-5:] == [f"tuned-depth-{k}" for k in range(-1, 4)]
    found = scores(run)
    for column in ("nll_nats", "top1_id", "kl_nats"):
        np.testing.assert_array_equal(found.loc["tuned-depth-3", column], found.loc["intact", column])
    plain = swept(tiny_checkpoint, tmp_path, None, experiments=("removal", "depth"), batch_tokens=200)
    assert run.record.plan.layer_runs_a_batch == plain.record.plan.layer_runs_a_batch
    others = scores(plain)
    assert set(found.index) - set(others.index) == {f"tuned-depth-{k}" for k in range(-1, 4)}
    for name in set(others.index):
        pd.testing.assert_frame_equal(found.loc[name], others.loc[name], check_categorical=False)


def test_the_record_names_the_lens_and_the_command_gives_it_again(run: FinishedRun, lens: Path) -> None:
    record = run.record
    assert record.request.tuned_lens_sha256 == read_tuned_lens(lens).digest
    assert record.tuned_lens is not None
    assert record.tuned_lens.model_dump() == {
        "folder": str(lens),
        "base_model": "made-up/model",
        "base_model_revision": None,
        "unembed_hash": json.loads((lens / "config.json").read_text())["unembed_hash"],
        "unembed_dtype": "float32",
    }
    told = provenance(record, "folder")
    assert f"--tuned-lens '{lens}'" in told["command"]
    digits = record.tuned_lens.unembed_hash[:12]
    assert told["facts"]["tuned_lens"] == f"a lens, made-up/model, unembed_hash: {digits} (float32)"


def test_prediction_depths_are_those_of_each_familys_scores(run: FinishedRun) -> None:
    table, found = run.directory.read_table(PREDICTION_DEPTH).to_pandas(), scores(run)
    assert list(dict.fromkeys(table["family"])) == ["depth", "tuned-depth"]
    for family, rows in table.groupby("family", observed=True):
        top1 = np.array([found.loc[f"{family}-{k}", "top1_id"].to_numpy() for k in range(-1, 4)])
        expected = [next(k for k in range(-1, 4) if (column[k + 1 :] == column[-1]).all()) for column in top1.T]
        assert rows["depth"].tolist() == expected
        assert rows["changes"].tolist() == [(np.diff(column) != 0).sum() for column in top1.T]


@pytest.mark.slow
def test_parts_of_speech_and_figures_hold_both_lenses(run: FinishedRun) -> None:
    tag_run(run, TagRequest())
    found = json.loads((run.directory.path / "pos.json").read_text())["findings"]
    assert {"depth", "tuned-depth"} <= set(found)
    table = run.directory.read_table(DEPTH_BY_TAG).to_pandas()
    assert table.groupby("family", observed=True)["tag"].nunique().nunique() == 1
    assert set(table["family"]) == {"depth", "tuned-depth"}
    names = {path.stem for path in draw_figures(run.directory.path, languages=("en", "ja"))}
    assert {"depth_en", "depth_ja", "pos_depth_en", "pos_tuned-depth_en", "pos_tuned-depth_ja"} <= names
    assert not any(name.startswith("tuned-depth") for name in names)


@pytest.mark.parametrize(
    ("language", "words"), [("en", ("logit lens", "tuned lens")), ("ja", ("ロジットレンズ", "チューンドレンズ"))]
)
def test_the_figure_names_both_lenses_in_a_legend_and_neither_where_there_is_one(
    run: FinishedRun, language: str, words: tuple[str, str]
) -> None:
    def legends(figure: Figure) -> list[list[str]]:
        return [[text.get_text() for text in axes.get_legend().get_texts()] for axes in figure.axes]

    draw = by_layer(run)
    above, below = legends(draw(language=language)["depth"])
    assert [word for word in above if word in words] == [word for word in below if word in words] == list(words)
    lines = [line for line in draw(language=language)["depth"].axes[0].lines if len(line.get_xdata()) == 5]
    for line, family in zip(lines, ("depth", "tuned-depth"), strict=True):
        rows = run.layers[run.layers["family"] == family]
        np.testing.assert_array_equal(line.get_xdata(), [-1, 0, 1, 2, 3])
        np.testing.assert_array_equal(line.get_ydata(), rows["nll_nats"])
    alone = replace(run)
    alone.__dict__["layers"] = run.layers[run.layers["family"] != "depth"]
    assert not any(word in legend for legend in legends(by_layer(alone)(language=language)["depth"]) for word in words)


@pytest.mark.parametrize("way", [{"stream": True}, {"plain": True}, {"experiments": ("tuned-depth",)}], ids=str)
def test_streamed_plain_and_alone_give_the_same(
    way: dict[str, object], run: FinishedRun, tiny_checkpoint: Path, lens: Path, tmp_path: Path
) -> None:
    found, expected = scores(swept(tiny_checkpoint, tmp_path, lens, batch_tokens=200, **way)), scores(run)
    for k in range(-1, 4):
        one, other = found.loc[f"tuned-depth-{k}"], expected.loc[f"tuned-depth-{k}"]
        np.testing.assert_allclose(one["nll_nats"], other["nll_nats"], atol=1e-5 if "plain" in way else 0, rtol=0)
        np.testing.assert_array_equal(one["top1_id"], other["top1_id"])


def test_pairs_are_scored_through_the_lens_and_texts_are_added_until_intervals_are_narrow(
    tiny_checkpoint: Path, lens: Path, tmp_path: Path
) -> None:
    (tmp_path / "made_up.jsonl").write_text(json.dumps(PAIR) + "\n", encoding="utf-8")
    found = swept(tiny_checkpoint, tmp_path, lens, pairs=tmp_path / "made_up.jsonl", until_ci=0.5)
    effects = found.directory.read_table(PAIR_EFFECTS).to_pandas().set_index("variant")
    assert effects.loc["tuned-depth-3", "sentence_margin_nats"] == effects.loc["intact", "sentence_margin_nats"]
    assert effects.loc["tuned-depth-1", "sentence_margin_nats"] != effects.loc["depth-1", "sentence_margin_nats"]
    assert found.record.precision is not None


def test_a_killed_run_goes_on_with_its_lens_and_with_no_other(
    run: FinishedRun, tiny_checkpoint: Path, lens: Path, tmp_path: Path
) -> None:
    request = request_of(tiny_checkpoint, tmp_path, lens, batch_tokens=200)
    prepared = prepare_sweep(request)
    run_sweep(prepared)
    manifest = prepared.directory.path / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "status": "running"}))
    last = sorted((prepared.directory.path / SCORES.name).iterdir())[-1]
    last.unlink()
    other = save_lens(tmp_path / "other", random_state(seed=5))
    with pytest.raises(RunError, match="tuned_lens_sha256 was"):
        run_sweep(prepare_sweep(replace(request, tuned_lens=other)))
    moved = save_lens(
        tmp_path / "moved", random_state(), model=AutoModelForCausalLM.from_pretrained(tiny_checkpoint), safe=True
    )
    assert run_sweep(prepare_sweep(replace(request, tuned_lens=moved)))
    again = FinishedRun.open(prepared.directory.path)
    pd.testing.assert_frame_equal(scores(again), scores(run))


def test_a_lens_without_a_hash_is_taken_by_its_size_and_the_run_says_so(
    tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = save_lens(tmp_path / "bare", random_state(), base_model_name_or_path="x\x1b[31my")
    request = request_of(tiny_checkpoint, tmp_path, bare)
    arguments = ("sweep", "--model", request.model, "--dataset", request.dataset, "--output-dir", str(tmp_path / "r"))
    options = ("--experiment", "tuned-depth", "--tuned-lens", str(bare), "--figures", "none")
    with pytest.raises(SystemExit) as ended:
        main([*arguments, *options])
    said = " ".join(capsys.readouterr().out.split())
    assert ended.value.code in (0, None)
    assert r"for x\x1b[31my (no hash: only its size is compared)" in said
    assert "The tuned lens has no hash of an unembedding: only its size was compared with this model." in said
    assert "Read through the tuned lens, the likeliest token" in said
    (folder,) = (tmp_path / "r" / "tuned-depth").iterdir()
    record = FinishedRun.open(folder).record
    assert record.tuned_lens is not None
    assert (record.tuned_lens.unembed_hash, record.tuned_lens.unembed_dtype) == (None, None)
    assert provenance(record, "x")["facts"]["tuned_lens"].endswith("unembed_hash: -")


def test_a_plan_counts_the_lens(tiny_checkpoint: Path, lens: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    request = request_of(tiny_checkpoint, tmp_path, lens)
    memory = prepare_sweep(request).memory
    assert memory.lens == 4 * (32 * 32 + 32) * 4
    without = prepare_sweep(replace(request, tuned_lens=None, experiments=("removal", "depth"))).memory
    assert without.lens == 0
    assert memory.total - memory.lens >= without.total - without.scoring
    narrow = prepare_sweep(replace(request, options=replace(request.options, dtype="bfloat16"))).memory
    assert narrow.lens == 4 * (32 * 32 + 32) * (4 + 2)  # as saved, and as applied
    arguments = ("sweep", "--model", request.model, "--dataset", request.dataset, "--output-dir", str(tmp_path / "r"))
    with pytest.raises(SystemExit):
        main([*arguments, "--experiment", "depth,tuned-depth", "--tuned-lens", str(lens), "--dry-run"])
    out = capsys.readouterr().out
    assert "11 variants, including the intact model, as 4 layer runs per batch" in out
    assert f"Tuned lens: {lens}, for made-up/model (checked by the hash of the unembedding)" in out
    assert ", tuned lens 0.00 GiB)" in out
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("experiments", "has_lens", "message"),
    [
        (("tuned-depth",), False, "reads the model through a tuned lens, and none is given: name its folder with --tuned-lens"),
        (("depth",), True, "--tuned-lens is for the experiment tuned-depth; got --experiment 'depth' with it"),
        ((), True, "got --experiment '' with it: add tuned-depth, or leave out"),
    ],
)
def test_a_lens_and_its_family_come_together(
    experiments: tuple[str, ...], has_lens: bool, message: str, tiny_checkpoint: Path, lens: Path, tmp_path: Path
) -> None:
    request = request_of(tiny_checkpoint, tmp_path, lens if has_lens else None, experiments=experiments, paths=("0-2",))
    with pytest.raises(PathError, match=message):
        prepare_sweep(request)


def test_another_models_lens_is_refused_with_nothing_written(tiny_checkpoint: Path, tmp_path: Path) -> None:
    wide = save_lens(tmp_path / "wide", random_state(4, 48), d_model=48)
    with pytest.raises(LayerscopeError, match="has 4 layers of width 48, and this model has 4 of width 32"):
        prepare_sweep(request_of(tiny_checkpoint, tmp_path, wide))
    other = save_lens(tmp_path / "other", random_state(), unembed_hash="0" * 64)
    with pytest.raises(LayerscopeError, match="the lens belongs to another model"):
        run_sweep(prepare_sweep(request_of(tiny_checkpoint, tmp_path, other)))
    assert not list((tmp_path / "results").rglob("*.json"))


def test_two_runs_lie_over_each_other_and_depths_are_in_no_table_of_fragility(
    run: FinishedRun, tiny_checkpoint: Path, lens: Path, tmp_path: Path
) -> None:
    other = swept(tiny_checkpoint, tmp_path, lens)
    request = CompareRequest(axis="depth", anyway=True, output_dir=tmp_path / "compared")
    found = compare_runs([run.directory.path, other.directory.path], request)
    rows = found.curves[found.curves["family"] == "tuned-depth"]
    assert sorted(set(rows["layer"])) == [-1, 0, 1, 2, 3]
    assert set(found.fragility["family"]) == set(found.correlation["family"]) == {"removal"}
