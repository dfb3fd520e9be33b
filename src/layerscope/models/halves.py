"""Which modules write a layer's attention update and which its MLP update, so that one half can be silenced.

Found by name, then proved on a random hidden state: with both halves silenced a layer must hand its input through unchanged,
to the bit, and with either one alone it must not. A model for which that fails is refused for ``attention-removal`` and
``mlp-removal``; whole layers still work. A third update, such as Gemma 4's per-layer input, is neither half and so refused.

Two places to silence a half are tried, in this order:

- its output: for most families the block adds what the module returns to the residual stream;
- its last linear map, weight and bias: where the module adds the residual itself (BLOOM, MPT).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from layerscope.errors import ModelError
from layerscope.paths.part_names import is_mixer

Half = Literal["attn", "mlp"]

_NOT_A_WRITER = re.compile(r"norm|^ln|_ln|dropout|^act|activation|rotary|rope|router$|^gate$|^per_layer_", re.IGNORECASE)


@dataclass(frozen=True)
class LayerHalves:
    """For each layer, the modules whose output is set to zero to silence a half."""

    attn: tuple[tuple[nn.Module, ...], ...]
    """Modules that write the attention's (or other token mixer's) update, one tuple a layer."""
    mlp: tuple[tuple[nn.Module, ...], ...]
    """Modules that write the MLP's (or experts') update, one tuple a layer."""

    @contextmanager
    def silenced(self, layer: int, half: Half) -> Iterator[None]:
        """Within the context, that half of that layer adds nothing to the residual stream."""
        with ExitStack() as stack:
            for module in (self.attn if half == "attn" else self.mlp)[layer]:
                handle = module.register_forward_hook(_zero_output)
                stack.callback(handle.remove)
            yield


def find_halves(layers: Sequence[nn.Module], model_type: str, run_layer: Callable[[int], tuple[Tensor, Tensor]]) -> LayerHalves:
    """Tell attention from MLP in every layer.

    Args:
        layers: the decoder layers.
        model_type: the family, for the message.
        run_layer: runs layer ``i`` on some hidden state and returns (input, output); proves the answer.

    Raises:
        ModelError: a layer has no such halves, or silencing both does not leave its input unchanged.
    """
    outputs = LayerHalves(
        tuple(_writers(layer, mixer=True) for layer in layers), tuple(_writers(layer, mixer=False) for layer in layers)
    )
    lacking = [i for i, (attn, mlp) in enumerate(zip(outputs.attn, outputs.mlp, strict=True)) if not attn or not mlp]
    if lacking:
        raise ModelError(
            f"Removing only the attention or only the MLP needs layers that have both; in '{model_type}' "
            f"layer {lacking[0]} does not: its parts are {', '.join(name for name, _ in layers[lacking[0]].named_children())}."
        )
    last_maps = LayerHalves(
        tuple(tuple(_last_map(module) for module in modules) for modules in outputs.attn),
        tuple(tuple(_last_map(module) for module in modules) for modules in outputs.mlp),
    )
    attn, mlp = [], []
    for index in range(len(layers)):
        for candidate in (outputs, last_maps):
            if _is_split(candidate, index, run_layer):
                attn.append(candidate.attn[index])
                mlp.append(candidate.mlp[index])
                break
        else:
            raise ModelError(
                f"Removing only the attention or only the MLP needs layers that add their parts to the residual stream; in "
                f"'{model_type}' layer {index} does something else: with both silent its input changes, or with one it stays."
            )
    return LayerHalves(tuple(attn), tuple(mlp))


def _is_split(halves: LayerHalves, index: int, run_layer: Callable[[int], tuple[Tensor, Tensor]]) -> bool:
    """True if a layer does nothing with both halves silent, and something with either one."""
    for half in ("attn", "mlp"):
        with halves.silenced(index, half):
            before, after = run_layer(index)
        if torch.equal(before, after):
            return False
    with halves.silenced(index, "attn"), halves.silenced(index, "mlp"):
        before, after = run_layer(index)
    return torch.equal(before, after)


def _writers(layer: nn.Module, *, mixer: bool) -> tuple[nn.Module, ...]:
    """The direct children that write one half of a layer's update."""
    children = [
        (name, child)
        for name, child in layer.named_children()
        if any(True for _ in child.parameters()) and not _NOT_A_WRITER.search(name)
    ]
    chosen = [(name, child) for name, child in children if is_mixer(name) == mixer]
    if not mixer and chosen and all(isinstance(child, nn.Linear | Conv1D) for _, child in chosen):
        return (chosen[-1][1],)  # fc1, fc2 lie in the layer itself (OPT): the last one writes
    return tuple(child for _, child in chosen)


def _last_map(module: nn.Module) -> nn.Module:
    """The last linear map inside a module, in order of definition; the module itself if it has none."""
    maps = [child for child in module.modules() if isinstance(child, nn.Linear | Conv1D)]
    return maps[-1] if maps else module


def _zero_output(_: nn.Module, __: Any, output: Any) -> Any:
    if isinstance(output, tuple | list):
        return type(output)([torch.zeros_like(output[0]), *output[1:]])
    return torch.zeros_like(output)
