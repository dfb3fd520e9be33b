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
from layerscope.paths.trie import ROOT, PrefixTree, Visit
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
    for variant in variants:
        variant.path.check_fits(n_layers)
    at_start, visits = PrefixTree().walk([variant.path for variant in variants])
    return SweepPlan(tuple(variants), n_layers, tuple(_in_slots(visits, n_layers)), at_start.get(ROOT, ()))


def _in_slots(visits: Sequence[Visit], n_layers: int) -> list[Instruction]:
    """Each state in a slot that is free; the intact path is the first, so that its nodes are those numbered first."""
    slot_of, free, n_slots = {ROOT: 0}, list[int](), 1
    instructions: list[Instruction] = []
    for visit in visits:
        source = slot_of[visit.parent]
        if free:
            target = free.pop()
        else:
            target, n_slots = n_slots, n_slots + 1
        slot_of[visit.node] = target
        intact_depth = visit.node if visit.node <= n_layers else None
        instructions.append(Instruction(source, visit.step, target, visit.is_last_use, visit.ends, intact_depth, visit.is_leaf))
        if visit.is_last_use:
            free.append(source)
        if visit.is_leaf:
            free.append(target)
    return instructions
