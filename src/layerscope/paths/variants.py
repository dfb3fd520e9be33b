"""A named path, and what it touches. Pure values; no torch."""

from __future__ import annotations

from dataclasses import dataclass

from layerscope.paths.path import LayerPath
from layerscope.paths.steps import LayerStep


@dataclass(frozen=True)
class Variant:
    """One rearrangement of the model, by name.

    Examples:
        >>> ls.Variant.from_path(ls.LayerPath.parse("0,2,1,3")).family
        'path'
    """

    name: str
    """Unique within a run, for example ``removal-10``."""
    family: str
    """The family that made it, for example ``removal``; ``path`` for an explicit one, ``intact`` for the baseline."""
    path: LayerPath
    """The order in which the residual stream visits the layers."""
    translator: int | None = None
    """Which translator of a tuned lens the last state goes through before the unembedding; None for none."""

    @classmethod
    def intact(cls, n_layers: int) -> Variant:
        """The model as trained: the baseline of every effect."""
        return cls("intact", "intact", LayerPath.intact(n_layers))

    @classmethod
    def from_path(cls, path: LayerPath) -> Variant:
        """An explicit path, named by its written form."""
        return cls(str(path), "path", path)


@dataclass(frozen=True)
class Span:
    """The layers ``first`` to ``last`` (both included) outside which a path is the intact one."""

    first: int
    """First layer that the path treats differently."""
    last: int
    """Last layer that the path treats differently."""


def touched_span(path: LayerPath, n_layers: int) -> Span | None:
    """The smallest span of layers that a path changes.

    Removing layer 10 touches 10-10, exchanging 10 and 11 touches 10-11. Repeating layer 10 inserts a step and touches
    10-10, the layer that runs again.

    Args:
        path: the variant's path.
        n_layers: number of layers of the model.

    Returns:
        The span, or None for the intact path.
    """
    intact = LayerPath.intact(n_layers).steps
    if path.steps == intact:
        return None
    shortest = min(len(path), n_layers)
    first = 0
    while first < shortest and path.steps[first] == intact[first]:
        first += 1
    tail = 0
    while tail < shortest - first and path.steps[-1 - tail] == intact[-1 - tail]:
        tail += 1
    last = n_layers - 1 - tail
    if last < first:  # steps were only inserted: the span is what the inserted steps run
        inserted = path.steps[first : len(path) - tail]
        layers = [layer for step in inserted for layer in step.layers if isinstance(step, LayerStep)]
        return Span(min(layers, default=first - 1), max(layers, default=first - 1))
    return Span(first, last)
