"""The examples in docstrings run as they stand, and every public name has one.

They run in a folder with ``texts.txt``, ``pairs.jsonl`` and the finished runs of a tiny model in ``results/``; ``ls`` is
layerscope, and ``np``, ``torch`` and ``Path`` are what one expects.
"""

from __future__ import annotations

import ast
import doctest
import importlib
import json
import shutil
from pathlib import Path

import pytest

import layerscope
from layerscope.pairs.format import write_pairs
from layerscope.pairs.pair import MinimalPair
from tests.tiny_runs import TinyRuns

pytestmark = pytest.mark.slow

SOURCE = Path(layerscope.__file__).parent
PUBLIC = [name for name in layerscope.__all__ if name != "errors"]
NEEDS_NO_EXAMPLE: dict[str, str] = {}
"""Public names without an example, and why."""


def docstrings() -> dict[str, tuple[str, str]]:
    """Every docstring with an example: by place, the module and the text."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        module = ".".join((*path.relative_to(SOURCE.parent).with_suffix("").parts,)).removesuffix(".__init__")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node)
                if text is not None and ">>>" in text:
                    found[f"{module}.{getattr(node, 'name', '')}".rstrip(".")] = (module, text)
    return found


@pytest.fixture(scope="module")
def folder(runs: TinyRuns, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the examples run."""
    place = tmp_path_factory.mktemp("examples")
    (place / "texts.txt").write_text(
        "The cat sat on the mat.\nIt rained all day in the small town.\nShe is good at math.\n", encoding="utf-8"
    )
    sides = [("The keys are old.", "The keys is old."), ("She is good at math.", "She are good at math.")]
    write_pairs(
        [
            MinimalPair.from_sentences(*both, type="grammar", subtype="tense", right=1, template="", source="ours")
            for both in sides
        ],
        place / "pairs.jsonl",
    )
    (place / "blimp").mkdir()
    for name in ("agreement", "word_order"):
        lines = [json.dumps({"sentence_good": good, "sentence_bad": bad}) + "\n" for good, bad in sides * 2]
        (place / "blimp" / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    shutil.copytree(runs.tagged, place / "results" / "removal" / "my_model_texts_nall")
    shutil.copytree(runs.contrast, place / "results" / "contrast" / "my_model_pairs_nall")
    return place


@pytest.mark.parametrize("place", docstrings())
def test_an_example_gives_what_it_says(place: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, text = docstrings()[place]
    monkeypatch.chdir(folder)
    names = {**vars(importlib.import_module(module)), "ls": layerscope, "Path": Path}
    names.update({name: importlib.import_module(package) for name, package in (("np", "numpy"), ("torch", "torch"))})
    names.update({name: getattr(importlib.import_module(home), name) for name, home in INNER.items() if name in text})
    test = doctest.DocTestParser().get_doctest(text, names, place, None, 0)
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=said.append)
    assert runner.failures == 0, "".join(said)
    assert runner.tries > 0, "an example that is skipped says nothing"


INNER = {
    "LayerStep": "layerscope.paths.steps",
    "make_shards": "layerscope.engine.batching",
    "make_window": "layerscope.corpora.windows",
}
"""Names that examples use beside the public ones."""


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_an_example(name: str) -> None:
    home = f"layerscope.{layerscope._DEFINED_IN[name]}"
    assert (f"{home}.{name}" in docstrings()) != (name in NEEDS_NO_EXAMPLE)


def test_the_facade_is_one_list() -> None:
    """The names that are loaded, those that are listed and those that type checkers see are the same."""
    tree = ast.parse((SOURCE / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen.pop("errors") == "layerscope"
    assert {name: module.removeprefix("layerscope.") for name, module in seen.items()} == layerscope._DEFINED_IN
    assert sorted(PUBLIC) == sorted(layerscope._DEFINED_IN)
    assert set(PUBLIC) <= set(dir(layerscope))


def test_no_public_name_is_that_of_a_module() -> None:
    """Importing a module would put it in the place of the function."""
    modules = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert not modules & set(PUBLIC)


def test_packages_hold_a_sentence_and_no_names() -> None:
    for path in SOURCE.rglob("__init__.py"):
        if path.parent != SOURCE:
            (only,) = ast.parse(path.read_text(encoding="utf-8")).body
            assert isinstance(only, ast.Expr), f"{path}: names are imported from the module that defines them"
