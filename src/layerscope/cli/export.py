"""``layerscope export``: a path as an ordinary checkpoint, refused before any weight is loaded where it can be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from layerscope.cli.console import consoles, say, say_output
from layerscope.cli.model_options import DTYPE, MODEL, REVISION, TRUST_REMOTE_CODE
from layerscope.errors import PathError

if TYPE_CHECKING:
    from layerscope.models.export import ExportReport
    from layerscope.paths.path import LayerPath


def export(
    model: Annotated[str, MODEL],
    output_dir: Annotated[Path, typer.Option(help="Folder for the new checkpoint; it must be new or empty.")],
    path: Annotated[
        str | None,
        typer.Option(
            help="Layers in their new order, such as 0-9,12-29; 10.mlp is layer 10 without attention; @RUN/best-24 is a path "
            "found by a search."
        ),
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="Instead of --path: drop the layers whose removal cost least in this run.")
    ] = None,
    drop: Annotated[int, typer.Option(help="With --run: number of layers to drop.")] = 2,
    revision: Annotated[str | None, REVISION] = None,
    dtype: Annotated[str, DTYPE] = "auto",
    trust_remote_code: Annotated[bool, TRUST_REMOTE_CODE] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export in that folder.")] = False,
) -> None:
    """Write a model with layers removed, repeated or reordered as a checkpoint that transformers loads."""
    from layerscope.paths.sequential import sequential_steps

    if (path is None) == (run is None):
        raise PathError("An export takes either --path or --run; got both or neither.")
    if run is not None:
        from layerscope.sweeps.finished import FinishedRun
        from layerscope.sweeps.least_needed import path_without_least_needed

        written = path_without_least_needed(FinishedRun.open(run), drop)
    else:
        written = _one_path(path or "")
    sequential_steps(written)
    errors, out = consoles()
    from layerscope.models.export import check_export_folder, export_path
    from layerscope.models.loading import LoadOptions, load_config, load_encoder, load_weights
    from layerscope.models.quiet import quieten_transformers
    from layerscope.models.skeleton import count_layers
    from layerscope.models.sources import resolve_model

    quieten_transformers()
    check_export_folder(output_dir, force=force)
    with errors.status("Reading the model's configuration …") as status:
        options = LoadOptions(dtype=dtype, device="cpu", trust_remote_code=trust_remote_code)
        source = resolve_model(model, revision)
        config = load_config(source, options)
        written.check_fits(count_layers(config))
        encoder = load_encoder(source, options)
        status.update("Loading the model …")
        decoder = load_weights(source, config, encoder, options)
        status.update("Writing the checkpoint, and loading it again …")
        report = export_path(decoder, written, folder=output_dir, source=source, force=force)
    _show_report(out, model, report)


def _one_path(value: str) -> LayerPath:
    from layerscope.searches.references import paths_named

    found = paths_named([value])
    if len(found) != 1:
        raise PathError(f"An export writes one path; '{value}' names {len(found)}: choose one of them, such as @RUN/best-24.")
    return found[0]


def _show_report(console: Console, model: str, report: ExportReport) -> None:
    agreement = report.agreement
    say(
        console,
        f"{model}, path {report.path}: {report.layers_before} layers before, {report.layers_after} after\n"
        f"Written: {agreement.parameters:,} parameters in {report.dtype}, {report.bytes_written / 2**20:,.0f} MiB\n"
        f"Verified: reloaded with transformers alone, it gives the path's logits for {agreement.n_tokens} random tokens "
        f"(largest difference {agreement.largest_difference:.2g}, largest logit {agreement.largest_logit:.3g})",
    )
    say_output(console, "Checkpoint", report.folder, " (the same path for mergekit: mergekit.yaml)")
