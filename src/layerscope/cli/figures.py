"""``layerscope figures``: draw a finished run again, in the language and format that are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from layerscope.cli.console import consoles, languages_of, one_of, progress_bar, say, say_next, say_run
from layerscope.errors import DataError

if TYPE_CHECKING:
    from layerscope.figures.style import Width


def figures(
    run: Annotated[Path, typer.Argument(help="Run directory of 'layerscope sweep', 'contrast' or 'search'.")],
    language: Annotated[str, typer.Option(help="auto (your locale's, otherwise English), en, ja or both.")] = "auto",
    format_: Annotated[str, typer.Option("--format", help="png, svg, pdf, both (png and svg) or all.")] = "both",
    width: Annotated[
        str, typer.Option(help="auto (each figure's own), one or two (columns of a paper: 8.5 or 17.5 cm), or centimetres.")
    ] = "auto",
) -> None:
    """Redraw the figures of a run from its tables."""
    languages = languages_of("--language", one_of("--language", language, ("auto", "en", "ja", "both"), DataError))
    formats = one_of("--format", format_, ("png", "svg", "pdf", "both", "all"), DataError)
    errors, out = consoles()
    from layerscope.draw import draw_figures
    from layerscope.figures.files import ALL_FORMATS, FORMATS

    known, wide = {"both": FORMATS, "all": ALL_FORMATS}, _width_of(width)

    with progress_bar(errors, "Reading the run …") as progress:
        written = draw_figures(run, languages=languages, formats=known.get(formats, (formats,)), width=wide, progress=progress)
    if not written:
        say(out, "There is nothing to draw yet.")
        say_next(out, ("stability", run))
        return
    say_run(out, f"{len(written)} files", written[0].parent)


def _width_of(value: str) -> Width | None:
    """None for each figure's own."""
    from layerscope.figures.style import COLUMNS_CM, centimetres

    if value == "auto" or value in COLUMNS_CM:
        return None if value == "auto" else cast("Width", value)
    try:
        width = float(value)
    except ValueError:
        raise DataError(f"--width is auto, one, two or a number of centimetres; got '{value}'.") from None
    return centimetres(width)
