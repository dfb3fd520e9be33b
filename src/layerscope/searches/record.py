"""The manifest of a search."""

from __future__ import annotations

from typing import ClassVar, Literal

from layerscope.results.record import ModelRecord, RecordPart, RequestRecord, RunRecord


class SearchRequestRecord(RequestRecord):
    """What was asked of a search."""

    dataset: str
    """Name of the data set, or the file."""
    split: str | None = None
    """Split of it that was used."""
    protocol: str
    """How texts became windows."""
    texts_sha256: str
    """Digest of all texts, in order."""
    draws: int
    """Sets of calibration texts; the search is repeated on each."""
    calibration: int
    """Texts per draw."""
    held_out: int
    """Texts on which paths are measured."""
    moves: tuple[str, ...]
    """Moves, in their written form."""
    method: str
    """Method, in its written form."""
    objective: Literal["nll", "kl"]
    """What was minimised."""
    budget_layers: float
    """Number of layers to end with."""
    keep: tuple[int, ...] = ()
    """Layers that no move touches."""
    steps: int | None = None
    """Maximum number of steps of greedy and beam; null for as many as it takes."""
    until_ci: float | None = None
    """Half-width in nats at which candidates of a step are known well enough; null if each was scored on every text."""
    random_paths: int
    """Random paths per size."""
    compile: bool = False
    """Whether layers were to go through a compiler."""


class WorkRecord(RecordPart):
    """The amount of work."""

    layer_runs: int
    """Layers run on batches of calibration texts, shared steps counted once; without those of an earlier, killed run."""
    layer_runs_without_sharing: int
    """Layers that would have run if every path had been a forward pass of its own, on the same batches."""
    paths_scored: int
    """Paths that were scored on calibration texts, over all draws."""
    parts_resumed: int
    """Parts left by an earlier run that was killed."""


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
    """The amount of work; null until the run is finished."""
