"""``layerscope contrast``: options to a request, progress while it runs, what changed most and least when it is done."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from layerscope.cli.cluster import CLUSTER, CPUS_PER_WORKER, GPUS_PER_WORKER, WORKERS, asked_of_cluster, settled, told_size
from layerscope.cli.console import consoles, end_with_findings, progress_bar, say, say_next, say_resuming, say_run, split_names
from layerscope.cli.model_options import (
    BOS,
    DEVICE,
    DEVICE_MAP,
    DTYPE,
    MODEL,
    QUANTIZE,
    REVISION,
    TRUST_REMOTE_CODE,
    load_options,
)
from layerscope.errors import DataError
from layerscope.reading import whole_number

if TYPE_CHECKING:
    from layerscope.contrasts.prepare import ContrastRequest, PreparedContrast
    from layerscope.workers.ray_pool import Demand


def contrast(
    model: Annotated[str, MODEL],
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="JSON Lines file of 'layerscope pairs'; without it, pairs are made from templates to suit the tokenizer."
        ),
    ] = None,
    per_subtype: Annotated[int, typer.Option(max=1_000_000, help="Template pairs per subtype.")] = 200,
    subtypes: Annotated[str | None, typer.Option(help="Comma-separated subtypes of template pairs (default: all).")] = None,
    sites: Annotated[
        str, typer.Option(help="Comma-separated sites: resid_post, update, read, attn_out, mlp_out.")
    ] = "resid_post,attn_out,mlp_out",
    positions: Annotated[
        str, typer.Option(help="Comma-separated positions: edit, edit+1, edit+2, …, detection, last.")
    ] = "edit,edit+1,edit+2,edit+3,detection,last",
    aligned: Annotated[
        bool,
        typer.Option("--aligned", help="Also compare pairs of unequal length, aligned from both ends, in separate groups."),
    ] = False,
    prefix: Annotated[str, typer.Option(help="Neutral text put before every sentence of a file, for edits at its start.")] = "",
    placebos: Annotated[
        int, typer.Option(help="Placebos per pair: 1, or 2 to also run the test on placebos against placebos.")
    ] = 1,
    values: Annotated[str, typer.Option(help="Comma-separated layers whose per-pair differences are kept (as Parquet).")] = "",
    reference_dataset: Annotated[str, typer.Option(help="Text on which the spread of each dimension is measured.")] = "lee",
    reference_tokens: Annotated[int, typer.Option(help="Tokens of that text to use.")] = 10_000,
    data_dir: Annotated[
        Path | None,
        typer.Option(envvar="LAYERSCOPE_DATA_DIR", help="Folder with the reference data set; the Hub is then not contacted."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed for template pairs and controls.")] = 42,
    bos: Annotated[str, BOS] = "auto",
    dtype: Annotated[str, DTYPE] = "auto",
    device: Annotated[str, DEVICE] = "auto",
    device_map: Annotated[str | None, DEVICE_MAP] = None,
    quantize: Annotated[str, QUANTIZE] = "none",
    revision: Annotated[str | None, REVISION] = None,
    trust_remote_code: Annotated[bool, TRUST_REMOTE_CODE] = False,
    stream: Annotated[
        bool, typer.Option("--stream", help="Read each layer's weights from disk as it runs: for models larger than memory.")
    ] = False,
    batch_tokens: Annotated[
        int | None, typer.Option(help="Positions per batch, padding included (default: by device).")
    ] = None,
    cluster: Annotated[str | None, CLUSTER] = None,
    workers: Annotated[int | None, WORKERS] = None,
    gpus_per_worker: Annotated[int | None, GPUS_PER_WORKER] = None,
    cpus_per_worker: Annotated[int | None, CPUS_PER_WORKER] = None,
    output_dir: Annotated[Path, typer.Option(help="Folder for run directories.")] = Path("results"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the pairs and groups without running.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Run again and replace what is in the run directory.")] = False,
) -> None:
    """Measure what changing one token changes inside a model, in every layer, dimension and site."""
    from layerscope.contrasts.prepare import ContrastRequest
    from layerscope.contrasts.reference import ReferenceText

    request = ContrastRequest(
        model=model,
        pairs=pairs,
        per_subtype=per_subtype,
        subtypes=None if subtypes is None else split_names(subtypes),
        sites=split_names(sites),
        positions=split_names(positions),
        aligned=aligned,
        prefix=prefix,
        placebos=placebos,
        values=tuple(_layer(name) for name in split_names(values)),
        reference=ReferenceText(reference_dataset, reference_tokens, data_dir),
        revision=revision,
        options=load_options(
            dtype=dtype, device=device, device_map=device_map, quantize=quantize, bos=bos, trust_remote_code=trust_remote_code
        ),
        stream=stream,
        seed=seed,
        batch_tokens=batch_tokens,
        output_dir=output_dir,
    )
    demand = asked_of_cluster(cluster, workers=workers, gpus=gpus_per_worker, cpus=cpus_per_worker)
    show_contrast(request, demand, dry_run=dry_run, force=force)


def _layer(text: str) -> int:
    number = whole_number(text)
    if number is None:
        raise DataError(f"--values takes comma-separated layer numbers; got '{text}'.")
    return number


def show_contrast(
    request: ContrastRequest, demand: Demand | None = None, *, dry_run: bool = False, force: bool = False
) -> None:
    """Prepare and run a contrast, with progress on standard error and the result on standard output.

    Args:
        request: what is asked for.
        demand: the cluster that does it; this process if None.
        dry_run: show what would run.
        force: replace whatever the run directory holds.
    """
    errors, out = consoles()
    from layerscope.contrasts.on_cluster import CONTRAST
    from layerscope.contrasts.run import run_contrast
    from layerscope.engine.allocator import keep_freed_memory
    from layerscope.models.quiet import quieten_transformers

    quieten_transformers()
    keep_freed_memory()
    with ExitStack() as stack:
        with errors.status("Reading the pairs …"):
            prepared, run, size = stack.enter_context(settled(request, demand, CONTRAST, run_contrast, force=force))
        if size is not None:
            say(out, told_size(size))
        _show_plan(out, prepared)
        if dry_run:
            return
        path = prepared.directory.path
        with progress_bar(errors, "Loading the model …", on_start=lambda: say_resuming(errors, path)) as progress:
            ran = run(progress=progress)
    if not ran:
        end_with_findings(out, path)
        say_run(out, "Already finished", path, " (--force runs it again).")
        return
    end_with_findings(out, path)
    say_run(out, "Results", path)
    say_next(out, ("stability", path))


def _show_plan(console: Console, prepared: PreparedContrast) -> None:
    table = Table(title=Text(f"{prepared.source.name}: {prepared.n_pairs:,} pairs"), box=box.SIMPLE_HEAD)
    table.add_column("group", no_wrap=True)
    table.add_column("role", no_wrap=True)
    for name in ("pairs", "templates", "unusable"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for group in prepared.groups:
        if group.role == "placebo":
            continue
        is_compared = group.role in ("meaning", "grammar")
        few = "" if group.allows_inference or not is_compared else "too few for inference"
        table.add_row(group.name, group.role, f"{len(group.checked):,}", f"{group.n_templates:,}", f"{group.n_unusable:,}", few)
    console.print(table)
