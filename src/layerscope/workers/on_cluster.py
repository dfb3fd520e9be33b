"""What a run of any kind needs to be done by a cluster: its settling for the devices there, its workers, what they tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from layerscope.errors import DataError, RunError
from layerscope.models.loading import LoadOptions
from layerscope.progress import Progress, nobody_asks
from layerscope.results.directory import RunDirectory
from layerscope.results.record import WorkerRecord
from layerscope.results.workers import forget_workers, noted_workers
from layerscope.workers.crew import crew, wait_until
from layerscope.workers.ray_pool import Demand, Size, connected, measure
from layerscope.workers.schedule import Patience, Schedule
from layerscope.workers.worker import Hand

ENDED_IN = 60.0
"""Seconds for the workers of a driver that was killed to end."""
Request = TypeVar("Request")
Prepared = TypeVar("Prepared")


@dataclass(frozen=True)
class OnCluster(Generic[Prepared]):
    """A run that is settled for the workers of a cluster."""

    prepared: Prepared
    """As any run."""
    size: Size
    """Workers that there will be, and how large they are."""


@dataclass(frozen=True)
class Kind(Generic[Request, Prepared]):
    """What a cluster needs to know of one kind of run."""

    prepare: Callable[..., Prepared]
    """Settles a request; gets the kind of a worker's device as ``device_type``."""
    anywhere: Callable[[Prepared], Request]
    """The request of a run as a process in any folder would give it."""
    hand: Callable[..., Hand]
    """What a worker does; made from its name, such a request, what that came to, and the run directory."""
    crew: Callable[[Prepared, Schedule], Any]
    """The workers in the place of the one process that does a run alone."""
    run_with: Callable[..., bool]
    """Runs a prepared run by whoever does its units."""

    @contextmanager
    def settled(self, request: Request, demand: Demand) -> Iterator[OnCluster[Prepared]]:
        """Connect to a cluster, and settle a run for its kind of device; the connection ends with the block.

        Args:
            request: what is asked for; its device is left to the cluster.
            demand: what is asked of the cluster.

        Raises:
            LayerscopeError: whatever is wrong, in one sentence.
        """
        asked: Any = request
        options: LoadOptions = asked.options
        if options.device != "auto":
            raise DataError(f"Workers of a cluster get their devices from it: leave --device out; got '{options.device}'.")
        with connected(demand.address):
            size = measure(demand)
            if size.gpus > 1 and options.device_map is None and not getattr(asked, "stream", False):
                asked = replace(asked, options=replace(options, device_map="auto"))
            yield OnCluster(self.prepare(asked, device_type="cuda" if size.gpus else "cpu"), size)

    def run(
        self,
        shared: OnCluster[Prepared],
        *,
        force: bool = False,
        progress: Progress = nobody_asks,
        patience: Patience | None = None,
    ) -> bool:
        """Run what is settled, with the workers of the connected cluster.

        Args:
            shared: what to do.
            force: replace whatever the run directory holds.
            progress: called as work is done, by all workers together.
            patience: how long a worker may be silent.

        Returns:
            False if the run was finished before and nothing was done.

        Raises:
            LayerscopeError: the run cannot start or go on. What was written is kept, and the same command goes on.
        """
        prepared: Any = shared.prepared
        directory: RunDirectory = prepared.directory
        given = (self.anywhere(shared.prepared), prepared.record, directory.path.absolute())
        with (
            directory.alone(patience=ENDED_IN),
            crew(shared.size, directory.path, self.hand, given, patience=patience) as schedule,
        ):
            return self.run_with(self.crew(shared.prepared, schedule), prepared, force=force, progress=progress)


def ended_workers(schedule: Schedule, run: Path) -> tuple[WorkerRecord, ...]:
    """End the workers; what each of them did."""
    schedule.close()
    told = noted_workers(run)
    forget_workers(run)
    return tuple(one.model_copy(update={"status": "lost"}) if one.status == "running" else one for one in told)


def see_written(what: str, is_written: Callable[[], bool], run: Path) -> None:
    """Wait until what a worker wrote is seen here.

    Raises:
        RunError: it is not.
    """
    if not wait_until(is_written):
        raise RunError(
            f"A worker says that it wrote {what} into '{run}', and it is not there: name an --output-dir on storage that all "
            "nodes share."
        )
