"""Every path comes back from every format that can say it, and is refused, with the difference, by those that cannot."""

from __future__ import annotations

import itertools
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.errors import PathError
from layerscope.paths.formats.format import Source
from layerscope.paths.formats.mergekit import mergekit_recipe
from layerscope.paths.formats.registry import FORMATS, read_paths, recognised_format, write_path, write_paths
from layerscope.paths.path import LayerPath
from layerscope.paths.steps import LayerStep, ParallelStep

N = 14
PARTS = st.sampled_from(["whole", "attn", "mlp"])
layers = st.integers(0, N - 1)
members = st.builds(LayerStep, layers, PARTS | st.integers(0, 5).map("h{}".format))
steps = members | st.builds(ParallelStep, st.lists(members, min_size=2, max_size=3).map(tuple))
stretches = st.tuples(layers, st.integers(1, 6)).map(lambda run: [LayerStep(i) for i in range(run[0], min(N, sum(run)))])
any_path = st.lists(stretches | steps.map(lambda one: [one]), max_size=6).map(
    lambda parts: LayerPath(tuple(itertools.chain.from_iterable(parts)))
)
sequential = st.lists(stretches | st.builds(LayerStep, layers, PARTS).map(lambda one: [one]), min_size=1, max_size=6).map(
    lambda parts: LayerPath(tuple(itertools.chain.from_iterable(parts)))
)
dropping = st.lists(st.sampled_from(["whole", "attn", "mlp", ""]), min_size=N, max_size=N).map(
    lambda parts: LayerPath(tuple(LayerStep(i, part) for i, part in enumerate(parts) if part))
)
removing = st.sets(layers).map(lambda kept: LayerPath.from_layers(sorted(kept)))
reordering = st.lists(layers, min_size=1).map(LayerPath.from_layers)
SOURCE = Source(N, "org/model", "bfloat16")
SILENT = {"attn": ["mlp.experts.down_proj", "mlp.shared_expert.down_proj"], "mlp": ["self_attn.o_proj"]}


def said(path: LayerPath, name: str) -> str:
    """As the format has it; mergekit with the names that an export finds."""
    if name == "mergekit":
        silent = {step: SILENT[step.part] for step in path.steps if isinstance(step, LayerStep) and step.part != "whole"}
        return mergekit_recipe(path, "org/model", dtype="bfloat16", silent=silent)
    return write_path(path, form=FORMATS[name], source=SOURCE)


@given(any_path | sequential | dropping | removing | reordering)
def test_a_path_comes_back_from_every_format_that_can_say_it(path: LayerPath) -> None:
    for name, form in FORMATS.items():
        if form.difference(path) is None:
            text = said(path, name)
            (found,) = read_paths(text, "'a'", form=form, n_layers=N)
            assert found.path == path, name
            assert found.n_layers == N
            if set(text.split()) != {"none"}:
                assert recognised_format(text, "'a'") is form
        else:
            with pytest.raises(PathError, match=re.escape(f"'{path}' {form.difference(path)}: write it as layerscope")):
                write_path(path, form=form, source=SOURCE)


@given(dropping)
def test_what_drops_halves_is_said_by_three(path: LayerPath) -> None:
    assert {name for name in FORMATS if FORMATS[name].difference(path) is None} >= {"layerscope", "evopress", "llm-drop"}
    assert (FORMATS["sleb"].difference(path) is None) == all(step.part == "whole" for step in path.steps)


@given(removing)
def test_what_removes_blocks_is_said_by_all(path: LayerPath) -> None:
    assert all(form.difference(path) is None for name, form in FORMATS.items() if path.steps or name not in ("rys", "mergekit"))


@given(reordering)
def test_any_order_of_whole_layers_is_said_by_rys_and_mergekit(path: LayerPath) -> None:
    assert FORMATS["rys"].difference(path) is None
    assert FORMATS["mergekit"].difference(path) is None
    ascends = list(path.steps) == sorted(set(path.steps))
    assert all((FORMATS[name].difference(path) is None) == ascends for name in ("sleb", "evopress", "llm-drop"))


@given(removing | dropping)
def test_formats_lead_to_each_other(path: LayerPath) -> None:
    """From the first to the second and back to what a path is."""
    able = [name for name, form in FORMATS.items() if form.difference(path) is None and name not in ("layerscope", "mergekit")]
    for first, second in itertools.permutations(able, 2):
        (found,) = read_paths(said(path, first), "'a'", form=FORMATS[first], n_layers=N)
        (again,) = read_paths(said(found.path, second), "'a'", form=FORMATS[second], n_layers=N)
        assert again.path == path


