"""A contrast whose groups many machines compare: this process plans, gives out and gathers; it loads no model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from layerscope.contrasts.group_runs import Tell
from layerscope.contrasts.prepare import ContrastRequest, PreparedContrast, prepare_contrast
from layerscope.contrasts.record import ContrastRequestRecord
from layerscope.contrasts.run import run_with
from layerscope.contrasts.worker import ContrastWorker, OpenedContrast, as_writer, is_written, work_of
from layerscope.errors import RunError
from layerscope.progress import Progress
from layerscope.results.directory import RunDirectory
from layerscope.results.record import WorkerRecord
from layerscope.workers.anywhere import anywhere, check_same_run
from layerscope.workers.on_cluster import Kind, ended_workers, see_written
from layerscope.workers.schedule import Schedule, Unit
from layerscope.workers.seat import Seat, enough_memory


class _Workers:
    """Many processes in the place of one ``ContrastWorker``."""

    def __init__(self, prepared: PreparedContrast, schedule: Schedule) -> None:
        self._prepared, self._schedule, self._spreads = prepared, schedule, ""

    def open(self, progress: Progress) -> OpenedContrast:
        """As ``ContrastWorker.open``, in the first that comes."""
        progress("Loading the model", 0, 1)
        opened: OpenedContrast = self._schedule.open()
        self._spreads = opened.reference_sha256
        return opened

    def compare(self, units: Sequence[int], advance: Tell) -> None:
        """As ``ContrastWorker.compare``, of all of them."""
        given = [Unit(float(work_of(self._prepared, unit)), (unit, self._spreads)) for unit in units]
        self._schedule.run(given, lambda _, work: advance("Comparing pairs", round(work)))
        for unit in units:
            see_written(f"group {unit}", partial(is_written, self._prepared, unit), self._prepared.directory.path)

    def close(self) -> tuple[WorkerRecord, ...]:
        """End the workers; what each of them did."""
        return ended_workers(self._schedule, self._prepared.directory.path)


class ContrastHand:
    """What a worker of a contrast does.

    Args:
        name: of the worker, under which it writes.
        request: as any process would give it.
        was: what it came to in the process that gave it.
        run: the run directory.
    """

    def __init__(self, name: str, request: ContrastRequest, was: ContrastRequestRecord, run: Path) -> None:
        self._name, self._request, self._was, self._directory = name, request, was, RunDirectory(run)
        self._seat = Seat(self._directory, name)

    def open(self) -> OpenedContrast:
        """Settle the run again, load the model and measure the spread of its dimensions.

        Raises:
            LayerscopeError: the run is another one here.
        """
        prepared = prepare_contrast(self._request)
        named = {"model": self._was.model, "pairs": self._was.pairs, "reference": self._was.reference}
        check_same_run(self._was, prepared.record.model_copy(update=named), self._directory.path)
        self._worker = ContrastWorker(as_writer(replace(prepared, directory=self._directory), self._name))
        self._opened = self._worker.open()
        return self._opened

    def work(self, content: tuple[int, str], tell: Callable[[float], None]) -> int:
        """Compare and write a unit.

        Args:
            content: its number, and the digest of the spreads that the run is read on.
            tell: called with the work done since the last call.

        Raises:
            RunError: this worker measured other spreads.
            DeviceError: it has too little memory.
        """
        unit, spreads = content
        if self._opened.reference_sha256 != spreads:
            raise RunError(
                "All workers read differences on the same spreads, and this one measured others over the same text: take "
                "machines of one kind."
            )
        self._worker.wrote = self._seat.take(self._opened.environment).wrote
        with enough_memory(
            f"batches of {self._was.batch_tokens:,} positions",
            "a smaller --batch-tokens, --quantize, or more --gpus-per-worker",
        ):
            self._worker.compare([unit], lambda _, n: tell(float(n)))
        return 1

    def close(self) -> None:
        """Say that it ends, and let go."""
        self._seat.leave()


def _asked_anywhere(prepared: PreparedContrast) -> ContrastRequest:
    return anywhere(prepared.request, ("model", "dataset"), batch_tokens=prepared.batch_tokens)


CONTRAST: Kind[ContrastRequest, PreparedContrast] = Kind(prepare_contrast, _asked_anywhere, ContrastHand, _Workers, run_with)
"""A contrast as a cluster runs it."""
