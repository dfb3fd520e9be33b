"""Paths that a finished search found, by name: ``@RUN/frontier``, ``@RUN/best-24``, ``@RUN/one-shot-24``.

=====================  ===================================================================================================
``@RUN/frontier``      of each size, the search's path that is best on the calibration texts of all draws
``@RUN/best-24``       that of 24 layers (``best-23.5`` with a half)
``@RUN/one-shot``      of each size, the path of the ranking that the search is compared with
``@RUN/one-shot-24``   that of 24 layers
=====================  ===================================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from layerscope.errors import PathError
from layerscope.paths.path import LayerPath
from layerscope.searches.finished import FinishedSearch

_NAME = re.compile(r"(frontier|best|one-shot)(?:-(\d{1,6}(?:\.5)?))?", re.ASCII)
_FORMS = "@RUN/frontier, @RUN/best-24, @RUN/one-shot or @RUN/one-shot-24"


def paths_named(values: Iterable[str]) -> list[LayerPath]:
    """Paths as they are given to a command: written out, or by the name that a search gave them; each once.

    Raises:
        PathError: a written path that cannot be read, or a name that the search does not have.
        RunError: there is no finished search.

    Examples:
        >>> [str(path) for path in paths_named(["0-9,12-29"])]
        ['0-9,12-29']
    """
    found: list[LayerPath] = []
    for value in values:
        found += _of_search(value) if value.strip().startswith("@") else [LayerPath.parse(value)]
    return list(dict.fromkeys(found))


def written_paths(values: Iterable[str]) -> tuple[str, ...]:
    """The same, with written paths as they stand and names replaced by what they mean."""
    return tuple(
        text for value in values for text in (map(str, paths_named([value])) if value.strip().startswith("@") else (value,))
    )


def run_of(value: str) -> Path | None:
    """The search's run directory that a value names; None where it is a path written out."""
    return Path(value.strip()[1:]).parent if value.strip().startswith("@") else None


def _of_search(value: str) -> list[LayerPath]:
    run = run_of(value)
    assert run is not None, "it starts with @"
    matched = _NAME.fullmatch(Path(value.strip()).name)
    if matched is None or (matched[1] == "best") != (matched[2] is not None and matched[1] != "one-shot"):
        raise PathError(f"A path that a search found is written {_FORMS}, with RUN its folder; got '{value}'.")
    way = "one-shot" if matched[1] == "one-shot" else "search"
    table = FinishedSearch.open(run).frontier
    rows = table[(table["way"] == way) & table["is_best"]]
    sizes = [float(size) for size in rows["layers"]]
    if matched[2] is not None:
        rows = rows[rows["layers"] == float(matched[2])]
    if rows.empty:
        known = ", ".join(f"{size:g}" for size in sizes) or "none"
        raise PathError(
            f"The search in '{run}' has no path of {matched[2] or 'any'} layers for '{value}'; its sizes are {known}."
        )
    return [LayerPath.parse(path) for path in rows["path"]]
