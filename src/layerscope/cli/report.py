"""``layerscope report``: run directories into one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layerscope.cli.console import consoles, one_of, progress_bar, say, say_output
from layerscope.cli.runs_below import runs_in, unfinished_in
from layerscope.errors import DataError


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Finished runs of 'layerscope sweep', 'search' and 'contrast', or folders that contain them."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file.")] = Path("report.html"),
    language: Annotated[
        str | None, typer.Option(help="Language the page opens in: en or ja (default: the browser's). The page holds both.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Write an HTML page about one or more runs: a single file that needs no network and no server."""
    errors, out = consoles()
    from layerscope.report.write import write_report

    taken = list(dict.fromkeys(run for folder in runs for run in runs_in(folder, ("sweep", "search", "contrast"))))
    opens_in = None if language is None else one_of("--language", language, ("en", "ja"), DataError)
    with progress_bar(errors, "Reading the runs …") as progress:
        found = write_report(taken, output, language=opens_in, force=force, progress=progress)
    for sentence in found.missing:
        say(out, f"Not in the page yet. {sentence}")
    if len(taken) > len(runs):
        say(out, f"Runs: {', '.join(map(str, taken))}")
    left = [run for folder in runs for run in unfinished_in(folder, ("sweep", "search", "contrast"))]
    if left:
        say(out, f"Not finished, or not readable, and left out: {', '.join(map(str, left))}")
    say_output(out, "Report", found.path, f" ({found.size / 1e6:.1f} MB)")
