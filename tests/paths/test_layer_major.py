"""Plans layer by layer: the same work, two neighbouring layers at a time."""

from __future__ import annotations

import pytest

from layerscope.errors import PathError
from layerscope.paths.families import build_variants
from layerscope.paths.layer_major import layer_major
from layerscope.paths.plan import SweepPlan, plan_sweep
from layerscope.paths.variants import Variant

N_LAYERS = 6
ORDERABLE = [
    ["removal", "exchange"],
    ["block-removal:3", "repetition"],
    ["attention-removal", "mlp-removal"],
    ["parallel:2", "exchange"],
]


def obey(plan: SweepPlan) -> dict[int, tuple[str, ...]]:
    """The steps that each variant takes if the instructions are obeyed, symbolically."""
    states: dict[int, tuple[str, ...]] = {0: ()}
    ended = dict.fromkeys(plan.finished_at_start, ())
    for instruction in plan.instructions:
        source = states.pop(instruction.source) if instruction.last_use else states[instruction.source]
        state = (*source, str(instruction.step))
        ended.update(dict.fromkeys(instruction.finished, state))
        if not instruction.is_leaf:
            assert instruction.target not in states, "a slot that is in use"
            states[instruction.target] = state
    assert not states, "a state that nobody lets go"
    return ended


@pytest.mark.parametrize("families", ORDERABLE)
def test_the_same_variants_end_and_no_phase_needs_a_third_layer(families: list[str]) -> None:
    plan = plan_sweep(build_variants(families, [], N_LAYERS), N_LAYERS)
    by_layer = layer_major(plan)
    expected = {index: tuple(map(str, variant.path.steps)) for index, variant in enumerate(plan.variants)}
    assert obey(plan) == expected
    assert obey(by_layer.sweep) == expected
    assert by_layer.sweep.layer_runs == plan.layer_runs
    assert [i for phase in by_layer.phases for i in phase] == list(by_layer.sweep.instructions)
    for layer, phase in enumerate(by_layer.phases):
        assert {needed for instruction in phase for needed in instruction.step.layers} <= {layer - 1, layer}
        depths = [i.intact_depth for i in phase if i.intact_depth is not None]
        assert depths == [layer + 1], "the intact path moves on by one layer in each phase"
        assert phase[0].intact_depth is not None, "and goes first"


def test_more_states_are_alive_than_depth_first_and_no_more_than_variants() -> None:
    plan = plan_sweep(build_variants(["removal", "exchange"], [], 30), 30)
    by_layer = layer_major(plan)
    assert plan.peak_states < by_layer.sweep.peak_states <= len(plan.variants) + 1


@pytest.mark.parametrize(
    ("families", "paths", "name"),
    [
        (["reversal:1-3"], [], "reversal-1-3"),
        (["parallel:3"], [], "parallel-3-5"),
        ([], ["0-5,0-5"], "0-5,0-5"),
    ],
)
def test_a_path_that_goes_back_further_is_refused_by_name(families: list[str], paths: list[str], name: str) -> None:
    plan = plan_sweep(build_variants(families, paths, N_LAYERS), N_LAYERS)
    with pytest.raises(PathError, match=f"go back by one layer at most; '.*{name}.*--stream"):
        layer_major(plan)


def test_no_layer_at_all_can_be_streamed() -> None:
    plan = plan_sweep([Variant.intact(3), *build_variants([], ["none"], 3)[1:]], 3)
    assert obey(layer_major(plan).sweep)[1] == ()
