"""Our own written paths, one per line; empty lines and lines that begin with ``#`` are skipped."""

from __future__ import annotations

import re

from layerscope.errors import PathError
from layerscope.paths.formats.format import FoundPath, PathFormat, Source, within_limit
from layerscope.paths.path import LayerPath

_LIKE_A_PATH = re.compile(r"\s*none\s*|(?=[^\d]*\d)[\d\s,.|()\-atnmlph]+", re.ASCII)


def _lines(text: str) -> list[tuple[int, str]]:
    numbered = enumerate(text.split("\n"), start=1)
    return [(number, line) for number, line in numbered if line.strip() and not line.lstrip().startswith("#")]


def _recognises(text: str) -> bool:
    lines = _lines(text)
    return bool(lines) and all(_LIKE_A_PATH.fullmatch(line) for _, line in lines)


def _read(text: str, place: str, n_layers: int | None) -> tuple[FoundPath, ...]:
    lines = _lines(text)
    if not lines:
        raise PathError(f"A file of paths has one per line, such as 0-9,12-29; {place} has none.")
    return within_limit((_from_line(line, f"Line {number} of {place}", n_layers) for number, line in lines), place)


def _from_line(line: str, place: str, n_layers: int | None) -> FoundPath:
    try:
        return FoundPath(LayerPath.parse(line), n_layers)
    except PathError as error:
        raise PathError(f"{place}: {error}") from error


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
