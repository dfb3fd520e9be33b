"""Paths: the written form round-trips, and bad ones are refused with the rule."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.errors import PathError
from layerscope.paths.path import LayerPath
from layerscope.paths.steps import LayerStep, ParallelStep
from layerscope.paths.variants import Span, touched_span

layer_steps = st.builds(
    LayerStep, st.integers(0, 200), st.sampled_from(["whole", "attn", "mlp"]) | st.integers(0, 200).map("h{}".format)
)
steps = layer_steps | st.builds(ParallelStep, st.lists(layer_steps, min_size=2, max_size=5).map(tuple))
runs = st.tuples(st.integers(0, 100), st.integers(1, 12)).map(lambda run: [LayerStep(run[0] + i) for i in range(run[1])])
paths = st.lists(runs | steps.map(lambda step: [step]), max_size=12).map(
    lambda parts: LayerPath(tuple(itertools.chain.from_iterable(parts)))
)


@given(paths)
def test_written_form_round_trips(path: LayerPath) -> None:
    assert LayerPath.parse(str(path)) == path


@given(paths)
def test_written_form_is_the_only_one(path: LayerPath) -> None:
    assert str(LayerPath.parse(str(path))) == str(path)


@pytest.mark.parametrize(
    ("written", "layers"),
    [
        ("0-9,11-31", [*range(10), *range(11, 32)]),
        ("0-9,11,10,12-31", [*range(10), 11, 10, *range(12, 32)]),
        ("0,1,2", [0, 1, 2]),
        (" 0 - 2 , 5 ", [0, 1, 2, 5]),
        ("3-3", [3]),
        ("none", []),
    ],
)
def test_reads_whole_layers(written: str, layers: list[int]) -> None:
    assert LayerPath.parse(written) == LayerPath.from_layers(layers)


def test_reads_halves_and_groups() -> None:
    path = LayerPath.parse("0-1,2.mlp,(3|4.attn|5),6")
    assert path.steps[2] == LayerStep(2, "mlp")
    assert path.steps[3] == ParallelStep((LayerStep(3), LayerStep(4, "attn"), LayerStep(5)))
    assert str(path) == "0-1,2.mlp,(3|4.attn|5),6"


def test_reads_a_layer_without_a_head() -> None:
    path = LayerPath.parse("0-1,2.h3,(3|4.h0|5.mlp),6.h012")
    assert path.steps[2] == LayerStep.without_head(2, 3) != LayerStep(2)
    assert path.steps[3].members[1] == LayerStep.without_head(4, 0)
    assert [member.missing_head for step in path.steps for member in step.members] == [None, None, 3, None, 0, None, 12]
    assert str(path) == "0-1,2.h3,(3|4.h0|5.mlp),6.h12"
    assert [(step.layers, step.layer_runs) for step in path.steps[2:4]] == [((2,), 1), ((3, 4, 5), 3)]


def test_steps_are_ordered_and_told_apart() -> None:
    steps = [LayerStep(2, part) for part in ("attn", "h0", "h10", "h2", "mlp", "whole")]
    assert sorted([*steps[3:], *steps[:3]]) == steps
    assert len(set(steps)) == 6


@pytest.mark.parametrize("part", ["h", "h03", "h-1", "h1.5", "head", "H1", "h１"])
def test_refuses_what_is_no_part_of_a_layer(part: str) -> None:
    with pytest.raises(PathError, match=f"is attn or mlp, or h3 for all but head 3; got '{part}'"):
        LayerStep(1, part)


def test_refuses_heads_that_a_layer_does_not_have() -> None:
    path = LayerPath.parse("0,(1.h1|2.h0),3")
    path.check_heads([2, 2, 1, 0])
    for heads, has in (([2, 1, 1, 0], "has head 0 alone"), ([9, 0, 1, 0], "has no heads")):
        with pytest.raises(PathError, match=f"layer 1 {has} .* got '1.h1'"):
            path.check_heads(heads)
    with pytest.raises(PathError, match="layer 1 has heads 0-3 .* got '1.h4'"):
        LayerPath.parse("0,1.h4").check_heads([4, 4])


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("", "A path is layers, ranges and groups"),
        ("0-", "A layer is written '10'"),
        ("9-0", "A range ascends; '9-0' in '9-0' does not: write its layers out, such as '9,0'"),
        ("0,,1", "separated by commas"),
        ("0-3;5", "A layer is written"),
        ("2.norm", "got '2.norm' in '2.norm'"),
        ("2.h", "or '10.h3' for all of it but head 3; got '2.h'"),
        ("2.h-1", "got '2.h-1'"),
        ("2.h1-3", "got '2.h1-3'"),
        ("2.h1.h2", "got '2.h1.h2'"),
        ("(1)", "two or more layers; got 1"),
        ("(1|2", "separated by commas"),
        ("-1", "A layer is written"),
        ("１", "A layer is written"),
        ("0-99999999999", "at most 100000 layers"),
    ],
)
def test_refuses_what_is_no_path(written: str, message: str) -> None:
    with pytest.raises(PathError, match=r".*") as caught:
        LayerPath.parse(written)
    assert message in str(caught.value)


def test_refuses_layers_outside_the_model() -> None:
    with pytest.raises(PathError, match="stays within the model's layers 0-29; '0-31' visits 30, 31"):
        LayerPath.parse("0-31").check_fits(30)


@pytest.mark.parametrize(
    ("written", "span"),
    [
        ("0-9", None),
        ("0-3,5-9", Span(4, 4)),
        ("0-3,5,4,6-9", Span(4, 5)),
        ("0-8", Span(9, 9)),
        ("1-9", Span(0, 0)),
        ("0-4,4,5-9", Span(4, 4)),
        ("0-9,9", Span(9, 9)),
        ("0-2,3.attn,4-9", Span(3, 3)),
        ("0-2,3.h1,4-9", Span(3, 3)),
        ("0-2,3.h1,4.h0,5-9", Span(3, 4)),
        ("0-2,(3|4),5-9", Span(3, 4)),
        ("9,1-8,0", Span(0, 9)),
        ("none", Span(0, 9)),
    ],
)
def test_touched_span(written: str, span: Span | None) -> None:
    assert touched_span(LayerPath.parse(written), 10) == span
