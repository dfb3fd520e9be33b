"""What each of several processes that write one run tells of itself, a small file each, until the manifest has it."""

from __future__ import annotations

import shutil
from pathlib import Path

from pydantic import ValidationError

from layerscope.atomic import write_json
from layerscope.results.record import WorkerRecord

_FOLDER = "workers"


def note_worker(run: Path, record: WorkerRecord) -> None:
    """Write what a worker tells of itself, in place of what it told before."""
    write_json(run / note_name(record.name), record.model_dump(mode="json"))


def note_name(worker: str) -> str:
    """The file of a worker's note, by its path in the run directory."""
    return f"{_FOLDER}/{worker}.json"


def note_finished(run: Path, worker: str) -> None:
    """Let a note say that its worker is done, where one that was killed at the very end left another."""
    for one in noted_workers(run):
        if one.name == worker and one.status != "finished":
            note_worker(run, one.model_copy(update={"status": "finished", "reason": None}))


def noted_workers(run: Path) -> tuple[WorkerRecord, ...]:
    """What each told last, by name; a file that cannot be read is passed over, for nothing depends on it."""
    found = []
    for path in sorted((run / _FOLDER).glob("*.json")):
        try:
            found.append(WorkerRecord.model_validate_json(path.read_bytes()))
        except (OSError, ValidationError):
            continue
    return tuple(found)


def forget_workers(run: Path) -> None:
    """Delete the files, whose content stands in the manifest."""
    shutil.rmtree(run / _FOLDER, ignore_errors=True)
