"""The manifest of a sweep."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, Literal

from pydantic import AliasChoices, Field

from layerscope.paths.path import LayerPath
from layerscope.results.record import ModelRecord, RecordPart, RequestRecord, RunRecord


class SweepRequestRecord(RequestRecord):
    """What was asked of a sweep."""

    dataset: str
    """Name of the data set, or the file."""
    split: str | None = None
    """That was taken of it."""
    protocol: str
    """How texts became windows."""
    max_samples: int | None
    """Texts (windows, where texts are joined) asked for; null for all."""
    texts_sha256: str
    """Digest of the texts, in order."""
    pairs_sha256: str | None = None
    """Digest of the sentences of the pairs, in order; null without pairs."""
    pair_protocol: str | None = None
    """How sentences of pairs were put to the model; null without pairs."""
    tuned_lens_sha256: str | None = None
    """Digest of the translators of the tuned lens; null without one."""
    experiments: tuple[str, ...]
    """Families in their written form."""
    paths: tuple[str, ...]
    """Single paths in their written form."""
    until_ci: float | None = None
    """Half-width in nats that every interval was to have; null where all samples were to be scored."""
    word_boundaries: bool = False
    """Whether the probability was recorded that a word begins."""
    compile: bool = False
    """Whether layers were to go through a compiler."""
    plain: bool = Field(default=False, validation_alias=AliasChoices("plain", "reference"))
    """Whether no fast path was used (``--plain``)."""
    in_memory: bool = False
    """Whether the texts were given in Python, so that no command asks for the same again; a loaded model has no fingerprint."""


class OriginRecord(RecordPart):
    """The model that an exported checkpoint comes from."""

    model: str
    """Its name."""
    layers: int
    """How many it has."""
    path: str
    """Through it, a step for each layer of the checkpoint."""

    def places(self) -> tuple[int, ...] | None:
        """The original number of each layer; None where layers were put into another order or run twice."""
        found = tuple(layer for step in LayerPath.parse(self.path).steps for layer in step.layers)
        return found if all(one < other for one, other in pairwise(found)) else None


class SweptModelRecord(ModelRecord):
    """The model of a sweep."""

    context_length: int | None
    """Positions that it can see; null without a limit."""
    origin: OriginRecord | None = None
    """The model that ``layerscope export`` made it from; null if it did not."""


class UnscoredRecord(RecordPart):
    """What could not be scored."""

    texts_without_a_scored_token: int
    """Texts."""
    their_names: tuple[str, ...]
    """Of the first hundred."""
    first_tokens_without_context: int
    """Tokens at the start of a text with nothing before them."""
    tokens_past_the_context_length: int
    """Tokens that the model cannot see."""
    tokens_of_the_dropped_tail: int
    """Tokens left over when texts were cut into windows."""


class DataRecord(RecordPart):
    """What was scored."""

    name: str
    """Of the data set, or the file."""
    split: str | None = None
    """That was taken."""
    texts_sha256: str
    """Digest of the texts drawn, in order."""
    documents: int
    """Texts or windows."""
    tokens: int
    """Tokens of those."""
    tokens_scored: int
    """Tokens with something before them."""
    unscored: UnscoredRecord
    """What could not be scored."""


class PlanRecord(RecordPart):
    """How much work it was."""

    variants: int
    """The intact model included."""
    layer_runs_a_batch: int
    """Layers that ran, variants sharing what they have in common."""
    layer_runs_without_sharing: int
    """Layers that would have run otherwise."""
    shards: int
    """Batches."""


class PairsRecord(RecordPart):
    """The minimal pairs of a sweep."""

    file: str
    """Or folder, as it was given."""
    protocol: str
    """How a sentence was put to the model: plain or lm-eval."""
    start: tuple[str, ...]
    """Tokens that stood before each sentence, as the vocabulary writes them."""
    pairs: int
    """With a wrong side, scored."""
    left_out: dict[str, int]
    """Pairs of the file that were not, by reason."""


class TunedLensRecord(RecordPart):
    """The tuned lens of a sweep."""

    folder: str
    """As it was given."""
    base_model: str
    """The model that it was trained for, as its configuration names it."""
    base_model_revision: str | None = None
    """Of that; null where it names none."""
    unembed_hash: str | None
    """Of the unembedding that it was trained with; null where the lens tells none, and only its size was compared."""
    unembed_dtype: str | None
    """In which the hash of this model's unembedding is the same; null without a hash."""


class PrecisionRecord(RecordPart):
    """What became of a precision that was asked for."""

    asked_nats: float
    """Half-width that every interval was to have."""
    reached_nats: float | None
    """Of the widest interval; null where there is none."""
    widest: str | None
    """Its variant."""
    documents: int
    """Texts that were scored."""
    cap: int
    """Texts that there were."""
    looks: int
    """Times that the intervals could be looked at."""
    level_of_each_look: float
    """Of each interval, so that all looks together hold 95 %."""


class SweepRecord(RunRecord):
    """The manifest of a sweep."""

    made_by: ClassVar[str] = "layerscope sweep"

    kind: Literal["sweep"] = "sweep"
    """What was run."""
    request: SweepRequestRecord
    """What was asked for."""
    model: SweptModelRecord
    """The model that ran."""
    data: DataRecord
    """What was scored."""
    plan: PlanRecord
    """How much work it was."""
    pairs: PairsRecord | None = None
    """The minimal pairs that were scored, too; null without."""
    tuned_lens: TunedLensRecord | None = None
    """What ``tuned-depth`` read the model through; null without it."""
    precision: PrecisionRecord | None = None
    """What became of ``--until-ci``; null without it."""
    shards_resumed: int | None = None
    """Batches that an earlier, killed run had left; null until it is finished."""
