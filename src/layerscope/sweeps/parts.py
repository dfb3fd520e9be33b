"""A sweep in parts that a scheduler gives out: each does its shards by itself, and the last command gathers them."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from layerscope.engine.batching import Shard
from layerscope.errors import DataError, RunError
from layerscope.progress import Advance, Progress, nobody_asks
from layerscope.results.directory import RunDirectory
from layerscope.results.environment import package_versions
from layerscope.results.kernels import check_same_kernels
from layerscope.results.workers import forget_workers, noted_workers
from layerscope.sweeps.asked import asked_anywhere, settle_again
from layerscope.sweeps.engine.walk import work_steps
from layerscope.sweeps.manifest import sweep_record
from layerscope.sweeps.prepare import PreparedSweep, SweepRequest
from layerscope.sweeps.record import SweepRecord
from layerscope.sweeps.rounds import Outcome
from layerscope.sweeps.run import finish
from layerscope.sweeps.tabulating import AT_THE_END, OWN
from layerscope.sweeps.worker import Opened, SweepWorker, as_writer, is_written
from layerscope.workers.part import Part
from layerscope.workers.told import Told

REQUEST = "request.json"
"""What was asked for, so that parts can be gathered without asking again; deleted then."""


def run_sweep_part(prepared: PreparedSweep, part: Part, *, progress: Progress = nobody_asks) -> int:
    """Compute the shards of one part that are not there yet. Other parts may run at the same time, here or elsewhere.

    Args:
        prepared: the whole run.
        part: which of its shards.
        progress: called as work is done.

    Returns:
        Shards that were computed.

    Raises:
        LayerscopeError: the part cannot start, or another process does it.

    Examples:
        >>> request = ls.SweepRequest("smollm2-135m", "texts.txt", experiments=("removal",), output_dir=Path("in-parts"))
        >>> prepared = ls.prepare_sweep(request)
        >>> [ls.run_sweep_part(prepared, ls.Part(number, 2)) for number in (1, 2)]  # one batch in all
        [1, 0]
        >>> ls.gather_sweep(prepared.directory.path).n_scored
        20
    """
    if prepared.request.until_ci is not None:
        raise DataError(
            "--until-ci looks at the texts of all parts before it goes on, and a part knows only its own: leave one of "
            "--until-ci and --shard out, or take --cluster."
        )
    own = as_writer(prepared, part.name)
    directory, mine = own.directory, shards_of(prepared, part)
    with directory.with_others(part.name):
        if directory.check_resumable(SweepRecord, prepared.record, package_versions(), own=OWN):
            return 0
        directory.check_places(*AT_THE_END)
        pending = [shard for shard in mine if not is_written(own, shard)]
        if not pending and directory.record(SweepRecord) is not None:
            return 0
        worker = SweepWorker(own)
        opened = worker.open()
        _join(own, opened)
        with Told(directory.path, part.name, opened.environment) as told:
            worker.wrote = told.wrote
            n_all, n_left = (sum(shard.padded_tokens for shard in some) for some in (mine, pending))
            worker.score(pending, _progress(prepared, part, n_left, n_all, progress))
    return len(pending)


def shards_of(prepared: PreparedSweep, part: Part) -> list[Shard]:
    """The batches that are a part's."""
    return [prepared.shards[index] for index in part.choose([float(shard.padded_tokens) for shard in prepared.shards])]


def _join(prepared: PreparedSweep, opened: Opened) -> None:
    """Begin the run, or go on with one that another part has begun."""
    directory = prepared.directory
    check_same_kernels(directory, SweepRecord, compiled=bool(opened.environment.compiled))
    if directory.record(SweepRecord) is None:
        directory.start(sweep_record(prepared, opened.environment, opened.lens))
        asked = TypeAdapter(SweepRequest).dump_python(asked_anywhere(prepared), mode="json")
        directory.write_json(REQUEST, asked)


def _progress(prepared: PreparedSweep, part: Part, n_left: int, n_all: int, progress: Progress) -> Advance:
    """Tells of work, by positions × steps; given are the positions that are left, and all."""
    steps_a_shard = work_steps(prepared.plan)
    done = (n_all - n_left) * steps_a_shard
    what = f"Sweeping {len(prepared.plan.variants)} variants, part {part.number} of {part.of}"

    def advance(work: int) -> None:
        nonlocal done
        done += work
        progress(what, done, n_all * steps_a_shard)

    return advance


def gather_sweep(path: Path) -> PreparedSweep:
    """Make the tables of a run whose parts are all there.

    Args:
        path: the run directory.

    Returns:
        The run, finished.

    Raises:
        RunError: some shards are not there, or the texts or the model's configuration are others than the parts had.

    Examples:
        >>> request = ls.SweepRequest("smollm2-135m", "texts.txt", experiments=("removal",), output_dir=Path("in-one-part"))
        >>> prepared = ls.prepare_sweep(request)
        >>> ls.run_sweep_part(prepared, ls.Part(1, 1))
        1
        >>> ls.FinishedRun.open(ls.gather_sweep(prepared.directory.path).directory.path).record.status
        'finished'
    """
    with RunDirectory(path).alone():
        prepared, record = _asked_before(path)
        directory = prepared.directory
        missing = [shard for shard in prepared.shards if not is_written(prepared, shard)]
        if missing:
            raise RunError(
                f"A run is gathered when every batch is there; of '{path}' {len(missing):,} of {len(prepared.shards):,} are "
                f"not: give the commands of the parts again that have not ended ({_unfinished(path)})."
            )
        workers = noted_workers(path)
        seconds = sum(one.seconds for one in workers)
        finish(prepared, record.model_copy(update={"workers": workers}), Outcome(len(prepared.rounds), seconds, 0))
        (path / REQUEST).unlink(missing_ok=True)
        directory.digests.forget(REQUEST)
        forget_workers(path)
    return prepared


def _unfinished(path: Path) -> str:
    """Parts that have not told that they ended."""
    told = noted_workers(path)
    of = max((int(one.name.rpartition("-")[2]) for one in told), default=0)
    ended = {one.name for one in told if one.status == "finished"}
    left = [f"{number}/{of}" for number in range(1, of + 1) if Part(number, of).name not in ended]
    more = f" and {len(left) - 10} more" if len(left) > 10 else ""
    return f"--shard {', '.join(left[:10])}{more}" if left else "all have; files of them are gone"


def _asked_before(path: Path) -> tuple[PreparedSweep, SweepRecord]:
    """What the parts of a run were asked for, settled again."""
    directory = RunDirectory(path)
    record = directory.record(SweepRecord)
    if record is None:
        raise RunError(f"Parts of a run are gathered in its directory; '{path}' holds none: name the folder that they printed.")
    if record.status == "finished":
        raise RunError(f"The run in '{path}' is finished; there is nothing to gather.")
    found = directory.read_json(REQUEST, made_by="layerscope sweep --shard")
    if found is None:
        raise RunError(f"'{path}' was not begun with --shard: give its 'layerscope sweep' command again, and it goes on.")
    try:
        request = TypeAdapter(SweepRequest).validate_python(found)
    except ValidationError as error:
        where = ".".join(map(str, error.errors(include_url=False)[0]["loc"]))
        raise RunError(f"'{path / REQUEST}' is damaged ({where}): give the command of one part again.") from None
    return settle_again(request, record.request, directory, device_type=record.request.device), record
