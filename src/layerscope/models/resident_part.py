"""What streaming rests on: the first layers and all that lies outside the layers, loaded by transformers as any model is.

What lies outside the layers is handed over as it is, so that it is right by construction. The layers are the proof: each of
their tensors, streamed, must have the same bytes, and the streamed model cut after them must give the same logits. The layers
are as many as it takes to see one of each kind, two at least, as long as they take no more memory than streaming does itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

from layerscope.errors import ModelError
from layerscope.models.checks import probe_ids
from layerscope.models.decoder import Decoder
from layerscope.models.layers import find_layers
from layerscope.models.rearranging import rearranged_config
from layerscope.models.skeleton import WINDOW, skeleton
from layerscope.models.streaming import copy_aligned, place_tensor
from layerscope.paths.path import LayerPath

_FEWEST = 2
"""Layers that are held against their streamed form, at least."""


def first_layers_config(config: PretrainedConfig, model: PreTrainedModel) -> PretrainedConfig:
    """The configuration of a model's first layers.

    Args:
        config: of the whole model; not changed.
        model: of this configuration, which may be empty.

    Raises:
        ModelError: the settings cannot describe them alone.
    """
    layers = find_layers(model)
    n_layers = _n_to_check(layers)
    if n_layers == len(layers):
        return config
    try:
        part = rearranged_config(config, range(n_layers), n_layers=len(layers))
        alone = skeleton(part)
    except ModelError:
        alone = None
    if alone is None or _shapes_outside(alone) != _shapes_outside(model):
        raise ModelError(
            f"Streaming is checked against the first layers of a model loaded without it; the first {n_layers} layers of this "
            f"'{config.model_type}' cannot be loaded alone, as what lies outside them depends on their number: leave out "
            "--stream."
        )
    return part


@dataclass(frozen=True)
class ResidentTrace:
    """What is kept of a resident model once its layers are gone."""

    n_layers: int
    """How many it had."""
    ids: Tensor
    """Token ids that it was given."""
    logits: Tensor
    """What it made of them."""
    digests: dict[str, str]
    """Of the tensors of its layers, by name."""

    def check(self, decoder: Decoder) -> None:
        """Hold a streamed model against it.

        Raises:
            ModelError: the first tensor that is another, or by how much the logits differ.
        """
        assert decoder.streamed is not None
        family = decoder.model.config.model_type
        for layer, prefix in enumerate(decoder.streamed.prefixes[: self.n_layers]):
            decoder.streamed.require(layer)
            digests = _digests(decoder.model, [prefix])
            expected = {name: digest for name, digest in self.digests.items() if name.startswith(prefix)}
            wrong = [name for name in {**expected, **digests} if expected.get(name) != digests.get(name)]
            if wrong:
                raise _refusal(family, f"{wrong[0]} is another when it is streamed")
        recording = decoder.record(self.ids)
        hidden = recording.embedded
        for step in LayerPath.intact(self.n_layers).steps:
            hidden = decoder.run_step(step, hidden, recording)
        logits = decoder.unembed(hidden)
        if not torch.equal(logits, self.logits):
            difference = float((logits.float() - self.logits.float()).abs().max())
            raise _refusal(family, f"the logits of its first {self.n_layers} layers differ by {difference:.3g}")


@torch.no_grad()
def take_over(resident: PreTrainedModel, model: PreTrainedModel, prefixes: Sequence[str]) -> ResidentTrace:
    """Move what lies outside the layers of a resident model into an empty one, and remember what its layers did.

    Args:
        resident: the first layers of the model, loaded; of no use afterwards.
        model: from ``empty_model``.
        prefixes: what the names of each layer's weights begin with.

    Raises:
        ModelError: the two do not have the same tensors outside the layers.
    """
    part = Decoder(resident, "the first layers")
    ids = probe_ids(part)
    logits = part.logits(ids)
    trace = ResidentTrace(part.n_layers, ids, logits, _digests(resident, prefixes))
    outside = {name: tensor for name, tensor in _tensors(resident) if not name.startswith(tuple(prefixes))}
    added = outside.keys() ^ _shapes_outside(model).keys()
    if added:
        raise _refusal(model.config.model_type, f"{min(added)} is in one of them only")
    moved: dict[int, Tensor] = {}
    for name in list(outside):
        tensor = outside.pop(name)
        if id(tensor) not in moved:  # tied weights stay one; a copy, as the original may be a view of the mapped file
            copied = copy_aligned(tensor.detach(), tensor.data_ptr())
            moved[id(tensor)] = nn.Parameter(copied, requires_grad=False) if isinstance(tensor, nn.Parameter) else copied
        place_tensor(model, name, moved[id(tensor)])
    return trace


def _n_to_check(layers: nn.ModuleList) -> int:
    kinds = [tuple((name, tuple(weight.shape)) for name, weight in layer.named_parameters()) for layer in layers]
    sizes = [sum(weight.numel() for weight in layer.parameters()) for layer in layers]
    wanted = max(_FEWEST, *(kinds.index(kind) + 1 for kind in set(kinds)))
    affordable = sum(sum(sizes[: n + 1]) <= (WINDOW + 1) * max(sizes) for n in range(len(sizes)))
    return min(len(layers), max(_FEWEST, min(wanted, affordable)))


def _tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers, tied ones under each of their names."""
    yield from model.named_parameters(remove_duplicate=False)
    yield from model.named_buffers(remove_duplicate=False)


def _shapes_outside(model: PreTrainedModel) -> dict[str, torch.Size]:
    """Of the tensors outside the layers."""
    layers = find_layers(model)
    prefix = next(name for name, module in model.named_modules() if module is layers) + "."
    return {name: tensor.shape for name, tensor in _tensors(model) if not name.startswith(prefix)}


def _digests(model: nn.Module, prefixes: Sequence[str]) -> dict[str, str]:
    return {
        name: _digest(tensor) for name, tensor in _tensors(model) if name.startswith(tuple(prefixes)) and not tensor.is_meta
    }


def _digest(tensor: Tensor) -> str:
    raw = tensor.detach().contiguous().cpu().reshape(-1).view(torch.uint8).numpy()
    return f"{tensor.dtype} {tuple(tensor.shape)} {hashlib.blake2b(raw.data, digest_size=16).hexdigest()}"


def _refusal(family: str, what: str) -> ModelError:
    return ModelError(
        f"A streamed model must be the one that is loaded without streaming; for this checkpoint of '{family}' it is not "
        f"({what}): leave out --stream."
    )
