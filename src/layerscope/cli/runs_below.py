"""Run directories from folders: one that holds a run is that run, and in any other one runs are looked for."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from layerscope.errors import RunError
from layerscope.results.directory import MANIFEST, RunDirectory
from layerscope.results.record import RunRecord


def runs_in(folder: Path, kinds: Collection[str]) -> list[Path]:
    """The run in a folder, or the finished runs of some kinds below it, sorted by name.

    A folder that itself holds a run is taken whatever it holds, so that who reads it can say what is wrong with it; below a run
    nothing is looked for.

    Args:
        folder: a run directory, or one that holds some.
        kinds: of runs that are taken, such as ``sweep``.

    Raises:
        RunError: there is none.
    """
    if (folder / MANIFEST).exists() or not folder.is_dir():
        return [folder]
    found = list(_manifests(folder))
    taken = [run for run in found if _is_taken(run, kinds)]
    if not taken:
        others = f" are {len(found)} runs, and none of them" if found else " nothing"
        raise RunError(
            f"A run directory holds manifest.json; below '{folder}'{others} is a finished {' or '.join(kinds)}: name the "
            "folder that a command printed."
        )
    return taken


def unfinished_in(folder: Path, kinds: Collection[str]) -> list[Path]:
    """Runs of some kinds below a folder that ``runs_in`` leaves out, as they are not finished or cannot be read."""
    if (folder / MANIFEST).exists() or not folder.is_dir():
        return []
    return [run for run in _manifests(folder) if not _is_taken(run, kinds) and _kind(run) in (*kinds, None)]


def _manifests(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders.sort()
        if MANIFEST in files:
            folders.clear()
            yield Path(place)


def _kind(run: Path) -> str | None:
    """What was run there; None where that cannot be read."""
    try:
        return RunDirectory(run).kind()
    except RunError:  # another version's, or damaged: whoever names it is told
        return None


def _is_taken(run: Path, kinds: Collection[str]) -> bool:
    if _kind(run) not in kinds:
        return False
    try:
        record = RunDirectory(run).record(RunRecord)
    except RunError:
        return False
    return record is not None and record.status == "finished"
