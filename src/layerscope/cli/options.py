"""What every command has in common: options that all of them take, and what every value must be before a command sees it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from layerscope.atomic import check_place
from layerscope.errors import DataError
from layerscope.reading import local_path

_LARGEST = 10**18
"""Whole numbers below it fit tables, seeds and JSON of any program."""
_PLACES = ("--model", "--dataset", "--tokenizer", "--reference-dataset", "--run")
"""Names that may be those of files and folders."""
_LONGEST = 4096
"""Characters of a text; a path is as long at most."""


def checked(command: Callable[..., None]) -> Callable[..., None]:
    """The command, with its texts, numbers and paths checked, and with the options that every command takes.

    ``~`` of a path is replaced. What every command takes is for ``Command``, which does not hand it on.
    """
    own = inspect.signature(command)
    hints = get_type_hints(command, include_extras=True)

    def run(**given: Any) -> None:
        own_values = {name: given[name] for name in own.parameters}
        command(**{name: _checked(f"--{name.strip('_').replace('_', '-')}", value) for name, value in own_values.items()})

    parameters = [one.replace(annotation=hints[one.name]) for one in own.parameters.values()]
    described = {
        "__name__": command.__name__,
        "__doc__": command.__doc__,
        "__signature__": inspect.Signature([*parameters, *_EVERYWHERE]),
        "__annotations__": {one.name: one.annotation for one in (*parameters, *_EVERYWHERE)},
    }
    for attribute, value in described.items():
        setattr(run, attribute, value)
    return run


def _everywhere(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


_EVERYWHERE = (
    _everywhere(
        "config",
        Annotated[
            Path | None,
            typer.Option(help="YAML file with options for this command; options on the command line take precedence."),
        ],
        None,
    ),
    _everywhere(
        "quiet",
        Annotated[bool, typer.Option("--quiet", help="Print only errors and where the results are.")],
        False,
    ),
    _everywhere(
        "json_",
        Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")],
        False,
    ),
)
"""Options of every command."""


def _checked(option: str, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_checked(option, one) for one in value]
    if isinstance(value, Path):
        path = local_path(str(value))
        if option == "--output":
            check_place(path)
        return path
    if isinstance(value, str):
        _check_text(option, value)
        if option in _PLACES:
            local_path(value)
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise DataError(f"{option} is a finite number; got {value}.")
    if isinstance(value, int) and abs(value) >= _LARGEST:
        raise DataError(f"{option} is a number of at most 18 digits; got one of {len(str(abs(value)))}.")
    return value


def _check_text(option: str, value: str) -> None:
    if len(value) > _LONGEST:
        raise DataError(f"{option} has at most {_LONGEST:,} characters; got {len(value):,}, '{value[:40]}…'.")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise DataError(f"{option} is UTF-8 text without the character NUL; got {value!r}.")
