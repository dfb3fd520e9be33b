"""A sweep in parts that a scheduler gives out: each does its shards by itself, and the last command gathers them.

Parts meet in one run directory that all machines see, or each in its own, with a copy in an object store (``stored``).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from layerscope.engine.batching import Shard
from layerscope.errors import DataError, RunError
from layerscope.progress import Advance, Progress, nobody_asks
from layerscope.results.directory import RunDirectory
from layerscope.results.environment import package_versions
from layerscope.results.kernels import check_same_kernels
from layerscope.results.record import WorkerRecord
from layerscope.results.workers import forget_workers, note_finished, noted_workers
from layerscope.sweeps.asked import REQUEST, asked_anywhere, settle_again
from layerscope.sweeps.engine.walk import work_steps
from layerscope.sweeps.manifest import sweep_record
from layerscope.sweeps.prepare import PreparedSweep, SweepRequest
from layerscope.sweeps.record import SweepRecord
from layerscope.sweeps.rounds import Outcome
from layerscope.sweeps.run import finish
from layerscope.sweeps.stored import StoredPart, StoredRun
from layerscope.sweeps.tabulating import AT_THE_END, OWN
from layerscope.sweeps.worker import Opened, SweepWorker, as_writer, is_written
from layerscope.workers.part import Part
from layerscope.workers.store import Store
from layerscope.workers.told import Told


def run_sweep_part(prepared: PreparedSweep, part: Part, *, store: Store | None = None, progress: Progress = nobody_asks) -> int:
    """Compute the missing shards of one part. Other parts may run at the same time, here or elsewhere.

    Args:
        prepared: the whole run.
        part: which of its shards.
        store: where they are sent as well, and taken from where another machine sent them; None where all machines see the run
            directory.
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
    stored = None if store is None else StoredPart(own, part, mine, store)
    with directory.with_others(part.name):
        if directory.check_resumable(SweepRecord, prepared.record, package_versions(), own=OWN):
            return 0
        if stored is not None:
            stored.take_back()
        directory.check_places(*AT_THE_END)
        pending = [shard for shard in mine if not is_written(own, shard)]
        if not pending and directory.record(SweepRecord) is not None:
            note_finished(directory.path, part.name)
            if stored is not None:
                stored.send_left()
            return 0
        worker = SweepWorker(own)
        opened = worker.open()
        if stored is not None:
            stored.check_kernels(opened.environment)
        _join(own, opened)
        with stored or nullcontext(), Told(directory.path, part.name, opened.environment) as told:
            if stored is not None:
                stored.send_left()

            def wrote(shard: Shard) -> None:
                told.wrote()
                if stored is not None:
                    stored.send(shard)

            worker.wrote = wrote
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
    if not (directory.path / REQUEST).is_file():
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


def gather_sweep(path: Path, *, trust_remote_code: bool = False) -> PreparedSweep:
    """Make the tables of a run whose parts are all done.

    Args:
        path: the run directory.
        trust_remote_code: whether code that comes with the checkpoint may run here, too, where the parts ran it.

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
        return _gather(RunDirectory(path), None, trust_remote_code)


def gather_stored_sweep(store: Store, output_dir: Path, *, trust_remote_code: bool = False) -> PreparedSweep:
    """As ``gather_sweep``, of parts that are in a store, where nothing is changed.

    Args:
        store: folder of the run.
        output_dir: where its run directory goes on this machine.
        trust_remote_code: see ``gather_sweep``.

    Returns:
        The run, finished.

    Raises:
        RunError: also where the store cannot be read, a file is not as its part wrote it, or parts were begun otherwise than
            others.
    """
    stored = StoredRun(store)
    if stored.n_missing > 0:
        raise _missing(store.address, stored.n_missing, stored.record.plan.shards, stored.workers)
    directory = RunDirectory(output_dir.joinpath(*store.names[-2:]))
    directory.check_writable()
    with directory.alone():
        stored.begin(directory)
        return _gather(directory, stored, trust_remote_code)


def _gather(directory: RunDirectory, stored: StoredRun | None, trust_remote_code: bool) -> PreparedSweep:
    """Gather what is in a directory that is held, or what is still to be taken from a store into it."""
    path = directory.path
    prepared, record = _asked_before(path, trust_remote_code)
    if stored is not None:
        stored.fetch(prepared)
    missing = [shard for shard in prepared.shards if not is_written(prepared, shard)]
    if missing:
        raise _missing(str(path), len(missing), len(prepared.shards), noted_workers(path))
    workers = noted_workers(path)
    seconds = sum((one.seconds for one in workers), 0.0)
    finish(prepared, record.model_copy(update={"workers": workers}), Outcome(len(prepared.rounds), seconds, 0))
    (path / REQUEST).unlink(missing_ok=True)
    prepared.directory.digests.forget(REQUEST)
    forget_workers(path)
    return prepared


def _missing(where: str, n_missing: int, n_all: int, told: Sequence[WorkerRecord]) -> RunError:
    return RunError(
        f"A run is gathered when every batch is there; of '{where}' {n_missing:,} of {n_all:,} are not: give the commands of "
        f"the parts again that have not ended ({_unfinished(told)})."
    )


def _unfinished(told: Sequence[WorkerRecord]) -> str:
    """Parts that have not told that they ended."""
    of = max((int(one.name.rpartition("-")[2]) for one in told), default=0)
    ended = {one.name for one in told if one.status == "finished"}
    left = [f"{number}/{of}" for number in range(1, of + 1) if Part(number, of).name not in ended]
    more = f" and {len(left) - 10} more" if len(left) > 10 else ""
    return f"--shard {', '.join(left[:10])}{more}" if left else "all have; files of them are gone"


def _asked_before(path: Path, trust_remote_code: bool) -> tuple[PreparedSweep, SweepRecord]:
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
    if request.options.trust_remote_code and not trust_remote_code:
        raise RunError(
            f"The parts of '{path}' ran code that comes with the checkpoint of '{request.model}', and gathering reads its "
            "tokenizer with it: read that code, then add --trust-remote-code."
        )
    return settle_again(request, record.request, directory, device_type=record.request.device), record
