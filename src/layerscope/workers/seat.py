"""A worker's seat among those that write one run, and what it says when its memory does not do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

from layerscope.errors import DeviceError
from layerscope.results.directory import RunDirectory
from layerscope.results.record import EnvironmentRecord
from layerscope.workers.told import Told


class Seat:
    """Taken with the first unit and not before: a run whose workers cannot open writes nothing.

    Args:
        directory: of the run.
        name: of the worker.
    """

    def __init__(self, directory: RunDirectory, name: str) -> None:
        self._directory, self._name = directory, name
        self._stack = ExitStack()
        self._told: Told | None = None

    def take(self, environment: EnvironmentRecord) -> Told:
        """Hold the worker's part of the run, and tell of it; the same again if that was done before.

        Raises:
            RunError: another process holds it.
        """
        if self._told is None:
            self._stack.enter_context(self._directory.with_others(self._name, is_asked=True))
            self._told = self._stack.enter_context(Told(self._directory.path, self._name, environment))
        return self._told

    def leave(self) -> None:
        """Say that it ends, and let go."""
        self._stack.close()


@contextmanager
def enough_memory(of: str, instead: str) -> Iterator[None]:
    """Make one sentence of a device that has too little memory.

    Args:
        of: what was to be done.
        instead: what would take less.

    Raises:
        DeviceError: it has too little.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        reason = str(error).splitlines()[0]
        raise DeviceError(f"A worker has too little memory for {of} ({reason}): take {instead}.") from error
