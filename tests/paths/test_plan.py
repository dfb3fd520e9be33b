"""The plan: exact counts, and instructions that really walk every variant's path."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerscope.errors import PathError
from layerscope.paths.families import build_variants
from layerscope.paths.path import LayerPath
from layerscope.paths.plan import SweepPlan, plan_sweep
from layerscope.paths.steps import Step
from layerscope.paths.variants import Variant


def walked_paths(plan: SweepPlan) -> tuple[dict[int, tuple[Step, ...]], int]:
    """Obey the instructions with lists of steps as states; the paths that variants ended with, and the most states alive."""
    states: dict[int, tuple[Step, ...]] = {0: ()}
    ended: dict[int, tuple[Step, ...]] = dict.fromkeys(plan.finished_at_start, ())
    peak = 1
    for instruction in plan.instructions:
        state = (*states[instruction.source], instruction.step)
        peak = max(peak, len(states) + 1)
        if instruction.last_use:
            del states[instruction.source]
        if not instruction.is_leaf:
            assert instruction.target not in states, "a slot in use is overwritten"
            states[instruction.target] = state
        for variant in instruction.finished:
            assert variant not in ended, "a variant ends twice"
            ended[variant] = state
        if instruction.intact_depth is not None:
            assert state == LayerPath.intact(plan.n_layers).steps[: instruction.intact_depth]
    assert not states, "a state is never let go"
    return ended, peak


@pytest.mark.parametrize("n_layers", [2, 12, 30, 32, 80])
def test_removal_and_exchange_take_the_square_of_the_layers(n_layers: int) -> None:
    plan = plan_sweep(build_variants(["removal", "exchange"], [], n_layers), n_layers)
    assert plan.layer_runs == n_layers**2
    assert plan.layer_runs_without_sharing == n_layers + n_layers * (n_layers - 1) + (n_layers - 1) * n_layers


def test_thirty_layers_take_900_runs() -> None:
    assert plan_sweep(build_variants(["removal", "exchange"], [], 30), 30).layer_runs == 900


def test_removal_alone() -> None:
    # intact 4, then 3 + 2 + 1 + 0 layers after the removed one
    assert plan_sweep(build_variants(["removal"], [], 4), 4).layer_runs == 10


def test_parallel_steps_cost_each_of_their_layers() -> None:
    assert plan_sweep(build_variants([], ["(0|1|2),3"], 4), 4).layer_runs == 4 + 4


def test_intact_comes_first_and_its_states_bound_the_memory() -> None:
    plan = plan_sweep(build_variants(["removal", "exchange"], [], 30), 30)
    assert [instruction.intact_depth for instruction in plan.instructions[:30]] == list(range(1, 31))
    assert plan.peak_states == 31


def test_a_model_of_one_layer() -> None:
    plan = plan_sweep(build_variants(["removal"], [], 1), 1)
    assert plan.finished_at_start == (1,)
    assert plan.layer_runs == 1


layer_lists = st.lists(st.integers(0, 5), max_size=9).map(LayerPath.from_layers)


@settings(max_examples=200)
@given(st.lists(layer_lists, max_size=12))
def test_every_variant_walks_its_own_path(paths: list[LayerPath]) -> None:
    variants = [Variant.intact(6), *(Variant(f"v{i}", "path", path) for i, path in enumerate(paths))]
    plan = plan_sweep(variants, 6)
    ended, peak = walked_paths(plan)
    assert ended == {index: variant.path.steps for index, variant in enumerate(variants)}
    assert peak == plan.peak_states
    prefixes = {variant.path.steps[:length] for variant in variants for length in range(1, len(variant.path) + 1)}
    assert plan.layer_runs == len(prefixes)


def test_refuses_a_path_outside_the_model() -> None:
    with pytest.raises(PathError, match="layers 0-3"):
        plan_sweep([Variant.intact(4), Variant.from_path(LayerPath.parse("0-4"))], 4)


def test_refuses_a_plan_without_the_baseline() -> None:
    with pytest.raises(ValueError, match="first variant of a plan is the intact model"):
        plan_sweep([Variant.from_path(LayerPath.parse("0-2"))], 4)
