"""What the harness found, as rows: metrics of a cell, and its samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from layerscope.evaluations.record import CellKey
from layerscope.evaluations.tables import TASK_SAMPLES, TASK_VALUES

MEANS = ("mean", "perplexity", "weighted_perplexity", "bits_per_byte")
"""Aggregations that are made of a mean over samples: of values, or of log-likelihoods."""


def values_table(cell: CellKey, found: Any, task: Any) -> pa.Table:
    """The metrics of a cell.

    Args:
        cell: which.
        found: what the harness's ``evaluate`` gave.
        task: the harness's own.
    """
    results = found["results"][cell.task]
    samples = found["samples"][cell.task]
    higher = found["higher_is_better"].get(cell.task) or {}
    broken = not_finite(samples)
    keys = [key for key in results if "," in key and "_stderr," not in key and _is_number(results[key])]
    names = [key.split(",")[0] for key in keys]
    return TASK_VALUES.build(
        {
            **_cell_columns(cell, len(keys)),
            "metric": [_metric(*key.split(",", 1)) for key in keys],
            "aggregation": [_aggregation(task, name) for name in names],
            "value": [None if broken else float(results[key]) for key in keys],
            "stderr": [None if broken else _stderr(results.get(_stderr_key(key))) for key in keys],
            "samples": [len({s["doc_id"] for s in samples if name in s["metrics"]}) for name in names],
            "not_finite": [broken] * len(keys),
            "higher_is_better": [None if higher.get(name) is None else bool(higher[name]) for name in names],
        }
    )


def not_finite(samples: Sequence[dict[str, Any]]) -> int:
    """Samples with a log-likelihood that is no number.

    The harness takes the place of the first such one for the likeliest choice: a model that has overflowed would be right
    wherever the first choice is.
    """
    return len({s["doc_id"] for s in samples if any(math.isnan(_likelihood(answers[0])) for answers in s["resps"])})


def samples_table(cell: CellKey, samples: Sequence[dict[str, Any]], task: Any) -> pa.Table:
    """The samples of a cell, each once, whatever filters it went through.

    Args:
        cell: which.
        samples: as the harness logs them, once a filter.
        task: the harness's own.
    """
    likelihoods: dict[int, list[float]] = {}
    metrics: dict[int, list[tuple[str, float, float]]] = {}
    for sample in samples:
        number = int(sample["doc_id"])
        likelihoods.setdefault(number, [_likelihood(answers[0]) for answers in sample["resps"]])
        own = metrics.setdefault(number, [])
        for name in sample["metrics"]:
            weighed = _weighed(sample[name], _aggregation(task, name))
            if weighed is not None:
                own.append((_metric(name, sample["filter"]), *weighed))
    return TASK_SAMPLES.build(
        {
            **_cell_columns(cell, len(metrics)),
            "sample": list(metrics),
            "log_likelihoods": list(likelihoods.values()),
            "metrics": [[name for name, _, _ in own] for own in metrics.values()],
            "values": [[value for _, value, _ in own] for own in metrics.values()],
            "weights": [[weight for _, _, weight in own] for own in metrics.values()],
        }
    )


def _cell_columns(cell: CellKey, n: int) -> dict[str, object]:
    return {"path": [cell.path] * n, "task": [cell.task] * n, "limit": [cell.limit] * n}


def _metric(name: str, filter_name: str) -> str:
    return name if filter_name == "none" else f"{name},{filter_name}"


def _stderr_key(key: str) -> str:
    name, filter_name = key.split(",", 1)
    return f"{name}_stderr,{filter_name}"


def _stderr(value: object) -> float | None:
    return float(value) if isinstance(value, int | float | np.number) and np.isfinite(value) else None


def _aggregation(task: Any, name: str) -> str:
    function = task.aggregation().get(name)
    return "mean" if function is None else str(getattr(function, "__name__", "another"))  # its own default


def _weighed(value: Any, aggregation: str) -> tuple[float, float] | None:
    """Value and weight of a sample; None where the metric is no mean over samples."""
    if aggregation not in MEANS:
        return None
    if isinstance(value, tuple | list):
        is_pair = aggregation in ("weighted_perplexity", "bits_per_byte") and len(value) == 2
        return (float(value[0]), float(value[1])) if is_pair else None
    return (float(value), 1.0) if _is_number(value) else None


def _likelihood(answer: Any) -> float:
    """Of an answer: with whether it is the likeliest, or alone."""
    return float(answer[0] if isinstance(answer, tuple | list) else answer)


def _is_number(value: object) -> bool:
    return isinstance(value, bool | int | float | np.number)
