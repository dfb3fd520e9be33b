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
    """Of log-probabilities and their sums; null where it was the model's, as in early runs."""
    batch_size: int | None = None
    """Requests per batch; null where batches were as large as batch_tokens allow."""


class CellKey(NamedTuple):
    """A path on a task: what is run, kept and found again as one."""

    path: str
    """In its written form."""
    task: str
    """As the harness names it."""
    limit: int | None
    """The first so many samples; None for all."""
    requests_sha256: str
    """Digest of everything that is asked, of what is right, and of the metrics."""


class CellRecord(RecordPart):
    """A path on a task that was evaluated."""

    part: int
    """Number of its parts of task_values and task_samples."""

    path: str
    """In its written form."""
    task: str
    """As the harness names it."""
    limit: int | None = None
    """The first so many samples; null for all."""
    requests_sha256: str
    """Digest of everything that the model was asked, of what is right, and of the metrics."""

    @property
    def key(self) -> CellKey:
        """What it is found by."""
        return CellKey(self.path, self.task, self.limit, self.requests_sha256)


class GroupRecord(RecordPart):
    """Tasks that were asked for under one name."""

    tasks: tuple[str, ...]
    """Its tasks."""
    metrics: tuple[str, ...] | None = None
    """Metrics that are averaged; null for all that its tasks have."""
    by_size: bool = True
    """Whether a task counts for as much as it has samples, or each task for the same."""


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
    """Folder with tasks of one's own, as it was given; null where none was, and in runs that did not note it."""
    cells: tuple[CellRecord, ...] = ()
    """That are there, in the order in which they were evaluated."""
    groups: dict[str, GroupRecord] = Field(default_factory=dict)
    """By name, as asked for."""
