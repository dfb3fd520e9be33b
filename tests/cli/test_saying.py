"""``--json`` and ``--quiet``: one object, or nothing but where results are; and what comes before and after a run."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from rich.table import Table

from layerscope.cli.main import main
from layerscope.cli.saying import command_line, table_of
from layerscope.summaries import summarise
from layerscope.sweeps.prepare import SweepRequest, prepare_sweep
from layerscope.sweeps.run import run_sweep


def ends(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == code
    return tuple(capsys.readouterr())  # type: ignore[return-value]


@pytest.fixture
def words(tiny_checkpoint: Path, text_file: Path, tmp_path: Path) -> list[str]:
    place = ["--output-dir", str(tmp_path / "some results"), "--figures", "none"]
    return ["sweep", "--model", str(tiny_checkpoint), "--dataset", str(text_file), "--experiment", "removal", *place]


def test_json_is_one_object_and_nothing_else(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    out, err = ends(capsys, *words, "--json")
    found = json.loads(out)
    assert out.count("\n") == 1
    assert "Sweeping" in err or "100%" in err or err == ""
    assert list(found) == ["command", "run", "output", "findings", "sentences", "tables", "next"]
    run = Path(found["run"])
    assert (found["command"], found["output"]) == ("sweep", None)
    assert (run / "manifest.json").is_file()
    assert run.is_relative_to(tmp_path / "some results")
    assert [finding["en"] for finding in found["findings"]] == [finding.said.en for finding in summarise(run)]
    assert found["findings"][0]["where"]["family"] == "removal"
    (table,) = found["tables"]
    assert table["columns"][0] == "variant"
    assert "block influence" in table["columns"], "room for every column, whatever the terminal"
    assert [row["variant"] for row in table["rows"]] == ["intact", *(f"removal-{n}" for n in range(4))]
    assert table["rows"][0]["ΔNLL"] is None
    assert isinstance(table["rows"][1]["ΔNLL"], float)
    assert found["next"] == [command_line(("pos", run)), command_line(("report", run))]
    again = json.loads(ends(capsys, *words, "--json")[0])
    assert again["run"] == found["run"]
    assert again["sentences"][-1] == f"Already finished: {run} (--force runs it again)."
    assert [again[name] for name in ("tables", "findings", "next")] == [found[name] for name in ("tables", "findings", "next")]


def test_quiet_prints_the_run_directory_alone(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    out, err = ends(capsys, *words, "--quiet")
    assert (Path(out.removesuffix("\n")) / "manifest.json").is_file()
    assert err == ""
    assert ends(capsys, *words, "--quiet") == (out, "")
    assert ends(capsys, "pos", out.strip(), "--quiet", "--figures", "none") == (out, "")
    assert ends(capsys, "models", "--quiet") == ("", "")


def test_what_is_refused_is_said_in_every_form(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for form in ("--json", "--quiet"):
        out, err = ends(capsys, *words, "--max-samples", "few", form, code=2)
        assert (out, err) == ("", "layerscope: --max-samples is a number or 'all'; got 'few'.\n")
    out, err = ends(capsys, *words, "--json", "--quiet", code=2)
    assert (out, "leave one of them out" in err) == ("", True)


def test_files_and_tables_of_other_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = tmp_path / "pairs.jsonl"
    made = json.loads(ends(capsys, "pairs", "make", "--per-type", "3", "--output", str(pairs), "--json")[0])
    assert (made["command"], made["run"], made["output"]) == ("pairs make", None, str(pairs))
    assert {row["pairs"] for row in made["tables"][0]["rows"]} == {3}
    assert ends(capsys, "pairs", "make", "--per-type", "3", "-o", str(pairs), "--quiet") == (f"{pairs}\n", "")
    words = ("paths", "convert", "--path", "0,2", "--to", "rys", "--layers", "3")
    text, _ = ends(capsys, *words)
    assert text
    assert ends(capsys, *words, "--quiet") == (text, ""), "text that is the result is printed anyway"
    assert json.loads(ends(capsys, *words, "--json")[0])["text"] == text


def test_a_warning_goes_to_standard_error_and_not_into_the_object(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def warned() -> dict[str, object]:
        logging.getLogger("layerscope.somewhere").warning("beware")
        return {}

    monkeypatch.setattr("layerscope.builtin.BUILT_IN", type("Warned", (dict,), {"values": lambda _: warned().values()})())
    out, err = ends(capsys, "models", "--json")
    assert json.loads(out)["command"] == "models"
    assert ("beware" in out, "beware" in err) == (False, True)
    assert ends(capsys, "models", "--quiet") == ("", "")


def test_cells_are_numbers_where_the_whole_column_is() -> None:
    table = Table(title="t", caption="c")
    for name in ("name", "n", "x", "interval", "mixed", "", "none"):
        table.add_column(name)
    table.add_row("12a", "1,234", "+0.5", "-0.1 +0.2", "1", "7%", "-")
    table.add_row("3", "-", "-1e-05", "–", "two", "8%", "")
    assert table_of(table) == {
        "title": "t",
        "columns": ["name", "n", "x", "interval", "mixed", "column 6", "none"],
        "rows": [
            {"name": "12a", "n": 1234, "x": 0.5, "interval": [-0.1, 0.2], "mixed": "1", "column 6": "7%", "none": None},
            {"name": "3", "n": None, "x": -1e-05, "interval": None, "mixed": "two", "column 6": "8%", "none": None},
        ],
        "note": "c",
    }


def test_how_far_an_earlier_run_came_is_said(
    tiny_checkpoint: Path, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["sweep", "--model", str(tiny_checkpoint), "--dataset", str(text_file), "--experiment", "removal"]
    words += ["--batch-tokens", "1", "--output-dir", str(tmp_path / "r"), "--figures", "none"]
    request = SweepRequest(
        str(tiny_checkpoint), str(text_file), experiments=("removal",), batch_tokens=1, output_dir=tmp_path / "r"
    )
    prepared = prepare_sweep(request)
    assert len(prepared.shards) == 3
    _, err = ends(capsys, *words)
    assert "Resuming" not in err
    unfinish(prepared.directory.path, left=2)
    _, err = ends(capsys, *words)
    assert err.startswith("Resuming: 2 of 3 batches done\n")
    unfinish(prepared.directory.path, left=2)
    assert "Resuming" not in ends(capsys, *words, "--force")[1]
    assert not run_sweep(prepared), "it is finished"


def unfinish(run: Path, *, left: int) -> None:
    """Make a finished run one that was killed after some of its batches."""
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    (run / "manifest.json").write_text(json.dumps({**manifest, "status": "running"}), encoding="utf-8")
    for part in sorted((run / "scores").glob("shard-*.parquet"))[left:]:
        part.unlink()
