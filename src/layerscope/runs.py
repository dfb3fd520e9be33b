"""A finished run of whichever kind."""

from __future__ import annotations

from pathlib import Path

from layerscope.contrasts.finished import FinishedContrast
from layerscope.errors import RunError
from layerscope.results.directory import RunDirectory
from layerscope.searches.finished import FinishedSearch
from layerscope.sweeps.finished import FinishedRun

AnyRun = FinishedRun | FinishedContrast | FinishedSearch
"""A run that has figures and a place in the report."""


def open_run(path: Path) -> AnyRun:
    """A finished run of whichever kind.

    Raises:
        RunError: it is none.
    """
    kind = RunDirectory(path).kind()
    if kind is None:
        raise RunError(
            f"A run directory holds manifest.json; '{path}' has none: name the folder that 'layerscope sweep', "
            "'layerscope contrast' or 'layerscope search' printed."
        )
    if kind == "evaluation":
        raise RunError(
            f"Figures and report show sweeps, contrasts and searches; '{path}' is an evaluation, which stands in the report of "
            "the search that it lies in (evaluate --path @RUN/frontier): its tables are tasks.parquet and task_samples."
        )
    if kind == "search":
        return FinishedSearch.open(path)
    return FinishedContrast.open(path) if kind == "contrast" else FinishedRun.open(path)
