"""Whether a GGUF file holds the model that its metadata describe: every weight, in its size, before memory is taken for any.

Names are those of llama.cpp, which the ``gguf`` package maps to those of transformers. Weights that it has no name for (experts
that transformers merges) are counted with the rest, and held against what was loaded afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import prod
from pathlib import Path

from gguf import MODEL_ARCH_NAMES, get_tensor_name_map
from transformers import PretrainedConfig, PreTrainedModel

from layerscope.errors import ModelError
from layerscope.models.gguf_header import GgufHeader
from layerscope.models.skeleton import skeleton

_BLOCK = re.compile(r"blk\.(\d+)\.")
_NEEDED = ("block_count", "embedding_length", "context_length", "attention.head_count")
"""Metadata of every architecture; what is not in the file, transformers takes from its class."""


def check_metadata(headers: Sequence[GgufHeader]) -> None:
    """Refuse a file whose metadata describe no model, or more layers than it has.

    Args:
        headers: of all its parts.

    Raises:
        ModelError: what is missing.
    """
    first = headers[0]
    architecture = first.metadata.get("general.architecture")
    if not isinstance(architecture, str):
        raise ModelError(
            f"'{first.path}' cannot be read as a GGUF model: its metadata name no architecture; if it is part of a model "
            "that was split, give it its own name, such as model-00002-of-00002.gguf, beside the others."
        )
    for name in _NEEDED:
        if f"{architecture}.{name}" not in first.metadata:
            raise _incomplete(first.path, f"its metadata lack {architecture}.{name}")
    count = first.metadata[f"{architecture}.block_count"]
    held = {int(match[1]) for header in headers for tensor in header.tensors if (match := _BLOCK.match(tensor.name))}
    if not isinstance(count, int) or len(held) < count:
        absent = next(number for number in range(len(held) + 1) if number not in held)
        raise _incomplete(first.path, f"its metadata count {count} layers and it has no tensor blk.{absent}.*")


def check_tensors(headers: Sequence[GgufHeader], config: PretrainedConfig) -> None:
    """Refuse a file that lacks a weight of the model, or holds one of another size.

    Args:
        headers: of all its parts.
        config: what transformers makes of its metadata.

    Raises:
        ModelError: the first tensor that is missing, or both sizes.
    """
    model = skeleton(config)
    if model is None:
        return
    path = headers[0].path
    tensors = {tensor.name: tensor for header in headers for tensor in header.tensors}
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}  # tied ones once
    names = _gguf_names(model, headers[0].metadata["general.architecture"])
    for name, shape in shapes.items():
        if name not in names:
            continue
        tensor = tensors.get(names[name])
        if tensor is None:
            raise _incomplete(path, f"it has no tensor {names[name]}")
        if prod(tensor.shape) != prod(shape):
            raise _incomplete(path, f"its tensor {tensor.name} has the shape {tensor.shape} where its metadata say {shape}")
    needed, held = sum(map(prod, shapes.values())), sum(prod(tensor.shape) for tensor in tensors.values())
    if needed > held:
        raise _incomplete(path, f"its metadata describe {needed:,} parameters and it has {held:,}")


def _gguf_names(model: PreTrainedModel, architecture: str) -> dict[str, str]:
    """The file's names by the model's own; those that the gguf package does not know are left out."""
    known = next((number for number, name in MODEL_ARCH_NAMES.items() if name == architecture), None)
    if known is None:
        return {}
    name_map = get_tensor_name_map(known, model.config.get_text_config(decoder=True).num_hidden_layers)
    names: dict[str, str] = {}
    for name, _ in model.named_parameters():
        stem, _, kind = name.rpartition(".")
        found = name_map.get_name(stem) if kind in ("weight", "bias") else None
        if found is not None:
            names[name] = f"{found}.{kind}"
    return names


def _incomplete(path: Path, why: str) -> ModelError:
    return ModelError(f"A GGUF model holds every weight that its metadata describe; '{path}' does not: {why}; fetch it again.")
