"""What a run's manifest says, whatever kind of run it is; ``SweepRecord`` and ``ContrastRecord`` add their own fields.

Each field is documented here, and the documentation's page on the run directory is made from that.
"""

from __future__ import annotations

import json
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict


class RecordPart(BaseModel):
    """A part of a manifest. Fields that it does not know are passed over: a later version may have added them."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, use_attribute_docstrings=True)


class RequestRecord(RecordPart):
    """What was asked for, as far as it decides the numbers: two runs with the same request have the same tables."""

    model: str
    """As the user named it."""
    model_fingerprint: str
    """Commit on the Hub, or digest of the files."""
    dtype: str
    """Type of weights and hidden states."""
    quantize: Literal["none", "int8", "nf4"]
    """How the weights were quantized."""
    device: str
    """cpu, cuda or mps."""
    bos: Literal["auto", "always", "never"]
    """Whether a BOS was put before every text."""
    prefix_ids: tuple[int, ...]
    """Tokens before every text or window."""
    seed: int
    """Seed of everything drawn."""
    batch_tokens: int
    """Positions per batch, including padding."""

    def differing(self, other: RequestRecord) -> list[str]:
        """Each field that another request has otherwise, with both values."""
        one, two = self.model_dump(mode="json"), other.model_dump(mode="json")
        keys = [key for key in {**one, **two} if one.get(key) != two.get(key)]
        return [f"{key} was {_short(one.get(key))}, now {_short(two.get(key))}" for key in keys]


class ModelRecord(RecordPart):
    """The model that ran."""

    name: str
    """As the user named it."""
    family: str
    """Its architecture, as named in transformers."""
    revision: str | None = None
    """Branch, tag or commit asked for on the Hub."""
    fingerprint: str | None = None
    """Commit on the Hub, or digest of the files."""
    dtype: str
    """Type of weights and hidden states."""
    layers: int
    """Decoder layers."""


class EnvironmentRecord(RecordPart):
    """The software and hardware of the run."""

    python: str
    """Version of Python."""
    platform: str
    """Operating system and processor."""
    threads: int | None = None
    """Threads of torch."""
    compiled: bool | None = None
    """Whether layers went through a compiler."""
    streamed: bool | None = None
    """Whether each layer's weights were read from disk as it ran."""
    gpu: str | None = None
    """Name of the GPU; null if there is none."""
    packages: dict[str, str | None] = {}
    """Versions of the packages that decide the last bits of numbers."""


class WorkerRecord(RecordPart):
    """One of several processes that did a run's work."""

    name: str
    """Part of the run, or worker of a cluster."""
    node: str
    """Machine on which it ran."""
    device: str
    """GPU, or processor threads."""
    shards: int
    """Batches that it wrote; for a contrast groups of pairs, for a search sets of paths on a batch."""
    seconds: float
    """Seconds that it took for them."""
    status: Literal["running", "finished", "failed", "lost"]
    """How it ended."""
    reason: str | None = None
    """Why it failed or was lost."""
    noted: str
    """When this was written."""


class RunRecord(RecordPart):
    """A manifest."""

    made_by: ClassVar[str] = "a command of layerscope"
    """The command that makes such a run."""

    schema_version: int
    """Version of the tables' format."""
    kind: str
    """What was run: sweep or contrast."""
    status: Literal["running", "finished"]
    """running until everything is there."""
    request: RequestRecord
    """What was asked for."""
    model: ModelRecord
    """The model that ran."""
    environment: EnvironmentRecord
    """The software and hardware of the run; of several processes, those of the first."""
    data_dir: str | None = None
    """Folder that the data set was read from, as given; null if there was none, and in runs that did not record it."""
    workers: tuple[WorkerRecord, ...] = ()
    """The processes that did the work, if there were several."""
    seconds: float | None = None
    """Seconds of the process that finished the run, without those of interrupted ones before it (an evaluation adds them); null
    until it is finished."""


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"
