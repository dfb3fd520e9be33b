"""A sweep whose shards many machines compute: this process plans, gives out and gathers; it loads no model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from layerscope.engine.batching import Shard
from layerscope.errors import DataError, DeviceError, RunError
from layerscope.progress import Advance, Progress, nobody_asks
from layerscope.results.directory import RunDirectory
from layerscope.results.record import WorkerRecord
from layerscope.results.workers import forget_workers, noted_workers
from layerscope.sweeps.asked import anywhere, settle_again
from layerscope.sweeps.engine.walk import work_steps
from layerscope.sweeps.prepare import PreparedSweep, SweepRequest, prepare_sweep
from layerscope.sweeps.record import SweepRequestRecord
from layerscope.sweeps.run import run_with
from layerscope.sweeps.worker import Opened, SweepWorker, as_writer, is_written
from layerscope.workers.crew import crew, wait_until
from layerscope.workers.part import Part
from layerscope.workers.ray_pool import Demand, Size, connected, measure
from layerscope.workers.schedule import Patience, Schedule, Unit
from layerscope.workers.told import Told

PATIENCE = 60.0
"""Seconds for the workers of a driver that was killed to end."""


@dataclass(frozen=True)
class ClusterSweep:
    """A sweep that is settled for the workers of a cluster."""

    prepared: PreparedSweep
    """As any sweep."""
    size: Size
    """Workers that there will be, and how large they are."""


@contextmanager
def cluster_sweep(request: SweepRequest, demand: Demand) -> Iterator[ClusterSweep]:
    """Connect to a cluster, and settle a sweep for its kind of device; the connection ends with the block.

    Raises:
        LayerscopeError: whatever is wrong, in one sentence.
    """
    if request.options.device != "auto":
        raise DataError(f"Workers of a cluster get their devices from it: leave --device out; got '{request.options.device}'.")
    with connected(demand.address):
        size = measure(demand)
        if size.gpus > 1 and request.options.device_map is None and not request.stream:
            request = replace(request, options=replace(request.options, device_map="auto"))
        yield ClusterSweep(prepare_sweep(request, device_type="cuda" if size.gpus else "cpu"), size)


def run_cluster_sweep(
    sweep: ClusterSweep, *, force: bool = False, progress: Progress = nobody_asks, patience: Patience | None = None
) -> bool:
    """As ``run_sweep``, with the workers of the connected cluster.

    Args:
        sweep: what to do.
        force: replace whatever the run directory holds.
        progress: called as work is done, by all workers together.
        patience: how long a worker may be silent.

    Returns:
        False if the run was finished before and nothing was done.

    Raises:
        LayerscopeError: the run cannot start or go on. What was written is kept, and the same command goes on.
    """
    prepared, directory = sweep.prepared, sweep.prepared.directory
    given = (anywhere(prepared), prepared.record, directory.path.absolute())
    with directory.alone(patience=PATIENCE), crew(sweep.size, directory.path, SweepHand, given, patience=patience) as workers:
        return run_with(_Workers(prepared, workers), prepared, force=force, progress=progress)


class _Workers:
    """Many processes in the place of one ``SweepWorker``."""

    def __init__(self, prepared: PreparedSweep, schedule: Schedule) -> None:
        self._prepared, self._schedule = prepared, schedule

    def open(self) -> Opened:
        """As ``SweepWorker.open``, in the first that comes."""
        opened: Opened = self._schedule.open()
        return opened

    def score(self, shards: Sequence[Shard], advance: Advance) -> None:
        """As ``SweepWorker.score``, of all of them."""
        steps = work_steps(self._prepared.plan)
        units = [
            Unit(float(steps * sum(shard.padded_tokens for shard in some)), tuple(shard.index for shard in some))
            for some in self._together(shards)
        ]
        self._schedule.run(units, lambda _, work: advance(round(work)))
        for shard in shards:
            if not wait_until(lambda shard=shard: is_written(self._prepared, shard)):  # type: ignore[misc]
                raise RunError(
                    f"A worker says that it wrote batch {shard.index} into '{self._prepared.directory.path}', and it is not "
                    "there: name an --output-dir on storage that all nodes share."
                )

    def close(self) -> tuple[WorkerRecord, ...]:
        """End the workers; what each of them did."""
        self._schedule.close()
        run = self._prepared.directory.path
        told = noted_workers(run)
        forget_workers(run)
        return tuple(one.model_copy(update={"status": "lost"}) if one.status == "running" else one for one in told)

    def _together(self, shards: Sequence[Shard]) -> list[list[Shard]]:
        """Shards that one worker does in one go: one, or, where weights are streamed and read once for all, its part."""
        if not self._prepared.request.stream:
            return [[shard] for shard in shards]
        costs = [float(shard.padded_tokens) for shard in shards]
        parts = [Part(number + 1, self._schedule.size).choose(costs) for number in range(self._schedule.size)]
        return [[shards[index] for index in part] for part in parts if part]


class SweepHand:
    """What a worker of a sweep does.

    Args:
        name: of the worker, under which it writes.
        request: as any process would give it.
        was: what it came to in the process that gave it.
        run: the run directory.
    """

    def __init__(self, name: str, request: SweepRequest, was: SweepRequestRecord, run: Path) -> None:
        self._name, self._request, self._was, self._run = name, request, was, run
        self._stack = ExitStack()
        self._told: Told | None = None

    def open(self) -> Opened:
        """Settle the run again, and load the model."""
        directory = RunDirectory(self._run)
        self._prepared = as_writer(settle_again(self._request, self._was, directory), self._name)
        self._worker = SweepWorker(self._prepared)
        self._opened = self._worker.open()
        return self._opened

    def work(self, content: tuple[int, ...], tell: Callable[[float], None]) -> int:
        """Compute and write the shards of some numbers that are not there; how many those are."""
        if self._told is None:  # not before: a run whose workers cannot open writes nothing
            self._stack.enter_context(self._prepared.directory.with_others(self._name, is_asked=True))
            self._told = self._stack.enter_context(Told(self._run, self._name, self._opened.environment))
            told = self._told
            self._worker.wrote = lambda _: told.wrote()
        shards = [self._prepared.shards[index] for index in content]
        pending = [shard for shard in shards if not is_written(self._prepared, shard)]
        try:
            self._worker.score(pending, lambda work: tell(float(work)))
        except torch.OutOfMemoryError as error:
            raise DeviceError(
                f"A worker has too little memory for a batch of {max(shard.padded_tokens for shard in pending):,} positions "
                f"({str(error).splitlines()[0]}): take a smaller --batch-tokens, --quantize, or more --gpus-per-worker."
            ) from error
        return len(pending)

    def close(self) -> None:
        """Say that it ends, and let go."""
        self._stack.close()
