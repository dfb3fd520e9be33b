"""Running a prepared evaluation into its run directory: a cell at a time, each kept when it is done. A killed run goes on.

A cell is a path on a task. Cells that are there are not run again, whichever command asked for them first; paths and tasks that
are new are added, and tasks.parquet is made anew of all.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from layerscope.errors import ModelError, RunError
from layerscope.evaluations.harness import quiet, run_task
from layerscope.evaluations.prepare import PreparedEvaluation
from layerscope.evaluations.record import CellKey, CellRecord, EvaluationRecord
from layerscope.evaluations.rows import not_finite, samples_table, values_table
from layerscope.evaluations.shared_prefixes import SharedPrefixes
from layerscope.evaluations.summary import tasks_table
from layerscope.evaluations.tables import TASK_SAMPLES, TASK_VALUES, TASKS
from layerscope.lm_eval import PathLM, check_runs
from layerscope.models.decoder import Decoder
from layerscope.models.loading import load_weights
from layerscope.paths.path import LayerPath
from layerscope.progress import Progress, nobody_asks
from layerscope.results.directory import RunDirectory
from layerscope.results.environment import environment, package_versions
from layerscope.results.record import EnvironmentRecord, ModelRecord
from layerscope.results.schema import SCHEMA_VERSION

_PARTS = (TASK_SAMPLES, TASK_VALUES)
_ADD_BOS = {"auto": None, "always": True, "never": False}
"""A BOS policy in the harness's words."""


def run_evaluation(prepared: PreparedEvaluation, *, force: bool = False, progress: Progress = nobody_asks) -> bool:
    """Run what is new of a prepared evaluation.

    Args:
        prepared: what to do.
        force: replace whatever the run directory holds.
        progress: called as work is done.

    Returns:
        False if everything was there and nothing was done.

    Raises:
        LayerscopeError: the run cannot start; nothing has been written then.

    Examples:
        >>> request = ls.EvaluationRequest(
        ...     "smollm2-135m", ("agreement",), data_dir=Path("blimp"), output_dir=Path("evaluations")
        ... )
        >>> prepared = ls.prepare_evaluation(request)
        >>> ls.run_evaluation(prepared), ls.run_evaluation(prepared)  # everything is there the second time
        (True, False)
    """
    with prepared.directory.alone():
        return _run(prepared, force=force, progress=progress)


def missing_cells(prepared: PreparedEvaluation) -> tuple[CellKey, ...]:
    """Cells asked for that the run directory does not hold, in the order in which they will run.

    Raises:
        RunError: the directory holds another run, or other samples of a task.
    """
    wanted = _wanted(prepared, _cells_there(prepared))
    _is_finished(prepared, wanted)
    return wanted


def _wanted(prepared: PreparedEvaluation, there: Sequence[CellRecord]) -> tuple[CellKey, ...]:
    keys = {cell.key for cell in there}
    return tuple(cell for cell in prepared.cells if cell not in keys)


def _run(prepared: PreparedEvaluation, *, force: bool, progress: Progress) -> bool:
    directory, decoder = prepared.directory, None
    if force:
        decoder = _load(prepared)  # what cannot be loaded replaces nothing
        directory.clear()
    began = time.monotonic()
    before, there = directory.record(EvaluationRecord), _cells_there(prepared)
    wanted = _wanted(prepared, there)
    if not force:
        if _is_finished(prepared, wanted):
            return False
        directory.check_places(TASKS.name)
    if decoder is None and (wanted or before is None):
        decoder = _load(prepared)
    record = _record(prepared, environment(decoder) if decoder is not None else _environment_of(before))
    earlier = before.groups if before is not None else {}
    record = record.model_copy(update={"cells": there, "groups": {**earlier, **prepared.groups}})
    directory.start(record)
    _remove_others(directory, there)
    if decoder is not None:
        for cell in _run_cells(prepared, decoder, wanted, progress, first_part=_next_part(there)):
            record = record.model_copy(update={"cells": (*record.cells, cell)})
            directory.start(record)
    directory.write_table(TASKS, tasks_table(directory, record))
    earlier_seconds = before.seconds if before is not None and before.seconds is not None else 0.0
    directory.finish(record, seconds=round(earlier_seconds + time.monotonic() - began, 2))
    return True


def _is_finished(prepared: PreparedEvaluation, wanted: Sequence[CellKey]) -> bool:
    """Whether the directory is finished, and holds every cell and every group asked for.

    Raises:
        RunError: it holds another run, other samples of a task, or cells that other packages made where some are to be added.
    """
    directory = prepared.directory
    is_finished = directory.check_resumable(EvaluationRecord, prepared.record, package_versions(), own=(TASKS.name,))
    before = directory.record(EvaluationRecord)
    if before is None:
        return False
    asked = {(cell.task, cell.limit): cell.requests_sha256 for cell in prepared.cells}
    for cell in before.cells:
        if asked.get((cell.task, cell.limit), cell.requests_sha256) != cell.requests_sha256:
            raise RunError(
                f"'{directory.path}' holds the task '{cell.task}' with other samples or questions: name another --output-dir, "
                "or use --force to replace it."
            )
    began_with = before.environment.packages
    changed = [name for name, version in package_versions().items() if began_with.get(name, version) != version]
    if wanted and changed:
        name = changed[0]
        raise RunError(
            f"Paths are compared as they were run: '{directory.path}' began with {name} {began_with[name]} and this is "
            f"{package_versions()[name]}: install that version, name another --output-dir, or use --force to run all again."
        )
    return is_finished and not wanted and all(before.groups.get(name) == group for name, group in prepared.groups.items())


