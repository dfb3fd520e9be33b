"""Our own written paths, one a line; empty lines and lines that begin with ``#`` are skipped."""

from __future__ import annotations

import re

from layerscope.errors import PathError
from layerscope.paths.formats.format import FoundPath, PathFormat, Source
from layerscope.paths.path import LONGEST_PATH, LayerPath

_LIKE_A_PATH = re.compile(r"\s*none\s*|(?=[^\d]*\d)[\d\s,.|()\-atnmlph]+", re.ASCII)
_MOST_STEPS = 10 * LONGEST_PATH


def _lines(text: str) -> list[tuple[int, str]]:
    numbered = enumerate(text.split("\n"), start=1)
    return [(number, line) for number, line in numbered if line.strip() and not line.lstrip().startswith("#")]


def _recognises(text: str) -> bool:
    lines = _lines(text)
    return bool(lines) and all(_LIKE_A_PATH.fullmatch(line) for _, line in lines)


def _read(text: str, place: str, n_layers: int | None) -> tuple[FoundPath, ...]:
    found: list[FoundPath] = []
    n_steps = 0
    for number, line in _lines(text):
        try:
            path = LayerPath.parse(line)
        except PathError as error:
            raise PathError(f"Line {number} of {place}: {error}") from error
        n_steps += len(path)
        if n_steps > _MOST_STEPS:
            raise PathError(f"The paths of a file have at most {_MOST_STEPS:,} steps together; {place} has more: split it.")
        found.append(FoundPath(path, n_layers))
    if not found:
        raise PathError(f"A file of paths has one a line, such as 0-9,12-29; {place} has none.")
    return tuple(found)


def _write(path: LayerPath, _: Source) -> str:
    return f"{path}\n"


FORMAT = PathFormat(
    name="layerscope",
    says="layerscope says any path",
    difference=lambda _: None,
    recognises=_recognises,
    read=_read,
    write=_write,
    holds_several=True,
)
