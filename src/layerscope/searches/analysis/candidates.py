"""The candidates of every step as a table, with how far each is from the best of its size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from layerscope.paths.moves import size_of
from layerscope.paths.path import LayerPath
from layerscope.searches.course import Course
from layerscope.searches.methods.trail import Step, Trail
from layerscope.searches.race import Race
from layerscope.searches.tables import CANDIDATES


def candidates_table(courses: Sequence[Course], method: str) -> pa.Table:
    """One row per candidate of a step.

    Args:
        courses: one per draw.
        method: name of the search's own.
    """
    rows: list[dict[str, object]] = []
    for draw, course in enumerate(courses):
        trails = {"one-shot": course.baseline} if method == "one-shot" else {method: course.trail, "one-shot": course.baseline}
        for way, trail in trails.items():
            for step in trail.steps:
                rows += [{"draw": draw, "way": way, **row} for row in _rows(course.race, trail, step)]
    return CANDIDATES.from_frame(pd.DataFrame(rows, columns=[column.name for column in CANDIDATES.columns]))


def _rows(race: Race, trail: Trail, step: Step) -> list[dict[str, object]]:
    by_size: dict[int, list[LayerPath]] = {}
    for path in step.candidates:
        by_size.setdefault(size_of(path), []).append(path)
    rows: list[dict[str, object]] = []
    for size, paths in by_size.items():
        chosen = step.best.get(size, ())
        best = chosen[0] if chosen else race.ranked(paths)[0]
        distances = race.distances(paths, best)
        for path in paths:
            away = distances[path]
            rows.append(
                {
                    "step": step.number,
                    "layers": size / 2,
                    "path": str(path),
                    "moves": " ".join(trail.moves(path)),
                    "texts": race.n_scored(path),
                    "objective_nats": _gap(race.mean(path)),
                    "distance_nats": _gap(away.nats),
                    "distance_low_nats": _gap(away.low),
                    "distance_high_nats": _gap(away.high),
                    "is_best": path in chosen,
                    "is_tied": path == best or away.is_tied,
                    "is_dropped": path in race.dropped,
                }
            )
    return rows


def _gap(value: float) -> float:
    return value if np.isfinite(value) else np.nan
