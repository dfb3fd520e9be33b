"""Every option of every command under values that nobody should give: a sentence and exit code 2, never a traceback."""

from __future__ import annotations

import inspect
import os
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command
from typer.models import ArgumentInfo, OptionInfo

from layerscope.cli.main import app, main
from layerscope.cli.pairs import pairs
from layerscope.cli.paths import paths

NINES = "9" * 5000
LARGE = "1" + "0" * 18
NUMBERS = ("²", "1e400", "nan", "-inf", NINES, f"-{NINES}", LARGE, "", "1_0_", "0x10")
TEXTS = ("a\0b", os.fsdecode(b"a\xff"), "x" * 5000)
PLACES = (*TEXTS, "~nobody-here/x", "x" * 300, "a/" + "x" * 300 + "/b")
WRITTEN = {  # options that are texts with a grammar of their own, and what does not follow it
    "--max-samples": ("²", "١٢", NINES, "-1", "0", "1.5", "1e3", "inf", ""),
    "--protocol": (f"windows:{NINES}", "windows:²", f"strided:{NINES}/{NINES}", "windows:1", "windows:-4", "windows:9.5", ""),
    "--experiment": (f"block-removal:{NINES}", f"shuffle:{NINES}", f"reversal:0-{NINES}", "shuffle:-1", "shuffle:²", "none:²"),
    "--path": (NINES, f"0-{NINES}", "²", "0--1", "(0|", ",".join(["0-99999"] * 300), "", "-1"),
    "--split": ("../evil", "..", "a/b", "/etc", "", "te st", "test\n"),
    "--device": ("cuda:²", f"cuda:{NINES}", "cuda:-1", "tpu", ""),
    "--dtype": ("float64x", "²", ""),
    "--width": ("three", "²", "nan", "-1", "7.9", NINES, ""),
    "--values": ("²", NINES, "-1", "1.5"),
    "--positions": ("edit+²", f"edit+{NINES}", "edit+-1"),
    "--frequency": ("²", NINES, f"1-{NINES}", "3-2", ""),
    "--variant": ("none", "²", ""),
    "--to": ("SLEB", "²", ""),
    "--from": ("yaml", "²", ""),
    "--layers": ("0", "-1", "100001"),
    "--tasks": ("", ",", "²", "no_such_task"),
    "--moves": ("", ",", "²", "removal:2", "remove", f"block-repeat:{NINES}", "interchange:0", "replacement:-1"),
    "--method": ("", "²", "greedy:2", "beam", "beam:0", f"beam:{NINES}", "evolution:-1", "random:1.5"),
    "--keep": ("²", "-1", "0.attn", "1-0", NINES),
    "--objective": ("ppl", ""),
    "--compile": ("maybe", ""),
    "--shard": ("4/3", "0/1", "1/0", "", "²/3", "1", f"{NINES}/{NINES}", "-1/2"),
    "--store": ("", "²", "bucket", "s3://", "s3://key:hidden@bucket", "http://host/x", "s3:///x", "file://host/x"),
    "run": ("s3://", "s4://bucket/x", "s3://key:hidden@bucket/x", "gs://b/../x"),
    "--cluster": ("", "²", "head", "ray://", "ray://head", "head:²", f"head:{NINES}", "a b:1"),
}


def commands() -> Iterator[tuple[list[str], dict[str, tuple[type, str]]]]:
    """Each command, with its parameters: name, type and how it is written."""
    for prefix, group in (([], app), (["pairs"], pairs), (["paths"], paths)):
        for command in group.registered_commands:
            assert command.callback is not None
            name = command.name or command.callback.__name__.strip("_")
            hints = typing.get_type_hints(command.callback, include_extras=True)
            found = {}
            for parameter in inspect.signature(command.callback).parameters:
                declared, *rest = typing.get_args(hints[parameter])
                (info,) = [one for one in rest if isinstance(one, OptionInfo | ArgumentInfo)]
                kinds = {int, float, Path, str, bool} & {declared, *typing.get_args(declared), *(
                    inner for outer in typing.get_args(declared) for inner in typing.get_args(outer)
                )}  # fmt: skip
                named = [one for one in info.param_decls or () if one.startswith("--")] if isinstance(info, OptionInfo) else []
                option = f"--{parameter.strip('_').replace('_', '-')}" if isinstance(info, OptionInfo) else parameter
                found[parameter] = (kinds.pop(), (named or [option])[0])
            yield [*prefix, name], found


