"""What a method leaves behind: its steps, the best paths of each size, and the moves that led to each path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from layerscope.paths.moves import Candidate
from layerscope.paths.path import LayerPath


@dataclass(frozen=True)
class Step:
    """Candidates that were compared with each other."""

    number: int
    """From 1."""
    candidates: tuple[LayerPath, ...]
    """Of any size."""
    best: dict[int, tuple[LayerPath, ...]]
    """By size in half layers, of those sizes that candidates have: what is best after the step, best first."""


@dataclass
class Trail:
    """The course of a search."""

    steps: list[Step] = field(default_factory=list)
    """In their order."""
    best: dict[int, tuple[LayerPath, ...]] = field(default_factory=dict)
    """By size in half layers: the best paths that were found, best first."""
    origins: dict[LayerPath, tuple[LayerPath, str]] = field(default_factory=dict)
    """The path that each path was first made of, and by which move."""

    def made(self, parent: LayerPath, candidates: Sequence[Candidate]) -> list[LayerPath]:
        """Note where candidates come from; those that were made before keep their first origin.

        Returns:
            The candidates that are new.
        """
        new = [one for one in candidates if one.path not in self.origins]
        self.origins.update({one.path: (parent, one.move) for one in new})
        return [one.path for one in new]

    def moves(self, path: LayerPath) -> tuple[str, ...]:
        """The moves that led from the intact model to a path, first to last."""
        found: list[str] = []
        while path in self.origins:
            path, move = self.origins[path]
            found.append(move)
        return tuple(reversed(found))
