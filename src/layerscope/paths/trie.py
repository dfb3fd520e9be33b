"""Prefixes that paths share, each a numbered node, and an order that runs every shared step once. Pure values; no torch.

Node 0 is the state before the first step (the embeddings); a node stands for the state after one more step. Numbers are given
in the order in which nodes are first seen and never change, so that a state can be kept under its number from one walk to the
next.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from layerscope.paths.path import LayerPath
from layerscope.paths.steps import Step

ROOT = 0
"""The embeddings."""


@dataclass(frozen=True)
class Visit:
    """Run one step from the state of one node to that of the next."""

    parent: int
    """The node to start from."""
    step: Step
    """What to run."""
    node: int
    """The node whose state that gives."""
    is_last_use: bool
    """True if no later visit starts from ``parent``: its state can be let go."""
    is_leaf: bool
    """True if no visit starts from ``node``."""
    ends: tuple[int, ...]
    """Paths that end here, by index."""


@dataclass
class PrefixTree:
    """Every prefix that was ever asked about, by number.

    Examples:
        >>> tree = PrefixTree()
        >>> tree.nodes(ls.LayerPath.parse("0,1,2")), tree.nodes(ls.LayerPath.parse("0,2"))
        ((1, 2, 3), (1, 4))
    """

    _children: list[dict[Step, int]] = field(default_factory=lambda: [{}])
    _depths: list[int] = field(default_factory=lambda: [0])

    def depth(self, node: int) -> int:
        """Steps that lead to a node."""
        return self._depths[node]

    def nodes(self, path: LayerPath) -> tuple[int, ...]:
        """The node after each step of a path; those that are new are numbered now."""
        found: list[int] = []
        node = ROOT
        for step in path.steps:
            child = self._children[node].get(step)
            if child is None:
                child = len(self._children)
                self._children[node][step] = child
                self._children.append({})
                self._depths.append(self._depths[node] + 1)
            found.append(child)
            node = child
        return tuple(found)

    def walk(self, paths: Sequence[LayerPath], at_hand: Collection[int] = ()) -> tuple[dict[int, tuple[int, ...]], list[Visit]]:
        """Visits that run the paths, depth first, each shared step once.

        Args:
            paths: to be run.
            at_hand: nodes whose state need not be made.

        Returns:
            The paths that end at a node that needs no visit (the embeddings or one at hand), by node; and the visits, in order.
        """
        children: dict[int, dict[int, Step]] = {}
        ends: dict[int, list[int]] = {}
        starts: dict[int, None] = {}
        for index, path in enumerate(paths):
            nodes = (ROOT, *self.nodes(path))
            first = max(place for place, node in enumerate(nodes) if node == ROOT or node in at_hand)
            starts[nodes[first]] = None
            for parent, node, step in zip(nodes[first:], nodes[first + 1 :], path.steps[first:], strict=False):
                children.setdefault(parent, {})[node] = step
            ends.setdefault(nodes[-1], []).append(index)
        at_start = {node: tuple(ends[node]) for node in starts if node in ends}
        return at_start, list(_depth_first(starts, children, ends))


def _depth_first(starts: Collection[int], children: dict[int, dict[int, Step]], ends: dict[int, list[int]]) -> Iterator[Visit]:
    pending: list[tuple[int, int, Step, bool]] = []

    def push(node: int) -> None:
        below = list(children.get(node, {}).items())
        pending.extend(
            (node, child, step, place == len(below) - 1) for place, (child, step) in reversed(list(enumerate(below)))
        )

    for start in reversed(list(starts)):
        push(start)
    while pending:
        parent, node, step, is_last_use = pending.pop()
        yield Visit(parent, step, node, is_last_use, node not in children, tuple(ends.get(node, ())))
        push(node)
