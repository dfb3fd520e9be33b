"""Running a prepared search into its run directory: draw by draw, then held-out texts, times and tables."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import pyarrow as pa

from layerscope.paths.moves import size_of
from layerscope.paths.path import LayerPath
from layerscope.progress import Advance, Progress, nobody_asks
from layerscope.results.environment import package_versions
from layerscope.results.kernels import check_same_kernels
from layerscope.results.record import EnvironmentRecord, ModelRecord, WorkerRecord
from layerscope.results.schema import SCHEMA_VERSION
from layerscope.searches.analysis.candidates import candidates_table
from layerscope.searches.analysis.frontier import Found, HeldOut, frontier_table, gains_table
from layerscope.searches.analysis.left_out import left_out_table
from layerscope.searches.course import Course, run_course
from layerscope.searches.measure import Timing
from layerscope.searches.methods.at_random import random_chains
from layerscope.searches.prepare import PreparedSearch
from layerscope.searches.record import SearchRecord, WorkRecord
from layerscope.searches.rehearsal import rehearse
from layerscope.searches.scoring import Parts, RecordedScoring, held_out_sums
from layerscope.searches.tables import (
    CALIBRATION_SCORES,
    CANDIDATES,
    FRONTIER,
    GAINS,
    HELD_OUT_SCORES,
    LEFT_OUT,
    SPEED,
    TEXTS,
)
from layerscope.searches.units import ScoreUnit
from layerscope.searches.worker import Measured, SearchWorker, batch_to_time

_AT_THE_END = tuple(table.name for table in (TEXTS, CANDIDATES, FRONTIER, GAINS, LEFT_OUT, SPEED))
_OWN = (CALIBRATION_SCORES.name, HELD_OUT_SCORES.name, *_AT_THE_END)


@runtime_checkable
class Crew(Protocol):
    """Who scores: this process, or many."""

    def open(self) -> EnvironmentRecord:
        """Load the model and check that it can run the texts; nothing is written."""

    def score(self, units: Sequence[ScoreUnit], advance: Advance) -> int:
        """Score and write some units; the layers that ran on calibration texts."""

    def measure(self, paths: Sequence[LayerPath], timed: Sequence[LayerPath]) -> Measured:
        """What some paths take; the time of a few."""

    def close(self) -> tuple[WorkerRecord, ...]:
        """End; what each process did, if there were several."""


def run_search(prepared: PreparedSearch, *, force: bool = False, progress: Progress = nobody_asks) -> bool:
    """Run a prepared search, or what is left of it.

    Args:
        prepared: what to do.
        force: replace whatever the run directory holds.
        progress: called as work is done.

    Returns:
        False if the search was finished before and nothing was done.

    Raises:
        LayerscopeError: the search cannot start; nothing has been written then.

    Examples:
        >>> some = {"protocol": "windows:4", "calibration": 2, "held_out": 2, "keep": tuple(range(2, 30)), "random_paths": 0}
        >>> prepared = ls.prepare_search(ls.SearchRequest("smollm2-135m", "texts.txt", drop=1, **some))
        >>> ls.run_search(prepared)
        True
        >>> found = ls.FinishedSearch.open(prepared.directory.path)
        >>> found.frontier["way"].tolist(), found.frontier["layers"].tolist()
        (['intact', 'search', 'one-shot'], [30.0, 29.0, 29.0])
    """
    with prepared.directory.alone():
        return run_with(SearchWorker(prepared), prepared, force=force, progress=progress)


def run_with(crew: Crew, prepared: PreparedSearch, *, force: bool, progress: Progress) -> bool:
    """As ``run_search`` in a directory that is held, by whoever scores."""
    directory = prepared.directory
    if not force and directory.check_resumable(SearchRecord, prepared.record, package_versions(), own=_OWN):
        return False
    if not force:
        directory.check_places(*_AT_THE_END)
    environment = crew.open()
    if force:
        directory.clear()
    check_same_kernels(directory, SearchRecord, compiled=bool(environment.compiled))
    record = _record(prepared, environment)
    directory.start(record)
    directory.digests.gather()  # of workers that ended with an earlier process
    started, meter = time.monotonic(), _Meter(prepared, progress)

    def compute(units: Sequence[ScoreUnit]) -> None:
        meter.layer_runs += crew.score(units, meter.advance) if units else 0

    parts = Parts(prepared, compute)
    courses = _courses(prepared, parts, meter)
    found = _found(prepared, courses)
    meter.what = "Measuring on held-out texts"
    paths = list(dict.fromkeys(one.path for one in found))
    counts = np.array([window.n_scored for window in prepared.texts[: prepared.request.held_out]])
    held_out = HeldOut(dict(zip(paths, held_out_sums(parts, paths), strict=True)), counts)
    meter.what = "Timing"
    meter.advance(0)
    timed = list(dict.fromkeys(one.path for one in found if one.way in ("intact", "search")))
    measured = crew.measure(paths, timed)
    directory.digests.gather()
    _tabulate(prepared, courses, found, held_out, dict(zip(paths, measured.parameters, strict=True)), measured.timings)
    work = WorkRecord(
        layer_runs=meter.layer_runs,
        layer_runs_without_sharing=sum(_without_sharing(prepared, course, number) for number, course in enumerate(courses)),
        paths_scored=sum(len(course.race.sums) for course in courses),
        parts_resumed=parts.resumed,
    )
    meter.finish()
    record = record.model_copy(update={"workers": crew.close()})
    directory.finish(record, work=work, seconds=round(time.monotonic() - started, 2))
    return True


class _Meter:
    """Work done, in layer runs × positions, against what a rehearsal says it will be at most."""

    def __init__(self, prepared: PreparedSearch, progress: Progress) -> None:
        self.what, self._progress, self._done, self.layer_runs = "Searching", progress, 0, 0
        rehearsed = rehearse(prepared)
        shards = [shard for shards in prepared.draws[0].rounds for shard in shards]
        positions = sum(shard.padded_tokens for shard in shards) / len(shards)
        self._total = int(1.2 * rehearsed.layer_runs * positions * len(prepared.draws))

    def advance(self, steps: int) -> None:
        self._done += steps
        self._total = max(self._total, self._done + 1)
        self._progress(self.what, self._done, self._total)

    def finish(self) -> None:
        self._progress("Writing tables", self._total, self._total)


def _courses(prepared: PreparedSearch, parts: Parts, meter: _Meter) -> list[Course]:
    """Every draw's course; then every draw's path of a size on the calibration texts of the others, too."""
    courses: list[Course] = []
    for number in range(len(prepared.draws)):
        meter.what = "Searching" if len(prepared.draws) == 1 else f"Searching, draw {number + 1} of {len(prepared.draws)}"
        courses.append(run_course(prepared, number, RecordedScoring(parts, number)))
    meter.what = "Comparing draws"
    first = list(dict.fromkeys(paths[0] for course in courses for paths in _firsts(course)))
    for number, course in enumerate(courses):
        course.race.scoring = RecordedScoring(parts, number)
        course.race.score_all(first)
    return courses


def _firsts(course: Course) -> list[tuple[LayerPath, ...]]:
    return [*course.trail.best.values(), *course.baseline.best.values()]


def _found(prepared: PreparedSearch, courses: Sequence[Course]) -> list[Found]:
    """What is to be measured: the intact model, each draw's best of each size and its one-shot path, random paths."""
    space = prepared.space
    found = [Found("intact", 0, space.start, (), *_means(courses, 0, space.start))]
    for draw, course in enumerate(courses):
        for way, trail in (("search", course.trail), ("one-shot", course.baseline)):
            for size in sorted(trail.best, reverse=True):
                path = trail.best[size][0]
                if path != space.start:
                    found.append(Found(way, draw, path, trail.moves(path), *_means(courses, draw, path)))
    sizes = {size_of(one.path) for one in found if one.way == "search"}
    for number, chain in enumerate(random_chains(space, prepared.request.random_paths, prepared.seed_of("random"))):
        found += [Found("random", number, path, ()) for size, path in chain.items() if size in sizes]
    return found


