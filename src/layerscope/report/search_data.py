"""What the page shows of a search: every measured path with its gains and commands, which layers went, tasks, findings."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from layerscope.report.packing import Packing
from layerscope.searches.analysis.finding import search_findings
from layerscope.searches.analysis.order import first_draw
from layerscope.searches.record import SearchRecord
from layerscope.sweeps.analysis.few_texts import few_texts

_OF_PATHS = {
    "way": "way",
    "draw": "draw",
    "layers": "layers",
    "parameters": "parameters",
    "path": "path",
    "moves": "moves",
    "best": "is_best",
    "nll": "nll_nats",
    "ppl": "ppl",
    "delta": "delta_nll_nats",
    "low": "delta_nll_low_nats",
    "high": "delta_nll_high_nats",
    "time": "ratio",
    "time_low": "ratio_low",
    "time_high": "ratio_high",
}
_OF_GAINS = {
    "gain": "gain_nats",
    "gain_low": "gain_low_nats",
    "gain_high": "gain_high_nats",
    "gain_q": "q_value",
    "same": "same_path",
}
_OF_TASKS = ("path", "measure", "value", "samples", "not_finite", "delta", "delta_low", "delta_high", "q_value")
MEASURES = 100
"""Tasks and metrics that are shown, groups of tasks first."""


@dataclass(frozen=True)
class SearchTables:
    """A search, as it was read."""

    frontier: pd.DataFrame
    """One row per path that was measured, the intact model first."""
    gains: pd.DataFrame
    """One row per size, rival and draw."""
    left_out: pd.DataFrame
    """One row per size and layer."""
    candidates: pd.DataFrame
    """One row per path that a step compared with others."""
    speed: pd.DataFrame
    """One row per path that was timed."""
    tasks: pd.DataFrame | None = None
    """tasks.parquet of an evaluation of its paths; None where there is none."""


def search_data(tables: SearchTables, record: SearchRecord, *, folder: str, packing: Packing) -> dict[str, Any]:
    """The tables of a search as the page reads them.

    Args:
        tables: of the run.
        record: its manifest.
        folder: of the run, as it was given.
        packing: takes what is large.
    """
    n_layers, request = record.model.layers, record.request
    first = first_draw(tables.frontier, n_layers)
    findings = search_findings(tables.frontier, tables.gains, tables.left_out, tables.candidates)
    warning = few_texts(request.held_out)
    return {
        "layers": n_layers,
        "draws": request.draws,
        "calibration": request.calibration,
        "held_out": request.held_out,
        "method": request.method,
        "moves": list(request.moves),
        "findings": [one._asdict() for one in findings],
        "warning": None if warning is None else warning._asdict(),
        "paths": packing.table(_paths(tables, record)),
        "left_out": packing.table(tables.left_out),
        "first": {
            "sizes": list(first.sizes),
            "moves": [None if moves is None else list(moves) for moves in first.moves],
            "left_out": packing.table(first.left_out),
        },
        "evaluate": shlex.join(
            [
                *("layerscope", "evaluate", "--model", request.model, "--dtype", request.dtype),
                *("--path", f"@{folder}/frontier", "--tasks", "blimp"),
            ]
        ),
        "tasks": None if tables.tasks is None else _tasks(tables.tasks, packing),
    }


def path_commands(record: SearchRecord, path: str) -> dict[str, str]:
    """Commands that take a path further: what it costs by part of speech, a checkpoint of it, tasks.

    Args:
        record: of the search; its texts and number format are asked for again.
        path: in its written form.
    """
    request, model = record.request, record.model
    common = ["--model", request.model, "--dtype", request.dtype, "--path", path]
    revision = [] if model.revision is None else ["--revision", model.revision]
    sweep = ["--dataset", request.dataset, *(["--split", request.split] if request.split else [])]
    sweep += ["--protocol", request.protocol]
    folder = f"{model.name.rstrip('/').rpartition('/')[2]}-path"
    words = {
        "sweep": ["sweep", *common, *sweep, *revision],
        "export": ["export", *common, *revision, "--output-dir", folder],
        "evaluate": ["evaluate", *common, *revision, "--tasks", "blimp"],
    }
    return {name: shlex.join(["layerscope", *some]) for name, some in words.items()}


def _paths(tables: SearchTables, record: SearchRecord) -> pd.DataFrame:
    """One row per path, with its draw's gain over one-shot, random paths of its size, its time and its commands."""
    times = tables.speed.drop_duplicates("path")[["path", "ratio", "ratio_low", "ratio_high"]]
    rows = tables.frontier.merge(times, on="path", how="left")
    shown = pd.DataFrame({name: rows[column] for name, column in _OF_PATHS.items()})
    over_one_shot, over_random = (_gains(tables.gains, rows, against) for against in ("one-shot", "random"))
    for name, column in _OF_GAINS.items():
        missing = False if name == "same" else np.nan
        shown[name] = [missing if row is None else row[column] for row in over_one_shot]
    shown["compared"] = [row is not None for row in over_one_shot]
    for name in ("random_paths", "random_as_good"):
        shown[name] = [0 if row is None else int(row[name]) for row in over_random]
    commands = [path_commands(record, path) for path in rows["path"]]
    for name in ("sweep", "export", "evaluate"):
        shown[name] = [one[name] for one in commands]
    return shown


def _gains(gains: pd.DataFrame, rows: pd.DataFrame, against: str) -> list[dict[Any, Any] | None]:
    """For each path, its draw's row of gains.parquet; None of a path that is not the search's, or has no rival."""
    there = {(row["draw"], row["layers"]): row for row in gains[gains["against"] == against].to_dict("records")}
    keys = zip(rows["way"], rows["draw"], rows["layers"], strict=True)
    return [there.get((draw, layers)) if way == "search" else None for way, draw, layers in keys]


def _tasks(tasks: pd.DataFrame, packing: Packing) -> dict[str, Any]:
    """Values by path and measure, and what the measures are: a task or group, its metric, and on how many samples."""
    rows = tasks.astype({"kind": str, "task": str, "metric": str, "path": str})
    limits = [None if pd.isna(limit) else int(limit) for limit in rows["limit"]]
    of_rows = list(zip(rows["kind"], rows["task"], rows["metric"], limits, strict=True))
    measures = sorted(dict.fromkeys(of_rows), key=lambda one: one[0] != "group")
    shown = measures[:MEASURES]
    number = {one: i for i, one in enumerate(shown)}
    kept = rows.assign(measure=[number.get(one, -1) for one in of_rows])
    kept = kept[kept["measure"] >= 0]
    names = ("kind", "task", "metric", "limit")
    return {
        "measures": [dict(zip(names, one, strict=True)) for one in shown],
        "measures_of": len(measures),
        "rows": packing.table(kept[list(_OF_TASKS)].rename(columns={"delta_low": "low", "delta_high": "high", "q_value": "q"})),
    }
