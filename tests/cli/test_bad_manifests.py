"""A manifest that is cut short, somebody else's or of a newer version is one clear sentence in every command that meets one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from layerscope.cli.main import main
from layerscope.results.directory import RunDirectory
from layerscope.results.schema import SCHEMA_VERSION as NOW
from tests.made_up_records import contrast_manifest, sweep_manifest

COMMANDS = {
    "words": ["words", "{run}", "--variant", "removal-1"],
    "pos": ["pos", "{run}"],
    "compare": ["compare", "{run}", "{run}/../other"],
    "export": ["export", "--model", "{model}", "--run", "{run}", "--output-dir", "{run}/../exported"],
    "stability": ["stability", "{run}"],
    "intervene": ["intervene", "{run}"],
    "report": ["report", "{run}", "--output", "{run}/../report.html"],
    "figures": ["figures", "{run}"],
}
OF_CONTRASTS = ("stability", "intervene")


def ends(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    """The one line on standard error that a command ends with."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    said = capsys.readouterr().err.strip()
    assert ended.value.code == 2, said
    assert "\n" not in said
    return said


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("cut short", "is damaged and cannot be read: give the command that made the run again with --force."),
        ("foreign", "is not a manifest of layerscope: name a folder that one of its commands printed, or give"),
        (
            "newer",
            f"has tables of version {NOW + 1} and this is version {NOW}: install a newer layerscope, or give",
        ),
        ("a field missing", "(environment: field required): name a folder that it printed, or give the command"),
    ],
)
def test_in_every_command(command: str, kind: str, said: str, tmp_path: Path, tiny_checkpoint: Path, capsys) -> None:
    made_up = contrast_manifest if command in OF_CONTRASTS else sweep_manifest
    whole = made_up()
    texts = {
        "cut short": json.dumps(whole)[:-40],
        "foreign": json.dumps({"name": "theme", "short_name": "theme", "start_url": "/"}),
        "newer": json.dumps(whole | {"schema_version": NOW + 1}),
        "a field missing": json.dumps({name: value for name, value in whole.items() if name != "environment"}),
    }
    for name in ("run", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(texts[kind], encoding="utf-8")
    filled = [part.format(run=tmp_path / "run", model=tiny_checkpoint) for part in COMMANDS[command]]
    assert said in ends(capsys, filled)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "run"], "nothing is written"
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["manifest.json"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cut short", "foreign", "newer", "a field missing"])
def test_where_a_sweep_would_go_on(kind: str, tiny_checkpoint: Path, text_file: Path, tmp_path: Path, capsys) -> None:
    arguments = ["sweep", "--model", str(tiny_checkpoint), "--dataset", str(text_file), "--output-dir", str(tmp_path / "out")]
    with pytest.raises(SystemExit):
        main(arguments)
    capsys.readouterr()
    (path,) = (tmp_path / "out").rglob("manifest.json")
    whole = json.loads(path.read_text(encoding="utf-8"))
    before = {one: one.stat().st_mtime_ns for one in path.parent.rglob("*")}
    texts = {
        "cut short": path.read_text(encoding="utf-8")[:200],
        "foreign": "{}",
        "newer": json.dumps(whole | {"schema_version": NOW + 1}),
        "a field missing": json.dumps(whole | {"request": {"model": "m"}}),
    }
    path.write_text(texts[kind], encoding="utf-8")
    assert "--force" in ends(capsys, arguments)
    assert {one: one.stat().st_mtime_ns for one in path.parent.rglob("*") if one != path} == {
        one: time for one, time in before.items() if one != path
    }
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--force"])
    assert ended.value.code == 0
    assert RunDirectory(path.parent).kind() == "sweep"
