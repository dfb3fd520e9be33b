"""What the formats of removals share: a model in its own order, less some blocks or halves of blocks. Pure values; no torch."""

from __future__ import annotations

from collections.abc import Collection

from layerscope.paths.path import LayerPath
from layerscope.paths.steps import LayerStep, ParallelStep


def path_without(attn: Collection[int], mlp: Collection[int], n_layers: int) -> LayerPath:
    """The path of a model with some attentions and some MLPs dropped.

    Args:
        attn: layers whose attention is dropped.
        mlp: layers whose MLP is dropped; a layer that loses both is no step of the path.
        n_layers: of the model.
    """
    no_attn, no_mlp = frozenset(attn), frozenset(mlp)
    steps = []
    for layer in range(n_layers):
        match layer in no_attn, layer in no_mlp:
            case False, False:
                steps.append(LayerStep(layer))
            case True, False:
                steps.append(LayerStep(layer, "mlp"))
            case False, True:
                steps.append(LayerStep(layer, "attn"))
    return LayerPath(tuple(steps))


def dropped_halves(path: LayerPath, n_layers: int) -> tuple[list[int], list[int]]:
    """The inverse of ``path_without``: layers whose attention is dropped, and layers whose MLP is, ascending.

    Args:
        path: one that drops only, as ``difference_from_dropping`` tells.
        n_layers: of the model.
    """
    steps = [step for step in path.steps if isinstance(step, LayerStep)]
    runs_attn = {step.layer for step in steps if step.part != "mlp"}
    runs_mlp = {step.layer for step in steps if step.part != "attn"}
    return [i for i in range(n_layers) if i not in runs_attn], [i for i in range(n_layers) if i not in runs_mlp]


def difference_from_whole(path: LayerPath) -> str | None:
    """What of a path a list of whole layers cannot say, in words; None if it can say all of it."""
    for step in path.steps:
        if isinstance(step, LayerStep) and step.part != "whole" and step.missing_head is None:
            return f"runs half of a layer ({step})"
        if (difference := _side_by_side_or_head(step)) is not None:
            return difference
    return None


def difference_from_dropping(path: LayerPath) -> str | None:
    """What of a path the dropping of halves cannot say, in words; None if it can say all of it."""
    seen: list[int] = []
    for step in path.steps:
        if (difference := _side_by_side_or_head(step)) is not None:
            return difference
        (layer,) = step.layers
        if seen and layer <= seen[-1]:
            return f"visits layer {layer} again" if layer in seen else f"visits layer {layer} after layer {seen[-1]}"
        seen.append(layer)
    return None


def _side_by_side_or_head(step: LayerStep | ParallelStep) -> str | None:
    if isinstance(step, ParallelStep):
        return f"has layers side by side, {step}"
    return None if step.missing_head is None else f"leaves out a single head ({step})"
