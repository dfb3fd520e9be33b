"""What a run of any kind needs to be done by a cluster: its settling for the devices there, its workers, what they tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from layerscope.errors import DataError, RunError
from layerscope.models.loading import LoadOptions
from layerscope.results.directory import RunDirectory
from layerscope.results.record import WorkerRecord
from layerscope.results.workers import forget_workers, noted_workers
from layerscope.workers.crew import crew, wait_until
from layerscope.workers.ray_pool import Demand, Size, connected, measure
from layerscope.workers.schedule import Patience, Schedule
from layerscope.workers.worker import Hand

ENDED_IN = 60.0
"""Seconds for the workers of a driver that was killed to end."""
Prepared = TypeVar("Prepared")


@dataclass(frozen=True)
class OnCluster(Generic[Prepared]):
    """A run that is settled for the workers of a cluster."""

    prepared: Prepared
    """As any run."""
    size: Size
    """Workers that there will be, and how large they are."""


@contextmanager
def on_cluster(
    demand: Demand, options: LoadOptions, prepare: Callable[[LoadOptions, str], Prepared], *, spread: bool = True
) -> Iterator[OnCluster[Prepared]]:
    """Connect to a cluster, and settle a run for its kind of device; the connection ends with the block.

    Args:
        demand: what is asked of the cluster.
        options: how the request loads the model.
        prepare: gets the options as they are for a worker, and the kind of its device; settles the run.
        spread: whether a model goes over all GPUs of a worker that has several.

    Raises:
        LayerscopeError: whatever is wrong, in one sentence.
    """
    if options.device != "auto":
        raise DataError(f"Workers of a cluster get their devices from it: leave --device out; got '{options.device}'.")
    with connected(demand.address):
        size = measure(demand)
        if size.gpus > 1 and options.device_map is None and spread:
            options = replace(options, device_map="auto")
        yield OnCluster(prepare(options, "cuda" if size.gpus else "cpu"), size)


@contextmanager
def workers_at(
    directory: RunDirectory, size: Size, hand: Callable[..., Hand], given: Sequence[Any], *, patience: Patience | None = None
) -> Iterator[Schedule]:
    """Hold a run directory, with workers that write to it; they end with the block. See ``crew``."""
    with directory.alone(patience=ENDED_IN), crew(size, directory.path, hand, given, patience=patience) as schedule:
        yield schedule


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
