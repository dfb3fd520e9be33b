"""The manifest of a contrast."""

from __future__ import annotations

from typing import ClassVar, Literal

from layerscope.results.record import ModelRecord, RecordPart, RequestRecord, RunRecord


class TextRecord(RecordPart):
    """Ordinary text on which each dimension's spread was to be measured."""

    dataset: str
    """Name of the data set, or the file."""
    tokens: int
    """Number of tokens requested."""


class ContrastRequestRecord(RequestRecord):
    """What was asked of a contrast."""

    pairs: str
    """templates, or the file's name without its ending."""
    pairs_sha256: str
    """Digest of the pairs by group."""
    per_subtype: int | None
    """Template pairs per subtype; null for a file."""
    subtypes: tuple[str, ...] | None = None
    """Subtypes of template pairs; null for all of them, or a file."""
    sites: tuple[str, ...]
    """Sites at which activations were compared."""
    positions: tuple[str, ...]
    """Tokens at which they were compared."""
    aligned: bool
    """Whether pairs of unequal length were compared as well."""
    prefix: str
    """Text before every sentence of a file."""
    placebos: int
    """Placebos wanted per pair."""
    values: tuple[int, ...]
    """Layers whose differences were kept pair by pair."""
    reference: TextRecord
    """Ordinary text on which spreads were to be measured."""


class ContrastedModelRecord(ModelRecord):
    """The model of a contrast."""

    width: int
    """Dimensions of the residual stream."""


class GroupRecord(RecordPart):
    """A group of pairs."""

    role: str
    """Role, as in the table groups."""
    pairs: int | None
    """Pairs compared; null for placebos and references, whose number depends on the model: see the table groups."""
    unusable: int = 0
    """Pairs that cannot be compared with this tokenizer."""


class MeasuredTextRecord(RecordPart):
    """Ordinary text on which spreads were measured."""

    tokens: int
    """Tokens measured."""
    sinks_left_out: int = 0
    """Tokens left out because the model has enormous activations there."""


class ContrastRecord(RunRecord):
    """The manifest of a contrast."""

    made_by: ClassVar[str] = "layerscope contrast"

    kind: Literal["contrast"] = "contrast"
    """What was run."""
    request: ContrastRequestRecord
    """What was asked for."""
    model: ContrastedModelRecord
    """The model that ran."""
    groups: dict[str, GroupRecord]
    """Groups in the order in which they ran, by name."""
    pairs_file: str | None = None
    """The file of pairs, as given; null for templates, and in runs that did not record it."""
    reference: MeasuredTextRecord
    """The text on which spreads were measured."""
    placebos_matched_at: str | None = None
    """Site and position at which the size of placebos was compared."""
    shared_prefix_runs_once: bool | None = None
    """Whether the part that both sides of a pair share was run once for both."""
