"""Every command that adds to a run ends with what the run has found by now, the same that it writes beside the tables."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from layerscope.cli.main import main
from layerscope.finding import FILES
from layerscope.summaries import summarise
from tests.tiny_runs import TinyRuns


@pytest.mark.parametrize(
    ("command", "run"),
    [
        ("pos {run}", "plain"),
        ("pos {run}", "tagged"),
        ("stability {run} --k 4 --resamples 0 --positions edit", "bare"),
        ("stability {run} --k 4 --resamples 0 --positions edit --language ja", "contrast"),
        ("intervene {run} --stable 3 --sets 2 --max-pairs 4 --text-tokens 20", "bare"),
    ],
)
def test_a_command_ends_with_the_findings(
    command: str, run: str, runs: TinyRuns, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(shutil.copytree(getattr(runs, run), tmp_path / "run"))
    with pytest.raises(SystemExit) as ended:
        main([*(word.format(run=path) for word in command.split()), "--figures", "none"])
    out = capsys.readouterr().out
    assert ended.value.code in (0, None), out
    found = summarise(path)
    spoken = "ja" if "ja" in command.split() else "en"
    assert [line.removeprefix("• ") for line in out.splitlines() if line.startswith("• ")] == [
        finding.said.of(spoken) for finding in found
    ]
    for language, name in FILES.items():
        assert (path / name).read_text(encoding="utf-8") == "".join(f"- {one.said.of(language)}\n" for one in found)
