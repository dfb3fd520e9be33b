"""What found paths take: parameters, and time beside that of the intact model."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from layerscope.engine.batching import Shard, padded_ids, scored_tokens
from layerscope.engine.next_token import nll_of
from layerscope.models.decoder import Decoder
from layerscope.paths.path import LayerPath
from layerscope.paths.steps import LayerStep

ROUNDS = 5
"""Times that a path and the intact model take turns."""


def parameters_of(decoder: Decoder, path: LayerPath) -> int:
    """Parameters that a path runs through, embeddings and output matrix included; those of a layer that runs twice count twice.

    Half a layer is its parameters less those of the modules that are silenced; its norms stay.
    """
    of_layers = [sum(parameter.numel() for parameter in layer.parameters()) for layer in decoder.layers]
    total = sum(parameter.numel() for parameter in decoder.model.parameters()) - sum(of_layers)
    for step in path.steps:
        for member in step.members:
            total += of_layers[member.layer] - _silenced(decoder, member)
    return total


def _silenced(decoder: Decoder, member: LayerStep) -> int:
    if member.part not in ("attn", "mlp"):
        return 0
    modules = (decoder.halves.mlp if member.part == "attn" else decoder.halves.attn)[member.layer]
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


@dataclass(frozen=True)
class Timing:
    """How long a path takes."""

    path: LayerPath
    """Which."""
    seconds_a_token: float
    """The median of the rounds."""
    ratios: tuple[float, ...]
    """Its time as a part of the intact model's, round by round."""


@torch.inference_mode()
def time_paths(decoder: Decoder, paths: Sequence[LayerPath], shard: Shard) -> list[Timing]:
    """Run each path and the intact model in turns on one batch.

    Args:
        decoder: the model.
        paths: to be timed.
        shard: the batch.
    """
    tokens, ids = scored_tokens(shard), padded_ids(shard)
    rows, sources = torch.from_numpy(tokens.row), torch.from_numpy(tokens.position - 1)
    targets = torch.from_numpy(tokens.token_id)
    recording = decoder.record(ids)

    def seconds(path: LayerPath) -> float:
        _synchronise(decoder)
        started = time.perf_counter()
        hidden = recording.embedded
        for step in path.steps:
            hidden = decoder.run_step(step, hidden, recording)
        nll_of(decoder, hidden[rows.to(hidden.device), sources.to(hidden.device)], targets)  # ends on the host
        return time.perf_counter() - started

    intact = LayerPath.intact(decoder.n_layers)
    seconds(intact)
    found = []
    for path in paths:
        pairs = []
        for number in range(ROUNDS):
            order = (path, intact) if number % 2 else (intact, path)
            times = {one: seconds(one) for one in order}
            pairs.append((times[path], times[intact]))
        found.append(
            Timing(path, statistics.median(one for one, _ in pairs) / ids.numel(), tuple(one / whole for one, whole in pairs))
        )
    return found


def _synchronise(decoder: Decoder) -> None:
    if decoder.device.type == "cuda":
        torch.cuda.synchronize(decoder.device)
