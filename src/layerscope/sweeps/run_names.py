"""Names that tell the runs of a comparison apart: the model's short name, with what differs where two share it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


def distinct_names(names: Sequence[str], dtypes: Sequence[str | None], folders: Sequence[Path]) -> list[str]:
    """A name for each run, no two alike.

    Args:
        names: short names of the models.
        dtypes: what each was run in; None where it is not known.
        folders: where each run lies, no two in one place.

    Returns:
        The short name where it is the only one; else with the dtype in brackets, with the folder that differs if the dtype
        does not, or with as much of the path as it takes.
    """
    found = list(names)
    for name in {name for name in names if names.count(name) > 1}:
        members = [place for place, other in enumerate(names) if other == name]
        for place, detail in zip(members, _details([dtypes[m] for m in members], [folders[m] for m in members]), strict=True):
            found[place] = f"{name} ({detail})"
    return found


def _details(dtypes: Sequence[str | None], folders: Sequence[Path]) -> list[str]:
    if None not in dtypes and len(set(dtypes)) == len(dtypes):
        return [str(dtype) for dtype in dtypes]
    parts = [folder.resolve().parts[::-1] for folder in folders]
    for level in zip(*parts, strict=False):  # from the run directory upwards
        if len(set(level)) == len(level):
            return list(level)
    shared = os.path.commonpath([folder.resolve() for folder in folders])
    return [str(folder.resolve().relative_to(shared)) for folder in folders]
