"""A process that does a part of a run, telling of itself beside it as it goes."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from layerscope.errors import LayerscopeError
from layerscope.results.record import EnvironmentRecord, WorkerRecord
from layerscope.results.workers import note_worker, noted_workers

_EVERY = 5.0
"""Seconds between two notes, so that short shards do not write more notes than numbers."""


class Told:
    """Notes what a worker has done; goes on from what one of the same name noted before.

    Args:
        run: the run directory.
        name: of the worker.
        environment: with what it runs.
    """

    def __init__(self, run: Path, name: str, environment: EnvironmentRecord) -> None:
        self.name, self._run = name, run
        before = next((one for one in noted_workers(run) if one.name == name), None)
        self._shards, self._seconds = (before.shards, before.seconds) if before else (0, 0.0)
        self._device = environment.gpu or f"cpu, {environment.threads} thread(s)"
        self._noted = self._started = time.monotonic()

    def __enter__(self) -> Told:
        self.note("running")
        return self

    def wrote(self) -> None:
        """One shard more is in place."""
        self._shards += 1
        if time.monotonic() - self._noted >= _EVERY:
            self.note("running")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is None:
            self.note("finished")
        else:
            self.note("failed", str(error) if isinstance(error, LayerscopeError) else repr(error))

    def note(self, status: str, reason: str | None = None) -> None:
        """Write the note."""
        self._noted = time.monotonic()
        note_worker(self._run, self.record(status, reason))

    def record(self, status: str, reason: str | None = None) -> WorkerRecord:
        """As it stands."""
        seconds = round(self._seconds + time.monotonic() - self._started, 2)
        return WorkerRecord.model_validate(
            {
                "name": self.name,
                "node": socket.gethostname(),
                "device": self._device,
                "shards": self._shards,
                "seconds": seconds,
                "status": status,
                "reason": reason,
                "noted": datetime.now(UTC).isoformat(timespec="seconds"),
            }
        )
