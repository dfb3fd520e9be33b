"""Running a prepared search into its run directory: draw by draw, then held-out texts, times and tables."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from layerscope.engine.batching import Shard
from layerscope.engine.finite import check_texts
from layerscope.models.decoder import Decoder
from layerscope.models.loading import load_weights
from layerscope.paths.moves import size_of
from layerscope.paths.path import LayerPath
from layerscope.progress import Progress, nobody_asks
from layerscope.results.environment import environment, package_versions
from layerscope.results.kernels import check_same_kernels
from layerscope.results.record import ModelRecord
from layerscope.results.schema import SCHEMA_VERSION
from layerscope.searches.analysis.candidates import candidates_table
from layerscope.searches.analysis.frontier import Found, HeldOut, frontier_table, gains_table
from layerscope.searches.analysis.left_out import left_out_table
from layerscope.searches.course import Course, run_course
from layerscope.searches.engine.walk import PathWalker
from layerscope.searches.measure import Timing, measure_held_out, parameters_of, time_paths
from layerscope.searches.methods.at_random import random_chains
from layerscope.searches.prepare import PreparedSearch
from layerscope.searches.record import SearchRecord, WorkRecord
from layerscope.searches.rehearsal import rehearse
from layerscope.searches.scoring import Parts, RecordedScoring
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
from layerscope.sweeps.checks import check_layers, check_tokens_fit
from layerscope.sweeps.engine.compiling import compile_decoder

_AT_THE_END = tuple(table.name for table in (TEXTS, CANDIDATES, FRONTIER, GAINS, LEFT_OUT, SPEED))
_OWN = (CALIBRATION_SCORES.name, HELD_OUT_SCORES.name, *_AT_THE_END)


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
        return _run(prepared, force=force, progress=progress)


def _run(prepared: PreparedSearch, *, force: bool, progress: Progress) -> bool:
    directory = prepared.directory
    if not force and directory.check_resumable(SearchRecord, prepared.record, package_versions(), own=_OWN):
        return False
    if not force:
        directory.check_places(*_AT_THE_END)
    decoder = _load(prepared)
    if force:
        directory.clear()
    check_same_kernels(directory, SearchRecord, compiled=decoder.compiled is not None)
    record = _record(prepared, decoder)
    directory.start(record)
    started, meter = time.monotonic(), _Meter(prepared, progress)
    parts = Parts(directory)
    courses = _courses(prepared, decoder, parts, meter)
    found = _found(prepared, courses)
    meter.what = "Measuring on held-out texts"
    paths = list(dict.fromkeys(one.path for one in found))
    n_held_out = prepared.request.held_out
    sums = measure_held_out(decoder, directory, paths, prepared.held_out, n_texts=n_held_out, advance=meter.advance)
    counts = np.array([window.n_scored for window in prepared.texts[:n_held_out]])
    held_out = HeldOut(dict(zip(paths, sums, strict=True)), counts)
    meter.what = "Timing"
    meter.advance(0)
    timed = list(dict.fromkeys(one.path for one in found if one.way in ("intact", "search")))
    _tabulate(prepared, decoder, courses, found, held_out, time_paths(decoder, timed, _batch_to_time(prepared)))
    work = WorkRecord(
        layer_runs=meter.layer_runs,
        layer_runs_without_sharing=sum(_without_sharing(prepared, course, number) for number, course in enumerate(courses)),
        paths_scored=sum(len(course.race.sums) for course in courses),
        parts_resumed=parts.resumed,
    )
    meter.finish()
    directory.finish(record, work=work, seconds=round(time.monotonic() - started, 2))
    return True


def _load(prepared: PreparedSearch) -> Decoder:
    decoder = load_weights(prepared.source, prepared.config, prepared.encoder, prepared.request.options)
    check_layers(decoder, prepared.space.n_layers)
    check_tokens_fit(decoder, prepared.texts)
    check_texts(decoder, prepared.held_out[0])
    if any(abs(move.half_layers) == 1 and move.name != "block-repeat" for move in prepared.space.moves):
        _ = decoder.halves
    if prepared.request.compile == "on":
        compile_decoder(decoder, [shard for draw in prepared.draws for shards in draw.rounds for shard in shards])
    return decoder


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


def _courses(prepared: PreparedSearch, decoder: Decoder, parts: Parts, meter: _Meter) -> list[Course]:
    """Every draw's course; then every draw's path of a size on the calibration texts of the others, too."""
    courses: list[Course] = []
    for number, draw in enumerate(prepared.draws):
        meter.what = "Searching" if len(prepared.draws) == 1 else f"Searching, draw {number + 1} of {len(prepared.draws)}"
        walker = _walker(prepared, decoder, number, meter)
        courses.append(run_course(prepared, number, RecordedScoring(walker, draw, parts)))
        meter.layer_runs += walker.layer_runs
    meter.what = "Comparing draws"
    first = list(dict.fromkeys(paths[0] for course in courses for paths in _firsts(course)))
    for number, course in enumerate(courses):
        walker = _walker(prepared, decoder, number, meter)
        course.race.scoring = RecordedScoring(walker, prepared.draws[number], parts)
        course.race.score_all(first)
        meter.layer_runs += walker.layer_runs
    return courses


def _firsts(course: Course) -> list[tuple[LayerPath, ...]]:
    return [*course.trail.best.values(), *course.baseline.best.values()]


def _walker(prepared: PreparedSearch, decoder: Decoder, number: int, meter: _Meter) -> PathWalker:
    shards: list[Shard] = [shard for shards in prepared.draws[number].rounds for shard in shards]
    return PathWalker(decoder, shards, prepared.objective, prepared.kept_bytes, advance=meter.advance)


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


def _batch_to_time(prepared: PreparedSearch) -> Shard:
    """The held-out batch of a middle size."""
    by_size = sorted(prepared.held_out, key=lambda shard: shard.padded_tokens)
    return by_size[len(by_size) // 2]


def _tabulate(
    prepared: PreparedSearch,
    decoder: Decoder,
    courses: Sequence[Course],
    found: Sequence[Found],
    held_out: HeldOut,
    timings: Sequence[Timing],
) -> None:
    directory = prepared.directory
    directory.write_table(TEXTS, _texts_table(prepared))
    directory.write_table(CANDIDATES, candidates_table(courses, prepared.method.name))
    parameters = {one.path: parameters_of(decoder, one.path) for one in found}
    directory.write_table(FRONTIER, frontier_table(found, held_out, parameters))
    directory.write_table(GAINS, gains_table(found, held_out))
    directory.write_table(LEFT_OUT, left_out_table(found, prepared.space.n_layers))
    directory.write_table(SPEED, _speed_table(timings, _batch_to_time(prepared).padded_tokens))


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


def _record(prepared: PreparedSearch, decoder: Decoder) -> SearchRecord:
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
        environment=environment(decoder),
    )
