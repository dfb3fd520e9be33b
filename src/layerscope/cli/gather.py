"""``layerscope gather``: the parts of a run into its tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layerscope.cli.console import FIGURES, languages_of
from layerscope.cli.model_options import TRUST_REMOTE_CODE
from layerscope.cli.swept import show_gathered


def gather(
    run: Annotated[str, typer.Argument(help="Run directory that the parts printed, or address in a store: s3://bucket/….")],
    output_dir: Annotated[
        Path | None, typer.Option(help="Where the run directory goes of a run that is in a store; results if not given.")
    ] = None,
    figures: Annotated[str, FIGURES] = "auto",
    trust_remote_code: Annotated[bool, TRUST_REMOTE_CODE] = False,
) -> None:
    """Make the tables of a run that was done in parts (--shard I/N); no model is loaded."""
    languages = languages_of("--figures", figures)
    show_gathered(run, output_dir, languages, trust_remote_code=trust_remote_code)
