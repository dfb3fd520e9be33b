"""What a configuration tells of a model before its weights are loaded: layers and parameters."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

from layerscope.errors import ModelError, first_line
from layerscope.models.checkpoint_files import MOST_LAYERS
from layerscope.models.layers import find_layers

WINDOW = 2
"""Layers that streaming keeps in memory, besides the one being read."""


def count_layers(config: PretrainedConfig) -> int:
    """Decoder layers of a model of this configuration.

    Raises:
        ModelError: no causal LM of this family, or it keeps no list of layers.
    """
    model = skeleton(config)
    if model is not None:
        return len(find_layers(model))
    declared = getattr(config.get_text_config(decoder=True), "num_hidden_layers", None)
    if not isinstance(declared, int):
        raise ModelError(f"The number of layers of '{config.model_type}' cannot be told from its configuration.")
    return declared


@dataclass(frozen=True)
class ParameterCounts:
    """Parameters of a model, by where they are."""

    outside: int
    """Embeddings, final norm, output matrix."""
    layers: tuple[int, ...]
    """Of each decoder layer."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.outside + sum(self.layers)


def count_parameters(config: PretrainedConfig) -> ParameterCounts | None:
    """Parameters of a model; None if the family cannot be built without memory."""
    model = skeleton(config)
    if model is None:
        return None
    layers = tuple(sum(parameter.numel() for parameter in layer.parameters()) for layer in find_layers(model))
    return ParameterCounts(sum(parameter.numel() for parameter in model.parameters()) - sum(layers), layers)


def skeleton(config: PretrainedConfig) -> PreTrainedModel | None:
    """The model on a device that holds nothing; None if the family cannot be built there.

    Raises:
        ModelError: transformers has no causal LM of this family, the configuration describes none, or one without end.
    """
    _check_depth(config)
    if type(config) not in AutoModelForCausalLM._model_mapping:
        if hasattr(config, "auto_map"):  # its code comes with the checkpoint and runs only when it is loaded
            return None
        raise ModelError(
            f"A sweep needs a decoder-only language model; transformers has none of the family '{config.model_type}'."
        )
    try:
        with torch.device("meta"), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Initializing zero-element tensors")  # refused below
            model: PreTrainedModel = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    except (RuntimeError, NotImplementedError):  # what a device that holds nothing cannot do
        return None
    except Exception as error:  # a family's own arithmetic on its settings: a division, a look-up, an assertion
        raise ModelError(
            f"A configuration describes a model that can be built; that of the family '{config.model_type}' does not: "
            f"{type(error).__name__}: {first_line(error)}."
        ) from error
    empty = next((name for name, parameter in model.named_parameters() if not parameter.numel()), None)
    if empty is not None:
        raise ModelError(
            f"A configuration describes a model with weights; that of the family '{config.model_type}' leaves {empty} without "
            "any: a size in it is 0."
        )
    return model


def _check_depth(config: PretrainedConfig) -> None:
    """Building a layer takes a millisecond, and planning its variants more."""
    count = getattr(config.get_text_config(decoder=True), "num_hidden_layers", None)
    if isinstance(count, int) and not 0 < count <= MOST_LAYERS:
        raise ModelError(f"A model has 1 to {MOST_LAYERS} layers; the configuration of '{config.model_type}' says {count}.")
