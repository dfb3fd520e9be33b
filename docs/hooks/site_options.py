"""Arguments and options of a command, from the command line itself."""

from __future__ import annotations

from functools import cache
from typing import Any

from site_markdown import table
from typer.main import get_command

from layerscope.cli.main import app


@cache
def commands() -> dict[str, Any]:
    """Every command by its words, such as ``pairs make``."""
    found: dict[str, Any] = {}

    def walk(group: Any, words: tuple[str, ...]) -> None:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                walk(command, (*words, name))
            else:
                found[" ".join((*words, name))] = command

    walk(get_command(app), ())
    return found


def options(words: str) -> str:
    """What a command takes, with defaults; a sentence where there is no such command yet, or nothing to give."""
    known = commands()
    if words not in known:
        return f"This version has no command `layerscope {words}` yet."
    rows = [(_written(parameter), _default(parameter), parameter.help or "") for parameter in parameters(known[words])]
    return table(("option", "default", "meaning"), rows) if rows else "It takes no options."


def parameters(command: Any) -> list[Any]:
    """Arguments first, then options; ``--help`` is left out."""
    return sorted((p for p in command.params if p.name != "help"), key=lambda p: p.param_type_name != "argument")


def names(parameter: Any) -> list[str]:
    """How a parameter is written: ``--max-samples``; ``RUN`` for an argument."""
    if parameter.param_type_name == "argument":
        return [parameter.name.rstrip("_").upper()]
    return list(parameter.opts)


def _written(parameter: Any) -> str:
    return ", ".join(f"`{name}`" for name in names(parameter))


def _default(parameter: Any) -> str:
    if parameter.required:
        return "needed"
    if parameter.default in (None, False, (), []):
        return "–"
    return f"`{parameter.default}`" if str(parameter.default) else "–"
