"""``layerscope report``: run directories into one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from layerscope.cli.sweep import one_of, progress_bar, quieten
from layerscope.errors import DataError


def report(
    runs: Annotated[
        list[Path], typer.Argument(help="Finished run directories of 'layerscope sweep' and 'layerscope contrast'.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file.")] = Path("report.html"),
    language: Annotated[str, typer.Option(help="That the page opens in: en or ja; it holds both.")] = "en",
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
) -> None:
    """Write one page of some runs: a single file that needs no network and no server."""
    errors, out = Console(stderr=True, markup=False), Console(markup=False)
    quieten(errors)
    from layerscope.report.write import write_report

    opens_in = one_of("--language", language, ("en", "ja"), DataError)
    bar = progress_bar(errors)
    task = bar.add_task("Reading runs", total=None)
    with bar:
        found = write_report(
            runs,
            output,
            language=opens_in,
            force=force,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    for sentence in found.missing:
        out.print(f"Not in the page yet. {sentence}", highlight=False, soft_wrap=True)
    out.print(f"Report: {found.path} ({found.size / 1e6:.1f} MB)", highlight=False, soft_wrap=True)
