"""How far a run is, told from its files alone, here or in a store: nothing is asked of the processes that write it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from layerscope.errors import RunError
from layerscope.lock import held_parts, is_held
from layerscope.results.directory import MANIFEST, RunDirectory
from layerscope.results.opened import no_run
from layerscope.results.record import RunRecord, WorkerRecord
from layerscope.results.workers import noted_workers
from layerscope.workers.part_files import n_done, parts_in
from layerscope.workers.store import Store

_OF_LATE = 30
"""Batches whose times say the rate."""
WRITTEN_LAST = {
    "sweep": ("scores", "pair_scores"),
    "contrast": ("groups",),
    "search": ("calibration_scores", "held_out_scores"),
}
"""By kind of run, the tables whose parts are written last."""


@dataclass(frozen=True)
class RunStatus:
    """The progress of a run.

    Examples:
        >>> status = ls.read_status(Path("results/contrast/my_model_pairs_nall"))
        >>> status.state, status.unit, status.done == status.total
        ('finished', 'groups of pairs', True)
    """

    kind: str
    """sweep, contrast, search or evaluation."""
    state: Literal["finished", "running", "not running", "complete", "not complete"]
    """Whether it is done, or some process holds it now; in a store, where nothing is held, whether all batches are there."""
    unit: str
    """What is counted."""
    done: int
    """Units written."""
    total: int | None
    """Units in total; None if the run does not know."""
    a_minute: float | None
    """Units per minute over the latest ones; None if there are fewer than two."""
    workers: tuple[WorkerRecord, ...]
    """Processes that told of themselves; of those that told they run and do not, the status is ``lost``."""

    @property
    def minutes_left(self) -> float | None:
        """At that rate; None where the total or the rate is not known, or nothing runs."""
        if self.total is None or not self.a_minute or self.state != "running":
            return None
        return (self.total - self.done) / self.a_minute


def read_status(run: Path) -> RunStatus:
    """Read the progress from a run directory, without contacting the processes that write it.

    Raises:
        RunError: it holds no run.

    Examples:
        >>> ls.read_status(Path("results/contrast/my_model_pairs_nall")).minutes_left is None  # it is finished
        True
    """
    directory = RunDirectory(run)
    kind = directory.kind()
    if kind is None:
        raise no_run(run, "a command printed")
    record = directory.record(_AnyRecord)
    assert record is not None, "there is a manifest"
    is_finished = record.status == "finished"
    held = held_parts(run)
    state: Literal["finished", "running", "not running"] = "finished" if is_finished else "not running"
    if not is_finished and (held or is_held(run)):
        state = "running"
    times = sorted(path.stat().st_mtime for name in WRITTEN_LAST.get(kind, ()) for path in (run / name).glob("shard-*.parquet"))
    late = times[-_OF_LATE:]
    a_minute = 60 * (len(late) - 1) / (late[-1] - late[0]) if len(late) > 1 and late[-1] > late[0] else None
    workers = record.workers or noted_workers(run)
    return RunStatus(
        kind=kind,
        state=state,
        unit={"contrast": "groups of pairs", "search": "sets of paths on a batch"}.get(kind, "batches"),
        done=len(times),
        total=_total(record),
        a_minute=a_minute,
        workers=tuple(_as_it_is(one, held) for one in workers),
    )


def read_stored_status(run: Store) -> RunStatus:
    """Look at the parts of a run in a store; of a process that told it runs, when it told so last is all that is known.

    Args:
        run: folder of the run in the store.

    Raises:
        RunError: there are no parts, or the store cannot be read.
    """
    parts = parts_in(run)
    content = next((found for found in (part.read(MANIFEST) for part in parts) if found is not None), None)
    if content is None:
        raise RunError(
            f"Parts of a run are where they were sent; '{run.address}' holds none: give the address that they printed."
        )
    try:
        record = _AnyRecord.model_validate_json(content)
    except ValidationError:
        raise RunError(f"The parts in '{run.address}' are not of this version of layerscope: ask with theirs.") from None
    done, total = n_done(parts, WRITTEN_LAST.get(record.kind, ())), _total(record)
    noted = (part.note() for part in parts)
    return RunStatus(
        kind=record.kind,
        state="complete" if done == total else "not complete",
        unit="batches",
        done=done,
        total=total,
        a_minute=None,
        workers=tuple(_as_told(one) for one in noted if one is not None),
    )


def _as_told(worker: WorkerRecord) -> WorkerRecord:
    return worker.model_copy(update={"reason": f"told at {worker.noted}"}) if worker.status == "running" else worker


class _AnyRecord(RunRecord):
    """What the manifests of all kinds of run have, and what some count their work by."""

    plan: dict[str, Any] | None = None
    groups: dict[str, Any] | None = None


def _total(record: _AnyRecord) -> int | None:
    if record.groups is not None:
        return len(record.groups)
    shards = (record.plan or {}).get("shards")
    return shards if isinstance(shards, int) else None


def _as_it_is(worker: WorkerRecord, held: set[str]) -> WorkerRecord:
    """A worker that says it runs and holds nothing was killed."""
    is_lost = worker.status == "running" and worker.name not in held
    return worker.model_copy(update={"status": "lost"}) if is_lost else worker
