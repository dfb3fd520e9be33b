"""LLM-Drop: a configuration with the layers whose attention and whose MLP is dropped, beside the model's own settings.

A list holds numbers of layers, from 0, or one truth value per layer, or is null; configurations that LLM-Drop writes have the
first form, those that transformers saves from its models the second. Only these settings are written, to be put into the
model's ``config.json``.

Source: github.com/CASE-Lab-UMD/LLM-Drop, ``configuration_dropped_llama.py`` and ``layer_drop.py``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from layerscope.errors import DataError, PathError
from layerscope.paths.formats.dropping import difference_from_dropping, dropped_halves, path_without
from layerscope.paths.formats.format import (
    FoundPath,
    PathFormat,
    Source,
    agreed_layers,
    layer_numbers,
    needed_layers,
    shown,
)
from layerscope.paths.path import LayerPath
from layerscope.reading import parse_json

_LISTS = ("drop_attn_list", "drop_mlp_list")


def _recognises(text: str) -> bool:
    return text.lstrip().startswith("{") and any(f'"{name}"' in text for name in _LISTS)


def _read(text: str, place: str, n_layers: int | None) -> tuple[FoundPath, ...]:
    try:
        config = parse_json(text, place)
    except DataError as error:
        raise PathError(str(error)) from error
    if not isinstance(config, dict) or not any(name in config for name in _LISTS):
        raise PathError(f"LLM-Drop's configuration is an object with drop_attn_list or drop_mlp_list; {place} is none.")
    held = config.get("num_hidden_layers")
    if held is not None and (isinstance(held, bool) or not isinstance(held, int)):
        raise PathError(f"num_hidden_layers is a whole number; got {shown(held)} in {place}.")
    agreed = agreed_layers(held, n_layers, place)
    count = needed_layers(
        agreed, f"LLM-Drop's configuration names the layers that are dropped; {place} has no num_hidden_layers"
    )
    attn, mlp = (_dropped(config, name, count, place) for name in _LISTS)
    return (FoundPath(path_without(attn, mlp, count), count),)


def _dropped(config: Mapping[str, object], name: str, n_layers: int, place: str) -> list[int]:
    values = config.get(name)
    if values is None:
        return []
    if not isinstance(values, list):
        raise PathError(f"{name} is a list or null; got {shown(values)} in {place}.")
    if not values or not all(isinstance(value, bool) for value in values):
        return layer_numbers(values, n_layers, f"{name} of {place}")
    if len(values) != n_layers:
        raise PathError(f"{name} of {place} has a truth value for each of {n_layers} layers; got {len(values)}.")
    return [layer for layer, is_dropped in enumerate(values) if is_dropped]


def _write(path: LayerPath, source: Source) -> str:
    n_layers = needed_layers(source.n_layers, f"LLM-Drop names the layers that are dropped, '{path}' those that are kept")
    attn, mlp = dropped_halves(path, n_layers)
    return json.dumps({"num_hidden_layers": n_layers, "drop_attn_list": attn, "drop_mlp_list": mlp}) + "\n"


FORMAT = PathFormat(
    name="llm-drop",
    says="LLM-Drop says which attentions and MLPs are dropped, in the model's own order",
    difference=difference_from_dropping,
    recognises=_recognises,
    read=_read,
    write=_write,
)
