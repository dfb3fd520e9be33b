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
    """Split of it that was used."""
    protocol: str
    """How texts became windows."""
    max_samples: int | None
    """Number of texts requested (windows, if texts are joined); null for all."""
    texts_sha256: str
    """Digest of the texts, in order."""
    pairs_sha256: str | None = None
    """Digest of the sentences of the pairs, in order; null without pairs."""
    pair_protocol: str | None = None
    """How sentences of pairs were presented to the model; null without pairs."""
    tuned_lens_sha256: str | None = None
    """Digest of the translators of the tuned lens; null without one."""
    experiments: tuple[str, ...]
    """Families in their written form."""
    paths: tuple[str, ...]
    """Single paths in their written form."""
    until_ci: float | None = None
    """Requested half-width of every interval in nats; null if all samples were to be scored."""
    word_boundaries: bool = False
    """Whether the probability that a word begins was recorded."""
    compile: bool = False
    """Whether layers were to go through a compiler."""
    plain: bool = Field(default=False, validation_alias=AliasChoices("plain", "reference"))
    """Whether no optimisation was used (``--plain``)."""
    in_memory: bool = False
    """Whether the texts were given in Python, so that no command can repeat the run; a loaded model has no fingerprint."""


class OriginRecord(RecordPart):
    """The model that an exported checkpoint comes from."""

    model: str
    """Its name."""
    layers: int
    """Number of its layers."""
    path: str
    """Path through it, with one step for each layer of the checkpoint."""

    def places(self) -> tuple[int, ...] | None:
        """The original number of each layer; None where layers were put into another order or run twice."""
        found = tuple(layer for step in LayerPath.parse(self.path).steps for layer in step.layers)
        return found if all(one < other for one, other in pairwise(found)) else None


class SweptModelRecord(ModelRecord):
    """The model of a sweep."""

    context_length: int | None
    """Number of positions that it can see; null without a limit."""
    origin: OriginRecord | None = None
    """The model that ``layerscope export`` made it from; null if it did not."""


class UnscoredRecord(RecordPart):
    """What could not be scored."""

    texts_without_a_scored_token: int
    """Number of texts."""
    their_names: tuple[str, ...]
    """Names of the first hundred of them."""
    first_tokens_without_context: int
    """Tokens at the start of a text with nothing before them."""
    tokens_past_the_context_length: int
    """Tokens that the model cannot see."""
    tokens_of_the_dropped_tail: int
    """Tokens left over when texts were cut into windows."""


class DataRecord(RecordPart):
    """What was scored."""

    name: str
    """Name of the data set, or the file."""
    split: str | None = None
    """Split that was used."""
    texts_sha256: str
    """Digest of the texts drawn, in order."""
    documents: int
    """Texts or windows."""
    tokens: int
    """Tokens of these texts."""
    tokens_scored: int
    """Tokens with something before them."""
    unscored: UnscoredRecord
    """What could not be scored."""


class PlanRecord(RecordPart):
    """The amount of work."""

    variants: int
    """Number of variants, including the intact model."""
    layer_runs_a_batch: int
    """Layers run per batch, where variants share what they have in common."""
    layer_runs_without_sharing: int
    """Layers that would have run without sharing."""
    shards: int
    """Batches."""


class PairsRecord(RecordPart):
    """The minimal pairs of a sweep."""

    file: str
    """The file or folder, as given."""
    protocol: str
    """How a sentence was presented to the model: plain or lm-eval."""
    start: tuple[str, ...]
    """Tokens put before each sentence, as written in the vocabulary."""
    pairs: int
    """Pairs with a wrong side that were scored."""
    left_out: dict[str, int]
    """Pairs of the file that were not scored, by reason."""


class TunedLensRecord(RecordPart):
    """The tuned lens of a sweep."""

    folder: str
    """Its folder, as given."""
    base_model: str
    """The model that it was trained for, as its configuration names it."""
    base_model_revision: str | None = None
    """Revision of that model; null if the configuration names none."""
    unembed_hash: str | None
    """Hash of the unembedding that it was trained with; null if the lens has none, so that only the size was compared."""
    unembed_dtype: str | None
    """Type in which this model's unembedding has the same hash; null without a hash."""


class PrecisionRecord(RecordPart):
    """The precision that was requested, and what was reached."""

    asked_nats: float
    """Requested half-width of every interval."""
    reached_nats: float | None
    """Half-width of the widest interval; null if there is none."""
    widest: str | None
    """The variant with the widest interval."""
    documents: int
    """Texts that were scored."""
    cap: int
    """Texts that were available."""
    looks: int
    """How often the intervals could be looked at."""
    level_of_each_look: float
    """Level of each interval, so that all looks together have 95% coverage."""


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
    """The amount of work."""
    pairs: PairsRecord | None = None
    """The minimal pairs that were scored as well; null without pairs."""
    tuned_lens: TunedLensRecord | None = None
    """The lens used by ``tuned-depth``; null without it."""
    precision: PrecisionRecord | None = None
    """The outcome of ``--until-ci``; null without it."""
    shards_resumed: int | None = None
    """Batches left by an earlier run that was killed; null until the run is finished."""