def _cells_there(prepared: PreparedEvaluation) -> tuple[CellRecord, ...]:
    """Cells of the manifest whose parts are as they were written."""
    directory, before = prepared.directory, prepared.directory.record(EvaluationRecord)
    if before is None:
        return ()
    return tuple(cell for cell in before.cells if all(directory.has_part(table, cell.part) for table in _PARTS))


def _remove_others(directory: RunDirectory, there: Sequence[CellRecord]) -> None:
    """Parts of cells that were lost, or were being written when a run was killed."""
    used = {cell.part for cell in there}
    for table in _PARTS:
        for part in set(range(directory.n_parts(table))) - used:
            directory.remove_part(table, part)


def _next_part(cells: Sequence[CellRecord]) -> int:
    return max((cell.part for cell in cells), default=-1) + 1


def _environment_of(record: EvaluationRecord | None) -> EnvironmentRecord:
    assert record is not None, "cells are there"
    return record.environment


def _load(prepared: PreparedEvaluation) -> Decoder:
    decoder = load_weights(prepared.source, prepared.config, prepared.encoder, prepared.request.options)
    if decoder.n_layers != prepared.n_layers:
        raise ModelError(f"'{decoder.name}' has {decoder.n_layers} layers and its configuration says {prepared.n_layers}.")
    for path in prepared.paths:
        check_runs(decoder, path)
    return decoder


def _run_cells(
    prepared: PreparedEvaluation, decoder: Decoder, cells: Sequence[CellKey], progress: Progress, *, first_part: int
) -> Iterator[CellRecord]:
    """Evaluate and keep one cell after the other."""
    total, done = sum(prepared.tasks[cell.task].requests for cell in cells), 0
    together: dict[str, list[LayerPath]] = {}
    for cell in cells:
        together.setdefault(cell.task, []).append(LayerPath.parse(cell.path))
    shared, task = SharedPrefixes(decoder, ()), None
    with quiet():
        intact = PathLM(
            decoder,
            batch_size=prepared.request.batch_size or "auto",
            batch_tokens=prepared.record.batch_tokens,
            add_bos_token=_ADD_BOS[prepared.request.options.bos],
            softmax_dtype=prepared.record.softmax_dtype,
        )
    for part, cell in enumerate(cells, start=first_part):
        if cell.task != task:
            shared, task = SharedPrefixes(decoder, together[cell.task]), cell.task
        path = LayerPath.parse(cell.path)
        loaded = prepared.tasks[cell.task]
        what, last = f"{part - first_part + 1}/{len(cells)} {cell.task[:30]}", done + loaded.requests
        progress(what, done, total)

        def advance(rows: int, what: str = what, last: int = last) -> None:
            nonlocal done
            done = min(done + rows, last)
            progress(what, done, total)

        with quiet():
            lm = intact.along(path, walk=shared.walker(together[cell.task].index(path)), advance=advance)
            found = run_task(lm, loaded.task, cell.limit)
        broken = not_finite(found["samples"][cell.task])
        if broken and cell.path == str(prepared.paths[0]):
            raise ModelError(
                f"The intact model gives {broken} of {loaded.samples} samples of '{cell.task}' a log-likelihood that is no "
                f"number in {prepared.record.dtype}, so that nothing can be compared with it: take a wider --dtype."
            )
        prepared.directory.write_part(TASK_SAMPLES, part, samples_table(cell, found["samples"][cell.task], loaded.task))
        prepared.directory.write_part(TASK_VALUES, part, values_table(cell, found, loaded.task))
        done = last
        yield CellRecord(part=part, **cell._asdict())


def _record(prepared: PreparedEvaluation, made_with: EnvironmentRecord) -> EvaluationRecord:
    return EvaluationRecord(
        schema_version=SCHEMA_VERSION,
        status="running",
        request=prepared.record,
        intact=str(LayerPath.intact(prepared.n_layers)),
        model=ModelRecord(
            name=prepared.source.name,
            family=prepared.config.model_type,
            revision=prepared.source.revision,
            fingerprint=prepared.record.model_fingerprint,
            dtype=prepared.record.dtype,
            layers=prepared.n_layers,
        ),
        environment=made_with,
        data_dir=None if prepared.request.data_dir is None else str(prepared.request.data_dir),
        include_path=None if prepared.request.include_path is None else str(prepared.request.include_path),
    )
