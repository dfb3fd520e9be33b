"""The plan of a sweep: all variants as a trie of steps, laid out as a list of instructions. Pure values; no torch.

Shared prefixes run once. With the state before layer *i* in hand, removing *i* costs only the layers after *i*, and exchanging
*i* and *i+1* shares its first step with removing *i*. The intact path is walked first, because every other variant is compared
with it; its states are kept until the last branch that starts from them has been taken. The walker needs no recursion and no
decisions: it obeys the instructions in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from layerscope.paths.steps import Step
from layerscope.paths.variants import Variant


@dataclass(frozen=True)
class Instruction:
    """Run one step from one kept state to a new one."""

    source: int
    """Slot of the state to start from; slot 0 holds the embeddings."""
    step: Step
    """What to run."""
    target: int
    """Slot that receives the result."""
    last_use: bool
    """True if no later instruction reads ``source``: it can be let go."""
    finished: tuple[int, ...]
    """Variants whose path ends with this step, by index."""
    intact_depth: int | None
    """Number of steps taken if this step lies on the intact path, else None."""
    is_leaf: bool
    """True if no instruction reads ``target``."""


@dataclass(frozen=True)
class SweepPlan:
    """Everything that a sweep of some variants over a batch will run, in order."""

    variants: tuple[Variant, ...]
    """The intact model first."""
    n_layers: int
    """Number of layers of the model."""
    instructions: tuple[Instruction, ...]
    """In the order in which they run."""
    finished_at_start: tuple[int, ...] = field(default=())
    """Variants that visit no layer at all, by index."""

    @property
    def layer_runs(self) -> int:
        """Decoder layer calls for one batch."""
        return sum(instruction.step.layer_runs for instruction in self.instructions)

    @property
    def layer_runs_without_sharing(self) -> int:
        """Decoder layer calls for one batch if every variant were a forward pass of its own."""
        return sum(step.layer_runs for variant in self.variants for step in variant.path.steps)

    @cached_property
    def peak_states(self) -> int:
        """Hidden states alive at once at the worst moment, the step's own output included."""
        alive, peak = 1, 1
        for instruction in self.instructions:
            alive += 1
            peak = max(peak, alive)
            alive -= int(instruction.last_use) + int(instruction.is_leaf)
        return peak


@dataclass
class _Node:
    """A trie node: the state after some prefix of steps."""

    children: dict[Step, _Node] = field(default_factory=dict)
    variants: list[int] = field(default_factory=list)


def plan_sweep(variants: Sequence[Variant], n_layers: int) -> SweepPlan:
    """Share the prefixes of some variants and lay out the walk.

    Args:
        variants: the intact model first.
        n_layers: number of layers of the model.

    Returns:
        A plan whose instructions end every variant exactly once. For L layers, removal and exchange take L² layer runs.

    Raises:
        PathError: a path visits a layer that the model does not have.

    Examples:
        >>> plan = ls.plan_sweep(ls.build_variants(["removal"], [], 30), 30)
        >>> plan.layer_runs, plan.layer_runs_without_sharing
        (465, 900)
    """
    if not variants or variants[0] != Variant.intact(n_layers):
        raise ValueError("the first variant of a plan is the intact model")
    root = _Node()
    for index, variant in enumerate(variants):
        variant.path.check_fits(n_layers)
        node = root
        for step in variant.path.steps:
            node = node.children.setdefault(step, _Node())
        node.variants.append(index)
    return SweepPlan(tuple(variants), n_layers, tuple(_lay_out(root, n_layers)), tuple(root.variants))


def _lay_out(root: _Node, n_layers: int) -> list[Instruction]:
    """Depth first; the intact child is the first of each node, because the intact variant was inserted first."""
    instructions: list[Instruction] = []
    free: list[int] = []
    n_slots = 1
    # (slot of the parent, step, child node, whether the parent has no child after this one, depth on the intact path or None)
    pending: list[tuple[int, Step, _Node, bool, int | None]] = []

    def push_children(node: _Node, slot: int, intact_depth: int | None) -> None:
        steps = list(node.children.items())
        for position in reversed(range(len(steps))):
            step, child = steps[position]
            on_intact = intact_depth is not None and position == 0 and intact_depth < n_layers
            depth = intact_depth + 1 if on_intact and intact_depth is not None else None
            pending.append((slot, step, child, position == len(steps) - 1, depth))

    push_children(root, 0, 0)
    while pending:
        source, step, node, last_use, intact_depth = pending.pop()
        if free:
            target = free.pop()
        else:
            target, n_slots = n_slots, n_slots + 1
        is_leaf = not node.children
        instructions.append(Instruction(source, step, target, last_use, tuple(node.variants), intact_depth, is_leaf))
        if last_use:
            free.append(source)
        if is_leaf:
            free.append(target)
        push_children(node, target, intact_depth)
    return instructions
