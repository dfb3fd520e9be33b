"""A finished run of whichever kind."""

from __future__ import annotations

from pathlib import Path

from layerscope.contrasts.finished import FinishedContrast
from layerscope.errors import RunError
from layerscope.evaluations.finished import FinishedEvaluation
from layerscope.results.directory import RunDirectory
from layerscope.results.opened import no_run
from layerscope.searches.finished import FinishedSearch
from layerscope.sweeps.finished import FinishedRun

AnyRun = FinishedRun | FinishedContrast | FinishedSearch
"""A run that has figures and a place in the report."""


def open_run(path: str | Path) -> AnyRun | FinishedEvaluation:
    """Open a run directory, whatever kind of run it holds.

    Args:
        path: of the directory, as a command or ``save`` gave it.

    Returns:
        A ``FinishedRun`` of a sweep, ``FinishedContrast``, ``FinishedSearch`` or ``FinishedEvaluation``.

    Raises:
        RunError: there is no run, or it is not finished.

    Examples:
        >>> run = ls.open_run("results/removal/my_model_texts_nall")
        >>> type(run).__name__, len(run.to_pandas())
        ('FinishedRun', 8)
        >>> type(ls.open_run("results/contrast/my_model_pairs_nall")).__name__
        'FinishedContrast'
    """
    if not isinstance(path, str | Path):
        raise RunError(f"A run is opened by its folder, as a string or a Path; got {type(path).__name__}: name the folder.")
    folder = Path(path).expanduser()
    kind = RunDirectory(folder).kind()
    if kind is None:
        printed = "'layerscope sweep', 'layerscope contrast' or 'layerscope search' printed"
        raise no_run(folder, f"{printed}, or that result.save wrote in Python")
    if kind == "evaluation":
        return FinishedEvaluation.open(folder)
    if kind == "search":
        return FinishedSearch.open(folder)
    return FinishedContrast.open(folder) if kind == "contrast" else FinishedRun.open(folder)


def open_drawn_run(path: Path) -> AnyRun:
    """A finished run that has figures and a place in the report.

    Raises:
        RunError: it is none.
    """
    run = open_run(path)
    if isinstance(run, FinishedEvaluation):
        raise RunError(
            f"Figures and report show sweeps, contrasts and searches; '{path}' is an evaluation, which stands in the report of "
            "the search that it lies in (evaluate --path @RUN/frontier): its tables are tasks.parquet and task_samples."
        )
    return run
