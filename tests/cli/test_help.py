"""Help, completion and slips: whole summaries, an example that is a command, and what a shell or a typing error gets."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from layerscope.cli.main import app, main

SOURCE = str(Path(__file__).parents[2] / "src")


def leaves(group: Any, words: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    found = []
    for name, command in group.commands.items():
        found += leaves(command, (*words, name)) if hasattr(command, "commands") else [((*words, name), command)]
    return found


COMMANDS = leaves(get_command(app))


def shown(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == code
    return tuple(capsys.readouterr())  # type: ignore[return-value]


@pytest.mark.parametrize("arguments", [(), ("--help",), ("pairs",), ("paths", "--help")], ids=str)
def test_help_is_on_standard_output_with_whole_summaries(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out, err = shown(capsys, *arguments)
    assert err == ""
    assert "..." not in out.replace("[ARGS]...", "")
    assert max(map(len, out.splitlines())) <= 80
    prefix = tuple(word for word in arguments if not word.startswith("-"))
    for words, command in COMMANDS:
        if words[: len(prefix)] == prefix and len(words) == len(prefix) + 1:
            assert command.help.split("\n\n")[0] in " ".join(out.split()), words


def test_commands_are_grouped(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = shown(capsys, "--help")
    sections = [line for line in out.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert sections[0] == "Options:"
    assert "Commands:" not in sections
    assert len(sections) == 7
    assert out.index("Measure:") < out.index("  sweep ") < out.index("Analyse a run:") < out.index("  stability ")


@pytest.mark.parametrize(("words", "command"), COMMANDS, ids=[" ".join(words) for words, _ in COMMANDS])
def test_help_of_a_command_ends_with_an_example_of_it(
    words: tuple[str, ...], command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = shown(capsys, *words, "--help")
    heading, example = out.rstrip().splitlines()[-2:]
    assert heading == "Example:"
    program, *rest = shlex.split(example)
    assert program == "layerscope"
    assert tuple(rest[: len(words)]) == words
    context = command.make_context("x", rest[len(words) :])  # its options are known, and what it needs is there
    assert {"config", "quiet", "json_"} <= set(context.params)


def test_the_module_is_the_command() -> None:
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    done = subprocess.run(
        [sys.executable, "-m", "layerscope", "--version"], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"layerscope {version('layerscope')}\n"


@pytest.mark.parametrize(("typed", "offered"), [("layerscope swe", "sweep"), ("layerscope sweep --max-s", "--max-samples")])
def test_a_shell_completes_commands_and_options(typed: str, offered: str) -> None:
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    environment = {**os.environ, "PYTHONPATH": SOURCE, "_LAYERSCOPE_COMPLETE": "complete_bash", **words}
    done = subprocess.run([sys.executable, "-m", "layerscope"], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, [offered], "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_printed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = shown(capsys, "--show-completion", shell)
    assert "_LAYERSCOPE_COMPLETE" in out
    assert f"complete_{shell}" in out, "that of the shell which was named, not of the one that runs the tests"
    assert err == ""


SLIPS = {
    "sweep --model m --dataset d --experiment removal exchange": "--experiment removal,exchange.",
    "sweep --model m --experiment removal, exchange depth --dataset d": "--experiment removal,exchange,depth.",
    "contrast --model m --sites read update": "takes comma-separated names without spaces: write --sites read,update.",
    "sweep --model m --dataset d --path 0-1 2,3": "can be given several times: write --path 0-1 --path 2,3.",
    "sweep --model my model --dataset d": "'layerscope sweep' does not accept 'model': put the value",
    "pos one two": "'layerscope pos' does not accept 'two'",
    "sweep --modle m": "No such option: --modle",
    "sweeep": "No such command 'sweeep'",
}


@pytest.mark.parametrize("typed", SLIPS)
def test_a_slip_is_told_with_what_to_write(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = shown(capsys, *typed.split(), code=2)
    assert (out, err.startswith("layerscope: ")) == ("", True)
    assert SLIPS[typed] in err
