"""``layerscope pairs`` from the command line: every subcommand on small files, and errors in one sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from layerscope.cli.main import main
from layerscope.errors import PairError
from layerscope.pairs.format import read_pairs, write_pairs
from layerscope.pairs.pair import MinimalPair


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["pairs", *arguments])
    return int(ended.value.code or 0)


def test_made_checked_judged_and_written_in_the_published_layout(
    either_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs, model = tmp_path / "pairs.jsonl", str(either_checkpoint)
    assert run("make", "--per-type", "5", "--subtypes", "tense,subject", "--seed", "3", "-o", str(pairs)) == 0
    assert "10 pairs" in capsys.readouterr().out
    first = [pair.id for pair in read_pairs(pairs)]
    assert run("make", "--per-type", "5", "--subtypes", "tense,subject", "--seed", "3", "-o", str(pairs)) == 0
    assert [pair.id for pair in read_pairs(pairs)] == first
    capsys.readouterr()
    assert run("check", str(pairs), "--tokenizer", model, "--keep", "all", "-o", str(tmp_path / "checked.jsonl")) == 0
    shown = capsys.readouterr().out
    assert "lengths differ" in shown
    assert "10 pairs kept" in shown
    assert run("judge", str(pairs), "--model", model, "-o", str(tmp_path / "judged.jsonl")) == 0
    assert "agrees" in capsys.readouterr().out
    judged = [json.loads(line) for line in (tmp_path / "judged.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(judged) == 10
    for record in judged:
        first_nll, second_nll = record["judge"]["nll_nats"]
        assert record["judge"]["agrees"] == (None if record["right"] is None else first_nll < second_nll)
    assert run("export", str(pairs), "-o", str(tmp_path / "published.json")) == 0
    assert run("import", "published", str(tmp_path / "published.json"), "-o", str(tmp_path / "back.jsonl")) == 0
    assert [pair.sentence1 for pair in read_pairs(tmp_path / "back.jsonl")] == [pair.sentence1 for pair in read_pairs(pairs)]


def test_ties_are_counted_apart(either_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Three ties (one has no right side and is not judged) and a pair that can only agree or disagree."""
    sentences = [("It is so.", "It is so.", 1), ("Not now.", "Not now.", 2), ("Go on.", "Go on.", None), ("I am.", "I is.", 1)]
    write_pairs(
        [
            MinimalPair.from_sentences(one, other, type="grammar", subtype="s", right=right, template="t", source="test")
            for one, other, right in sentences
        ],
        tmp_path / "pairs.jsonl",
    )
    judged = tmp_path / "judged.jsonl"
    assert run("judge", str(tmp_path / "pairs.jsonl"), "--model", str(either_checkpoint), "-o", str(judged)) == 0
    shown = capsys.readouterr().out
    (row,) = [line.split() for line in shown.splitlines() if line.split()[:2] == ["grammar", "s"]]
    written = [json.loads(line)["judge"] for line in judged.read_text(encoding="utf-8").splitlines()]
    agreeing = [judge["agrees"] for judge in written]
    assert agreeing[:3] == [None, None, None]
    assert [judge["tie"] for judge in written] == [True, True, False, False]
    assert row[2:6] == ["4", "3", "100.0%" if agreeing[3] else "0.0%", "2"]
    assert "2 ties, with both sides exactly equally likely, such as:" in shown
    assert ("wrong side is likelier" in shown) == (not agreeing[3])


@pytest.fixture
def blimp(tmp_path: Path) -> Path:
    """Two paradigms of one subtype, two pairs each, in BLiMP's own files."""
    folder = tmp_path / "blimp"
    folder.mkdir()
    for number in (1, 2):
        lines = [
            {"sentence_good": good, "sentence_bad": bad, "UID": f"number_{number}", "linguistics_term": "agreement"}
            for good, bad in ((f"The {number} cats sit.", f"The {number} cats sits."), ("All go.", "All goes."))
        ]
        (folder / f"number_{number}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("protocol", "start", "before", "shown"),
    [
        ("plain", [], "", "Protocol plain: nothing before a sentence; a tie counts as neither right nor wrong."),
        ("lm-eval", ["<bos>"], " ", "Protocol lm-eval: <bos> and a space before each sentence; a tie counts as right."),
    ],
)
def test_a_folder_of_blimp_is_judged_by_a_named_protocol(
    protocol: str,
    start: list[str],
    before: str,
    shown: str,
    blimp: Path,
    tiny_checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "judged.jsonl"
    asked = ["--model", str(tiny_checkpoint), "--protocol", protocol, "-o", str(output)]
    assert run("judge", str(blimp), *asked) == 0
    out = capsys.readouterr().out
    assert "number_1" in out
    assert "number_2" in out
    records = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [record["term"] for record in records] == ["number_1", "number_1", "number_2", "number_2"]
    for record in records:
        judge = record["judge"]
        assert (judge["protocol"], judge["start"], judge["before"]) == (protocol, start, before)
        assert judge["agrees"] == (judge["nll_nats"][0] < judge["nll_nats"][1])
    accuracies = [sum(record["judge"]["agrees"] for record in some) / 2 for some in (records[:2], records[2:])]
    assert f"Agrees in {sum(accuracies) / 2:.1%}, mean over 2 groups. {shown}" in out
    assert run("judge", str(blimp / "number_1.jsonl"), *asked) == 0  # one paradigm
    assert f"Agrees in {accuracies[0]:.1%}. {shown}" in capsys.readouterr().out


def test_a_table_is_imported_by_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "table.csv").write_text("good,bad\nIt is late now.,It was late now.\n", encoding="utf-8")
    names = ["--column", "sentence1=good", "--column", "sentence2=bad", "--set", "type=grammar", "--set", "subtype=tense"]
    assert run("import", "table", str(tmp_path / "table.csv"), *names, "-o", str(tmp_path / "pairs.jsonl")) == 0
    assert "1 pairs" in capsys.readouterr().out


