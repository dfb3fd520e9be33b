"""Files as other tools write them, read as those tools mean them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.errors import PathError
from layerscope.paths.formats.registry import FORMATS, format_named, read_path_file, read_paths, recognised_format
from layerscope.paths.path import LayerPath
from layerscope.paths.steps import LayerStep
from tests.paths.formats.oracles import runs, rys_layers, sleb_kept

SLEB = """Time Elapsed: 1183.2
Model Name: meta-llama/Llama-2-7b-hf
# Total Blocks: 32
# Remove Blocks: 3
Dataset: wikitext2
Seed: 0
Block Removal Order: [14, 23, 11]
WikiText-2 PPL = 7.25

"""
MISTRAL = {"model_type": "mistral", "num_hidden_layers": 32, "hidden_size": 4096}
MANIFEST = {
    "source_repo_id": "some/model",
    "source_num_layers": 6,
    "target_num_layers": 8,
    "spec": "blocks:2,4",
    "layer_indices": [0, 1, 2, 3, 2, 3, 4, 5],
    "duplication_counts": {"2": 2, "3": 2},
}
MERGE = """slices:
  - sources: [{model: org/model, layer_range: [0, 3]}]
  - sources:
    - model: org/model
      layer_range: [2, 5]
merge_method: passthrough
dtype: bfloat16
"""


def read(text: str, n_layers: int | None = None, name: str | None = None) -> list[str]:
    form = recognised_format(text, "'a'") if name is None else FORMATS[name]
    return [str(found.path) for found in read_paths(text, "'a'", form=form, n_layers=n_layers)]


@pytest.mark.parametrize(
    ("name", "text", "n_layers", "path"),
    [
        ("sleb", SLEB, None, "0-10,12-13,15-22,24-31"),
        ("sleb", SLEB, 32, "0-10,12-13,15-22,24-31"),
        ("sleb", "[10, 9]", 12, "0-8,11"),
        ("sleb", "[]", 3, "0-2"),
        ("sleb", "python eval.py --removal_list '[4,8,2]'\n", 10, "0-1,3,5-7,9"),
        ("sleb", "removal_list=[0]", 2, "1"),
        ("evopress", "none\nattn\nmlp\nattn+mlp\nnone\n", None, "0,1.mlp,2.attn,4"),
        ("evopress", "attn\r\nnone", 2, "0.mlp,1"),
        ("evopress", "attn+mlp\n", None, "none"),
        ("llm-drop", json.dumps({**MISTRAL, "drop_attn_list": [26, 25], "drop_mlp_list": [26]}), None, "0-24,25.mlp,27-31"),
        ("llm-drop", json.dumps({**MISTRAL, "drop_attn_list": [31], "drop_mlp_list": None}), 32, "0-30,31.mlp"),
        ("llm-drop", json.dumps({"drop_mlp_list": [False, True, False], "drop_attn_list": []}), 3, "0,1.attn,2"),
        ("rys", "layers:0,1,2,2,1", None, "0-2,2,1"),
        ("rys", " Layers: 0, 1\nlayers:3\n", 4, "0-1"),
        ("rys", "blocks:2,4", 6, "0-3,2-5"),
        ("rys", "blocks: (1,3) ; 0,0; 2,3", 4, "0-2,1-2,2-3"),
        ("rys", "blocks:0,0", 3, "0-2"),
        ("rys", json.dumps(MANIFEST), None, "0-3,2-5"),
        ("mergekit", MERGE, None, "0-2,2-4"),
        ("mergekit", '{"merge_method": "passthrough", "slices": [{"sources": [{"model": "m", "layer_range": [4, 6]}]}]}',
         6, "4-5"),
        ("layerscope", "# the best of 24\n\n0-9, 11,10,12-29\n", None, "0-9,11,10,12-29"),
        ("layerscope", "0,(1|2.mlp),3.h1\n", None, "0,(1|2.mlp),3.h1"),
    ],
)  # fmt: skip
def test_a_file_is_recognised_and_read(name: str, text: str, n_layers: int | None, path: str) -> None:
    assert recognised_format(text, "'a'").name == name
    assert read(text, n_layers)[0] == path


def test_several_paths_of_one_file() -> None:
    other = SLEB.replace("32", "4").replace("14, 23, 11", "1")
    assert read(SLEB + other) == ["0-10,12-13,15-22,24-31", "0,2-3"]
    assert read("0-3\n# or\n3,0\nnone\n") == ["0-3", "3,0", "none"]
    assert read("layers:1,0\nblocks:0,1\n", 2) == ["1,0", "0,0-1"]


def test_a_search_does_not_lend_its_number_of_blocks_to_the_next() -> None:
    with pytest.raises(PathError, match="does not say how many layers the model has"):
        read(SLEB + "Block Removal Order: [1]\n")


def test_the_number_of_layers_comes_with_the_path() -> None:
    for text, count in ((SLEB, 32), ("none\nmlp\n", 2), (json.dumps(MANIFEST), 6)):
        (found,) = read_paths(text, "'a'", form=recognised_format(text, "'a'"))
        assert found.n_layers == count
    (found,) = read_paths(MERGE, "'a'", form=FORMATS["mergekit"], n_layers=40)
    assert found.n_layers == 40


@pytest.mark.parametrize(
    ("scale", "path"),
    [
        ("[{filter: self_attn.o_proj, value: 0.0}, {value: 1.0}]", "3.mlp"),
        ("[{filter: mlp.down_proj.weight, value: 0}, {filter: '*', value: 1}]", "3.attn"),
        ("[{filter: o_proj, value: 0}]", "3.mlp"),
        ("[{filter: down_proj, value: 0.0}, {value: 1}]", "3.attn"),
        ("[{filter: mlp.experts.down_proj, value: 0}, {filter: mlp.shared_experts.down_proj, value: 0}]", "3.attn"),
        ("[{value: 1.0}]", "3"),
        ("1.0", "3"),
        ("[]", "3"),
    ],
)
def test_the_scales_of_mergekit(scale: str, path: str) -> None:
    source = f"{{model: m, layer_range: [3, 4], parameters: {{scale: {scale}}}}}"
    assert read(f"slices: [{{sources: [{source}]}}]\nmerge_method: passthrough\n") == [path]


def test_a_slice_without_either_half_adds_nothing() -> None:
    """As recipes for deeper models have it, which are trained afterwards."""
    silent = "parameters: {scale: [{filter: o_proj, value: 0.0}, {filter: down_proj, value: 0.0}, {value: 1.0}]}"
    slices = [f"- sources: [{{model: m, layer_range: [0, 4]{more}}}]" for more in ("", f", {silent}")]
    assert read("slices:\n" + "\n".join(slices) + "\nmerge_method: passthrough\n") == ["0-3"]


def test_halves_over_a_range() -> None:
    source = "{model: m, layer_range: [1, 3], parameters: {scale: [{filter: o_proj, value: 0}]}}"
    assert read(f"slices: [{{sources: [{source}]}}]\nmerge_method: passthrough\n") == ["1.mlp,2.mlp"]


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)).map(list))), st.randoms())
def test_sleb_removes_what_it_removes(drawn: tuple[int, list[int]], rng: st.DataObject) -> None:
    n_layers, removed = drawn
    rng.shuffle(removed)
    (path,) = read(f"Block Removal Order: {removed}", n_layers)
    assert LayerPath.parse(path) == LayerPath.from_layers(sleb_kept(removed, n_layers))


blocks = st.integers(1, 20).flatmap(
    lambda n: st.tuples(
        st.just(n),
        st.lists(
            st.tuples(st.integers(0, n - 1), st.integers(1, n)).map(lambda b: (min(b[0], b[1] - 1), b[1])) | st.just((0, 0)),
            min_size=1,
            max_size=4,
        ),
    )
)


@given(blocks)
def test_rys_runs_blocks_as_it_runs_them(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    n_layers, pairs = drawn
    (path,) = read("blocks:" + ";".join(f"{i},{j}" for i, j in pairs), n_layers)
    assert LayerPath.parse(path) == LayerPath.from_layers(rys_layers(pairs, n_layers))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_evopress_and_llm_drop_drop_what_they_drop(dropped: list[tuple[bool, bool]]) -> None:
    words = {(False, False): "none", (True, False): "attn", (False, True): "mlp", (True, True): "attn+mlp"}
    attn, mlp = ({i for i, one in enumerate(dropped) if one[half]} for half in (0, 1))
    wanted = runs(attn, mlp, len(dropped))
    lists = {"num_hidden_layers": len(dropped), "drop_attn_list": sorted(attn), "drop_mlp_list": [one[1] for one in dropped]}
    for name, text in (("evopress", "\n".join(words[one] for one in dropped)), ("llm-drop", json.dumps(lists))):
        (path,) = read(text, name=name)
        parts = {"whole": ("attn", "mlp"), "attn": ("attn",), "mlp": ("mlp",)}
        steps = [step for step in LayerPath.parse(path).steps if isinstance(step, LayerStep)]
        assert [f"{part}{step.layer}" for step in steps for part in parts[step.part]] == wanted


def test_what_may_be_two_formats_is_asked_for() -> None:
    with pytest.raises(PathError, match="'a' may be layerscope or evopress by what it holds: say which with --from"):
        recognised_format("none\nnone\n", "'a'")
    with pytest.raises(PathError, match="'a' is in none of the formats layerscope, sleb, .*, mergekit by what it holds"):
        recognised_format("something else", "'a'")
    with pytest.raises(PathError, match="is in none of the formats"):
        recognised_format("", "'a'")


def test_an_unknown_format_is_answered_with_near_names() -> None:
    with pytest.raises(PathError, match=re.escape("got 'evopres'. Did you mean evopress?")):
        format_named("evopres")


def test_a_file_is_read_with_its_name_in_messages(tmp_path: Path) -> None:
    file = tmp_path / "paths.txt"
    file.write_bytes("\ufeff0-3\r\n".encode())
    form, found = read_path_file(file, n_layers=4)
    assert (form.name, str(found[0].path)) == ("layerscope", "0-3")
    with pytest.raises(PathError, match="within the model's layers 0-2; '0-3' visits 3"):
        read_path_file(file, n_layers=3)
    file.write_bytes(b"0-3\n\xff")
    with pytest.raises(PathError, match=r"A text file is UTF-8; '.*paths.txt' is not, at byte 4"):
        read_path_file(file)
    with pytest.raises(PathError, match=r"'.*missing' cannot be read \(No such file"):
        read_path_file(tmp_path / "missing")
