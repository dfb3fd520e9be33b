"""Families: the variants they make, their names, and how they are written."""

from __future__ import annotations

import pytest

from layerscope.errors import PathError
from layerscope.paths.families import FAMILIES, build_variants
from layerscope.paths.layer_major import layer_major
from layerscope.paths.plan import plan_sweep


def written(family: str, n_layers: int = 5) -> dict[str, str]:
    return {variant.name: str(variant.path) for variant in build_variants([family], [], n_layers)[1:]}


def test_removal() -> None:
    assert written("removal", 3) == {"removal-0": "1-2", "removal-1": "0,2", "removal-2": "0-1"}


def test_exchange() -> None:
    assert written("exchange", 3) == {"exchange-0-1": "1,0,2", "exchange-1-2": "0,2,1"}


def test_block_removal() -> None:
    assert written("block-removal:2", 4) == {
        "block-removal-0-1": "2-3",
        "block-removal-1-2": "0,3",
        "block-removal-2-3": "0-1",
    }


def test_reversal() -> None:
    assert written("reversal:1-3") == {"reversal-1-3": "0,3,2,1,4"}


def test_repetition() -> None:
    assert written("repetition", 2) == {"repetition-0": "0,0-1", "repetition-1": "0-1,1"}


def test_shuffle_is_seeded_and_keeps_every_layer() -> None:
    (path,) = [variant.path for variant in build_variants(["shuffle:3"], [], 12)[1:]]
    assert sorted(step.layer for step in path.steps) == list(range(12))
    assert written("shuffle:3", 12) == written("shuffle:3", 12) != written("shuffle:4", 12)


def test_shuffle_of_a_range_leaves_the_rest() -> None:
    (path,) = [variant.path for variant in build_variants(["shuffle:0:2-9"], [], 12)[1:]]
    assert [step.layer for step in path.steps[:2]] == [0, 1]
    assert [step.layer for step in path.steps[10:]] == [10, 11]


def test_parallel() -> None:
    assert written("parallel:3", 4) == {"parallel-0-2": "(0|1|2),3", "parallel-1-3": "0,(1|2|3)"}


def test_halves() -> None:
    assert written("attention-removal", 2) == {"attention-removal-0": "0.mlp,1", "attention-removal-1": "0,1.mlp"}
    assert written("mlp-removal", 2) == {"mlp-removal-0": "0.attn,1", "mlp-removal-1": "0,1.attn"}


def heads_written(family: str, heads: list[int]) -> dict[str, str]:
    return {variant.name: str(variant.path) for variant in build_variants([family], [], len(heads), heads=heads)[1:]}


def test_head_removal() -> None:
    assert heads_written("head-removal:1", [2, 3, 2]) == {
        "head-removal-1-0": "0,1.h0,2",
        "head-removal-1-1": "0,1.h1,2",
        "head-removal-1-2": "0,1.h2,2",
    }
    assert list(heads_written("head-removal:1-2", [1, 3, 2])) == [
        *(f"head-removal-1-{head}" for head in range(3)),
        *(f"head-removal-2-{head}" for head in range(2)),
    ]
    assert {variant.family for variant in build_variants(["head-removal:1-1"], [], 2, heads=[2, 2])[1:]} == {"head-removal:1"}


def test_heads_of_a_layer_share_what_comes_before() -> None:
    plan = plan_sweep(build_variants(["head-removal:2"], [], 4, heads=[8] * 4), 4)
    assert plan.layer_runs == 4 + 8 * 2
    assert layer_major(plan).sweep.layer_runs == plan.layer_runs


