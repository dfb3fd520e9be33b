"""``layerscope evaluate`` as users see it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from layerscope.cli.main import main
from layerscope.evaluations.reading import differences_finding


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", *arguments])
    return int(ended.value.code or 0)


@pytest.fixture
def arguments(tiny_checkpoint: Path, blimp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("COLUMNS", "120")
    return ["--model", str(tiny_checkpoint), "--data-dir", str(blimp), "--output-dir", str(tmp_path), "--path", "0,2-3"]


def test_a_table_and_a_sentence(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments, "--tasks", "blimp") == 0
    said = capsys.readouterr().out
    assert "20 samples, 40 log-likelihoods per path" in said
    assert "Paths: 2, including the intact model\n" in said
    assert re.search(r"blimp: acc, 20 samples of 2 tasks", said)
    assert re.search(r"0,2-3 +0\.\d{3} +[+-]0\.\d{3} +[+-]\d\.\d{3} [+-]\d\.\d{3}", said)
    assert "within noise (" in said
    assert run(*arguments, "--tasks", "blimp,agreement") == 0
    assert "Already evaluated" in capsys.readouterr().out
    assert run(*arguments, "--tasks", "agreement", "--path", "0-1,3", "--dry-run") == 0
    assert "2 of 3 evaluations (one path on one task each) are already done" in capsys.readouterr().out


def test_dry_runs_write_nothing(arguments: list[str], tmp_path: Path) -> None:
    assert run(*arguments, "--tasks", "blimp", "--limit", "2", "--dry-run") == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("more", "said"),
    [
        pytest.param(("--tasks", "gsm8k"), "gsm8k generates text", marks=pytest.mark.slow),
        (("--tasks", "arc_esay"), "Did you mean arc_easy"),
        (("--tasks", ","), "--tasks names one task or more"),
        (("--tasks", "blimp", "--limit", "0"), "--limit is 1 or more; got 0"),
        (("--tasks", "blimp", "--path", "0-9"), "visits 4, 5"),
    ],
)
def test_what_is_refused(
    more: tuple[str, ...], said: str, arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(*arguments, *more) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""
    assert not list(tmp_path.iterdir())


def test_without_the_extra(arguments: list[str], tmp_path: Path) -> None:
    """In a process of its own, where lm_eval cannot be imported."""
    program = "import sys; sys.modules['lm_eval'] = None; from layerscope.cli.main import main; main(sys.argv[1:])"
    ended = subprocess.run(
        [sys.executable, "-c", program, "evaluate", *arguments, "--tasks", "blimp"],
        capture_output=True, text=True, timeout=300, check=False, env=dict(os.environ),
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "pip install 'layerscope[tasks]'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_sentence_in_both_languages() -> None:
    told = {"delta": -0.12, "delta_low": -0.206, "delta_high": -0.014, "samples": 50, "tied": False}
    tied = {"delta": 0.01, "delta_low": -0.1, "delta_high": 0.12, "samples": 50, "tied": True}
    alone = {"tied": None, "samples": 50}
    few = {**told, "delta": -0.9, "samples": 20}
    small = {**told, "delta": 0.05, "delta_low": 0.01, "delta_high": 0.09}
    rows = [("0-3", alone), ("0", tied), ("1", few), ("1", told), ("2", small)]
    table = pd.DataFrame([{"path": path, "task": "t", "metric": "acc", **values} for path, values in rows])
    found = differences_finding(table, "0-3")
    assert found is not None
    assert found.en == (
        "Changed by more than noise against the intact model: 1 on t (acc) -0.12 [-0.206, -0.014] over 50 samples; 2 on t "
        "(acc) +0.05 [+0.01, +0.09] over 50 samples. The other 1 of 3 differences from the intact model is within noise (the "
        "95% interval includes 0; 50 samples, the most that each was evaluated on)."
    )
    assert "t（acc）での 1 は -0.12 [-0.206, -0.014]（50 サンプル）" in found.ja
    assert "3 件のうち残りの 1 件は誤差の範囲にある（95% 信頼区間が 0 を含む。サンプル数 50、" in found.ja
    none = differences_finding(table[table["path"] != "0"], "0-3")
    assert none is not None
    assert "noise (the" not in none.en
    only = differences_finding(table[table["path"].isin(("0", "0-3"))], "0-3")
    assert only is not None
    assert only.en.startswith("1 of 1 differences from the intact model is within noise (the 95% interval includes 0; 50 ")
    assert differences_finding(table[:1], "0-3") is None
