"""A run directory that was opened, whatever kind of run it holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from layerscope.errors import RunError
from layerscope.results.directory import RunDirectory
from layerscope.results.record import RunRecord

Record = TypeVar("Record", bound=RunRecord)


@dataclass(frozen=True)
class OpenedRun(Generic[Record]):
    """A run that is complete: where it lies and what its manifest says."""

    directory: RunDirectory
    """Where it is."""
    record: Record
    """Its manifest."""

    @property
    def model(self) -> str:
        """The model's short name, for captions."""
        return Path(self.record.model.name).name


def no_run(path: Path, whose: str) -> RunError:
    """The refusal of a path where no run lies.

    Args:
        path: as it was given.
        whose: which folder would have been right, after ``the folder that``.
    """
    lacks = "has none" if path.is_dir() else "is a file" if path.exists() else "does not exist"
    return RunError(f"A run directory holds manifest.json; '{path}' {lacks}: name the folder that {whose}.")


def open_finished(path: Path, kind: type[Record]) -> tuple[RunDirectory, Record]:
    """A run directory and its manifest.

    Args:
        path: of the directory.
        kind: of run that it must hold.

    Raises:
        RunError: there is no run, it is of another kind, it is not finished, or its manifest is not as it was written.
    """
    directory = RunDirectory(path)
    there, wanted = directory.kind(), kind.model_fields["kind"].default
    if there is None:
        raise no_run(path, f"'{kind.made_by}' printed")
    if there != wanted:
        raise RunError(f"This command reads what '{kind.made_by}' made; '{path}' is a {there}: name another folder.")
    record = directory.record(kind)
    assert record is not None, "there is a manifest"
    if record.status != "finished":
        raise RunError(f"The run in '{path}' is not finished: give the same '{kind.made_by}' command again, and it goes on.")
    directory.check_intact()
    return directory, record
