"""``--shard``, ``gather`` and ``status`` as they are typed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from layerscope.cli import console
from layerscope.cli.main import main
from layerscope.lock import with_others
from layerscope.results.record import WorkerRecord
from layerscope.results.workers import note_worker, noted_workers
from layerscope.workers.status import read_status
from tests.swept_files import write_texts


@pytest.fixture
def words(tiny_checkpoint: Path, tmp_path: Path) -> list[str]:
    texts = write_texts(tmp_path / "texts.jsonl", [f"Text {n} of some length." for n in range(12)])
    some = ["sweep", "--model", str(tiny_checkpoint), "--dataset", str(texts), "--experiment", "removal"]
    return [*some, "--batch-tokens", "90", "--output-dir", str(tmp_path / "out")]


def ends(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(words)
    said = capsys.readouterr()
    return int(ended.value.code or 0), " ".join((said.out + said.err).split())


def run_of(tmp_path: Path) -> Path:
    (found,) = (tmp_path / "out" / "removal").glob("tiny*")
    return found


def test_parts_gathered(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = ends([*words, "--shard", "1/2"], capsys)
    assert code == 0
    run = run_of(tmp_path)
    assert "batches computed" in said
    assert f"When all parts have ended: layerscope gather {run}" in said
    code, said = ends(["status", str(run)], capsys)
    assert (code, "sweep, not running" in said) == (0, True)
    assert "1-of-2" in said
    assert "finished" in said
    code, said = ends(["gather", str(run)], capsys)
    assert (code, "--shard 2/2" in said) == (2, True)
    assert ends([*words, "--shard", "2/2"], capsys)[0] == 0
    code, said = ends(["gather", str(run), "--figures", "none"], capsys)
    assert code == 0
    assert "removal-3" in said
    code, said = ends(["status", str(run)], capsys)
    assert "sweep, finished" in said
    assert "2-of-2" in said
    assert ends(["gather", str(run)], capsys) == (2, f"layerscope: The run in '{run}' is finished; there is nothing to gather.")


def test_a_killed_part_is_lost_and_a_living_one_runs(words: list[str], tmp_path: Path, capsys) -> None:
    ends([*words, "--shard", "1/2"], capsys)
    run = run_of(tmp_path)
    (told,) = noted_workers(run)
    for name in ("2-of-2", "3-of-3"):
        note_worker(run, WorkerRecord.model_validate({**told.model_dump(), "name": name, "status": "running"}))
    with with_others(run, "2-of-2"):
        _, said = ends(["status", str(run)], capsys)
    assert "sweep, running" in said
    assert (said.count(" running"), said.count(" lost")) == (2, 1)


def test_rate_and_time_left_by_hand(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two of four batches, 90 s apart: one in 90 s, and two that are left take three minutes."""
    ends([*words, "--shard", "1/2"], capsys)
    run = run_of(tmp_path)
    for number, path in enumerate(sorted((run / "scores").glob("shard-*"))):
        os.utime(path, (1_000_000.0 + 90 * number,) * 2)
    with with_others(run, "1-of-2"):
        found = read_status(run)
    assert (found.done, found.total, found.state) == (2, 4, "running")
    assert found.a_minute == pytest.approx(60 / 90)
    assert found.minutes_left == pytest.approx(3.0)
    assert read_status(run).minutes_left is None, "nothing runs"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--shard", "3/2"], "--shard is I/N"),
        (["--shard", "1/2", "--force"], "--force replaces a whole run"),
        (["--shard", "1/2", "--cluster", "auto"], "leave one of them out"),
        (["--workers", "2"], "--workers applies to the workers of a cluster: add --cluster auto"),
        (["--cluster", "auto", "--workers", "0"], "--workers is 1 or more; got 0"),
        (["--cluster", "127.0.0.1:1"], "cannot be reached"),
        (["--cluster", "auto", "--device", "cpu"], "leave --device out; got 'cpu'"),
    ],
)
def test_refusals(words: list[str], more: list[str], expected: str, tmp_path: Path, capsys) -> None:
    code, said = ends([*words, *more], capsys)
    assert (code, expected in said) == (2, True), said
    assert not list((tmp_path / "out").rglob("*.parquet"))


def test_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("status", "gather"):
        code, said = ends([command, str(tmp_path)], capsys)
        assert code == 2
        assert str(tmp_path) in said


def test_a_line_a_minute_where_no_terminal_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter([0.0, 0.0, 30.0, 61.0, 62.0, 121.5])
    monkeypatch.setattr(console, "time", type("Clock", (), {"monotonic": staticmethod(lambda: next(clock))}))
    errors, _ = console.consoles()
    lines = console._Lines(errors)
    for done in (10, 20, 55, 56, 100):
        lines.show("Sweeping", done, 190)
    assert capsys.readouterr().err.splitlines() == [
        "Sweeping: 29% after 1 min, about 3 min left",
        "Sweeping: 53% after 2 min, about 2 min left",
    ]
