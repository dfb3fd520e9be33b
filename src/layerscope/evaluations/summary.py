"""tasks.parquet from the parts of a run directory: every path and group of tasks beside the intact model. No model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Float

from layerscope.evaluations.differences import Difference, SampleValues, difference, group_difference
from layerscope.evaluations.record import CellRecord, EvaluationRecord, GroupRecord
from layerscope.evaluations.rows import MEANS
from layerscope.evaluations.tables import TASK_SAMPLES, TASK_VALUES, TASKS
from layerscope.results.directory import RunDirectory
from layerscope.stats.false_discovery import benjamini_hochberg

Row = dict[str, Any]
_KEPT = ("metric", "value", "stderr", "samples", "not_finite", "higher_is_better")
"""What is taken over from task_values."""


@dataclass(frozen=True)
class _Cell:
    """A path on a task, read back."""

    record: CellRecord
    values: dict[str, Row]
    """Rows of task_values by metric."""
    samples: pa.Table

    @cached_property
    def by_metric(self) -> dict[str, SampleValues]:
        """Of each metric that every sample has."""
        found: dict[str, tuple[list[float], list[float]]] = {}
        columns = (self.samples[name].to_pylist() for name in ("metrics", "values", "weights"))
        for names, values, weights in zip(*columns, strict=True):
            for name, value, weight in zip(names, values, weights, strict=True):
                of_metric = found.setdefault(name, ([], []))
                of_metric[0].append(value)
                of_metric[1].append(weight)
        return {
            name: SampleValues(np.array(values), np.array(weights))
            for name, (values, weights) in found.items()
            if len(values) == self.samples.num_rows and not self.values[name]["not_finite"]
        }


def tasks_table(directory: RunDirectory, record: EvaluationRecord) -> pa.Table:
    """Every cell that is there, and the groups that were asked for, each beside the intact model.

    Args:
        directory: with parts of all cells.
        record: its manifest.
    """
    cells = [_read(directory, cell) for cell in record.cells]
    intact = {_place(cell): cell for cell in cells if cell.record.path == record.intact}
    rows = [row for cell in cells for row in _task_rows(cell, intact[_place(cell)])]
    for name, group in record.groups.items():
        for limit in dict.fromkeys(cell.record.limit for cell in cells):
            rows += _group_rows(name, group, [cell for cell in cells if cell.record.limit == limit], intact)
    frame = pd.DataFrame(rows, columns=[column.name for column in TASKS.columns if column.name != "q_value"])
    frame["q_value"] = np.nan
    keys = frame["limit"].map(lambda limit: "all" if limit is None or pd.isna(limit) else str(limit))
    for index in frame.groupby([keys, frame["kind"], frame["metric"]]).groups.values():
        frame.loc[index, "q_value"] = benjamini_hochberg(frame.loc[index, "p_value"].to_numpy(dtype=float))
    return TASKS.build({column.name: _column(frame[column.name], column.dtype) for column in TASKS.columns})


def _read(directory: RunDirectory, cell: CellRecord) -> _Cell:
    values = {row["metric"]: row for row in directory.read_part(TASK_VALUES, cell.part).to_pylist()}
    return _Cell(cell, values, directory.read_part(TASK_SAMPLES, cell.part))


def _place(cell: _Cell) -> tuple[str, int | None]:
    return cell.record.task, cell.record.limit


def _task_rows(cell: _Cell, intact: _Cell) -> list[Row]:
    rows = []
    for metric, row in cell.values.items():
        baseline = intact.values[metric]["value"]
        found, aggregation = Difference(), row["aggregation"]
        there = metric in cell.by_metric and metric in intact.by_metric
        if cell is not intact and aggregation in MEANS and there:
            samples, others = cell.by_metric[metric], intact.by_metric[metric]
            found = difference(samples, others, aggregation=aggregation, intact_value=baseline)
        kept = {name: row[name] for name in _KEPT}
        rows.append(_row(cell.record.path, cell.record.task, cell.record.limit, "task", kept, baseline, found))
    return rows


def _group_rows(
    name: str, group: GroupRecord, cells: Sequence[_Cell], intact: Mapping[tuple[str, int | None], _Cell]
) -> list[Row]:
    """The mean over a group's tasks of each path that was evaluated on all of them."""
    rows = []
    for path in dict.fromkeys(cell.record.path for cell in cells):
        by_task = {cell.record.task: cell for cell in cells if cell.record.path == path}
        if not all(task in by_task for task in group.tasks):
            continue
        own = [by_task[task] for task in group.tasks]
        others = [intact[_place(cell)] for cell in own]
        for metric in _averaged(group, own):
            sizes = np.array([cell.values[metric]["samples"] for cell in own], dtype=float)
            shares = sizes / sizes.sum() if group.by_size else np.full(len(own), 1.0 / len(own))
            value, baseline = (_mean(shares, [cell.values[metric]["value"] for cell in some]) for some in (own, others))
            errors = [_or_nan(cell.values[metric]["stderr"]) for cell in own]
            found = Difference()
            if own != others and all(metric in cell.by_metric for cell in (*own, *others)):
                samples, baselines = ([cell.by_metric[metric] for cell in some] for some in (own, others))
                found = group_difference(samples, baselines, by_size=group.by_size)
            kept = {
                "metric": metric,
                "value": value,
                "stderr": float(np.sqrt(((shares * errors) ** 2).sum())),
                "samples": int(sizes.sum()),
                "not_finite": sum(cell.values[metric]["not_finite"] for cell in own),
                "higher_is_better": own[0].values[metric]["higher_is_better"],
            }
            rows.append(_row(path, name, own[0].record.limit, "group", kept, baseline, found))
    return rows


def _mean(shares: Float[np.ndarray, " task"], values: Sequence[float | None]) -> float:
    return float(shares @ np.array([_or_nan(value) for value in values]))


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _averaged(group: GroupRecord, cells: Sequence[_Cell]) -> list[str]:
    """Metrics that all tasks of a group have as means."""
    common = [
        metric
        for metric in cells[0].values
        if all(metric in cell.values and cell.values[metric]["aggregation"] == "mean" for cell in cells)
    ]
    return [metric for metric in common if group.metrics is None or metric.split(",")[0] in group.metrics]


def _row(path: str, task: str, limit: int | None, kind: str, kept: Row, baseline: float | None, found: Difference) -> Row:
    return {
        "path": path,
        "task": task,
        "limit": limit,
        "kind": kind,
        **kept,
        "delta": _or_nan(kept["value"]) - _or_nan(baseline),
        "delta_low": found.low,
        "delta_high": found.high,
        "p_value": found.p_value,
        "tied": found.tied,
    }


def _column(values: pd.Series[Any], dtype: pa.DataType) -> object:
    """A column with gaps where something is missing."""
    listed = [None if value is None or (isinstance(value, float) and math.isnan(value)) else value for value in values.tolist()]
    if pa.types.is_dictionary(dtype):
        return pa.array(listed, pa.string()).dictionary_encode()
    return [None if value is None else int(value) for value in listed] if pa.types.is_integer(dtype) else listed
