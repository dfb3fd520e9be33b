"""SLEB: whole blocks in the order in which they were removed, by their numbers in the intact model, from 0.

A path does not know the order of removal: reading keeps the set, and what is written ascends.

Source: github.com/jiwonsong-dev/SLEB, ``sleb.py`` (its result file: ``# Total Blocks: 32`` and
``Block Removal Order: [10, 9]`` for each search, one after the other) and ``eval.py`` (``--removal_list``).
"""

from __future__ import annotations

import re

from layerscope.errors import PathError
from layerscope.paths.formats.dropping import (
    difference_from_dropping,
    difference_from_whole,
    dropped_halves,
    path_without,
)
from layerscope.paths.formats.format import (
    FoundPath,
    PathFormat,
    Source,
    agreed_layers,
    layer_numbers,
    needed_layers,
    shown,
    typed_numbers,
)
from layerscope.paths.path import LayerPath
from layerscope.reading import whole_number

_ENTRY = re.compile(
    r"^# Total Blocks:(?P<total>[^\n]*)$|(?:Block Removal Order:|removal_list[ =])[ '\"]*(?P<order>[^\n]*)", re.MULTILINE
)
_LIST = re.compile(r"\[([^\[\]]*)\]['\"]?\s*")


def _recognises(text: str) -> bool:
    bare = text.strip()
    return "Block Removal Order:" in text or "removal_list" in text or (bare[:1] == "[" and bare[-1:] == "]")


def _read(text: str, place: str, n_layers: int | None) -> tuple[FoundPath, ...]:
    if text.strip().startswith("["):
        return (_path(text.strip(), place, n_layers, None),)
    found: list[FoundPath] = []
    total: int | None = None
    for entry in _ENTRY.finditer(text):
        if entry["total"] is not None:
            total = whole_number(entry["total"].strip())
            if total is None:
                raise PathError(
                    f"SLEB's line '# Total Blocks:' holds a number; got {shown(entry['total'].strip())} in {place}."
                )
        else:
            found.append(_path(entry["order"], place, n_layers, total))
            total = None
    if not found:
        raise PathError(f"SLEB's result has a line such as 'Block Removal Order: [10, 9]'; {place} has none.")
    return tuple(found)


def _path(written: str, place: str, given: int | None, total: int | None) -> FoundPath:
    matched = _LIST.fullmatch(written)
    if matched is None:
        raise PathError(f"SLEB's blocks stand in one pair of brackets, as [10, 9]; got {shown(written)} in {place}.")
    n_layers = needed_layers(agreed_layers(total, given, place), f"SLEB's list in {place} names the blocks that are removed")
    removed = layer_numbers(typed_numbers(matched[1]), n_layers, f"SLEB's list in {place}")
    return FoundPath(path_without(removed, removed, n_layers), n_layers)


def _difference(path: LayerPath) -> str | None:
    return difference_from_whole(path) or difference_from_dropping(path)


def _write(path: LayerPath, source: Source) -> str:
    n_layers = needed_layers(source.n_layers, f"SLEB names the blocks that are removed, '{path}' those that are kept")
    removed, _ = dropped_halves(path, n_layers)
    return (
        f"# The path {path}. It does not say in which order the blocks were removed: they ascend.\n"
        f"# Total Blocks: {n_layers}\n# Remove Blocks: {len(removed)}\nBlock Removal Order: {removed}\n"
    )


FORMAT = PathFormat(
    name="sleb",
    says="SLEB says which whole blocks are removed",
    difference=_difference,
    recognises=_recognises,
    read=_read,
    write=_write,
)
