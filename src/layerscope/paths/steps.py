"""One step of a path: a whole layer, one half of it, one head less, or several side by side. Pure values; no torch.

Layers and heads are numbered from 0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from layerscope.errors import PathError

_PART = re.compile(r"whole|attn|mlp|h(?:0|[1-9]\d{0,8})", re.ASCII)


@dataclass(frozen=True, order=True)
class LayerStep:
    """The residual stream passes through one layer, through one half of it, or through all of it but one head."""

    layer: int
    """Index of the layer whose weights run, from 0."""
    part: str = "whole"
    """``attn`` runs the attention's update only, ``mlp`` the MLP's only, ``h3`` the whole layer without head 3."""

    def __post_init__(self) -> None:
        if self.layer < 0:
            raise PathError(f"Layers are numbered from 0; got {self.layer}.")
        if _PART.fullmatch(self.part) is None:
            raise PathError(f"The part of a layer is attn or mlp, or h3 for all but head 3; got '{self.part}'.")

    @classmethod
    def without_head(cls, layer: int, head: int) -> LayerStep:
        """A layer run whole, but for one key-value group of its heads."""
        return cls(layer, f"h{head}")

    @property
    def missing_head(self) -> int | None:
        """The key-value group of heads that the layer runs without; None where no single one is left out."""
        return int(self.part[1:]) if self.part.startswith("h") else None

    @property
    def layer_runs(self) -> int:
        """Calls of a decoder layer that this step costs."""
        return 1

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers whose weights this step uses."""
        return (self.layer,)

    @property
    def members(self) -> tuple[LayerStep, ...]:
        """This step, as the only one of its kind side by side."""
        return (self,)

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
