"""Paths that a finished search found, by name: ``@RUN/frontier``, ``@RUN/best-24``, ``@RUN/one-shot-24``.

=====================  ===================================================================================================
``@RUN/frontier``      of each size, the search's path that is best on the calibration texts of all draws
``@RUN/best-24``       that of 24 layers (``best-23.5`` with a half)
``@RUN/one-shot``      of each size, the path of the ranking that the search is compared with
``@RUN/one-shot-24``   that of 24 layers
``@RUN/random``        every random path that was measured beside them
=====================  ===================================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from layerscope.errors import PathError
from layerscope.paths.path import LayerPath
from layerscope.searches.finished import FinishedSearch

_SEVERAL = re.compile(r"frontier|one-shot|random", re.ASCII)
_ONE = re.compile(r"(best|one-shot)-(\d{1,6}(?:\.5)?)", re.ASCII)
_FORMS = "@RUN/frontier, @RUN/best-24, @RUN/one-shot, @RUN/one-shot-24 or @RUN/random"


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


def names_in(run: Path) -> dict[str, str]:
    """Names of a search's best paths and of those of one-shot, by the path; the search's own where both are the same.

    Args:
        run: the search's run directory.
    """
    table = FinishedSearch.open(run).frontier
    rows = table[table["is_best"] & table["way"].isin(("search", "one-shot"))].to_dict("records")
    named = {"search": "best", "one-shot": "one-shot"}
    found = {str(row["path"]): f"{named[row['way']]}-{row['layers']:g}" for row in rows if row["way"] == "one-shot"}
    return found | {str(row["path"]): f"{named[row['way']]}-{row['layers']:g}" for row in rows if row["way"] == "search"}


def _of_search(value: str) -> list[LayerPath]:
    run = run_of(value)
    assert run is not None, "it starts with @"
    name = Path(value.strip()).name
    one = _ONE.fullmatch(name)
    if one is None and _SEVERAL.fullmatch(name) is None:
        raise PathError(f"A path that a search found is written {_FORMS}, with RUN its folder; got '{value}'.")
    way, size = (name, None) if one is None else one.groups()
    table = FinishedSearch.open(run).frontier
    rows = table[table["way"] == ("search" if way in ("frontier", "best") else way)]
    rows = rows if way == "random" else rows[rows["is_best"]]
    sizes = dict.fromkeys(f"{layers:g}" for layers in rows["layers"])
    if size is not None:
        rows = rows[rows["layers"] == float(size)]
    if rows.empty:
        raise PathError(f"The search in '{run}' has no path for '{value}'; there it has sizes {', '.join(sizes) or 'none'}.")
    return [LayerPath.parse(path) for path in rows["path"]]
