"""``layerscope search`` on a tiny checkpoint: its plan, its table, its paths in other commands."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from layerscope.cli.main import main

LINES = [
    f"Line {n} tells of the {word} and of what was found there." for n, word in enumerate(["sea", "hill", "road", "town"] * 5)
]


def run(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> tuple[str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    said = capsys.readouterr()
    assert ended.value.code == status, said.err
    return said.out, said.err


@pytest.fixture
def asked(tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Words that every search here has in common."""
    monkeypatch.setenv("COLUMNS", "200")
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(LINES), encoding="utf-8")
    words = ["--model", tiny_checkpoint, "--dataset", texts, "--calibration", 5, "--held-out", 8, "--random-paths", 2]
    return [str(word) for word in (*words, "--output-dir", tmp_path / "results", "--figures", "none")]


def test_a_dry_run_counts_and_writes_nothing(asked: list[str], capsys, tmp_path: Path) -> None:
    out, _ = run(capsys, "search", *asked, "--drop", "2", "--draws", "2", "--dry-run")
    assert "from 4 to 2 layers by removal" in out
    # 4 + 3 candidates and one-shot's second path, which greedy's may be, and the intact model
    assert re.search(r"at most (8|9) paths as [\d,]+ layer runs", out)
    assert "2 draws of 5" in out
    assert not (tmp_path / "results").exists()


def test_a_search_ends_with_its_frontier_and_its_paths_go_on(asked: list[str], capsys, tmp_path: Path) -> None:
    out, _ = run(capsys, "search", *asked, "--drop", "2", "--draws", "2", "--method", "beam:2")
    named = re.search(r"--path (@\S+)/best-2,", out)
    assert named is not None, out
    frontier = pd.read_parquet(Path(named[1][1:]) / "frontier.parquet")
    best = frontier[(frontier["way"] == "search") & frontier["is_best"]].set_index("layers")["path"]
    assert best[2.0] in out
    assert "Only 8 texts" in out or "only 8 texts" in out
    again, _ = run(capsys, "search", *asked, "--drop", "2", "--draws", "2", "--method", "beam:2")
    assert "Already finished" in again
    model = asked[:2]
    swept, _ = run(capsys, "sweep", *asked[:4], "--path", f"{named[1]}/frontier", "--dry-run")
    assert "3 variants" in swept
    written, _ = run(capsys, "export", *model, "--path", f"{named[1]}/best-2", "--output-dir", tmp_path / "smaller")
    assert f"path {best[2.0]}" in written
    _, refused = run(capsys, "export", *model, "--path", f"{named[1]}/frontier", "--output-dir", tmp_path / "two", status=2)
    assert "writes one path" in refused


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--drop", "4"], "leaves half a layer or more"),
        (["--drop", "1", "--budget", "3"], "either --drop"),
        ([], "either --drop"),
        (["--drop", "1", "--moves", "exchange"], "it takes removal"),
        (["--drop", "0"], "another budget"),
        (["--drop", "1.5"], "Half a layer goes by"),
        (["--drop", "1.3"], "whole or with a half"),
        (["--drop", "1", "--moves", "removals"], "Did you mean removal"),
        (["--drop", "1", "--method", "beem:2"], "Did you mean beam"),
        (["--drop", "1", "--method", "evolution", "--moves", "exchange,removal"], "Evolution drops"),
        (["--drop", "1", "--method", "one-shot", "--moves", "exchange,removal"], "towards the budget only"),
        (["--drop", "2", "--keep", "0-2"], "drop fewer, or keep fewer"),
        (["--drop", "1", "--keep", "9"], "Layers to keep"),
        (["--drop", "1", "--draws", "3"], "none of them twice"),
        (["--drop", "1", "--until-ci", "0"], "above 0"),
    ],
)
def test_what_cannot_be_is_one_sentence(asked: list[str], words: list[str], said: str, capsys, tmp_path: Path) -> None:
    out, refused = run(capsys, "search", *asked, *words, status=2)
    assert (out, refused.startswith("layerscope: ")) == ("", True)
    assert said in refused
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["--drop", "1", "--moves", "attention-removal,mlp-removal"],
        ["--drop", "1", "--moves", "attention-removal,mlp-removal", "--method", "evolution:2"],
        ["--drop", "0", "--moves", "interchange,replacement:1", "--steps", "1"],
        ["--budget", "6", "--moves", "block-repeat:2", "--method", "beam:2"],
        ["--drop", "1", "--moves", "removal,exchange,block-repeat:1", "--steps", "3"],
        ["--drop", "2", "--method", "random:3"],
        ["--drop", "2", "--method", "one-shot", "--objective", "kl"],
        ["--drop", "1", "--keep", "0,3", "--until-ci", "0.1"],
        ["--drop", "1.5", "--moves", "removal,mlp-removal", "--state-memory", "0"],
    ],
)
def test_every_kind_of_search_runs(asked: list[str], words: list[str], capsys) -> None:
    out, _ = run(capsys, "search", *asked, *words)
    assert "Results: " in out
    folder = Path(out.rpartition("Results: ")[2].splitlines()[0])
    frontier = pd.read_parquet(folder / "frontier.parquet")
    assert frontier["delta_nll_nats"].notna().all()


def test_a_text_that_stands_twice_is_one_text(asked: list[str], capsys) -> None:
    texts = Path(asked[3])
    texts.write_text("\n".join(LINES[:10] * 3), encoding="utf-8")
    _, refused = run(capsys, "search", *asked, "--drop", "1", status=2)
    assert "10 different ones" in refused
