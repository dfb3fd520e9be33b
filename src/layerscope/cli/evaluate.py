"""``layerscope evaluate``: paths on tasks through lm-evaluation-harness, each beside the intact model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from layerscope.cli.console import consoles, end_with_findings, progress_bar, say, say_run, split_names
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

if TYPE_CHECKING:
    import pandas as pd

    from layerscope.evaluations.prepare import EvaluationRequest, PreparedEvaluation
    from layerscope.evaluations.record import GroupRecord


def evaluate(
    model: Annotated[str, MODEL],
    tasks: Annotated[
        str,
        typer.Option(
            help="Comma-separated tasks, groups or patterns of lm-evaluation-harness, such as blimp,arc_easy; with "
            "--data-dir, blimp or some of its paradigms."
        ),
    ],
    path: Annotated[
        list[str] | None,
        typer.Option(
            help="A path in written form, such as 0-9,12-29; repeatable. @RUN/frontier, @RUN/best-24: paths found by a search, "
            "whose folder then holds the results. The intact model is always evaluated."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Samples per task, from its start (default: all).")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder with BLiMP's .jsonl files, to use as tasks without the Hub.")
    ] = None,
    include_path: Annotated[
        Path | None, typer.Option(help="Folder with your own tasks, as .yaml files of lm-evaluation-harness.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Requests per batch (default: as many as fit).")] = None,
    bos: Annotated[str, BOS] = "auto",
    dtype: Annotated[str, DTYPE] = "auto",
    device: Annotated[str, DEVICE] = "auto",
    device_map: Annotated[str | None, DEVICE_MAP] = None,
    quantize: Annotated[str, QUANTIZE] = "none",
    revision: Annotated[str | None, REVISION] = None,
    trust_remote_code: Annotated[bool, TRUST_REMOTE_CODE] = False,
    output_dir: Annotated[
        Path | None,
        typer.Option(help="Folder for run directories (default: results; for paths of one search, inside its run directory)."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would run, without running it.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Run again and replace what is in the run directory.")] = False,
) -> None:
    """Evaluate paths of a model on tasks of lm-evaluation-harness, by log-likelihood and without exporting them."""
    from layerscope.searches.references import names_in, paths_named, run_of

    paths = paths_named(path or ())
    runs = {run_of(value) for value in path or ()}
    inside = next(iter(runs)) if len(runs) == 1 else None
    errors, _ = consoles()
    from layerscope.models.quiet import quieten_transformers

    quieten_transformers()
    with errors.status("Finding lm-evaluation-harness …"):
        from layerscope.evaluations.prepare import EvaluationRequest

    request = EvaluationRequest(
        model=model,
        tasks=split_names(tasks),
        paths=tuple(paths),
        revision=revision,
        options=load_options(
            dtype=dtype, device=device, device_map=device_map, quantize=quantize, bos=bos, trust_remote_code=trust_remote_code
        ),
        limit=limit,
        data_dir=data_dir,
        include_path=include_path,
        batch_size=batch_size,
        output_dir=output_dir or Path("results"),
        directory=None if inside is None or output_dir is not None else inside / "evaluation",
    )
    show_evaluation(request, dry_run=dry_run, force=force, names={} if inside is None else names_in(inside))


def show_evaluation(
    request: EvaluationRequest, *, dry_run: bool = False, force: bool = False, names: Mapping[str, str] | None = None
) -> None:
    """Prepare and run an evaluation, with progress on standard error and the result on standard output.

    Args:
        request: what is asked for.
        dry_run: show what would run.
        force: replace what the run directory holds.
        names: of paths, where a search gave them one.
    """
    errors, out = consoles()
    from layerscope.evaluations.prepare import prepare_evaluation
    from layerscope.evaluations.run import missing_cells, run_evaluation

    with errors.status("Reading the tasks and the model's configuration …"):
        prepared = prepare_evaluation(request)
    new = len(prepared.cells if force else missing_cells(prepared))
    if dry_run:
        _show_plan(out, prepared, new)
        return
    with progress_bar(errors, "Loading the model …", on_start=lambda: _show_plan(out, prepared, new)) as progress:
        ran = run_evaluation(prepared, force=force, progress=progress)
    if not ran:
        say_run(out, "Already evaluated", prepared.directory.path, " (--force runs it again).")
    _show_result(out, prepared, names or {})


def _show_plan(console: Console, prepared: PreparedEvaluation, new: int) -> None:
    tasks, paths = prepared.tasks.values(), prepared.paths
    names = ", ".join(list(prepared.tasks)[:5]) + (f" and {len(tasks) - 5} more" if len(tasks) > 5 else "")
    say(
        console,
        f"{prepared.source.name} ({prepared.n_layers} layers, {prepared.record.dtype}), lm-eval {prepared.record.lm_eval}\n"
        f"Tasks: {names}: {sum(task.samples for task in tasks):,} samples, "
        f"{sum(task.requests for task in tasks):,} log-likelihoods per path\n"
        f"Paths: {len(paths)}, including the intact model{_left(new, len(prepared.cells))}\n"
        f"Results: {prepared.directory.path}",
    )


def _left(new: int, total: int) -> str:
    return "" if new == total else f"; {total - new} of {total} evaluations (one path on one task each) are already done"


def _show_result(console: Console, prepared: PreparedEvaluation, names: Mapping[str, str]) -> None:
    from layerscope.evaluations.finished import FinishedEvaluation

    run = FinishedEvaluation.open(prepared.directory.path)
    within = {task for group in prepared.groups.values() for task in group.tasks}
    asked = [*prepared.groups, *(task for task in prepared.tasks if task not in within)]
    limit, paths = prepared.request.limit, [str(path) for path in prepared.paths]
    rows = run.tasks[run.tasks["path"].isin(paths) & run.tasks["task"].isin(asked)]
    rows = rows[rows["limit"].isna() if limit is None else rows["limit"] == limit]
    rows = rows.assign(order=rows["task"].map(asked.index)).sort_values(["order", "metric"], kind="stable")
    console.print(_table(rows, run.model, prepared.groups, names))
    if within:
        say(console, f"Results of each of the {len(within)} tasks of {', '.join(prepared.groups)} are in tasks.parquet.")
    end_with_findings(console, prepared.directory.path)
    say_run(console, "Tables", prepared.directory.path)


def _table(rows: pd.DataFrame, model: str, groups: Mapping[str, GroupRecord], names: Mapping[str, str]) -> Table:
    """One row per path, task by task and metric by metric."""
    table = Table(
        title=Text(f"{model} on tasks"),
        caption="Δ: path − intact model; 95% interval over samples, paired by sample",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("path", overflow="fold")
    for name in ("value", "Δ", "95% interval", ""):
        table.add_column(name, justify="right", no_wrap=True)
    for name, own in rows.groupby(rows["task"] + ": " + rows["metric"], sort=False):
        first = own.iloc[0]
        several = f" of {len(groups[first['task']].tasks)} tasks" if first["task"] in groups else ""
        table.add_section()
        table.add_row(Text(f"{name}, {int(first['samples']):,} samples{several}"))
        for row in own.to_dict("records"):
            low, high = row["delta_low"], row["delta_high"]
            has_interval = math.isfinite(low) and math.isfinite(high)
            table.add_row(
                f"  {names[row['path']]}: {row['path']}" if row["path"] in names else f"  {row['path']}",
                f"{row['not_finite']:,} not finite" if row["not_finite"] else _number(row["value"]),
                f"{row['delta']:+.3f}" if math.isfinite(row["delta"]) and row["path"] != rows["path"].iloc[0] else "-",
                f"{low:+.3f} {high:+.3f}" if has_interval else "-",
                "within noise" if row["tied"] else "",
            )
    return table


def _number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 1e4 else f"{value:.2e}"
