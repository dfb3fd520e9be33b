"""Paths in mergekit's language, and the paths that a checkpoint cannot hold."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pytest
import yaml

from layerscope.errors import PathError
from layerscope.paths.formats.mergekit import mergekit_recipe
from layerscope.paths.path import LayerPath
from layerscope.paths.sequential import sequential_steps
from layerscope.paths.steps import LayerStep


def recipe(path: str, silent: Mapping[LayerStep, Sequence[str]] | None = None) -> str:
    return mergekit_recipe(LayerPath.parse(path), "org/model", dtype="bfloat16", silent=silent or {})


def test_the_whole_text() -> None:
    assert recipe("0-9,12-29") == (
        "# The path 0-9,12-29 of 'org/model', for mergekit, which must find a model under that name.\n"
        "slices:\n"
        "- sources:\n"
        "  - model: org/model\n"
        "    layer_range: [0, 10]\n"
        "- sources:\n"
        "  - model: org/model\n"
        "    layer_range: [12, 30]\n"
        "merge_method: passthrough\n"
        "dtype: bfloat16\n"
    )


@pytest.mark.parametrize(
    ("path", "ranges"),
    [
        ("0-3", [[0, 4]]),
        ("3,2,0-1", [[3, 4], [2, 3], [0, 2]]),
        ("0-1,1-2", [[0, 2], [1, 3]]),
        ("0-3,8,5-6", [[0, 4], [8, 9], [5, 7]]),
    ],
)
def test_runs_that_ascend_by_one_are_a_slice(path: str, ranges: list[list[int]]) -> None:
    slices = yaml.safe_load(recipe(path))["slices"]
    assert [source["layer_range"] for part in slices for source in part["sources"]] == ranges


def test_half_a_layer_is_a_slice_of_its_own_with_zeros() -> None:
    silent = {LayerStep(1, "mlp"): ["self_attn.o_proj"], LayerStep(4, "attn"): ["mlp.down_proj", "mlp.shared.down_proj"]}
    text = recipe("0,1.mlp,2-3,4.attn", silent)
    sources = [part["sources"][0] for part in yaml.safe_load(text)["slices"]]
    assert [source["layer_range"] for source in sources] == [[0, 1], [1, 2], [2, 4], [4, 5]]
    assert [source.get("parameters") for source in sources] == [
        None,
        {"scale": [{"filter": "self_attn.o_proj", "value": 0.0}, {"value": 1.0}]},
        None,
        {
            "scale": [
                {"filter": "mlp.down_proj", "value": 0.0},
                {"filter": "mlp.shared.down_proj", "value": 0.0},
                {"value": 1.0},
            ]
        },
    ]


def test_names_that_yaml_would_misread_are_quoted() -> None:
    text = mergekit_recipe(LayerPath.parse("0"), "odd: name #1", dtype="float32", silent={})
    assert yaml.safe_load(text)["slices"][0]["sources"][0]["model"] == "odd: name #1"


def test_layers_side_by_side_are_no_checkpoint() -> None:
    with pytest.raises(PathError, match=re.escape("one layer after the other; '0,(1|2),3' has layers side by side: (1|2)")):
        sequential_steps(LayerPath.parse("0,(1|2),3"))


def test_a_layer_without_a_head_is_no_checkpoint() -> None:
    with pytest.raises(PathError, match=re.escape("'0,1.h3' leaves out a single head: 1.h3. Such a path can be measured")):
        sequential_steps(LayerPath.parse("0,1.h3"))


def test_no_layer_at_all_is_no_checkpoint() -> None:
    with pytest.raises(
        PathError, match="has one layer or more; 'none' visits none: name the layers to keep, such as 0-9,12-29"
    ):
        sequential_steps(LayerPath.parse("none"))


def test_the_steps_come_as_they_are() -> None:
    assert sequential_steps(LayerPath.parse("2,0.attn")) == (LayerStep(2), LayerStep(0, "attn"))
