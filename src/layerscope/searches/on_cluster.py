"""A search whose candidates many machines score: this process chooses and gives out; it loads no model."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from layerscope.paths.path import LayerPath
from layerscope.progress import Advance
from layerscope.results.directory import RunDirectory
from layerscope.results.record import EnvironmentRecord, WorkerRecord
from layerscope.searches.prepare import PreparedSearch, SearchRequest, prepare_search
from layerscope.searches.record import SearchRequestRecord
from layerscope.searches.run import run_with
from layerscope.searches.units import ScoreUnit, batches_of, read_sums
from layerscope.searches.worker import Measured, SearchWorker, as_writer
from layerscope.workers.anywhere import anywhere, check_same_run
from layerscope.workers.on_cluster import Kind, ended_workers, see_written
from layerscope.workers.schedule import Schedule, Unit
from layerscope.workers.seat import Seat, enough_memory


class _Workers:
    """Many processes in the place of one ``SearchWorker``."""

    def __init__(self, prepared: PreparedSearch, schedule: Schedule) -> None:
        self._prepared, self._schedule = prepared, schedule

    def open(self) -> EnvironmentRecord:
        """As ``SearchWorker.open``, in the first that comes."""
        opened: EnvironmentRecord = self._schedule.open()
        return opened

    def score(self, units: Sequence[ScoreUnit], advance: Advance) -> int:
        """As ``SearchWorker.score``, of all of them."""
        places: Counter[tuple[int | None, int]] = Counter()
        asked = []
        for unit in units:  # the same part of the candidates of each step on the same batch: their states are there
            batch = (unit.draw, unit.shard)
            asked.append(Unit(self._cost(unit), unit, at=(*batch, places[batch])))
            places[batch] += 1
        n_runs: list[int] = self._schedule.run(asked, lambda _, work: advance(round(work)))
        run = self._prepared.directory.path
        for unit in units:
            see_written(f"scores {unit.index}", partial(_is_written, self._prepared, unit), run)
        return sum(n_runs)

    def measure(self, paths: Sequence[LayerPath], timed: Sequence[LayerPath]) -> Measured:
        """As ``SearchWorker.measure``, of one of them."""
        (measured,) = self._schedule.run([Unit(1.0, (tuple(paths), tuple(timed)))], lambda *_: None)
        assert isinstance(measured, Measured), "what its hand answers"
        return measured

    def close(self) -> tuple[WorkerRecord, ...]:
        """End the workers; what each of them did."""
        return ended_workers(self._schedule, self._prepared.directory.path)

    def _cost(self, unit: ScoreUnit) -> float:
        """Layer runs × positions without any state at hand, which they may be fewer than."""
        shard = batches_of(self._prepared, unit.draw)[unit.shard]
        return float(shard.padded_tokens * sum(step.layer_runs for path in unit.paths for step in path.steps))


def _is_written(prepared: PreparedSearch, unit: ScoreUnit) -> bool:
    return read_sums(prepared, unit) is not None


class SearchHand:
    """What a worker of a search does.

    Args:
        name: of the worker, under which it writes.
        request: as any process would give it.
        was: what it came to in the process that gave it.
        run: the run directory.
    """

    def __init__(self, name: str, request: SearchRequest, was: SearchRequestRecord, run: Path) -> None:
        self._name, self._request, self._was, self._directory = name, request, was, RunDirectory(run)
        self._seat = Seat(self._directory, name)

    def open(self) -> EnvironmentRecord:
        """Settle the search again, and load the model.

        Raises:
            LayerscopeError: the search is another one here.
        """
        prepared = prepare_search(self._request)
        named = {"model": self._was.model, "dataset": self._was.dataset}
        check_same_run(self._was, prepared.record.model_copy(update=named), self._directory.path)
        if self._was.device == "cpu" and self._request.state_memory is None:  # others on the machine keep states, too
            share = torch.get_num_threads() / (os.cpu_count() or 1)
            prepared = replace(prepared, kept_bytes=int(prepared.kept_bytes * min(share, 1.0)))
        self._worker = SearchWorker(as_writer(replace(prepared, directory=self._directory), self._name))
        self._opened = self._worker.open()
        return self._opened

    def work(self, content: ScoreUnit | tuple[Any, Any], tell: Callable[[float], None]) -> int | Measured:
        """Score and write a unit, or measure what paths take.

        Raises:
            DeviceError: it has too little memory.
        """
        self._worker.wrote = self._seat.take(self._opened).wrote
        of, instead = f"batches of {self._was.batch_tokens:,} positions", "a smaller --batch-tokens, or more --gpus-per-worker"
        with enough_memory(of, instead):
            if isinstance(content, ScoreUnit):
                return self._worker.score([content], lambda work: tell(float(work)))
            return self._worker.measure(*content)

    def close(self) -> None:
        """Say that it ends, and let go."""
        self._seat.leave()


def _asked_anywhere(prepared: PreparedSearch) -> SearchRequest:
    return anywhere(prepared.request, ("model", "dataset"), batch_tokens=prepared.record.batch_tokens)


SEARCH: Kind[SearchRequest, PreparedSearch] = Kind(prepare_search, _asked_anywhere, SearchHand, _Workers, run_with)
"""A search as a cluster runs it."""
