"""The manifest of an evaluation."""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple

from pydantic import Field

from layerscope.results.record import RecordPart, RequestRecord, RunRecord


class EvaluationRequestRecord(RequestRecord):
    """What every number of an evaluation has in common; paths and tasks can be added to it."""

    lm_eval: str
    """Version of lm-evaluation-harness."""
    softmax_dtype: str | None = None
    """Type of log-probabilities and their sums; null if it was the model's, as in early runs."""
    batch_size: int | None = None
    """Requests per batch; null if batches were as large as batch_tokens allows."""


class CellKey(NamedTuple):
    """A path on a task: what is run, kept and found again as one."""

    path: str
    """In its written form."""
    task: str
    """As the harness names it."""
    limit: int | None
    """Number of samples, from the start; None for all."""
    requests_sha256: str
    """Digest of all requests, of what is right, and of the metrics."""


class CellRecord(RecordPart):
    """A path on a task that was evaluated."""

    part: int
    """Number of its parts of task_values and task_samples."""

    path: str
    """In its written form."""
    task: str
    """As the harness names it."""
    limit: int | None = None
    """Number of samples, from the start; null for all."""
    requests_sha256: str
    """Digest of all requests to the model, of what is right, and of the metrics."""

    @property
    def key(self) -> CellKey:
        """What it is found by."""
        return CellKey(self.path, self.task, self.limit, self.requests_sha256)


class GroupRecord(RecordPart):
    """Tasks that were requested under one name."""

    tasks: tuple[str, ...]
    """Its tasks."""
    metrics: tuple[str, ...] | None = None
    """Metrics that are averaged; null for all that its tasks have."""
    by_size: bool = True
    """Whether tasks are weighted by their number of samples, or equally."""


class EvaluationRecord(RunRecord):
    """The manifest of an evaluation."""

    made_by: ClassVar[str] = "layerscope evaluate"

    kind: Literal["evaluation"] = "evaluation"
    """What was run."""
    request: EvaluationRequestRecord
    """What was asked for."""
    intact: str
    """The written form of the intact model's path."""
    include_path: str | None = None
    """Folder with the user's own tasks, as given; null if there was none, and in runs that did not record it."""
    cells: tuple[CellRecord, ...] = ()
    """Evaluated paths on tasks, in the order in which they were evaluated."""
    groups: dict[str, GroupRecord] = Field(default_factory=dict)
    """Groups of tasks by name, as requested."""
