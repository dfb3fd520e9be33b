"""``layerscope figures``: draw a finished run again, in the language and format that are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layerscope.cli.console import consoles, languages_of, one_of, progress_bar, say, say_next, say_run
from layerscope.errors import DataError


def figures(
    run: Annotated[Path, typer.Argument(help="Run directory of 'layerscope sweep', 'contrast' or 'search'.")],
    language: Annotated[str, typer.Option(help="auto (your locale's, else English), en, ja or both.")] = "auto",
    format_: Annotated[str, typer.Option("--format", help="png, svg or both.")] = "both",
) -> None:
    """Draw the figures of a run again, from its tables."""
    languages = languages_of("--language", one_of("--language", language, ("auto", "en", "ja", "both"), DataError))
    formats = one_of("--format", format_, ("png", "svg", "both"), DataError)
    errors, out = consoles()
    from layerscope.draw import draw_figures
    from layerscope.figures.files import FORMATS

    with progress_bar(errors, "Reading the run …") as progress:
        written = draw_figures(
            run, languages=languages, formats=FORMATS if formats == "both" else (formats,), progress=progress
        )
    if not written:
        say(out, "There is nothing to draw yet.")
        say_next(out, ("stability", run))
        return
    say_run(out, f"{len(written)} files", written[0].parent)
