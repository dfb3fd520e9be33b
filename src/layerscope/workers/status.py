"""How far a run is, told from its files alone: nothing is asked of the processes that write it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from layerscope.errors import RunError
from layerscope.lock import held_parts, is_held
from layerscope.results.directory import RunDirectory
from layerscope.results.record import RunRecord, WorkerRecord
from layerscope.results.workers import noted_workers

_OF_LATE = 30
"""Batches whose times say the rate."""
_MARKS = {"sweep": ("scores", "pair_scores"), "contrast": ("groups",), "search": ("calibration_scores", "held_out_scores")}
"""By kind of run, the tables whose parts are written last."""


@dataclass(frozen=True)
class RunStatus:
    """How far a run is.

    Examples:
        >>> status = ls.read_status(Path("results/contrast/my_model_pairs_nall"))
        >>> status.state, status.unit, status.done == status.total
        ('finished', 'groups of pairs', True)
    """

    kind: str
    """sweep, contrast, search or evaluation."""
    state: Literal["finished", "running", "not running"]
    """Whether it is done, or some process holds it now."""
    unit: str
    """What is counted."""
    done: int
    """Units that are written."""
    total: int | None
    """Units that there are; None where the run does not know."""
    a_minute: float | None
    """Units a minute over the latest ones; None of fewer than two."""
    workers: tuple[WorkerRecord, ...]
    """Processes that told of themselves; of those that told they run and do not, the status is ``lost``."""

    @property
    def minutes_left(self) -> float | None:
        """At that rate; None where the total or the rate is not known, or nothing runs."""
        if self.total is None or not self.a_minute or self.state != "running":
            return None
        return (self.total - self.done) / self.a_minute


def read_status(run: Path) -> RunStatus:
    """Look at a run directory; nothing is asked of the processes that write it.

    Raises:
        RunError: it holds no run.

    Examples:
        >>> ls.read_status(Path("results/contrast/my_model_pairs_nall")).minutes_left is None  # it is finished
        True
    """
    directory = RunDirectory(run)
    kind = directory.kind()
    if kind is None:
        raise RunError(f"A run directory holds manifest.json; '{run}' has none: name the folder that a command printed.")
    record = directory.record(_AnyRecord)
    assert record is not None, "there is a manifest"
    is_finished = record.status == "finished"
    held = held_parts(run)
    state: Literal["finished", "running", "not running"] = "finished" if is_finished else "not running"
    if not is_finished and (held or is_held(run)):
        state = "running"
    times = sorted(path.stat().st_mtime for name in _MARKS.get(kind, ()) for path in (run / name).glob("shard-*.parquet"))
    late = times[-_OF_LATE:]
    a_minute = 60 * (len(late) - 1) / (late[-1] - late[0]) if len(late) > 1 and late[-1] > late[0] else None
    workers = record.workers or noted_workers(run)
    return RunStatus(
        kind=kind,
        state=state,
        unit="groups of pairs" if kind == "contrast" else "batches",
        done=len(times),
        total=_total(record),
        a_minute=a_minute,
        workers=tuple(_as_it_is(one, held) for one in workers),
    )


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
