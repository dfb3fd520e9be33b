"""Files of strangers that follow no format: always our own error, in one message, at once."""

from __future__ import annotations

import contextlib
import json
import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.hostile import NUMBERS, WORDS
from fuzz.mutation import mutated_bytes, mutated_json
from layerscope.errors import PathError
from layerscope.paths.formats.registry import FORMATS, read_paths, recognised_format

GOOD = {
    "layerscope": "0-1,3\n2,1\n",
    "sleb": "# Total Blocks: 4\nBlock Removal Order: [2, 1]\n",
    "evopress": "none\nattn\nmlp\nattn+mlp\n",
    "llm-drop": '{"num_hidden_layers": 4, "drop_attn_list": [1, 2], "drop_mlp_list": [false, true, false, false]}',
    "rys": "layers:0,1,1,2\nblocks:1,3;0,2\n",
    "mergekit": "slices:\n- sources:\n  - model: m\n    layer_range: [0, 2]\n- sources:\n"
    "  - model: m\n    layer_range: [3, 4]\n    parameters:\n"
    "      scale:\n      - {filter: self_attn.o_proj, value: 0.0}\n      - {value: 1.0}\n"
    "merge_method: passthrough\n",
}
MANIFEST = '{"source_num_layers": 4, "layer_indices": [0, 1, 1, 2, 3]}'
HUGE = "9" * 5_000
BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nslices: [*b, *b]\nmerge_method: passthrough\n"


def attempt(name: str, text: str, n_layers: int | None = 4) -> None:
    """Read it in that format, and in whichever it looks like; only our own error may come, and its message is short."""
    with contextlib.suppress(PathError):
        read_paths(text, "'a'", form=FORMATS[name], n_layers=n_layers)
    with contextlib.suppress(PathError):
        read_paths(text, "'a'", form=recognised_format(text, "'a'"), n_layers=n_layers)


@pytest.mark.parametrize("name", FORMATS)
def test_every_beginning_of_a_file(name: str) -> None:
    for end in range(len(GOOD[name])):
        attempt(name, GOOD[name][:end])


@pytest.mark.parametrize("name", FORMATS)
@settings(deadline=None)  # some mutations make a file long
@given(st.integers(0, 10**9), st.sampled_from([None, 4]))
def test_mutated_files(name: str, seed: int, n_layers: int | None) -> None:
    rng = Random(seed)
    data = mutated_bytes(rng, GOOD[name].encode(), MANIFEST.encode())
    attempt(name, data.decode("utf-8", "replace"), n_layers)


@settings(deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(["llm-drop", "rys", "mergekit"]))
def test_mutated_json(seed: int, name: str) -> None:
    value = {
        "llm-drop": json.loads(GOOD["llm-drop"]),
        "rys": json.loads(MANIFEST),
        "mergekit": {"slices": [{"sources": [{"model": "m", "layer_range": [0, 2]}]}], "merge_method": "passthrough"},
    }
    attempt(name, mutated_json(Random(seed), value[name]).decode("utf-8", "replace"))


@pytest.mark.parametrize("name", FORMATS)
def test_hostile_values_in_every_place(name: str) -> None:
    places = [found.span() for found in re.finditer(r"\d+|\w+", GOOD[name])]
    for start, end in places:
        for value in (*NUMBERS, *WORDS):
            attempt(name, GOOD[name][:start] + value + GOOD[name][end:])


