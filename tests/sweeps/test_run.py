"""A run from request to directory: what it leaves behind, killing and resuming, and doing nothing twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from layerscope.draw import draw_figures
from layerscope.errors import DataError, DeviceError, RunError
from layerscope.models.loading import LoadOptions
from layerscope.paths.families import build_variants
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.in_memory import sweep
from layerscope.sweeps.prepare import SweepRequest, check_memory, prepare_sweep
from layerscope.sweeps.record import SweepRecord
from layerscope.sweeps.run import run_sweep
from layerscope.sweeps.tables import DOCUMENTS, LAYERS, PROXIES, SCORES, TOKENS
from layerscope.sweeps.tabulating import tabulate
from tests.naive import naive_scores, rearranged

STRANGE = [
    "A plain line of text.",
    "",
    "x",
    "CR\r\nLF and a NUL \x00 inside",
    "emoji 😀👩‍👩‍👧 and combining e\u0301",
    "   ",
    "word",
    "日本語の文です。",
]


@pytest.fixture
def request_for(tiny_checkpoint: Path, tmp_path: Path):
    return requests_for(tiny_checkpoint, tmp_path)


@pytest.fixture
def request_for_either(either_checkpoint: Path, tmp_path: Path):
    return requests_for(either_checkpoint, tmp_path)


def requests_for(model: Path, tmp_path: Path):
    def make(**changes) -> SweepRequest:
        path = tmp_path / "texts.jsonl"
        if not path.exists():
            path.write_text("".join(json.dumps({"text": text}) + "\n" for text in STRANGE), encoding="utf-8")
        options = {"model": str(model), "dataset": str(path), "output_dir": tmp_path / "results", "batch_tokens": 40}
        return SweepRequest(**{**options, **changes})

    return make


def test_a_run_leaves_every_file_and_the_naive_numbers(request_for_either, either_decoder) -> None:
    prepared = prepare_sweep(request_for_either(max_samples=None))
    n_prefix = len(either_decoder.encoder.prefix_ids)
    assert run_sweep(prepared) is True
    directory = prepared.directory
    assert directory.path.parts[-2:] == ("removal+exchange", "tiny_llama_texts_nall")
    names = {path.relative_to(directory.path).as_posix() for path in directory.path.rglob("*") if path.is_file()}
    tables = {"documents.parquet", "tokens.parquet", "layers.parquet", "proxies.parquet", "manifest.json", "ppl.json"}
    assert tables <= names
    assert not [name for name in names if "unfinished" in name]

    documents = directory.read_table(DOCUMENTS).to_pandas()
    assert sorted(documents["text"]) == sorted(STRANGE)
    tokens = directory.read_table(TOKENS).to_pandas()
    scores = pd.concat(shard.to_pandas() for shard in directory.parts(SCORES, len(prepared.shards)))
    layers = directory.read_table(LAYERS).to_pandas().set_index("variant")
    for variant in prepared.plan.variants:
        model = rearranged(either_decoder.model, [step.layer for step in variant.path.steps])
        expected, total = {}, 0.0
        for document, ids in tokens.groupby("document")["id"]:
            if len(ids) > 1:
                expected[document] = naive_scores(model, ids.tolist()).nll
                total += expected[document].sum()
        rows = scores[scores["variant"] == variant.name]
        for document, found in rows.groupby("document"):
            np.testing.assert_allclose(found.sort_values("position")["nll_nats"], expected[document], atol=2e-5)
        count = sum(map(len, expected.values()))
        assert len(rows) == count == layers.loc[variant.name, "tokens_scored"]
        assert layers.loc[variant.name, "nll_nats"] == pytest.approx(total / count, abs=1e-5)

    record = directory.record(SweepRecord)
    assert (record.kind, record.status) == ("sweep", "finished")
    assert record.data.unscored.texts_without_a_scored_token == 2 - n_prefix  # "", and "x" where nothing stands before it
    assert record.data.tokens == sum(len(text.encode()) for text in STRANGE)
    assert record.model.layers == 4
    assert record.environment.packages["torch"].startswith(torch.__version__.split("+")[0])
    assert json.loads((directory.path / "ppl.json").read_text())["original"]["ppl"] == pytest.approx(
        layers.loc["intact", "ppl"]
    )


def test_strange_text_is_kept_and_scored_as_it_is(request_for_either, either_decoder) -> None:
    prepared = prepare_sweep(request_for_either(max_samples=None))
    n_without_context = 1 - len(either_decoder.encoder.prefix_ids)
    by_text = {window.text: window for window in prepared.corpus.windows}
    for text in STRANGE:
        n_bytes = len(text.encode("utf-8"))
        assert by_text[text].n_tokens == n_bytes  # the tiny tokenizer has a token a byte
        assert by_text[text].n_scored == max(n_bytes - n_without_context, 0)


def test_a_text_of_20000_tokens_is_cut_at_the_context_and_counted(request_for, tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("abcd " * 4000, encoding="utf-8")
    prepared = prepare_sweep(request_for(dataset=str(tmp_path / "long.txt"), experiments=(), paths=("0-2",)))
    assert run_sweep(prepared)
    row = prepared.directory.read_table(DOCUMENTS).to_pandas().iloc[0]
    assert (row["tokens"], row["tokens_scored"], row["tokens_cut"]) == (20_000, 511, 20_000 - 512)
    assert len(prepared.directory.read_table(TOKENS)) == 20_000


def test_a_finished_run_does_nothing_unless_forced(request_for) -> None:
    prepared = prepare_sweep(request_for())
    assert run_sweep(prepared) is True
    before = {path: path.stat().st_mtime_ns for path in prepared.directory.path.rglob("*")}
    assert run_sweep(prepare_sweep(request_for())) is False
    assert {path: path.stat().st_mtime_ns for path in prepared.directory.path.rglob("*")} == before
    assert run_sweep(prepare_sweep(request_for()), force=True) is True


def test_another_run_in_the_same_place_is_refused_with_the_difference(request_for) -> None:
    assert run_sweep(prepare_sweep(request_for()))
    with pytest.raises(RunError, match="seed was 42, now 7"):
        run_sweep(prepare_sweep(request_for(seed=7)))


def tables_of(directory) -> dict[str, pd.DataFrame]:
    tables = {table.name: directory.read_table(table).to_pandas() for table in (DOCUMENTS, TOKENS, LAYERS, PROXIES)}
    shards = sorted((directory.path / "scores").glob("shard-*.parquet"))
    return {**tables, **{path.name: pd.read_parquet(path) for path in shards}}


@pytest.mark.slow
def test_a_killed_run_resumes_without_repeating_work_and_ends_the_same(
    request_for, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    path = tmp_path / "many.txt"
    path.write_text("\n".join(f"Line number {i} of a longer text." for i in range(70)), encoding="utf-8")
    options = {"dataset": str(path), "batch_tokens": 64}
    whole = prepare_sweep(request_for(**options, output_dir=tmp_path / "whole"))
    run_sweep(whole)

    command = [sys.executable, "-m", "layerscope.cli.main", "sweep", "--model", str(tiny_checkpoint), "--dataset", str(path)]
    command += ["--batch-tokens", "64", "--output-dir", str(tmp_path / "killed")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    killed = prepare_sweep(request_for(**options, output_dir=tmp_path / "killed"))
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    shards = killed.directory.path / "scores"
    deadline = time.monotonic() + 120
    while len(list(shards.glob("shard-*.parquet"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = {path: path.stat().st_mtime_ns for path in shards.glob("shard-*.parquet")}
    assert 5 <= len(finished) < len(killed.shards), "the kill came in the middle"
    assert killed.directory.record(SweepRecord).status == "running"

    assert run_sweep(killed) is True
    assert {path: path.stat().st_mtime_ns for path in finished} == finished, "finished shards are not written again"
    assert killed.directory.record(SweepRecord).shards_resumed == len(finished)
    assert not list(killed.directory.path.rglob(".unfinished-*"))
    one, other = tables_of(whole.directory), tables_of(killed.directory)
    assert one.keys() == other.keys()
    for name in one:
        pd.testing.assert_frame_equal(one[name], other[name], check_exact=True)


def flip(path: Path) -> None:
    """One bit, where values lie."""
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("status", ["running", "finished"])
def test_a_shard_that_is_not_as_it_was_written_is_made_again(request_for, status: str, caplog) -> None:
    prepared = prepare_sweep(request_for())
    run_sweep(prepared)
    directory = prepared.directory
    before = tables_of(directory)
    shards = sorted((directory.path / "scores").iterdir())
    assert len(shards) >= 4
    if status == "running":
        manifest = json.loads((directory.path / "manifest.json").read_text(encoding="utf-8"))
        (directory.path / "manifest.json").write_text(json.dumps({**manifest, "status": status}), encoding="utf-8")
    flip(shards[0])
    shards[1].write_bytes(shards[2].read_bytes())
    (directory.path / "spans" / shards[3].name).unlink()
    flip(directory.path / "layers.parquet")
    if status == "finished":
        with pytest.raises(RunError, match="layers.parquet' is not as it was written: the command that made the run, given"):
            _ = FinishedRun.open(directory.path).layers
    kept = {path: path.stat().st_mtime_ns for path in shards[4:]}
    assert run_sweep(prepare_sweep(request_for())) is True
    assert f"'{shards[0]}' is not as it was written: it is made again." in caplog.text
    assert directory.record(SweepRecord).shards_resumed == len(prepared.shards) - 3
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "what is whole is not run again"
    for name, table in tables_of(directory).items():
        pd.testing.assert_frame_equal(table, before[name], check_exact=True)
    assert run_sweep(prepare_sweep(request_for())) is False
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=directory.path, check=True)


def test_a_run_of_version_0_1_that_goes_on_is_checked_from_then_on(request_for) -> None:
    prepared = prepare_sweep(request_for())
    run_sweep(prepared)
    path = prepared.directory.path
    (path / "SHA256SUMS").unlink()
    assert run_sweep(prepare_sweep(request_for())) is False, "a finished one is believed"
    assert len(FinishedRun.open(path).layers) > 1
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    (path / "manifest.json").write_text(json.dumps({**manifest, "status": "running"}), encoding="utf-8")
    assert run_sweep(prepare_sweep(request_for())) is True
    assert prepared.directory.record(SweepRecord).shards_resumed == 0, "what nothing vouches for is made again"
    assert prepared.directory.digests.fault("layers.parquet") is None


def test_a_directory_that_another_process_writes_is_refused(request_for, tmp_path: Path) -> None:
    prepared = prepare_sweep(request_for())
    with prepared.directory.alone(), pytest.raises(RunError, match="Only one process at a time writes to "):
        run_sweep(prepared, force=True)
    assert not (tmp_path / "results").exists()


def test_a_directory_that_is_a_symbolic_link_is_forced(request_for, tmp_path: Path) -> None:
    prepared = prepare_sweep(request_for())
    path, real = prepared.directory.path, tmp_path / "on another disk"
    run_sweep(prepared)
    before = tables_of(prepared.directory)
    path.rename(real)
    path.symlink_to(real)
    (real / "scores" / "shard-00099.parquet").write_bytes(b"of another run")
    assert run_sweep(prepare_sweep(request_for()), force=True) is True
    assert path.is_symlink()
    assert not (real / "scores" / "shard-00099.parquet").exists()
    for name, table in tables_of(prepared.directory).items():
        pd.testing.assert_frame_equal(table, before[name], check_exact=True)
    assert sorted(one.name for one in path.parent.iterdir()) == [path.name]


def test_tables_can_be_made_again_without_a_model(request_for) -> None:
    prepared = prepare_sweep(request_for())
    run_sweep(prepared)
    before = tables_of(prepared.directory)
    (prepared.directory.path / LAYERS.name).unlink()
    tabulate(prepared)
    pd.testing.assert_frame_equal(tables_of(prepared.directory)[LAYERS.name], before[LAYERS.name], check_exact=True)


def test_nothing_is_written_when_a_run_is_refused(request_for, tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("a", encoding="utf-8")
    request = request_for(dataset=str(tmp_path / "short.txt"))
    with pytest.raises(DataError, match="none of the 1 text"):
        prepare_sweep(request)
    assert not (tmp_path / "results").exists()


def test_not_enough_memory_is_said_before_anything_is_loaded(
    request_for, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    prepared = prepare_sweep(request_for())
    monkeypatch.setattr("layerscope.sweeps.prepare.available_memory", lambda _: 2**20)
    with pytest.raises(DeviceError, match=r"needs about \d\.\d GiB on cpu and 0.0 GiB are free .* --batch-tokens"):
        check_memory(prepared)
    with pytest.raises(DeviceError, match="needs about"):
        run_sweep(prepared)
    assert not (tmp_path / "results").exists()


def test_in_memory_gives_the_same_table_as_on_disk(request_for, tiny_decoder) -> None:
    prepared = prepare_sweep(request_for(max_samples=None))
    run_sweep(prepared)
    texts = [window.text for window in prepared.corpus.windows]
    result = sweep(tiny_decoder, texts, build_variants(["removal", "exchange"], [], 4), batch_tokens=40)
    on_disk = prepared.directory.read_table(LAYERS).to_pandas()
    pd.testing.assert_frame_equal(result.layers, on_disk, check_exact=True)
    assert set(result.scores["variant"]) == set(on_disk["variant"])


@pytest.mark.parametrize("protocol", ["documents", "windows:32", "strided:32/16"])
def test_every_protocol_runs(request_for, tmp_path: Path, protocol: str) -> None:
    (tmp_path / "t.txt").write_text("Some text that is long enough for a window or three.\n" * 4, encoding="utf-8")
    prepared = prepare_sweep(request_for(dataset=str(tmp_path / "t.txt"), protocol=protocol, experiments=("removal",)))
    run_sweep(prepared)
    layers = prepared.directory.read_table(LAYERS).to_pandas()
    assert layers["tokens_scored"].iloc[0] == prepared.n_scored
    assert np.isfinite(layers["ppl"]).all()


def test_every_family_runs_and_has_figures(request_for) -> None:
    families = ("block-removal:2", "reversal:1-2", "repetition", "shuffle:0", "parallel:2", "attention-removal", "mlp-removal")
    prepared = prepare_sweep(request_for(experiments=families, paths=("none", "0,(1|2.mlp),3")))
    run_sweep(prepared)
    layers = prepared.directory.read_table(LAYERS).to_pandas()
    assert len(layers) == 1 + 3 + 1 + 4 + 1 + 3 + 4 + 4 + 2
    assert np.isfinite(layers["nll_nats"]).all()
    names = {path.stem for path in draw_figures(prepared.directory.path, languages=("en", "ja"))}
    assert {"block-removal-2_en", "repetition_ja", "variants_en", "mlp-removal_ja"} <= names


def test_bos_is_added_when_asked_for(request_for) -> None:
    without = prepare_sweep(request_for(max_samples=None))
    with_bos = prepare_sweep(request_for(max_samples=None, options=LoadOptions(bos="always")))
    assert with_bos.n_scored == without.n_scored + sum(1 for text in STRANGE if text)
    assert with_bos.record.prefix_ids == (256,)
