"""Running a prepared sweep into its run directory: shard by shard, then tables. A run that was killed goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from layerscope.engine.batching import Shard
from layerscope.progress import Advance, Progress, nobody_asks
from layerscope.results.environment import package_versions
from layerscope.results.kernels import check_same_kernels
from layerscope.results.record import WorkerRecord
from layerscope.sweeps.manifest import sweep_record
from layerscope.sweeps.prepare import PreparedSweep
from layerscope.sweeps.record import SweepRecord
from layerscope.sweeps.rounds import Outcome, run_rounds
from layerscope.sweeps.tabulating import AT_THE_END, OWN, data_record, precision_reached, tabulate
from layerscope.sweeps.worker import Opened, SweepWorker


@runtime_checkable
class Crew(Protocol):
    """Who does the shards: this process, or many."""

    def open(self) -> Opened:
        """Load the model and check that it can run the plan; nothing is written."""

    def score(self, shards: Sequence[Shard], advance: Advance) -> None:
        """Compute and write some shards; ``advance`` is called with steps × positions."""

    def close(self) -> tuple[WorkerRecord, ...]:
        """End; what each process did, if there were several."""


def run_sweep(prepared: PreparedSweep, *, force: bool = False, progress: Progress = nobody_asks) -> bool:
    """Run a prepared sweep, or what is left of it.

    Args:
        prepared: what to do.
        force: replace whatever the run directory holds.
        progress: called as work is done.

    Returns:
        False if the run was finished before and nothing was done.

    Raises:
        LayerscopeError: the run cannot start; nothing has been written then.

    Examples:
        >>> request = ls.SweepRequest("smollm2-135m", "texts.txt", experiments=("removal",), output_dir=Path("sweeps"))
        >>> prepared = ls.prepare_sweep(request)
        >>> ls.run_sweep(prepared), ls.run_sweep(prepared)  # finished the second time
        (True, False)
        >>> sorted(path.name for path in prepared.directory.path.glob("*.parquet"))[:2]
        ['documents.parquet', 'layers.parquet']
    """
    with prepared.directory.alone():
        return run_with(SweepWorker(prepared), prepared, force=force, progress=progress)


def run_with(crew: Crew, prepared: PreparedSweep, *, force: bool, progress: Progress) -> bool:
    """As ``run_sweep`` in a directory that is held, by whoever does the shards."""
    directory = prepared.directory
    if not force and directory.check_resumable(SweepRecord, prepared.record, package_versions(), own=OWN):
        return False
    if not force:
        directory.check_places(*AT_THE_END)
    opened = crew.open()
    if force:
        directory.clear()
    check_same_kernels(directory, SweepRecord, compiled=bool(opened.environment.compiled))
    record = sweep_record(prepared, opened.environment, opened.lens)
    directory.start(record)
    directory.digests.gather()  # of workers that ended with an earlier process
    outcome = run_rounds(prepared, crew.score, progress)
    finish(prepared, record.model_copy(update={"workers": crew.close()}), outcome)
    return True


def finish(prepared: PreparedSweep, record: SweepRecord, outcome: Outcome) -> None:
    """Tables, and the manifest of a run whose shards are all there."""
    prepared.directory.digests.gather()
    tabulate(prepared, rounds=outcome.rounds)
    asked = prepared.request.until_ci
    prepared.directory.finish(
        record,
        data=data_record(prepared, outcome.rounds),
        precision=None if asked is None else precision_reached(prepared, asked),
        seconds=round(outcome.seconds, 2),
        shards_resumed=outcome.resumed,
    )