def cases() -> Iterator[tuple[list[str], str, str]]:
    for command, parameters in commands():
        for kind, option in parameters.values():
            if kind in (int, float):
                yield from ((command, option, value) for value in NUMBERS if kind is int or value != LARGE)
            elif kind is Path:
                yield from ((command, option, value) for value in PLACES)
            elif kind is str:
                both = (*TEXTS, *(PLACES if option in ("--model", "--dataset", "--tokenizer", "--reference-dataset") else ()))
                yield from ((command, option, value) for value in (*both, *WRITTEN.get(option, ())))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Values under which every command gets as far as it can without a model."""
    folder = tmp_path_factory.mktemp("good")
    (folder / "texts.txt").write_text("Rain fell.\n", encoding="utf-8")
    (folder / "pairs.jsonl").write_text("", encoding="utf-8")
    (folder / "path.txt").write_text("0,1\n", encoding="utf-8")
    return {
        "--model": str(folder / "no-model"), "--dataset": str(folder / "texts.txt"), "--output-dir": str(folder / "results"),
        "--output": str(folder / "out.jsonl"), "--variant": "removal-1", "--tokenizer": str(folder / "no-model"),
        "--reference-dataset": str(folder / "texts.txt"),
        "--path": "0,1", "--tasks": "arc_easy", "--drop": "1",
        "run": str(folder / "no-run"), "runs": str(folder / "no-run"), "path": str(folder / "pairs.jsonl"),
        "kind": "table", "file": str(folder / "path.txt"), "--to": "rys",
    }  # fmt: skip


ALL = list(cases())
PARSER = get_command(app)


def test_the_commands_are_walked_whole() -> None:
    assert len({tuple(command) for command, _, _ in ALL}) == 24
    assert {option for _, option, _ in ALL} >= {
        *WRITTEN,
        "--seed",
        "--until-ci",
        "--temperature",
        "--gold",
        "runs",
        "--data-dir",
    }


@pytest.mark.parametrize("command", sorted({" ".join(command) for command, _, _ in ALL}))
def test_a_value_that_cannot_be_is_one_sentence(
    command: str, good: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("layerscope.connection.hub_resolves", lambda: False)
    monkeypatch.setattr("layerscope.cli.main.get_command", lambda _: PARSER)  # made once: it takes longer than the commands
    monkeypatch.chdir(tmp_path)
    parameters = dict(commands_by_name()[command])
    for bad_option, value in [(option, value) for name, option, value in ALL if " ".join(name) == command]:
        arguments = command.split()
        for _, option in parameters.values():
            given = value if option == bad_option else good.get(option) if is_needed(command, option) else None
            if given is not None:
                arguments += [f"{option}={given}"] if option.startswith("--") else []
        positional = [value if option == bad_option else good[option] for _, option in parameters.values() if option[0] != "-"]
        if bad_option == "--split":
            arguments = [one for one in arguments if not one.startswith("--dataset=")] + [
                "--dataset=wiki-text-2",
                "--data-dir=.",
            ]
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--", *positional] if positional else arguments)
        said = capsys.readouterr()
        assert (ended.value.code, said.out) == (2, ""), (bad_option, value[:40], said)
        assert said.err.startswith("layerscope: "), (bad_option, value[:40])
        if value not in WRITTEN.get(bad_option, ()):  # before the model or the run is looked for
            assert "Unknown model" not in said.err, (bad_option, value[:40])
            assert "no-run" not in said.err, (bad_option, value[:40])
    assert not list(tmp_path.iterdir())


def commands_by_name() -> dict[str, dict[str, tuple[type, str]]]:
    return {" ".join(name): parameters for name, parameters in commands()}


def is_needed(command: str, option: str) -> bool:
    """Whether a command cannot do without an option."""
    needed = {
        "sweep": ("--model", "--dataset"), "contrast": ("--model", "--reference-dataset"),
        "words": ("--variant",), "pairs judge": ("--model",),
        "search": ("--model", "--dataset", "--drop"), "evaluate": ("--model", "--tasks"),
        "export": ("--model", "--output-dir", "--path"), "pairs make": ("--output",), "pairs import": ("--output",),
        "pairs export": ("--output",), "pairs check": ("--tokenizer",), "paths convert": ("--to",),
    }  # fmt: skip
    return option in needed.get(command, ())
