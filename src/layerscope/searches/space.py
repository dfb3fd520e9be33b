"""Where a search may go: from the intact model towards a size, by some kinds of move. Pure values; no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from layerscope.errors import PathError
from layerscope.paths.moves import Candidate, Move, neighbours, size_of, written_size
from layerscope.paths.path import LayerPath

_HALVES = ("attention-removal", "mlp-removal")
MORE_STEPS = 4
"""Steps beyond those that it takes to get to the budget, where moves that keep the size may still help."""


@dataclass(frozen=True)
class Space:
    """What a search may try.

    Raises:
        PathError: the budget cannot be reached by the moves.
    """

    n_layers: int
    """Of the model."""
    moves: tuple[Move, ...]
    """Kinds of change."""
    budget: int
    """Size to get to, in half layers."""
    kept: frozenset[int] = frozenset()
    """Layers that no move touches."""

    def __post_init__(self) -> None:
        outside = sorted(layer for layer in self.kept if layer >= self.n_layers)
        if outside:
            raise PathError(f"Layers to keep are within the model's 0-{self.n_layers - 1}; got {outside[0]}.")
        if self.budget < 1:
            raise PathError(
                f"A search leaves half a layer or more of {self.n_layers}; {written_size(self.budget)} were asked for."
            )
        if not self.towards and self.budget != self.whole:
            way = "removal, attention-removal or mlp-removal" if self.budget < self.whole else "block-repeat"
            raise PathError(
                f"From {self.n_layers} layers to {written_size(self.budget)} it takes {way}; the moves are "
                f"{', '.join(move.written for move in self.moves)}: add one with --moves."
            )
        if self.budget == self.whole and all(move.half_layers for move in self.moves):
            raise PathError(
                f"Moves that change the number of layers need another budget than the model's own {self.n_layers}: "
                "give --drop or --budget."
            )
        if self.budget < self.whole and self.whole - self.budget > self._most_removed:
            raise PathError(
                f"With {len(self.kept)} layers kept, {', '.join(move.written for move in self.towards)} can take "
                f"{written_size(self._most_removed)} layers of {self.n_layers} away; "
                f"{written_size(self.whole - self.budget)} were to go: drop fewer, or keep fewer."
            )
        if self.budget > self.whole and len(self.kept) == self.n_layers:
            raise PathError(f"All {self.n_layers} layers are kept, so that none can run twice: keep fewer.")
        if self.budget % 2 and not any(move.name in _HALVES for move in self.moves):
            raise PathError(
                f"Half a layer goes by attention-removal or mlp-removal; the budget is {written_size(self.budget)} and the "
                f"moves are {', '.join(move.written for move in self.moves)}."
            )

    @property
    def _most_removed(self) -> int:
        """Half layers that the moves can take away."""
        names = {move.name for move in self.towards}
        return (self.n_layers - len(self.kept)) * (2 if "removal" in names or names >= set(_HALVES) else 1)

    @property
    def whole(self) -> int:
        """Size of the intact model, in half layers."""
        return 2 * self.n_layers

    @property
    def start(self) -> LayerPath:
        """The intact model."""
        return LayerPath.intact(self.n_layers)

    @property
    def towards(self) -> tuple[Move, ...]:
        """The moves that bring a path nearer to the budget."""
        sign = np.sign(self.budget - self.whole)
        return tuple(move for move in self.moves if move.half_layers and np.sign(move.half_layers) == sign)

    @property
    def most_steps(self) -> int:
        """Steps after which a search ends at the latest, where no number is given."""
        shortest = min((abs(move.half_layers) for move in self.towards), default=1)
        more = MORE_STEPS if any(move not in self.towards for move in self.moves) else 0
        return math.ceil(abs(self.budget - self.whole) / shortest) + more

    def candidates(self, path: LayerPath, moves: tuple[Move, ...] | None = None) -> list[Candidate]:
        """What one move makes of a path without leaving the sizes between the model's own and the budget."""
        low, high = sorted((self.whole, self.budget))
        found = neighbours(path, self.moves if moves is None else moves, n_layers=self.n_layers, kept=self.kept)
        return [one for one in found if low <= size_of(one.path) <= high]
