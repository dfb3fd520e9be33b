"""A path in mergekit's language: slices of one model, passed through in order. Pure values; no torch.

mergekit, too, numbers layers from 0, but its ranges leave out their end: ``0-9`` is ``layer_range: [0, 10]``. Half a layer is a
slice of one layer with the other half's output weights scaled by 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from layerscope.errors import printable
from layerscope.paths.path import LayerPath
from layerscope.paths.sequential import sequential_steps
from layerscope.paths.steps import LayerStep


def mergekit_recipe(path: LayerPath, model: str, *, dtype: str, silent: Mapping[LayerStep, Sequence[str]]) -> str:
    """A path as a passthrough merge.

    Args:
        path: no layers side by side.
        model: the name under which mergekit finds the source model.
        dtype: of the weights, as torch names it.
        silent: for each half step of the path, the modules of its layer whose weights are zero, by name within the layer.

    Returns:
        The text of a YAML file, with a comment that says what it is.

    Raises:
        PathError: mergekit has no word for such a path.
    """
    slices: list[dict[str, Any]] = []
    for step in sequential_steps(path):
        last = slices[-1]["sources"][0] if slices else None
        if step.part != "whole":
            scale = [*({"filter": name, "value": 0.0} for name in silent[step]), {"value": 1.0}]
            slices.append(_slice(model, step.layer, parameters={"scale": scale}))
        elif last is not None and "parameters" not in last and last["layer_range"][1] == step.layer:
            last["layer_range"][1] += 1
        else:
            slices.append(_slice(model, step.layer))
    recipe = {"slices": slices, "merge_method": "passthrough", "dtype": dtype}
    heading = f"# The path {path} of '{printable(model)}', for mergekit, which must find a model under that name.\n"
    return heading + str(yaml.safe_dump(recipe, sort_keys=False, default_flow_style=None, allow_unicode=True, width=1000))


def _slice(model: str, layer: int, **more: Any) -> dict[str, Any]:
    return {"sources": [{"model": model, "layer_range": [layer, layer + 1], **more}]}
