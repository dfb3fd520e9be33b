"""The manifest of a contrast."""

from __future__ import annotations

from typing import ClassVar, Literal

from layerscope.results.record import ModelRecord, RecordPart, RequestRecord, RunRecord


class TextRecord(RecordPart):
    """Ordinary text that each dimension's spread was to be measured on."""

    dataset: str
    """Name of the data set, or the file."""
    tokens: int
    """Tokens asked for."""


class ContrastRequestRecord(RequestRecord):
    """What was asked of a contrast."""

    pairs: str
    """templates, or the file's name without its ending."""
    pairs_sha256: str
    """Digest of the pairs by group."""
    per_subtype: int | None
    """Template pairs of each subtype; null for a file."""
    subtypes: tuple[str, ...] | None = None
    """Of template pairs; null for all of them, or a file."""
    sites: tuple[str, ...]
    """Where activations were compared."""
    positions: tuple[str, ...]
    """At which tokens."""
    aligned: bool
    """Whether pairs of unequal length were compared too."""
    prefix: str
    """Text before every sentence of a file."""
    placebos: int
    """Placebos wanted beside each pair."""
    values: tuple[int, ...]
    """Layers whose differences were kept pair by pair."""
    reference: TextRecord
    """Ordinary text that spreads were to be measured on."""


class ContrastedModelRecord(ModelRecord):
    """The model of a contrast."""

    width: int
    """Dimensions of the residual stream."""


class GroupRecord(RecordPart):
    """A group of pairs."""

    role: str
    """As in the table groups."""
    pairs: int | None
    """Pairs compared; null for placebos and references, whose number depends on the model: see the table groups."""
    unusable: int = 0
    """Pairs that the tokenizer does not allow to compare."""


class MeasuredTextRecord(RecordPart):
    """Ordinary text that spreads were measured on."""

    tokens: int
    """Tokens measured."""
    sinks_left_out: int = 0
    """Tokens left out because the model keeps enormous activations there."""


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
    """The file of pairs, as it was given; null for templates, and in runs that did not note it."""
    reference: MeasuredTextRecord
    """What spreads were measured on."""
    placebos_matched_at: str | None = None
    """Site and position at which the size of placebos was compared."""
    shared_prefix_runs_once: bool | None = None
    """Whether what both sides of a pair share ran once for both."""
