"""``layerscope report`` from the command line: what is printed, what is written, and errors in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from layerscope.cli.main import main
from tests.report.unpack import page_data
from tests.tiny_runs import TinyRuns, make_runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> TinyRuns:
    return make_runs(tmp_path_factory.mktemp("report"))


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["report", *arguments])
    return int(ended.value.code or 0)


def test_it_prints_the_file_its_size_and_what_is_missing(
    runs: TinyRuns,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(str(runs.plain), str(runs.bare)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"Not in the page yet. Parts of speech: layerscope pos {runs.plain}",
        f"Not in the page yet. Rankings and agreement: layerscope stability {runs.bare}",
        f"Not in the page yet. Does it matter?: layerscope intervene {runs.bare}",
        f"Report: report.html ({(tmp_path / 'report.html').stat().st_size / 1e6:.1f} MB)",
    ]
    assert run(str(runs.plain)) == 2
    assert "layerscope: 'report.html' already exists: name another --output, or use --force" in capsys.readouterr().err
    assert run(str(runs.plain), "--force", "--language", "ja") == 0
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<html lang="ja">' in text
    assert len(page_data(tmp_path / "report.html")[0]["contrasts"]) == 0


def test_names_are_text_and_never_markup(
    runs: TinyRuns,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(str(runs.tagged), "-o", "[red]odd [link=x].html") == 0
    assert "Report: [red]odd [link=x].html (" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "a.txt"], "A report is a file that ends in .html; got 'a.txt'."),
        (["--language", "fr"], "--language is en or ja; got 'fr'."),
        (["nowhere"], "A run directory holds manifest.json; 'nowhere' does not exist"),
    ],
)
def test_errors_are_one_sentence(
    runs: TinyRuns,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options,
    message,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(str(runs.plain), *options) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("layerscope: ")]
    assert message in line.replace(str(tmp_path) + "/", "")
    assert list(tmp_path.iterdir()) == []


def test_without_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 2
    assert "Missing argument" in capsys.readouterr().err