@pytest.mark.parametrize(
    ("name", "path", "text"),
    [
        ("layerscope", "0, 1,2", "0-2\n"),
        (
            "sleb",
            "1-2,4",
            "# The path 1-2,4. It does not say in which order the blocks were removed: they ascend.\n"
            "# Total Blocks: 5\n# Remove Blocks: 2\nBlock Removal Order: [0, 3]\n",
        ),
        ("evopress", "0,1.mlp,2.attn,4", "none\nattn\nmlp\nattn+mlp\nnone\n"),
        ("llm-drop", "0,1.mlp,2.attn,4", '{"num_hidden_layers": 5, "drop_attn_list": [1, 3], "drop_mlp_list": [2, 3]}\n'),
        ("rys", "0-2,1-4", "layers:0,1,2,1,2,3,4\n"),
        (
            "mergekit",
            "3,0-1",
            "# The path 3,0-1 of 'org/model', for mergekit, which must find a model under that name.\nslices:\n- sources:\n"
            "  - model: org/model\n    layer_range: [3, 4]\n- sources:\n  - model: org/model\n    layer_range: [0, 2]\n"
            "merge_method: passthrough\ndtype: bfloat16\n",
        ),
    ],
)
def test_the_whole_text(name: str, path: str, text: str) -> None:
    assert write_path(LayerPath.parse(path), form=FORMATS[name], source=Source(5, "org/model", "bfloat16")) == text
    if name == "llm-drop":
        assert json.loads(text)


@pytest.mark.parametrize(
    ("name", "path", "message"),
    [
        ("sleb", "0,2,1,3", "SLEB says which whole blocks are removed; '0,2,1,3' visits layer 1 after layer 2: write it as "
                            "layerscope, rys or mergekit."),
        ("sleb", "0-1,1", "'0-1,1' visits layer 1 again: write it as layerscope, rys or mergekit."),
        ("sleb", "0,1.mlp", "'0,1.mlp' runs half of a layer (1.mlp): write it as layerscope, evopress, llm-drop or mergekit."),
        ("evopress", "0-2,1-3", "'0-2,1-3' visits layer 1 again: write it as layerscope, rys or mergekit."),
        ("evopress", "2.attn,2.mlp", "'2.attn,2.mlp' visits layer 2 again: write it as layerscope or mergekit."),
        ("llm-drop", "1,0", "LLM-Drop says which attentions and MLPs are dropped, in the model's own order; '1,0' visits "
                            "layer 0 after layer 1: write it"),
        ("rys", "0,1.attn", "RYS says any order of whole layers; '0,1.attn' runs half of a layer (1.attn): write it as"),
        ("rys", "none", "'none' visits no layer: write it as layerscope, sleb, evopress or llm-drop."),
        ("mergekit", "0,(1|2)", "one after the other; '0,(1|2)' has layers side by side, (1|2): write it as layerscope."),
        ("mergekit", "0,1.h2", "'0,1.h2' leaves out a single head (1.h2): write it as layerscope."),
        ("evopress", "0,1.h2", "'0,1.h2' leaves out a single head (1.h2): write it as layerscope."),
        ("mergekit", "0,1.mlp", "only the weights tell which those are; '0,1.mlp' has 1.mlp: run layerscope export --path"),
    ],
)  # fmt: skip
def test_what_a_format_cannot_say_is_refused_with_the_difference(name: str, path: str, message: str) -> None:
    with pytest.raises(PathError, match=re.escape(message)):
        write_path(LayerPath.parse(path), form=FORMATS[name], source=SOURCE)


@pytest.mark.parametrize("name", ["sleb", "evopress", "llm-drop"])
def test_formats_of_what_is_left_out_need_the_number_of_layers(name: str) -> None:
    with pytest.raises(
        PathError, match="'0-3' (names )?those that are kept, and it does not say how many layers the model has"
    ):
        write_path(LayerPath.parse("0-3"), form=FORMATS[name], source=Source())


def test_mergekit_needs_a_model_and_no_type() -> None:
    path, form = LayerPath.parse("0-3"), FORMATS["mergekit"]
    with pytest.raises(PathError, match="names the model that it takes layers from; none is given: add --model"):
        write_path(path, form=form, source=Source(4))
    assert "dtype" not in write_path(path, form=form, source=Source(4, "m"))


def test_layers_that_the_model_does_not_have_are_refused() -> None:
    for form in FORMATS.values():
        with pytest.raises(PathError, match="stays within the model's layers 0-3; '0-4' visits 4"):
            write_path(LayerPath.parse("0-4"), form=form, source=Source(4, "m"))


def test_several_paths_go_where_a_file_holds_several() -> None:
    both = [LayerPath.parse("0-1"), LayerPath.parse("1,0")]
    texts = {name: write_paths(both, form=FORMATS[name], sources=[SOURCE] * 2) for name in ("layerscope", "rys")}
    assert texts == {"layerscope": "0-1\n1,0\n", "rys": "layers:0,1\nlayers:1,0\n"}
    with pytest.raises(
        PathError, match="A file of sleb holds one path; got 2: convert each by itself with --path, or all to lay"
    ):
        write_paths(both, form=FORMATS["sleb"], sources=[SOURCE] * 2)
