"""The tables of an evaluation's run directory. Parts of both folders have the number of their cell: a path on a task."""

from __future__ import annotations

import pyarrow as pa

from layerscope.results.schema import NAMES, Column, Table

_CELL = (
    Column("path", pa.string(), "-", "The path in its written form."),
    Column("task", pa.string(), "-", "Name of the task in lm-evaluation-harness."),
    Column(
        "limit", pa.int64(), "samples", "How many samples from the start were requested; missing if all were.", nullable=True
    ),
)

TASKS = Table(
    "tasks.parquet",
    "a path, a task (or a group of tasks) and a metric",
    (
        *_CELL,
        Column("kind", NAMES, "-", "task, or group for the mean over its tasks."),
        Column("metric", pa.string(), "-", "The harness's name of the metric, with its filter if there is one."),
        Column(
            "value",
            pa.float64(),
            "metric's",
            "By the harness's own aggregation; for a group, the mean over its tasks. Missing if some samples are not finite.",
            nullable=True,
        ),
        Column("stderr", pa.float64(), "metric's", "Standard error by the harness; missing if it has none.", nullable=True),
        Column("samples", pa.int64(), "samples", "Samples that were scored."),
        Column("not_finite", pa.int64(), "samples", "How many of these have a log-likelihood that is not a number."),
        Column("higher_is_better", pa.bool_(), "-", "Missing if the harness does not say.", nullable=True),
        Column("delta", pa.float64(), "metric's", "The value minus the intact model's on the same samples.", nullable=True),
        Column(
            "delta_low",
            pa.float64(),
            "metric's",
            "Lower end of the 95% interval of delta, from differences sample by sample; for a perplexity, of its ratio to the "
            "intact model's. Missing for the intact model, with fewer than eight samples, and for metrics that are not a mean "
            "over samples.",
            nullable=True,
        ),
        Column("delta_high", pa.float64(), "metric's", "Upper end of that interval.", nullable=True),
        Column("p_value", pa.float64(), "0-1", "p of delta = 0; missing where the interval is.", nullable=True),
        Column(
            "q_value",
            pa.float64(),
            "0-1",
            "Corrected over all paths and tasks of one metric and limit, groups separately.",
            nullable=True,
        ),
        Column("tied", pa.bool_(), "-", "True if the interval includes 0: a difference within noise.", nullable=True),
    ),
)

TASK_VALUES = Table(
    "task_values",
    "a metric of a path on a task",
    (
        *_CELL,
        Column("metric", pa.string(), "-", "As in tasks.parquet."),
        Column("aggregation", pa.string(), "-", "Name of the function by which the harness makes one value of all samples."),
        Column(
            "value", pa.float64(), "metric's", "As the harness gives it; missing if some samples are not finite.", nullable=True
        ),
        Column("stderr", pa.float64(), "metric's", "As the harness gives it.", nullable=True),
        Column("samples", pa.int64(), "samples", "Samples that were scored."),
        Column("not_finite", pa.int64(), "samples", "How many of these have a log-likelihood that is not a number."),
        Column("higher_is_better", pa.bool_(), "-", "As the harness says.", nullable=True),
    ),
)

TASK_SAMPLES = Table(
    "task_samples",
    "a sample of a path on a task",
    (
        *_CELL,
        Column("sample", pa.int64(), "-", "Its number in the task's data set."),
        Column(
            "log_likelihoods",
            pa.list_(pa.float64()),
            "nats",
            "Log-likelihood of each choice, or of the one continuation or text.",
        ),
        Column("metrics", pa.list_(pa.string()), "-", "Metrics for which the sample has a value."),
        Column(
            "values",
            pa.list_(pa.float64()),
            "metric's",
            "Value of each metric: 1 if the choice is right, a log-likelihood, and so on.",
        ),
        Column("weights", pa.list_(pa.float64()), "-", "Weight of each value in the mean: 1, or the words or bytes of a text."),
    ),
)
