"""Running a prepared contrast into its run directory, a group at a time. A run that was killed goes on where it stopped."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import pyarrow as pa

from layerscope.contrasts.analysis.exact_zeros import ZEROS_TOLD, zero_share
from layerscope.contrasts.group_runs import IN_PARTS, Tell
from layerscope.contrasts.groups import units_of
from layerscope.contrasts.manifest import contrast_record
from layerscope.contrasts.prepare import PreparedContrast
from layerscope.contrasts.record import ContrastRecord
from layerscope.contrasts.tables import GROUPS, REFERENCE
from layerscope.contrasts.worker import SPREADS, ContrastWorker, OpenedContrast, is_written, work_of
from layerscope.progress import Progress, nobody_asks
from layerscope.results.environment import package_versions
from layerscope.results.record import WorkerRecord

log = logging.getLogger(__name__)

_OWN = tuple(table.name for table in (REFERENCE, *IN_PARTS))
"""Files and folders that a run writes itself; others are added by commands that read it."""


@runtime_checkable
class Crew(Protocol):
    """Who does the units: this process, or many."""

    def open(self, progress: Progress) -> OpenedContrast:
        """Load the model and check that it can run the pairs; nothing is written."""

    def compare(self, units: Sequence[int], advance: Tell) -> None:
        """Compare and write some units."""

    def close(self) -> tuple[WorkerRecord, ...]:
        """End; what each process did, if there were several."""


def run_contrast(prepared: PreparedContrast, *, force: bool = False, progress: Progress = nobody_asks) -> bool:
    """Run what is prepared, or what is left of it.

    Args:
        prepared: what to do.
        force: replace whatever the run directory holds.
        progress: called as work is done.

    Returns:
        False if the run was finished before and nothing was done.

    Raises:
        LayerscopeError: the run cannot start; nothing has been written then.

    Examples:
        >>> request = ls.ContrastRequest(
        ...     "smollm2-135m", per_subtype=2, subtypes=("tense", "subject"), sites=("resid_post",), positions=("edit+1",),
        ...     reference=ls.ReferenceText("lee", 200), output_dir=Path("contrasts"),
        ... )
        >>> ls.run_contrast(ls.prepare_contrast(request))
        True
    """
    with prepared.directory.alone():
        return run_with(ContrastWorker(prepared), prepared, force=force, progress=progress)


def run_with(crew: Crew, prepared: PreparedContrast, *, force: bool, progress: Progress) -> bool:
    """As ``run_contrast`` in a directory that is held, by whoever does the units."""
    directory = prepared.directory
    if not force and directory.check_resumable(ContrastRecord, prepared.record, package_versions(), own=_OWN):
        return False
    if not force:
        directory.check_places(REFERENCE.name)
    started = time.perf_counter()
    opened = crew.open(progress)
    if force:
        directory.clear()
    record = contrast_record(prepared, opened)
    directory.start(record)
    directory.digests.gather()  # of workers that ended with an earlier process
    units = list(units_of(prepared.groups))
    pending = [unit for unit in units if not is_written(prepared, unit)]
    done = sum(work_of(prepared, unit) for unit in units) - sum(work_of(prepared, unit) for unit in pending)
    crew.compare([SPREADS, *pending], _counting(progress, done, done + sum(work_of(prepared, unit) for unit in pending)))
    directory.digests.gather()
    record = record.model_copy(update={"workers": crew.close()})
    directory.finish(record, seconds=round(time.perf_counter() - started, 2))
    _warn_of_zeros(prepared)
    return True


def _counting(progress: Progress, done: int, total: int) -> Tell:
    """Tells of work that is done, as it adds up."""

    def advance(what: str, n: int) -> None:
        nonlocal done
        done += n
        progress(what, done, total)

    return advance


def _warn_of_zeros(prepared: PreparedContrast) -> None:
    """Say it where half precision makes differences vanish."""
    if prepared.record.dtype == "float32":
        return
    groups = pa.concat_tables(prepared.directory.parts(GROUPS)).to_pandas()
    share = zero_share(groups)
    if share is not None and share > ZEROS_TOLD:
        log.warning(
            "In %s %.1f%% of the differences after the edit are exactly 0: they are too small for it, and dimensions that "
            "change least cannot be told apart there; take --dtype float32.",
            prepared.record.dtype,
            100 * share,
        )
