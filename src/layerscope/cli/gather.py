"""``layerscope gather``: the parts of a run into its tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layerscope.cli.console import FIGURES, languages_of
from layerscope.cli.model_options import TRUST_REMOTE_CODE
from layerscope.cli.swept import show_gathered


def gather(
    run: Annotated[
        str, typer.Argument(help="Run directory that the parts printed, or its address in an object store: s3://bucket/….")
    ],
    output_dir: Annotated[
        Path | None, typer.Option(help="For a run in an object store: folder for the run directory (default: results).")
    ] = None,
    figures: Annotated[str, FIGURES] = "auto",
    trust_remote_code: Annotated[bool, TRUST_REMOTE_CODE] = False,
) -> None:
    """Combine the parts of a run (--shard I/N) into its tables; no model is loaded."""
    languages = languages_of("--figures", figures)
    show_gathered(run, output_dir, languages, trust_remote_code=trust_remote_code)
