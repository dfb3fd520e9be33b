"""``layerscope search``: options to a request, progress while it runs, the frontier when it is done."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from layerscope.cli.cluster import CLUSTER, CPUS_PER_WORKER, GPUS_PER_WORKER, WORKERS, asked_of_cluster, settled, told_size
from layerscope.cli.console import (
    FIGURES,
    consoles,
    draw,
    draw_missing,
    end_with_findings,
    languages_of,
    one_of,
    progress_bar,
    say,
    say_next,
    say_resuming,
    say_run,
    split_names,
    with_figures,
)
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
from layerscope.errors import ModelError, PathError

if TYPE_CHECKING:
    import pandas as pd

    from layerscope.bilingual import Language
    from layerscope.searches.finished import FinishedSearch
    from layerscope.searches.prepare import PreparedSearch, SearchRequest
    from layerscope.workers.ray_pool import Demand

MOVES_HELP = (
    "Comma-separated moves: removal, attention-removal, mlp-removal, exchange (neighbours), interchange:d (steps up to d "
    "apart), block-repeat:w (blocks of up to w layers), replacement:d (by a layer up to d away)."
)
METHOD_HELP = "one-shot (rank once), greedy, beam:w, evolution or evolution:g (g generations), random or random:n."


def search(
    model: Annotated[str, MODEL],
    dataset: Annotated[str, typer.Option(help="Named data set or local file; see 'layerscope datasets'.")],
    drop: Annotated[
        float | None, typer.Option(help="Number of layers to drop; half a layer is one attention or one MLP.")
    ] = None,
    budget: Annotated[float | None, typer.Option(help="Instead of --drop: number of layers to end with.")] = None,
    moves: Annotated[str, typer.Option(help=MOVES_HELP)] = "removal",
    method: Annotated[str, typer.Option(help=METHOD_HELP)] = "greedy",
    draws: Annotated[int, typer.Option(help="Repeat the search on this many sets of calibration texts that share none.")] = 1,
    calibration: Annotated[int, typer.Option(help="Texts per draw, on which paths are chosen.")] = 16,
    held_out: Annotated[int, typer.Option(help="Other texts, on which the paths are measured.")] = 32,
    keep: Annotated[str | None, typer.Option(help="Layers that no move touches, such as 0,28-29.")] = None,
    objective: Annotated[
        str, typer.Option(help="What to minimise: nll, kl (divergence from the intact model) or auto (kl for evolution).")
    ] = "auto",
    until_ci: Annotated[
        float | None,
        typer.Option(
            help="Drop candidates early when they cannot win, and end a step when the rest are within ± this many nats of the "
            "best."
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Most steps of greedy and beam (default: as many as it takes).")] = None,
    random_paths: Annotated[int, typer.Option(help="Random paths per size to compare with.")] = 5,
    protocol: Annotated[str, typer.Option(help="lines, documents, windows:N or strided:N/S.")] = "lines",
    split: Annotated[str | None, typer.Option(help="Split of a named data set.")] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(envvar="LAYERSCOPE_DATA_DIR", help="Folder with the named data set; the Hub is then not contacted."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed for the draws of texts and everything else that is random.")] = 42,
    bos: Annotated[str, BOS] = "auto",
    dtype: Annotated[str, DTYPE] = "auto",
    device: Annotated[str, DEVICE] = "auto",
    device_map: Annotated[str | None, DEVICE_MAP] = None,
    quantize: Annotated[str, QUANTIZE] = "none",
    revision: Annotated[str | None, REVISION] = None,
    trust_remote_code: Annotated[bool, TRUST_REMOTE_CODE] = False,
    batch_tokens: Annotated[
        int | None, typer.Option(help="Positions per batch, padding included (default: by device).")
    ] = None,
    state_memory: Annotated[
        float | None, typer.Option(help="GiB of hidden states to keep between steps (default: a quarter of free memory).")
    ] = None,
    compile_: Annotated[str, typer.Option("--compile", help="on or off: run layers through torch.compile.")] = "off",
    cluster: Annotated[str | None, CLUSTER] = None,
    workers: Annotated[int | None, WORKERS] = None,
    gpus_per_worker: Annotated[int | None, GPUS_PER_WORKER] = None,
    cpus_per_worker: Annotated[int | None, CPUS_PER_WORKER] = None,
    output_dir: Annotated[Path, typer.Option(help="Folder for run directories.")] = Path("results"),
    figures: Annotated[str, FIGURES] = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan without running.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Run again and replace what is in the run directory.")] = False,
) -> None:
    """Search for layers to leave out, repeat or reorder: paths are chosen on some texts and measured on others."""
    from layerscope.searches.prepare import SearchRequest, parse_kept

    request = SearchRequest(
        model=model,
        dataset=dataset,
        moves=split_names(moves),
        method=method,
        drop=drop,
        budget=budget,
        draws=draws,
        calibration=calibration,
        held_out=held_out,
        keep=parse_kept(keep),
        objective=one_of("--objective", objective, ("auto", "nll", "kl"), PathError),
        until_ci=until_ci,
        steps=steps,
        random_paths=random_paths,
        revision=revision,
        options=load_options(
            dtype=dtype, device=device, device_map=device_map, quantize=quantize, bos=bos, trust_remote_code=trust_remote_code
        ),
        split=split,
        data_dir=data_dir,
        protocol=protocol,
        seed=seed,
        batch_tokens=batch_tokens,
        state_memory=state_memory,
        compile=one_of("--compile", compile_, ("on", "off"), ModelError),
        output_dir=output_dir,
    )
    demand = asked_of_cluster(cluster, workers=workers, gpus=gpus_per_worker, cpus=cpus_per_worker)
    show_search(request, demand, dry_run=dry_run, force=force, languages=languages_of("--figures", figures))


def show_search(
    request: SearchRequest,
    demand: Demand | None = None,
    *,
    dry_run: bool = False,
    force: bool = False,
    languages: Sequence[Language] | None = None,
) -> None:
    """Prepare and run a search, with progress on standard error and the frontier on standard output.

    Args:
        request: what is asked for.
        demand: the cluster that does it; this process if None.
        dry_run: show what would run.
        force: replace whatever the run directory holds.
        languages: of the figures.
    """
    errors, out = consoles()
    from layerscope.engine.allocator import keep_freed_memory
    from layerscope.models.quiet import quieten_transformers
    from layerscope.searches.finished import FinishedSearch
    from layerscope.searches.on_cluster import SEARCH
    from layerscope.searches.run import run_search

    quieten_transformers()
    keep_freed_memory()
    with ExitStack() as stack:
        with errors.status("Reading the model's configuration and the texts …"):
            prepared, run, size = stack.enter_context(settled(request, demand, SEARCH, run_search, force=force))
            plan = _plan(prepared) if size is None else f"{told_size(size)}\n{_plan(prepared)}"
        if dry_run:
            say(out, plan)
            return
        path = prepared.directory.path

        def begin() -> None:
            say(out, plan)
            say_resuming(errors, path)

        with progress_bar(errors, "Loading the model …", on_start=begin) as progress:
            ran = run(progress=progress)
    if ran:
        draw(errors, path, languages, of="frontier")
        _show_result(out, FinishedSearch.open(path), with_figures("Results", languages))
    else:
        draw_missing(errors, path, languages, of="frontier")
        _show_result(out, FinishedSearch.open(path), "Already finished", " (--force runs it again).")


def _plan(prepared: PreparedSearch) -> str:
    """What a search will do, told before it is done; nothing has been loaded then."""
    from layerscope.paths.moves import written_size
    from layerscope.searches.rehearsal import rehearse

    request, work = prepared.request, rehearse(prepared)
    share = work.layer_runs / work.without_sharing if work.without_sharing else 1.0
    tokens = [sum(prepared.texts[row].n_scored for row in draw.texts) for draw in prepared.draws]
    n_held_out = sum(window.n_scored for window in prepared.texts[: request.held_out])
    early = f", candidates dropped early (--until-ci {request.until_ci:g})" if request.until_ci is not None else ""
    return (
        f"{prepared.source.name} ({prepared.space.n_layers} layers, {prepared.record.dtype}) on {request.dataset}, protocol "
        f"{prepared.record.protocol}: from {prepared.space.n_layers} to {written_size(prepared.space.budget)} layers by "
        f"{', '.join(prepared.record.moves)}\n"
        f"Method: {prepared.method}, objective {prepared.objective}, at most {work.steps} steps, {work.first_candidates} "
        f"candidates in the first{early}\n"
        f"Work per draw: at most {work.paths:,} paths as {work.layer_runs:,} layer runs on batches of texts "
        f"({share:.0%} of {work.without_sharing:,} without shared prefixes); states kept between steps (up to "
        f"{prepared.kept_bytes / 2**30:.1f} GiB) save more\n"
        f"Texts: {len(tokens)} {'draw' if len(tokens) == 1 else 'draws'} of {request.calibration} to choose on "
        f"({', '.join(f'{n:,}' for n in tokens)} tokens), {request.held_out} others to measure on ({n_held_out:,} tokens)\n"
        f"Results: {prepared.directory.path}"
    )


def _show_result(console: Console, run: FinishedSearch, what: str, note: str = "") -> None:
    console.print(_frontier_table(run))
    end_with_findings(console, run.directory.path)
    best = _best(run)
    if len(best):
        last = best["layers"].iloc[-1 if run.record.request.budget_layers < run.record.model.layers else 0]
        say(console, f"Other commands take a path by name: --path @{run.directory.path}/best-{last:g}, or …/frontier for all")
    say_run(console, what, run.directory.path, note)
    request = run.record.request
    found = f"@{run.directory.path}/frontier"
    evaluated = ("evaluate", "--model", request.model, "--dtype", request.dtype, "--path", found, "--tasks", "blimp")
    say_next(console, ("report", run.directory.path), evaluated)


def _best(run: FinishedSearch) -> pd.DataFrame:
    """Of each size, the path that is best on the calibration texts of all draws."""
    return run.frontier[(run.frontier["way"] == "search") & run.frontier["is_best"]]


def _frontier_table(run: FinishedSearch) -> Table:
    """The best path of each size, against the intact model and the simpler ways; its path last, which gives way first."""
    intact = run.frontier.iloc[0]
    speed = dict(zip(run.speed["path"], run.speed["ratio"], strict=True))
    table = Table(
        title=Text(f"{run.model} on {run.dataset}: intact NLL {intact['nll_nats']:.3f} nats (perplexity {intact['ppl']:,.2f})"),
        caption="ΔNLL: path − intact, nats per token, held-out texts; gain: one-shot's path − search's (*: q < 0.05)",
        box=box.SIMPLE_HEAD,
    )
    for name in ("layers", "ΔNLL", "95% interval", "gain", "random as good", "time"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("path", justify="right", no_wrap=True)
    for row in _best(run).to_dict("records"):
        gain = _gain(run, row["layers"], "one-shot", row["draw"])
        chance = _gain(run, row["layers"], "random", row["draw"])
        table.add_row(
            f"{row['layers']:g}",
            _signed(row["delta_nll_nats"]),
            _interval(row["delta_nll_low_nats"], row["delta_nll_high_nats"]),
            "-" if gain is None else "same path" if gain["same_path"] else _gained(gain),
            "-" if chance is None else f"{chance['random_as_good']} of {chance['random_paths']}",
            f"{speed[row['path']]:.0%}" if row["path"] in speed else "-",
            row["path"],
        )
    return table


def _gained(gain: dict[Any, Any]) -> str:
    return _signed(gain["gain_nats"]) + ("*" if gain["q_value"] < 0.05 else "")


def _gain(run: FinishedSearch, layers: float, against: str, draw: int) -> dict[Any, Any] | None:
    gains = run.gains
    found = gains[(gains["layers"] == layers) & (gains["against"] == against) & (gains["draw"] == draw)]
    return None if found.empty else found.to_dict("records")[0]


def _signed(value: float) -> str:
    return f"{value:+.3f}" if math.isfinite(value) else "not finite"


def _interval(low: float, high: float) -> str:
    return f"{low:+.3f} {high:+.3f}" if math.isfinite(low) else "-"
