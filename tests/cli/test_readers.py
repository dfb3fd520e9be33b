"""The commands that only read a run do so where neither torch nor transformers can be imported."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny_runs import TinyRuns

pytestmark = pytest.mark.slow

WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers"):
            raise ImportError(f"{name} is not needed here")

sys.meta_path.insert(0, Absent())
from layerscope.cli.main import main
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def copies(runs: TinyRuns, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of the tiny runs, to be written into."""
    folder = tmp_path_factory.mktemp("copies")
    for name, path in (("tagged", runs.tagged), ("plain", runs.plain), ("contrast", runs.contrast)):
        shutil.copytree(path, folder / name)
    return {name: str(folder / name) for name in ("tagged", "plain", "contrast", "page.html", "figures")}


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        ("words {tagged} --variant removal-1 --top 2", "that broke at removal-1"),
        ("pos {tagged}", "median ΔNLL"),
        ("compare {tagged} {plain} --family removal --anyway --output-dir {figures}", "most fragile"),
        ("stability {contrast} --k 5 --resamples 19 --positions edit", "what changes least"),
        ("figures {tagged} --language en --format svg", "files: "),
        ("report {tagged} {plain} {contrast} --output {page.html}", "Report: "),
    ],
    ids=lambda text: text.split()[0],
)
def test_without_torch(copies: dict[str, str], arguments: str, printed: str) -> None:
    filled = [copies[part[1:-1]] if part.startswith("{") else part for part in arguments.split()]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src"), "COLUMNS": "120"}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *filled], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert printed in done.stdout


def test_a_command_that_runs_a_model_needs_torch(copies: dict[str, str], tmp_path: Path) -> None:
    """Else the tests above would prove nothing."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, "intervene", copies["contrast"]], capture_output=True, text=True, check=False
    )
    assert "torch is not needed here" in done.stderr
