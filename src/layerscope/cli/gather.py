"""``layerscope gather``: the parts of a run into its tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layerscope.cli.console import FIGURES, languages_of
from layerscope.cli.swept import show_gathered


def gather(
    run: Annotated[Path, typer.Argument(help="Run directory that the parts printed.")],
    figures: Annotated[str, FIGURES] = "auto",
) -> None:
    """Make the tables of a run that was done in parts (--shard I/N); no model is loaded."""
    show_gathered(run, languages_of("--figures", figures))
