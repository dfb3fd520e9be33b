"""What every option and argument of every command must be, whatever it means: checked here, before any command sees it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
    """The command, with its texts, numbers and paths checked; ``~`` of a path is replaced."""

    @functools.wraps(command)
    def run(**given: Any) -> None:
        command(**{name: _checked(f"--{name.strip('_').replace('_', '-')}", value) for name, value in given.items()})

    return run


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
