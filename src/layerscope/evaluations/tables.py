"""The tables of an evaluation's run directory. Parts of both folders have the number of their cell: a path on a task."""

from __future__ import annotations

import pyarrow as pa

from layerscope.results.schema import NAMES, Column, Table

_CELL = (
    Column("path", pa.string(), "-", "The path in its written form."),
    Column("task", pa.string(), "-", "Name of the task, as lm-evaluation-harness has it."),
    Column("limit", pa.int64(), "samples", "The first so many were asked for; missing where all were.", nullable=True),
)

TASKS = Table(
    "tasks.parquet",
    "a path, a task (or a group of tasks) and a metric",
    (
        *_CELL,
        Column("kind", NAMES, "-", "task, or group for the mean over its tasks."),
        Column("metric", pa.string(), "-", "As the harness names it; with its filter, where that is not none."),
        Column(
            "value",
            pa.float64(),
            "metric's",
            "By the harness's own aggregation; of a group, the mean over its tasks. Missing where some samples are not finite.",
            nullable=True,
        ),
        Column("stderr", pa.float64(), "metric's", "By the harness; missing where it has none.", nullable=True),
        Column("samples", pa.int64(), "samples", "That were scored."),
        Column("not_finite", pa.int64(), "samples", "Of those, the ones with a log-likelihood that is no number."),
        Column("higher_is_better", pa.bool_(), "-", "Missing where the harness does not say.", nullable=True),
        Column("delta", pa.float64(), "metric's", "The value minus the intact model's on the same samples.", nullable=True),
        Column(
            "delta_low",
            pa.float64(),
            "metric's",
            "95 % interval of delta, from differences sample by sample; of a perplexity, of its ratio to the intact model's. "
            "Missing for the intact model, with fewer than eight samples, and for metrics that are no mean over samples.",
            nullable=True,
        ),
        Column("delta_high", pa.float64(), "metric's", "Its upper end.", nullable=True),
        Column("p_value", pa.float64(), "0-1", "Of delta being 0; missing as its interval is.", nullable=True),
        Column(
            "q_value",
            pa.float64(),
            "0-1",
            "Corrected over all paths and tasks of one metric and limit, groups apart.",
            nullable=True,
        ),
        Column("tied", pa.bool_(), "-", "True where the interval holds 0: a difference within noise.", nullable=True),
    ),
)

TASK_VALUES = Table(
    "task_values",
    "a metric of a path on a task",
    (
        *_CELL,
        Column("metric", pa.string(), "-", "As in tasks.parquet."),
        Column("aggregation", pa.string(), "-", "Name of the function by which the harness makes one value of all samples."),
        Column("value", pa.float64(), "metric's", "As the harness gives it; missing where some are not finite.", nullable=True),
        Column("stderr", pa.float64(), "metric's", "As the harness gives it.", nullable=True),
        Column("samples", pa.int64(), "samples", "That were scored."),
        Column("not_finite", pa.int64(), "samples", "Of those, the ones with a log-likelihood that is no number."),
        Column("higher_is_better", pa.bool_(), "-", "As the harness says.", nullable=True),
    ),
)

TASK_SAMPLES = Table(
    "task_samples",
    "a sample of a path on a task",
    (
        *_CELL,
        Column("sample", pa.int64(), "-", "Its number in the task's data set."),
        Column("log_likelihoods", pa.list_(pa.float64()), "nats", "Of each choice, or of the one continuation or text."),
        Column("metrics", pa.list_(pa.string()), "-", "Metrics that it has a value of."),
        Column(
            "values", pa.list_(pa.float64()), "metric's", "Of each: 1 where the choice is right, a log-likelihood, and so on."
        ),
        Column("weights", pa.list_(pa.float64()), "-", "Of each value in the mean: 1, or the words or bytes of a text."),
    ),
)
