"""``layerscope contrast`` from the command line: what is printed, what is written, and errors in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from layerscope.cli.main import main
from layerscope.contrasts.finished import FinishedContrast
from layerscope.pairs.format import write_pairs
from tests.letter_pairs import PLACES, pairs_of_places


@pytest.fixture
def arguments(either_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "120")
    write_pairs(pairs_of_places(), tmp_path / "pairs.jsonl")
    (tmp_path / "text.txt").write_text(
        "\n".join(f"What was found by the {place} is here." for place in PLACES), encoding="utf-8"
    )
    return [
        *("contrast", "--model", str(either_checkpoint), "--pairs", str(tmp_path / "pairs.jsonl")),
        *("--sites", "resid_post", "--positions", "edit,edit+1,last", "--reference-dataset", str(tmp_path / "text.txt")),
        *("--reference-tokens", "200", "--output-dir", str(tmp_path / "results")),
    ]


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def test_a_run_prints_its_groups_and_the_next_step_and_is_not_done_twice(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments, "--values", "0, 3") == 0
    out = capsys.readouterr().out
    path = tmp_path / "results" / "contrast" / "tiny_llama_pairs_nall"
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.startswith("  ") and line.split()}
    assert "tiny-llama: 74 pairs" in out
    assert rows["subject"][:4] == ["meaning", "24", "12", "2"]
    assert rows["tense"] == ["grammar", "24", "12", "0", "too", "few", "for", "inference"]
    assert rows["random-word-reference-1"] == ["reference", "8", "4", "0"]
    assert rows["random-word"] == ["control", "8", "4", "0"]
    assert rows["identical"] == ["bound", "1", "1", "0"]
    assert not any(name.endswith("-placebo") for name in rows), "they are not known before the model has run"
    found = FinishedContrast.open(path).groups.astype({"group": str}).set_index("group")
    told = ", ".join(f"{name} {found.loc[f'{name}-placebo', 'pairs']} of 24" for name in ("subject", "tense"))
    said = " ".join(out[out.index("Pairs with a placebo") : out.index("Results:")].split())
    assert said == f"Pairs with a placebo: {told}. No inference with fewer than 40: subject, tense."
    assert out.splitlines()[-2:] == [f"Results: {path}", f"Next: layerscope stability {path}"]
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "finished"
    assert manifest["request"]["sites"] == ["resid_post"]
    assert manifest["request"]["positions"] == ["edit", "edit+1", "last"]
    assert manifest["request"]["values"] == [0, 3]
    assert manifest["request"]["placebos"] == 1
    assert manifest["placebos_matched_at"] == "resid_post/edit+1"

    assert run(*arguments, "--values", "0,3") == 0
    out = capsys.readouterr().out
    assert f"Already finished: {path} (--force runs it again)." in out
    assert "Next:" not in out
    assert run(*arguments, "--values", "0,3", "--force") == 0
    assert "Next: layerscope stability" in capsys.readouterr().out
    assert run(*arguments) == 2
    assert "holds another run (values was [0, 3], now []): name another --output-dir" in capsys.readouterr().err


def test_a_dry_run_prints_the_groups_and_writes_nothing(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments, "--dry-run") == 0
    out = capsys.readouterr().out
    assert "random-word-reference-2" in out
    assert "placebo" not in out
    assert "Results" not in out
    assert not (tmp_path / "results").exists()
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sites", "resid_post,mlp"], "layerscope: A site is resid_post, update, read, attn_out, mlp_out; got 'mlp'."),
        (["--sites", ","], "layerscope: At least one site is needed"),
        (["--positions", "edit+0"], "layerscope: A position is edit, edit+1 to edit+99, detection or last; got 'edit+0'."),
        (["--values", "1,x"], "layerscope: --values takes comma-separated layer numbers; got 'x'."),
        (["--values", "²"], "layerscope: --values takes comma-separated layer numbers; got '²'."),
        (["--values", "1,4"], "layerscope: --values names layers 0 to 3 of this model; got 4."),
        (["--subtypes", "tense"], "layerscope: --subtypes chooses among template pairs; a file is taken whole"),
        (["--placebos", "0"], "layerscope: --placebos is from 1 to 2; got 0."),
        (["--placebos", "3"], "layerscope: --placebos is from 1 to 2; got 3."),
        (["--per-subtype", "0"], "layerscope: --per-subtype is 1 or more; got 0."),
        (["--batch-tokens", "0"], "layerscope: --batch-tokens is 1 or more; got 0."),
        (["--reference-tokens", "10"], "layerscope: --reference-tokens is 100 or more (10,000 for results); got 10."),
        (["--pairs", "nowhere.jsonl"], "layerscope: Pairs are read from a JSON Lines file; there is none at 'nowhere.jsonl'"),
        (["--reference-dataset", "nowhere.txt"], "layerscope: No such file: 'nowhere.txt'"),
        (["--model", "./nowhere"], "layerscope: No such model file or directory: './nowhere'."),
        (["--quantize", "int3"], "layerscope: --quantize is none, int8 or nf4; got 'int3'"),
        (["--bos", "maybe"], "layerscope: --bos is auto, always or never; got 'maybe'"),
    ],
)
def test_what_cannot_be_ends_in_one_line_and_leaves_nothing(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert run(*arguments, *options) == 2
    captured = capsys.readouterr()
    lines = [line for line in captured.err.strip().splitlines() if "Loading weights" not in line]
    assert len(lines) == 1
    assert lines[0].startswith(message)
    assert not (tmp_path / "results").exists()


def test_no_usable_pair_ends_in_one_line(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pairs([pair for pair in pairs_of_places() if pair.template in ("longer", "two letters")], tmp_path / "pairs.jsonl")
    assert run(*arguments) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "No pair can be compared under this tokenizer (lengths differ: 1, several tokens differ: 1)" in line