def test_a_table_that_does_not_say_which_side_is_right_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.csv").write_text("good,bad\nHe sings.,He sing.\nShe runs.,She run.\n", encoding="utf-8")
    words = ["--column", "sentence1=good", "--column", "sentence2=bad", "--set", "subtype=agreement", "-o"]
    for more, told in ((("--set", "type=grammar"), True), (("--set", "type=grammar", "--set", "right=1"), False)):
        run("import", "table", str(tmp_path / "mine.csv"), *more, *words, str(tmp_path / "mine.jsonl"))
        said = capsys.readouterr().out
        assert ("2 pairs of type grammar do not say which side is right" in said) == told
    run("import", "table", str(tmp_path / "mine.csv"), "--set", "type=meaning", *words, str(tmp_path / "mine.jsonl"))
    assert "right" not in capsys.readouterr().out, "of meaning there is none"


def test_a_table_in_place_of_pairs_says_how_it_becomes_them(tmp_path: Path) -> None:
    (tmp_path / "my pairs.CSV").write_text("good,bad\n", encoding="utf-8")
    says = r"is a table: layerscope pairs import table '.*my pairs\.CSV' --column sentence1=COLUMN"
    with pytest.raises(PairError, match=says):
        next(read_pairs(tmp_path / "my pairs.CSV"))


def test_pairs_for_a_tokenizer_are_all_usable(
    either_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs, model = tmp_path / "pairs.jsonl", str(either_checkpoint)
    assert run("make", "--per-type", "2", "--subtypes", "identical", "--tokenizer", model, "-o", str(pairs)) == 0
    assert all(pair.sentence1 == pair.sentence2 for pair in read_pairs(pairs))
    # one token a byte: a and the have different lengths
    assert run("make", "--per-type", "9", "--subtypes", "article", "--tokenizer", model, "-o", str(tmp_path / "no.jsonl")) == 2
    assert "Of 450 pairs of 'article', or all that there are, the tokenizer can use" in capsys.readouterr().err
    assert not (tmp_path / "no.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["make", "--source", "poems"], "--source is templates or openai; got 'poems'"),
        (["make", "--subtypes", "tone"], "got 'tone'"),
        (["make", "--per-type", "0"], "--per-type is 1 or more"),
        (["import", "xml", "x"], "KIND is blimp, table or published; got 'xml'"),
        (["import", "table", "x.csv", "--set", "type"], "--set is written FIELD=NAME; got 'type'"),
        (["import", "blimp", "nowhere"], "BLiMP is a .jsonl file or a folder of them"),
        (["check", "nowhere.jsonl", "--tokenizer", "smollm2-135m"], "Pairs are read from a JSON Lines file"),
        (["judge", "nowhere.jsonl", "--model", "smollm2-135m"], "Pairs are read from a JSON Lines file"),
        (["judge", "x", "--model", "smollm2-135m", "--protocol", "lm_eval"], "judging is plain or lm-eval; got 'lm_eval'"),
    ],
)
def test_errors_are_one_sentence(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments, "-o", str(tmp_path / "pairs.jsonl")) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_model_library_keeps_quiet(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """In a process of its own, as the library's bars are switched off for a whole process."""
    pair = MinimalPair.from_sentences(
        "She is here.", "She was here.", type="meaning", subtype="mine", right=None, template="t", source="test"
    )
    write_pairs([pair], tmp_path / "pairs.jsonl")
    words = ["pairs", "judge", str(tmp_path / "pairs.jsonl"), "--model", str(tiny_checkpoint)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    done = subprocess.run(
        [sys.executable, "-m", "layerscope.cli.main", *words], env=environment, capture_output=True, text=True, check=True
    )
    assert "Judged by" in done.stdout
    assert "Loading weights" not in done.stderr