@pytest.mark.parametrize(
    ("family", "heads", "message"),
    [
        ("head-removal", [2, 2], "written head-removal:a or head-removal:a-b; got 'head-removal'"),
        ("head-removal:x", [2, 2], "written head-removal:a or head-removal:a-b"),
        ("head-removal:1-0", [2, 2], "ascends within 0-1 for this model; got 'head-removal:1-0'"),
        ("head-removal:2", [2, 2], "ascends within 0-1 for this model; got 'head-removal:2'"),
        ("head-removal:0-1", [2, 1], "layer 1 has one, which all its query heads read: take attention-removal"),
        ("head-removal:0-1", [2, 0], "layer 1 has none: take removal, or other layers"),
        ("head-removal:0-1", None, "give build_variants heads=decoder.head_counts"),
    ],
)
def test_refuses_heads_that_are_not_there(family: str, heads: list[int] | None, message: str) -> None:
    with pytest.raises(PathError) as caught:
        build_variants([family], [], 2, heads=heads)
    assert message in str(caught.value)


def test_depth() -> None:
    assert written("depth", 3) == {"depth--1": "none", "depth-0": "0", "depth-1": "0-1", "depth-2": "0-2"}


def test_depth_runs_no_layer_that_the_intact_model_does_not() -> None:
    alone, with_removal = (plan_sweep(build_variants(some, [], 7), 7) for some in (["depth"], ["removal", "depth"]))
    assert alone.layer_runs == 7
    assert with_removal.layer_runs == plan_sweep(build_variants(["removal"], [], 7), 7).layer_runs
    assert layer_major(with_removal).sweep.layer_runs == with_removal.layer_runs


def test_tuned_depths_are_the_same_prefixes_each_with_the_translator_of_the_layer_that_would_read_it() -> None:
    assert written("tuned-depth", 2) == {"tuned-depth--1": "none", "tuned-depth-0": "0", "tuned-depth-1": "0-1"}
    of = {variant.name: variant.translator for variant in build_variants(["removal", "depth", "tuned-depth"], ["0"], 2)}
    assert {name: at for name, at in of.items() if at is not None} == {"tuned-depth--1": 0, "tuned-depth-0": 1}


def test_both_families_of_depths_share_the_layers_of_the_intact_model() -> None:
    plan = plan_sweep(build_variants(["depth", "tuned-depth"], [], 7), 7)
    assert (plan.layer_runs, len(plan.variants)) == (7, 17)
    assert layer_major(plan).sweep.layer_runs == 7
    ended = [name for one in plan.instructions for name in one.finished] + list(plan.finished_at_start)
    assert sorted(ended) == list(range(17))


def test_every_family_is_tested_here() -> None:
    assert set(FAMILIES) == {
        "removal",
        "exchange",
        "block-removal",
        "reversal",
        "repetition",
        "shuffle",
        "parallel",
        "attention-removal",
        "mlp-removal",
        "head-removal",
        "depth",
        "tuned-depth",
    }


def test_explicit_paths_are_named_by_their_written_form_and_kept_once() -> None:
    variants = build_variants([], ["0-1,3", " 0 - 1, 3"], 4)
    assert [(variant.name, variant.family) for variant in variants] == [("intact", "intact"), ("0-1,3", "path")]


@pytest.mark.parametrize(
    ("family", "message"),
    [
        ("remval", "Unknown experiment 'remval'. Did you mean removal"),
        ("removal:3", "written removal; got 'removal:3'"),
        ("block-removal", "written block-removal:w"),
        ("block-removal:0", "1 to 5 layers wide"),
        ("block-removal:6", "1 to 5 layers wide"),
        ("reversal:3-1", "ascends within 0-4"),
        ("reversal:1-5", "ascends within 0-4"),
        ("parallel:1", "two or more at a time"),
        ("shuffle:x", "written shuffle:seed"),
    ],
)
def test_refuses_what_is_no_family(family: str, message: str) -> None:
    with pytest.raises(PathError) as caught:
        build_variants([family], [], 5)
    assert message in str(caught.value)


def test_refuses_nothing_to_do() -> None:
    with pytest.raises(PathError, match="needs an experiment or a path"):
        build_variants([], [], 5)
