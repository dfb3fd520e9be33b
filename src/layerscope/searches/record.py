"""The manifest of a search."""

from __future__ import annotations

from typing import ClassVar, Literal

from layerscope.results.record import ModelRecord, RecordPart, RequestRecord, RunRecord


class SearchRequestRecord(RequestRecord):
    """What was asked of a search."""

    dataset: str
    """Name of the data set, or the file."""
    split: str | None = None
    """That was taken of it."""
    protocol: str
    """How texts became windows."""
    texts_sha256: str
    """Digest of all texts, in order."""
    draws: int
    """Sets of calibration texts; the search is repeated on each."""
    calibration: int
    """Texts of each draw."""
    held_out: int
    """Texts by which paths are measured."""
    moves: tuple[str, ...]
    """In their written form."""
    method: str
    """In its written form."""
    objective: Literal["nll", "kl"]
    """What was to be made small."""
    budget_layers: float
    """Layers to get to."""
    keep: tuple[int, ...] = ()
    """Layers that no move touches."""
    steps: int | None = None
    """After which greedy and beam end; null for as many as it takes."""
    until_ci: float | None = None
    """Half-width in nats at which candidates of a step are known well enough; null where each was scored on every text."""
    random_paths: int
    """Random paths of each size."""
    compile: bool = False
    """Whether layers were to go through a compiler."""


class WorkRecord(RecordPart):
    """How much work it was."""

    layer_runs: int
    """Layers that ran on batches of calibration texts, shared steps once; without what an earlier, killed run left."""
    layer_runs_without_sharing: int
    """Layers that would have run if every path had been a forward pass of its own, on the same batches."""
    paths_scored: int
    """Paths that were scored on calibration texts, over all draws."""
    parts_resumed: int
    """Parts that an earlier, killed run had left."""


class SearchRecord(RunRecord):
    """The manifest of a search."""

    made_by: ClassVar[str] = "layerscope search"

    kind: Literal["search"] = "search"
    """What was run."""
    request: SearchRequestRecord
    """What was asked for."""
    model: ModelRecord
    """The model that ran."""
    work: WorkRecord | None = None
    """How much work it was; null until it is finished."""
