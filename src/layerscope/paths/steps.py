"""One step of a path: a whole layer, one half of it, or several side by side. Pure values; no torch.

Layers are numbered from 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from layerscope.errors import PathError

Part = Literal["whole", "attn", "mlp"]


@dataclass(frozen=True, order=True)
class LayerStep:
    """The residual stream passes through one layer, or through one half of it."""

    layer: int
    """Index of the layer whose weights run, from 0."""
    part: Part = "whole"
    """``attn`` runs the attention's update only, ``mlp`` the MLP's only."""

    def __post_init__(self) -> None:
        if self.layer < 0:
            raise PathError(f"Layers are numbered from 0; got {self.layer}.")
        if self.part not in ("whole", "attn", "mlp"):
            raise PathError(f"The part of a layer is attn or mlp; got '{self.part}'.")

    @property
    def layer_runs(self) -> int:
        """Calls of a decoder layer that this step costs."""
        return 1

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers whose weights this step uses."""
        return (self.layer,)

    def __str__(self) -> str:
        return f"{self.layer}" if self.part == "whole" else f"{self.layer}.{self.part}"


@dataclass(frozen=True)
class ParallelStep:
    """Several layers read the same state; the mean of their updates is added to it.

    Source: "Transformer Layers as Painters", Sun et al. 2024 (arXiv 2407.09298).
    """

    members: tuple[LayerStep, ...]
    """Two or more steps, each with the same input."""

    def __post_init__(self) -> None:
        if len(self.members) < 2:
            raise PathError(f"A parallel step holds two or more layers; got {len(self.members)}.")

    @property
    def layer_runs(self) -> int:
        """Calls of a decoder layer that this step costs."""
        return len(self.members)

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers whose weights this step uses."""
        return tuple(member.layer for member in self.members)

    def __str__(self) -> str:
        return "(" + "|".join(map(str, self.members)) + ")"


Step = LayerStep | ParallelStep
