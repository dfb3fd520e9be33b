"""``layerscope compare`` and the published command, as a user meets them: what they print and how they refuse."""

from __future__ import annotations

import json
import re
import runpy
import sys
import tomllib
from pathlib import Path

import pytest

from layerscope.cli.main import main
from layerscope.sweeps.prepare import SweepRequest, prepare_sweep
from layerscope.sweeps.run import run_sweep
from tests.checkpoints import save_tiny_llama

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "src" / "comparison_figures.py"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Removals of two tiny models on the same lines."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "texts.txt").write_text("The cat sat on the mat.\nIt rained all day.\nShe said so.\n", encoding="utf-8")
    paths = []
    for name, n_layers in (("tiny-one", 3), ("[red]two", 4)):
        save_tiny_llama(folder / name, n_layers=n_layers)
        options = {"experiments": ("removal",), "output_dir": folder / "results"}
        prepared = prepare_sweep(SweepRequest(str(folder / name), str(folder / "texts.txt"), **options))
        run_sweep(prepared)
        paths.append(prepared.directory.path)
    return paths


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Run ``layerscope compare``, or the published command, and return what it printed."""
    monkeypatch.setenv("COLUMNS", "160")

    def run(*arguments: object, code: int = 0, published: bool = False) -> str:
        monkeypatch.setattr(sys, "argv", [str(PUBLISHED) if published else "layerscope", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(PUBLISHED), run_name="__main__") if published else main(["compare", *sys.argv[1:]])
        printed = capsys.readouterr()
        assert ended.value.code == code
        return printed.err.strip() if code else printed.out

    return run


def test_compare_prints_where_models_are_fragile_and_how_alike_they_are(command, runs: list[Path], tmp_path: Path) -> None:
    out = command(*runs, "--output-dir", tmp_path / "out", "--unit", "bits")
    assert "removal: where each model is most and least fragile" in out
    assert re.search(r"tiny-one +3 +removal-\d [+-]\d\.\d{3} at \d\.\d\d", out)
    assert re.search(r"\[red\]two +4 ", out)  # names are text, never markup
    assert "ΔNLL in bits per byte, with its relative depth" in out
    assert "interpolated onto the relative depths of tiny-one" in out
    assert f"No panels by part of speech: run 'layerscope pos {runs[0]}' and" in out
    assert f"Figures and tables: {tmp_path / 'out'}" in out
    assert (tmp_path / "out" / "removal_delta_en.svg").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--measure", "loss"), "layerscope: --measure is delta or ppl; got 'loss'."),
        (("--axis", "width"), "layerscope: --axis is layer or depth; got 'width'."),
        (("--unit", "bytes"), "layerscope: --unit is nats or bits; got 'bytes'."),
        (
            ("--family", "removal,exchange"),
            "layerscope: --family is a family over layers that every run has; got 'exchange', and ",
        ),
    ],
)
def test_bad_options_end_as_one_sentence(command, runs: list[Path], tmp_path: Path, options, message: str) -> None:
    error = command(*runs, *options, "--output-dir", tmp_path / "out", code=2)
    assert error.startswith(message)
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_one_run_is_no_comparison(command, runs: list[Path]) -> None:
    assert command(runs[0], code=2) == "layerscope: A comparison takes two runs or more; got 1: name another one."
    assert "Missing argument" in command(code=2)


def test_the_published_command_has_the_published_options(command, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}
    monkeypatch.setattr(
        "layerscope.sweeps.compare_summaries.compare_summaries", lambda files, **options: seen.update(files=files, **options)
    )
    monkeypatch.setattr("layerscope.sweeps.drawing.draw_comparison", lambda _: [])
    monkeypatch.setattr("layerscope.cli.compare.show_comparison", lambda _: None)
    command("--json_files", "a/ppl.json", "b/ppl.json", published=True)
    assert seen == {
        "files": [Path("a/ppl.json"), Path("b/ppl.json")],
        "experiment": "removal",
        "output_dir": Path("figures/comparisons"),
    }
    command("--json_files", "a.json", "--experiment", "exchange", "--output_dir", "elsewhere", published=True)
    assert seen == {"files": [Path("a.json")], "experiment": "exchange", "output_dir": Path("elsewhere")}
    written = set(re.findall(r"\"(--\w+)\"", PUBLISHED.read_text(encoding="utf-8")))
    assert written == {"--json_files", "--experiment", "--output_dir"}
    assert "invalid choice: 'repetition'" in command("--json_files", "a", "--experiment", "repetition", code=2, published=True)
    assert "the following arguments are required: --json_files" in command(code=2, published=True)


def test_the_published_command(command, runs: list[Path], tmp_path: Path) -> None:
    files = [run / "ppl.json" for run in runs]
    out = command("--json_files", *files, "--experiment", "removal", "--output_dir", tmp_path / "out", published=True)
    assert "removal: where each model is most and least fragile" in out
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"removal_ppl_en.png", "removal_ppl_en.svg", "fragility.csv", "profile_correlation.csv"} <= names


def test_the_published_command_takes_any_published_file(command, tmp_path: Path) -> None:
    files = []
    for name, scale in (("llama", 1.0), ("mistral", 2.0)):
        (tmp_path / name).mkdir()
        removed = {f"layer_{i}": {"avg_ppl": scale * ppl} for i, ppl in enumerate((900.0, 30.0, 20.0, 25.0))}
        files.append(tmp_path / name / "ppl.json")
        files[-1].write_text(json.dumps({"original": {"avg_ppl": scale * 10}, "removed": removed}), encoding="utf-8")
    out = command("--json_files", *files, "--output_dir", tmp_path / "out", published=True)
    assert "Means over texts of each text's perplexity: no other stands in the ppl.json of llama and mistral." in out
    assert "ln(perplexity / perplexity of the intact model), with its relative depth" in out
    assert re.search(r"1\.00 +4 ", out)


def test_the_published_command_refuses_in_one_sentence(command, runs: list[Path], tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text("{}", encoding="utf-8")
    files = [runs[0] / "ppl.json", tmp_path / "odd.json"]
    error = command("--json_files", *files, "--output_dir", tmp_path / "out", code=2, published=True)
    message = f"'{tmp_path / 'odd.json'}' has no 'original': name a run's ppl.json."
    assert error == f"layerscope: A ppl.json holds 'original' and 'removed'; {message}"
    assert not (tmp_path / "out").exists()


def test_the_published_command_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "comparison_figures" in project["tool"]["setuptools"]["py-modules"]