def _means(courses: Sequence[Course], draw: int, path: LayerPath) -> tuple[float, float]:
    """The objective over a draw's own texts, and over those of all draws."""
    races = [course.race for course in courses]
    whole = sum(float(race.sums[path].sum()) for race in races) / sum(int(race.counts.sum()) for race in races)
    return races[draw].mean(path), whole


def _without_sharing(prepared: PreparedSearch, course: Course, number: int) -> int:
    """Layer runs if each path had been a forward pass of its own on the batches that it was scored on."""
    draw = prepared.draws[number]
    total = 0
    for path in course.race.sums:
        n = course.race.n_scored(path)
        n_batches = sum(len(shards) for shards, end in zip(draw.rounds, draw.round_ends, strict=True) if end <= n)
        total += n_batches * sum(step.layer_runs for step in path.steps)
    return total


def _tabulate(
    prepared: PreparedSearch,
    courses: Sequence[Course],
    found: Sequence[Found],
    held_out: HeldOut,
    parameters: dict[LayerPath, int],
    timings: Sequence[Timing],
) -> None:
    directory = prepared.directory
    directory.write_table(TEXTS, _texts_table(prepared))
    directory.write_table(CANDIDATES, candidates_table(courses, prepared.method.name))
    directory.write_table(FRONTIER, frontier_table(found, held_out, parameters))
    directory.write_table(GAINS, gains_table(found, held_out))
    directory.write_table(LEFT_OUT, left_out_table(found, prepared.space.n_layers))
    directory.write_table(SPEED, _speed_table(timings, batch_to_time(prepared).padded_tokens))


