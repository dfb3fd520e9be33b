"""A sweep whose shards many machines compute: this process plans, gives out and gathers; it loads no model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from layerscope.engine.batching import Shard
from layerscope.progress import Advance
from layerscope.results.directory import RunDirectory
from layerscope.results.record import WorkerRecord
from layerscope.sweeps.asked import asked_anywhere, settle_again
from layerscope.sweeps.engine.walk import work_steps
from layerscope.sweeps.prepare import PreparedSweep, SweepRequest, prepare_sweep
from layerscope.sweeps.record import SweepRequestRecord
from layerscope.sweeps.run import run_with
from layerscope.sweeps.worker import Opened, SweepWorker, as_writer, is_written
from layerscope.workers.on_cluster import Kind, ended_workers, see_written
from layerscope.workers.part import Part
from layerscope.workers.schedule import Schedule, Unit
from layerscope.workers.seat import Seat, enough_memory


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


SWEEP: Kind[SweepRequest, PreparedSweep] = Kind(prepare_sweep, asked_anywhere, SweepHand, _Workers, run_with)
"""A sweep as a cluster runs it."""
