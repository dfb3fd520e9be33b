"""Which slices of a layer's attention are single heads, so that one can be left out. Found and proved without any names.

Attention mixes the values of positions with one weight a head and position, and hands the mixes, side by side, to a linear map,
the output projection. So of two random hidden states s₀ and s₁, what that map reads at the second position of the pair
(s₀, s₁) lies, *within each head's slice*, in the plane of what it reads of s₀ alone and of s₁ alone; each head has its own two
weights, so that a slice across the border of two heads does not. Every linear map of the layer is tried; the one for which this
holds is the projection, and the borders are those of heads. Gates, norms over several heads, state spaces and MLPs fail it.

Of a single position a head reads its own value, so that the query heads of one key-value group have equal slices, but for what
a sink or a norm's weights multiply them with, and those of two groups do not. That proves which heads belong together.

Axes: ``draw`` (pairs of states), ``head`` (query heads), ``width`` (of one head).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from layerscope.errors import ModelError
from layerscope.models.head_counts import HeadCount

N_DRAWS = 32
"""Pairs of random states."""
_NARROWEST = 4
"""Of fewer numbers a plane is nearly everything."""
_LEAST_ACROSS = 1e-3
"""Share of a slice across two heads that must lie outside the plane in some draw."""
_CLEARLY = 4.0
"""Times what rounding leaves outside the plane within heads that must lie outside it across two."""
_SAME_GROUP = 0.1
"""Largest median of abs ln of the ratio of two heads' numbers, less what a draw and a column have; of two groups about 1."""

RunLayer = Callable[[Tensor], object]
"""Runs the layer on hidden states ``(draw, seq, *d_model)``."""


