"""A model's configuration for its layers in another order: their number, and every setting that says something of one layer.

*Lists with one item a layer* are found by their length, whatever their name, and put into the new order. *Settings that name
layers by number* (lists of numbers, a number of leading layers, a period) are found by name. Whether the result describes the
right model is not decided here: ``reloading.py`` proves it.

An ``order`` holds, for each place of the new model, the layer of the old one that stands there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from transformers import PretrainedConfig

from layerscope.errors import ModelError
from layerscope.paths.path import LayerPath


def rearranged_config(config: PretrainedConfig, order: Sequence[int], *, n_layers: int) -> PretrainedConfig:
    """The configuration of a model with the layers of another, in another order.

    Args:
        config: of the model whose layers they are; not changed.
        order: one or more layers, each as often as wanted.
        n_layers: number of layers of that model.

    Returns:
        A configuration of the same class.

    Raises:
        ModelError: its settings cannot say what the new order needs.
    """
    settings = config.to_dict()
    text = config.get_text_config(decoder=True)
    inner = settings if text is config else settings[next(name for name, part in vars(config).items() if part is text)]
    number = text.attribute_map.get("num_hidden_layers", "num_hidden_layers")
    inner.update(_rearranged(inner, order, n_layers))
    if number in inner:  # Nemotron-H has a list only
        inner[number] = len(order)
    try:
        inner.update(_refitted_periods(inner, order))
        changed = type(config).from_dict(settings)
    except (StrictDataclassError, ValueError, TypeError, KeyError, IndexError) as error:
        raise ModelError(
            f"A configuration must say what each layer is; that of '{config.model_type}' cannot for the order "
            f"{LayerPath.from_layers(order)} ({str(error).strip().splitlines()[-1].strip()[:240]}), so it cannot be exported."
        ) from error
    if getattr(changed.get_text_config(decoder=True), "num_hidden_layers", None) != len(order):
        raise ModelError(
            f"A configuration must hold the number of layers; that of '{config.model_type}' does not under any name that "
            "transformers knows, so it cannot be exported."
        )
    return changed


def _rearranged(settings: dict[str, Any], order: Sequence[int], n_layers: int) -> dict[str, Any]:
    """The settings that say something of single layers, for the new order."""
    changes: dict[str, Any] = {}
    extra = {name: value for name, value in settings.items() if _EXTRA_LAYERS.fullmatch(name) and isinstance(value, int)}
    lengths = {n_layers, n_layers + max(extra.values(), default=0)}  # some lists go on with the extra layers
    for name, value in settings.items():
        if value is None or name in _OF_NO_LAYER or name.endswith(("_token_id", "_token_ids")):
            continue
        if name in extra:
            changes[name] = 0
        elif name in _BY_NAME:
            changes[name] = _BY_NAME[name](value, order, n_layers)
        elif isinstance(value, list | tuple) and len(value) in lengths:
            changes[name] = [value[layer] for layer in order]
    if settings.get("decoder_sparse_step") is not None:
        step, dense = settings["decoder_sparse_step"], settings.get("mlp_only_layers") or ()
        changes["decoder_sparse_step"] = 1  # the layers that it leaves without experts are named instead
        changes["mlp_only_layers"] = [place for place, layer in enumerate(order) if layer in dense or (layer + 1) % step]
    return changes


def _refitted_periods(settings: dict[str, Any], order: Sequence[int]) -> dict[str, int]:
    """Period and offset that give each place the kind of its layer.

    Raises:
        ValueError: no period does.
    """
    changes: dict[str, int] = {}
    for period, offset in _PERIODS:
        if period not in settings:
            continue
        wanted = [layer % settings[period] == settings[offset] for layer in order]
        for tried in ((every, first) for every in range(1, len(order) + 2) for first in range(every)):
            if [place % tried[0] == tried[1] for place in range(len(order))] == wanted:
                changes[period], changes[offset] = tried
                break
        else:
            raise ValueError(f"no {period} with any {offset} gives each layer its kind")
    return changes


def _places(layers: Sequence[int], order: Sequence[int], _: int) -> list[int]:
    """Where layers named by number stand now."""
    return [place for place, layer in enumerate(order) if layer in layers]


def _leading(count: int, order: Sequence[int], _: int) -> int:
    """How many layers stand first that were among the first ``count``."""
    return len(list(takewhile(lambda layer: layer < count, order)))


def _last(end: int, order: Sequence[int], n_layers: int) -> int:
    """The last place before those that hold layers from behind ``end`` (−1: there were none)."""
    last = n_layers - 1 if end == -1 else end
    return len(order) - 1 - len(list(takewhile(lambda layer: layer > last, reversed(order))))


def _unrolled(pattern: Sequence[Any], order: Sequence[int], _: int) -> list[Any]:
    """A pattern that was repeated over the layers, written out for each place."""
    return [pattern[layer % len(pattern)] for layer in order]


def _regrouped(groups: Sequence[Any], order: Sequence[int], _: int) -> list[Any]:
    """GPT-Neo's pairs of kinds and repetitions, as one group that holds each place once."""
    kinds = [kind for group, repeats in groups for _ in range(repeats) for kind in group]
    return [[[kinds[layer] for layer in order], 1]]


def _by_number(overrides: dict[Any, Any], order: Sequence[int], _: int) -> dict[str, Any]:
    """Overrides kept under their layer's number."""
    of_layer = {int(layer): settings for layer, settings in overrides.items()}
    return {str(place): of_layer[layer] for place, layer in enumerate(order) if layer in of_layer}


_BY_NAME: dict[str, Callable[[Any, Sequence[int], int], Any]] = {
    **dict.fromkeys(
        ("mlp_only_layers", "moe_layers", "attn_layer_indices", "full_attn_idxs", "hybrid_layer_ids", "local_layer_ids"),
        _places,
    ),
    **dict.fromkeys(("first_k_dense_replace", "num_dense_layers", "max_window_layers", "moe_layer_start_index"), _leading),
    "moe_layer_end_index": _last,
    "block_types": _unrolled,
    "attention_types": _regrouped,
    "per_layer_config": _by_number,
}
"""Settings that name layers by number, or that are no list of one item a layer, and how each is rewritten."""
_PERIODS = (("attn_layer_period", "attn_layer_offset"), ("expert_layer_period", "expert_layer_offset"))
"""A layer has the kind if its number modulo the first is the second."""
_EXTRA_LAYERS = re.compile(r"(num|n)_(nextn_predict|mtp)_\w+|(mtp|nextn)_(num|n)_\w+", re.ASCII)
"""Counts of layers behind the last that predict further tokens. transformers does not load them, so that a checkpoint written
from its model has none."""
_OF_NO_LAYER = ("architectures", "time_step_limit", "mtp_layer_types", "mtp_mlp_layer_types", "mtp_layers_block_type")
"""Lists that could have as many items as there are layers and say nothing of them."""