@pytest.mark.parametrize("name", FORMATS)
@given(st.text(max_size=60))
def test_any_text(name: str, text: str) -> None:
    attempt(name, text)
    attempt(name, GOOD[name] + text)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("layerscope", "\n# nothing\n", "A file of paths has one per line, such as 0-9,12-29; 'a' has none."),
        ("layerscope", "0-3\n1..2\n", "Line 2 of 'a': A layer is written"),
        ("layerscope", "0-99999\n" * 3, "The paths of a file have at most 200,000 steps together; 'a' has more: split it."),
        ("sleb", "Removal: 3", "SLEB's result has a line such as 'Block Removal Order: [10, 9]'; 'a' has none."),
        ("sleb", "Block Removal Order: 3", "stand in one pair of brackets, as [10, 9]; got '3' in 'a'."),
        ("sleb", "[1, [2]]", "stand in one pair of brackets, as [10, 9]; got '[1, [2]]'"),
        ("sleb", "[1, 2", "stand in one pair of brackets"),
        ("sleb", "[1, 1]", "SLEB's list in 'a' names each layer once; got 1 twice: leave one out."),
        ("sleb", "[1, -1]", "lists layers by their number from 0; got -1: correct it there."),
        ("sleb", "[1, 2.0]", "lists layers by their number from 0; got '2.0'"),
        ("sleb", "[1, nan]", "lists layers by their number from 0; got 'nan'"),
        ("sleb", "[1,]", "lists layers by their number from 0; got ''"),
        ("sleb", f"[{HUGE}]", "lists layers by their number from 0; got '9999"),
        ("sleb", "[4]", "stays within the model's layers 0-3; got 4: correct it there."),
        ("sleb", "# Total Blocks: 5\nBlock Removal Order: [4]", "'a' is about a model of 5 layers, not of 4: leave --layers"),
        ("sleb", "# Total Blocks: x\nBlock Removal Order: [4]", "line '# Total Blocks:' holds a number; got 'x' in 'a'."),
        (
            "sleb",
            f"# Total Blocks: {10**17}\nBlock Removal Order: [4]",
            "A model has 1 to 100,000 layers; got 100000000000000000",
        ),
        (
            "evopress",
            "none\nattention\n",
            "EvoPress's lines are none, attn, mlp, attn+mlp; line 2 of 'a' is 'attention': correct",
        ),
        ("evopress", "none\n\nmlp\n", "line 2 of 'a' is ''"),
        ("evopress", "", "line 1 of 'a' is ''"),
        ("evopress", "none\nmlp\n", "'a' has 2 for 4 layers, as --drop_two_consecutive leaves it: write each line twice."),
        ("evopress", "none\nmlp\nmlp", "'a' is about a model of 3 layers, not of 4"),
        ("llm-drop", '{"drop_attn_list": [1', "'a' is not valid JSON"),
        ("llm-drop", "[]", "is an object with drop_attn_list or drop_mlp_list; 'a' is none."),
        ("llm-drop", '{"num_hidden_layers": 4}', "is an object with drop_attn_list or drop_mlp_list; 'a' is none."),
        ("llm-drop", '{"drop_attn_list": 3}', "drop_attn_list is a list or null; got 3 in 'a'."),
        ("llm-drop", '{"drop_attn_list": [1, true]}', "drop_attn_list of 'a' lists layers by their number from 0; got True"),
        ("llm-drop", '{"drop_mlp_list": [true]}', "drop_mlp_list of 'a' has a truth value for each of 4 layers; got 1."),
        ("llm-drop", '{"drop_mlp_list": [NaN]}', "lists layers by their number from 0; got nan"),
        ("llm-drop", '{"drop_mlp_list": [[1]]}', "got a list of 1"),
        ("llm-drop", f'{{"drop_mlp_list": [{"9" * 300}]}}', "got a number of more than 60 digits"),
        ("llm-drop", '{"num_hidden_layers": true, "drop_mlp_list": []}', "num_hidden_layers is a whole number; got True"),
        ("llm-drop", '{"num_hidden_layers": 0, "drop_mlp_list": []}', "A model has 1 to 100,000 layers; got 0"),
        ("llm-drop", '{"num_hidden_layers": 4, "drop_mlp_list": [4]}', "stays within the model's layers 0-3; got 4"),
        ("llm-drop", '{"num_hidden_layers": 4, "drop_mlp_list": ["1"]}', "from 0; got '1'"),
        ("rys", "30,34", "are written layers:0,1,1,2 or blocks:1,2; got '30,34' in line 1 of 'a': put either word before it."),
        ("rys", "layers:", "RYS's list has one layer or more; line 1 of 'a' has none."),
        ("rys", "", "are written layers:0,1,1,2 or blocks:1,2; 'a' has none."),
        ("rys", "layers:0,,1", "The list in line 1 of 'a' lists layers by their number from 0; got ''"),
        ("rys", "layers:0,-1", "from 0; got -1"),
        ("rys", "layers:0,4", "stays within the model's layers 0-3; got 4"),
        ("rys", "blocks:2,2", "so that i < j <= 4; got '2,2' in line 1 of 'a'."),
        ("rys", "blocks:1,5", "RYS's block i,j is the layers i to j-1 of the model's 4"),
        ("rys", "blocks:1,2;", "got ''"),
        ("rys", "blocks:1,2,3", "got '1,2,3'"),
        (
            "rys",
            "layers:" + "0," * 60_000 + "1\nlayers:" + "0," * 99_999 + "1\nlayers:" + "0," * 50_000 + "1",
            "The paths of a file have at most 200,000 steps together; 'a' has more: split it.",
        ),
        ("rys", "blocks:" + ";".join(["0,4"] * 25_001), "the blocks in line 1 of 'a' make more: leave some out."),
        (
            "rys",
            '{"layer_indices": 3}',
            "RYS's manifest holds a list layer_indices; 'a' does not: name rys_export_manifest.json.",
        ),
        ("rys", '{"layer_indices": []}', "RYS's list has one layer or more"),
        ("rys", '{"layer_indices": [1.5]}', "from 0; got 1.5"),
        ("rys", '{"layer_indices": [0], "source_num_layers": "4"}', "source_num_layers is a whole number; got '4'"),
        ("mergekit", "", "holds a list of slices; 'a' does not"),
        ("mergekit", "slices: [", "'a' is not valid YAML ("),
        ("mergekit", "slices: []\nmerge_method: passthrough", "A recipe has one layer or more; 'a' has none"),
        ("mergekit", "slices: []\nmerge_method: slerp", "merge_method: passthrough; 'a' says 'slerp': it mixes weights."),
        ("mergekit", "slices: []\nmerge_method: passthrough\nparameters: {}", "has 'parameters', which a path cannot say."),
        ("mergekit", "models: []\nmerge_method: passthrough", "holds a list of slices; 'a' does not: write the slices out."),
        ("mergekit", BOMB, "'a' repeats a part by an alias, '*a'; none is read: write the part out."),
        ("mergekit", "slices: &a [*a]", "'a' repeats a part by an alias"),
        (
            "mergekit",
            "slices: !!python/object/apply:os.system [echo]",
            "'a' has a tag, 'tag:yaml.org,2002:python/object/apply:os",
        ),
        ("mergekit", "slices: !!int ''", "'a' has a tag"),
        ("mergekit", "slices: " + "[" * 60 + "]" * 60, "'a' is nested more than 50 deep"),
        ("mergekit", "slices: " + "[" * 3_000, "'a' is nested more than 50 deep"),
        ("mergekit", "slices: 2021-13-45", "'a' holds a value that YAML cannot have (month must be in 1..12): correct it."),
        ("mergekit", f"slices: {HUGE}", "'a' holds a value that YAML cannot have"),
        ("mergekit", "slices: \x07", "'a' is not valid YAML"),
        ("mergekit", "{[1]: 2}", "'a' is not valid YAML (found unhashable key at line 1, character 2): correct it there."),
        ("mergekit", "x" * 300_001, "'a' has 300,001 characters; YAML is read up to 300,000"),
        (
            "mergekit",
            "slices: [3]\nmerge_method: passthrough",
            "A slice of a passthrough recipe has one source; slice 1 of 'a' has",
        ),
        ("mergekit", "slices: [{sources: [{model: m}, {model: n}]}]\nmerge_method: passthrough", "has a list of 2."),
    ],
)
def test_messages(name: str, text: str, message: str) -> None:
    with pytest.raises(PathError, match=re.escape(message)) as caught:
        read_paths(text, "'a'", form=FORMATS[name], n_layers=4)
    assert len(str(caught.value)) < 2_100


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{model: m}", "layer_range is [first, end] with 0 <= first < end, the end left out; slice 2 of 'a' has None."),
        ("{model: m, layer_range: [3, 3]}", "slice 2 of 'a' has 3, 3."),
        ("{model: m, layer_range: [0, 2.0]}", "slice 2 of 'a' has 0, 2.0."),
        ("{model: m, layer_range: [0, true]}", "slice 2 of 'a' has 0, True."),
        ("{model: m, layer_range: [-1, 2]}", "slice 2 of 'a' has -1, 2."),
        ("{model: m, layer_range: [0, 999999999]}", "A path has at most 100,000 steps; slice 2 of 'a' has 999,999,999 layers"),
        ("{model: m, layer_range: [0, 99999]}", "A path has at most 100,000 steps; slice 2 of 'a' leads past them"),
        ("{model: m, layer_range: [0, .inf]}", "slice 2 of 'a' has 0, inf."),
        ("{model: n, layer_range: [0, 1]}", "A path is of one model; slice 2 of 'a' takes 'n' beside 'm'."),
        ("{layer_range: [0, 1]}", "slice 2 of 'a' takes None beside 'm'."),
        ("{model: m, layer_range: [0, 1], weight: 1}", "slice 2 of 'a' has 'weight', which a path cannot say."),
        ("{model: m, layer_range: [0, 1], parameters: 3}", "The parameters of a source are a mapping; got 3"),
        ("{model: m, layer_range: [0, 1], parameters: {density: 1}}", "has 'density', which a path cannot say."),
        ("{model: m, layer_range: [0, 1], parameters: {scale: 0.5}}", "a scale of 1 or 0; got 0.5 in slice 2 of 'a'."),
        ("{model: m, layer_range: [0, 1], parameters: {scale: .nan}}", "a scale of 1 or 0; got nan"),
        ("{model: m, layer_range: [0, 1], parameters: {scale: true}}", "a scale of 1 or 0; got True"),
        ("{model: m, layer_range: [0, 1], parameters: {scale: 0}}", "A layer that is scaled by 0 whole loses its norms, too"),
        ("{model: m, layer_range: [0, 1], parameters: {scale: [1, 0]}}", "A scale is a list of filter and value; got 1"),
        ("{model: m, layer_range: [0, 1], parameters: {scale: [{filter: a.o_proj, value: 1}]}}", "names 'a.o_proj'"),
        ("{model: m, layer_range: [0, 1], parameters: {scale: [{filter: self_attn.q_proj, value: 0}]}}",
         "by scaling its last map by 0, such as self_attn.o_proj or mlp.down_proj; got 'self_attn.q_proj' in slice 2 of 'a'"),
        ("{model: m, layer_range: [0, 1], parameters: {scale: [{filter: c_proj, value: 0}]}}",
         "A filter names the half, as in self_attn.c_proj; got 'c_proj' in slice 2 of 'a', which may be of either."),
        ("{model: m, layer_range: [0, 1], parameters: {scale: [{filter: 3, value: 0}]}}", "got 3 in slice 2 of 'a'"),
    ],
)  # fmt: skip
def test_messages_about_a_source_of_mergekit(source: str, message: str) -> None:
    text = f"slices:\n- sources: [{{model: m, layer_range: [0, 2]}}]\n- sources: [{source}]\nmerge_method: passthrough\n"
    with pytest.raises(PathError, match=re.escape(message)):
        read_paths(text, "'a'", form=FORMATS["mergekit"])


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("sleb", "[1]", "SLEB's list in 'a' names the blocks that are removed"),
        ("rys", "blocks:1,2", "RYS's blocks name what runs twice: 'blocks:1,2'"),
        ("llm-drop", '{"drop_mlp_list": []}', "names the layers that are dropped; 'a' has no num_hidden_layers"),
    ],
)
def test_a_number_of_layers_that_nobody_knows_is_asked_for(name: str, text: str, what: str) -> None:
    with pytest.raises(PathError, match=re.escape(f"{what}, and it does not say how many layers the model has: add --layers")):
        read_paths(text, "'a'", form=FORMATS[name])


def test_a_file_that_would_grow_is_refused_at_once() -> None:
    """Nine levels of ten would be a thousand million strings."""
    levels = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 10))
    with pytest.raises(PathError, match="by an alias"):
        read_paths(f"l0: &l0 [x]\n{levels}\nslices: *l9\n", "'a'", form=FORMATS["mergekit"])