@dataclass(frozen=True)
class LayerHeads:
    """The heads of one layer, each key-value group a run of columns of what the output projection reads."""

    projection: nn.Module
    """The attention's output projection."""
    n_groups: int
    """Key-value groups; query heads, where none share a key-value head."""

    @contextmanager
    def without(self, group: int) -> Iterator[None]:
        """Within the context, the projection reads zeros where that group's heads write; its bias stays."""

        def zero_group(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            read: Tensor = args[0].clone()
            width = read.shape[-1] // self.n_groups
            read[..., group * width : (group + 1) * width] = 0
            return (read, *args[1:])

        handle = self.projection.register_forward_pre_hook(zero_group)
        try:
            yield
        finally:
            handle.remove()


def find_heads(
    layer: nn.Module, pairs: Float[Tensor, "draw 2 *d_model"], run_layer: RunLayer, *, count: HeadCount, name: str
) -> LayerHeads:
    """Find a layer's output projection, and prove which of its columns belong to which heads.

    Args:
        layer: a decoder layer.
        pairs: random hidden states, two positions each.
        run_layer: runs that layer on states of one position or two.
        count: its heads, as the configuration says.
        name: of layer and family, for the message.

    Raises:
        ModelError: no map reads one mix of values per head, or the groups are others than the configuration says.
    """
    refused = f"A single head can be left out where the output projection reads one mix of values per head; {name}"
    another = "leave that layer out, or remove its attention or the whole layer"
    if not count.queries:
        raise ModelError(f"{refused} has no attention heads by its configuration: {another}.")
    both, first, second = (_maps_read(layer, states, run_layer) for states in (pairs, pairs[:, :1], pairs[:, 1:]))
    found: list[tuple[nn.Module, Float[Tensor, "draw head width"]]] = []
    for module, read in both.items():
        if not (module in first and module in second) or read.shape[-1] % count.queries:
            continue
        mixed, one, other = (_by_head(states[:, -1], count.queries) for states in (read, first[module], second[module]))
        if _are_heads(mixed, one, other, pairs.dtype):
            found.append((module, one))
    if len(found) != 1:
        raise ModelError(
            f"{refused} has {'no such map' if not found else f'{len(found)} such maps'} for {count.queries} heads, as gated, "
            f"differential and linear attention, state spaces and MLPs have none: {another}."
        )
    ((projection, values),) = found
    expected = torch.arange(count.queries).div(count.queries // count.groups, rounding_mode="floor")
    if not torch.equal(_share_a_value(values), expected[:, None] == expected[None, :]):
        raise ModelError(
            f"Heads are numbered by key-value group; the configuration of {name} says {count.groups} groups, one after the "
            f"other, of {count.queries} query heads, and its heads share values otherwise: {another}."
        )
    return LayerHeads(projection, count.groups)


def _maps_read(layer: nn.Module, states: Tensor, run_layer: RunLayer) -> dict[nn.Module, Float[Tensor, "draw seq columns"]]:
    """What each linear map of a layer reads in one run; of maps that are called otherwise than once per position, nothing."""
    read: dict[nn.Module, list[Any]] = {}

    def note(module: nn.Module, args: tuple[Any, ...]) -> None:
        read.setdefault(module, []).append(args[0].detach() if args else None)

    with ExitStack() as stack:
        for module in layer.modules():
            if isinstance(module, nn.Linear | Conv1D):
                stack.callback(module.register_forward_pre_hook(note).remove)
        run_layer(states)
    return {
        module: calls[0]
        for module, calls in read.items()
        if len(calls) == 1 and isinstance(calls[0], Tensor) and calls[0].dim() == 3 and calls[0].shape[:2] == states.shape[:2]
    }


def _by_head(columns: Tensor, n_heads: int) -> Float[Tensor, "draw head width"]:
    return columns.double().cpu().reshape(len(columns), n_heads, -1)


def _are_heads(
    mixed: Float[Tensor, "draw head width"],
    one: Float[Tensor, "draw head width"],
    other: Float[Tensor, "draw head width"],
    dtype: torch.dtype,
) -> bool:
    """Whether each slice is a mix of its two values, and no slice across two neighbours is."""
    draws, heads, width = mixed.shape
    if width < _NARROWEST or heads < 2:
        return False
    half = width // 2

    def across(states: Float[Tensor, "draw head width"]) -> Float[Tensor, "draw border width"]:
        return states.flatten(1)[:, half : half + (heads - 1) * width].reshape(draws, heads - 1, width)

    within = _outside_plane(mixed, one, other)
    between = _outside_plane(across(mixed), across(one), across(other))
    rounding = float(within.max())
    if rounding > 2 * torch.finfo(dtype).eps:
        return False
    return bool((between.amax(dim=0) > max(_LEAST_ACROSS, _CLEARLY * rounding)).all())


def _outside_plane(
    mixed: Float[Tensor, "draw part width"], one: Float[Tensor, "draw part width"], other: Float[Tensor, "draw part width"]
) -> Float[Tensor, "draw part"]:
    """Share of each part's length that no mix of the two values explains."""
    plane = torch.stack([one, other], dim=-1)
    weights: Tensor = torch.linalg.lstsq(plane.nan_to_num(), mixed.nan_to_num()[..., None], driver="gelsd").solution
    rest: Tensor = torch.linalg.vector_norm(mixed - (plane @ weights)[..., 0], dim=-1)
    share: Tensor = rest / torch.linalg.vector_norm(mixed, dim=-1)
    return share.nan_to_num(nan=torch.inf)


def _share_a_value(values: Float[Tensor, "draw head width"]) -> Bool[Tensor, "head head"]:
    """Which heads read the same value of a single position, whatever factor a draw and a column each have."""
    sizes = values.abs().log()
    rows = []
    for head in range(values.shape[1]):  # one after the other, as there may be a hundred
        ratios = sizes - sizes[:, head : head + 1]
        ratios = ratios - ratios.nanmedian(dim=-1, keepdim=True).values
        ratios = ratios - ratios.nanmedian(dim=0, keepdim=True).values
        rows.append(ratios.abs().transpose(0, 1).flatten(1).nanmedian(dim=-1).values < _SAME_GROUP)
    return torch.stack(rows)
