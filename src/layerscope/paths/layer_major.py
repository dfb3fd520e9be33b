"""The same plan in another order: layer by layer, so that each layer's weights are needed once for all variants.

A path can be walked so if, at any moment, it needs no layer further back than the one before the furthest layer reached:
then two neighbouring layers in memory are enough. Removal and exchange can; reversing three layers cannot.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from layerscope.errors import PathError
from layerscope.paths.plan import Instruction, SweepPlan


@dataclass(frozen=True)
class LayerMajorPlan:
    """A plan in phases. In phase *k* layers *k − 1* and *k* are needed and no other."""

    sweep: SweepPlan
    """All instructions, phase after phase."""
    phases: tuple[tuple[Instruction, ...], ...]
    """The same instructions, one tuple a layer of the model."""


def layer_major(plan: SweepPlan) -> LayerMajorPlan:
    """Put a plan's instructions into the order of the layers.

    Raises:
        PathError: a variant goes back by more than one layer; the message names it.
    """
    parents, phase_of = _tree(plan)
    for index, instruction in enumerate(plan.instructions):
        if min(instruction.step.layers) < phase_of[index] - 1:
            variant = plan.variants[_first_variant_below(plan, parents, index)]
            raise PathError(
                f"Streaming keeps two neighbouring layers in memory, so a path may go back by one layer at most; "
                f"'{variant.name}' needs layer {min(instruction.step.layers)} when layer {phase_of[index]} has been reached: "
                "run it without --stream."
            )
    order = sorted(range(len(plan.instructions)), key=lambda index: phase_of[index])  # stable: parents stay before children
    instructions = _with_slots(plan, parents, order)
    phases: list[list[Instruction]] = [[] for _ in range(plan.n_layers)]
    for index, instruction in zip(order, instructions, strict=True):
        phases[phase_of[index]].append(instruction)
    return LayerMajorPlan(replace(plan, instructions=tuple(instructions)), tuple(map(tuple, phases)))


def _tree(plan: SweepPlan) -> tuple[list[int], list[int]]:
    """For each instruction, the one whose result it reads (−1: the embeddings) and the furthest layer reached so far."""
    holder = {0: -1}
    parents: list[int] = []
    phase_of: list[int] = []
    for index, instruction in enumerate(plan.instructions):
        parent = holder[instruction.source]
        parents.append(parent)
        phase_of.append(max(*instruction.step.layers, phase_of[parent] if parent >= 0 else 0))
        holder[instruction.target] = index
    return parents, phase_of


def _with_slots(plan: SweepPlan, parents: list[int], order: list[int]) -> list[Instruction]:
    """The instructions in a new order, each state in a slot from its making to its last use."""
    readers = [0] * (len(plan.instructions) + 1)  # the last place counts readers of the embeddings
    for parent in parents:
        readers[parent] += 1
    slot_of = {-1: 0}
    free: list[int] = []
    n_slots = 1
    instructions = []
    for index in order:
        parent = parents[index]
        readers[parent] -= 1
        if free:
            target = free.pop()
        else:
            target, n_slots = n_slots, n_slots + 1
        slot_of[index] = target
        last_use = readers[parent] == 0
        instructions.append(replace(plan.instructions[index], source=slot_of[parent], target=target, last_use=last_use))
        if last_use:
            free.append(slot_of[parent])
        if plan.instructions[index].is_leaf:
            free.append(target)
    return instructions


def _first_variant_below(plan: SweepPlan, parents: list[int], index: int) -> int:
    """A variant whose path takes an instruction."""
    members = {index}
    for later in range(index, len(plan.instructions)):
        if later in members or parents[later] in members:
            members.add(later)
            if plan.instructions[later].finished:
                return plan.instructions[later].finished[0]
    raise AssertionError("every branch of a plan ends a variant")
