"""A finished run of whichever kind."""

from __future__ import annotations

from pathlib import Path

from layerscope.contrasts.finished import FinishedContrast
from layerscope.errors import RunError
from layerscope.results.directory import RunDirectory
from layerscope.sweeps.finished import FinishedRun


def open_run(path: Path) -> FinishedRun | FinishedContrast:
    """A finished run of either kind.

    Raises:
        RunError: it is none.
    """
    kind = RunDirectory(path).kind()
    if kind is None:
        raise RunError(
            f"A run directory holds manifest.json; '{path}' has none: name the folder that 'layerscope sweep' or "
            "'layerscope contrast' printed."
        )
    return FinishedContrast.open(path) if kind == "contrast" else FinishedRun.open(path)
