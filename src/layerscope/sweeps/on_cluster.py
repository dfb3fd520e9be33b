"""A sweep whose shards many machines compute: this process plans, gives out and gathers; it loads no model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from layerscope.engine.batching import Shard
from layerscope.models.loading import LoadOptions
from layerscope.progress import Advance, Progress, nobody_asks
from layerscope.results.directory import RunDirectory
from layerscope.results.record import WorkerRecord
from layerscope.sweeps.asked import asked_anywhere, settle_again
from layerscope.sweeps.engine.walk import work_steps
from layerscope.sweeps.prepare import PreparedSweep, SweepRequest, prepare_sweep
from layerscope.sweeps.record import SweepRequestRecord
from layerscope.sweeps.run import run_with
from layerscope.sweeps.worker import Opened, SweepWorker, as_writer, is_written
from layerscope.workers.on_cluster import OnCluster, ended_workers, on_cluster, see_written, workers_at
from layerscope.workers.part import Part
from layerscope.workers.ray_pool import Demand
from layerscope.workers.schedule import Patience, Schedule, Unit
from layerscope.workers.seat import Seat, enough_memory


@contextmanager
def cluster_sweep(request: SweepRequest, demand: Demand) -> Iterator[OnCluster[PreparedSweep]]:
    """Connect to a cluster, and settle a sweep for its kind of device; the connection ends with the block.

    Raises:
        LayerscopeError: whatever is wrong, in one sentence.
    """

    def prepare(options: LoadOptions, device_type: str) -> PreparedSweep:
        return prepare_sweep(replace(request, options=options), device_type=device_type)

    with on_cluster(demand, request.options, prepare, spread=not request.stream) as sweep:
        yield sweep


def run_cluster_sweep(
    sweep: OnCluster[PreparedSweep],
    *,
    force: bool = False,
    progress: Progress = nobody_asks,
    patience: Patience | None = None,
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
    given = (asked_anywhere(prepared), prepared.record, directory.path.absolute())
    with workers_at(directory, sweep.size, SweepHand, given, patience=patience) as schedule:
        return run_with(_Workers(prepared, schedule), prepared, force=force, progress=progress)


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
            see_written(f"batch {shard.index}", partial(is_written, self._prepared, shard), self._prepared.directory.path)

    def close(self) -> tuple[WorkerRecord, ...]:
        """End the workers; what each of them did."""
        return ended_workers(self._schedule, self._prepared.directory.path)

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
        self._name, self._request, self._was, self._directory = name, request, was, RunDirectory(run)
        self._seat = Seat(self._directory, name)

    def open(self) -> Opened:
        """Settle the run again, and load the model."""
        self._prepared = as_writer(settle_again(self._request, self._was, self._directory), self._name)
        self._worker = SweepWorker(self._prepared)
        self._opened = self._worker.open()
        return self._opened

    def work(self, content: tuple[int, ...], tell: Callable[[float], None]) -> int:
        """Compute and write the shards of some numbers that are not there; how many those are."""
        told = self._seat.take(self._opened.environment)
        self._worker.wrote = lambda _: told.wrote()
        shards = [self._prepared.shards[index] for index in content]
        pending = [shard for shard in shards if not is_written(self._prepared, shard)]
        largest = max((shard.padded_tokens for shard in pending), default=0)
        with enough_memory(
            f"a batch of {largest:,} positions", "a smaller --batch-tokens, --quantize, or more --gpus-per-worker"
        ):
            self._worker.score(pending, lambda work: tell(float(work)))
        return len(pending)

    def close(self) -> None:
        """Say that it ends, and let go."""
        self._seat.leave()