def _texts_table(prepared: PreparedSearch) -> pa.Table:
    n_held_out, n_of_draw = prepared.request.held_out, prepared.request.calibration
    draws = [-1 if row < n_held_out else (row - n_held_out) // n_of_draw for row in range(len(prepared.texts))]
    return TEXTS.build(
        {
            "text": np.arange(len(prepared.texts)),
            "role": pa.array(["held-out" if draw < 0 else "calibration" for draw in draws]).dictionary_encode(),
            "draw": np.array(draws),
            "name": [window.name for window in prepared.texts],
            "characters": [window.text for window in prepared.texts],
            "tokens_scored": [window.n_scored for window in prepared.texts],
            "bytes_scored": [window.scored_bytes for window in prepared.texts],
        }
    )


def _speed_table(timings: Sequence[Timing], positions: int) -> pa.Table:
    return SPEED.build(
        {
            "path": pa.array([str(one.path) for one in timings]).dictionary_encode(),
            "layers": np.array([size_of(one.path) / 2 for one in timings], dtype=np.float32),
            "positions": np.full(len(timings), positions),
            "seconds_a_token": [one.seconds_a_token for one in timings],
            "ratio": [float(np.median(one.ratios)) for one in timings],
            "ratio_low": [min(one.ratios) for one in timings],
            "ratio_high": [max(one.ratios) for one in timings],
        }
    )


def _record(prepared: PreparedSearch, environment: EnvironmentRecord) -> SearchRecord:
    return SearchRecord(
        schema_version=SCHEMA_VERSION,
        status="running",
        request=prepared.record,
        model=ModelRecord(
            name=prepared.source.name,
            family=prepared.config.model_type,
            revision=prepared.source.revision,
            fingerprint=prepared.record.model_fingerprint,
            dtype=prepared.record.dtype,
            layers=prepared.space.n_layers,
        ),
        environment=environment,
        data_dir=None if prepared.request.data_dir is None else str(prepared.request.data_dir),
    )
