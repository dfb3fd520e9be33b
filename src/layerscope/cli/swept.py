"""A sweep as the terminal shows it: the plan, progress, a table when it is done; here, in parts or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from layerscope.cli.cluster import settled, told_size
from layerscope.cli.console import (
    consoles,
    draw,
    draw_missing,
    end_with_findings,
    progress_bar,
    say,
    say_next,
    say_resuming,
    say_run,
    with_figures,
)
from layerscope.errors import DataError, printable

if TYPE_CHECKING:
    from layerscope.bilingual import Language
    from layerscope.sweeps.prepare import PreparedSweep, SweepRequest
    from layerscope.workers.ray_pool import Demand


def show_sweep(
    request: SweepRequest,
    demand: Demand | None = None,
    *,
    dry_run: bool = False,
    force: bool = False,
    languages: Sequence[Language] | None = None,
) -> None:
    """Prepare and run a sweep, with progress on standard error and the result on standard output.

    Args:
        request: what is asked for.
        demand: the cluster that does it; this process if None.
        dry_run: show what would run.
        force: replace whatever the run directory holds.
        languages: of the figures.
    """
    from layerscope.sweeps.on_cluster import SWEEP
    from layerscope.sweeps.prepare import check_memory
    from layerscope.sweeps.run import run_sweep

    errors, out = _quiet_consoles()
    with ExitStack() as stack:
        with errors.status("Reading the model's configuration and the texts …"):
            prepared, run, size = stack.enter_context(settled(request, demand, SWEEP, run_sweep, force=force))
        if size is not None:
            say(out, told_size(size))
        if dry_run:
            _show_plan(out, prepared)
            if size is None:
                check_memory(prepared)
            return
        _show_run(prepared, run, languages)


def _quiet_consoles() -> tuple[Console, Console]:
    from layerscope.engine.allocator import keep_freed_memory
    from layerscope.models.quiet import quieten_transformers

    quieten_transformers()
    keep_freed_memory()
    return consoles()


def _show_run(prepared: PreparedSweep, run: Callable[..., bool], languages: Sequence[Language] | None) -> None:
    errors, out = consoles()

    def begin() -> None:
        _show_plan(out, prepared)
        say_resuming(errors, prepared.directory.path)

    with progress_bar(errors, "Loading the model …", on_start=begin) as progress:
        ran = run(progress=progress)
    if ran:
        draw(errors, prepared.directory.path, languages, of="layers")
        _show_result(out, prepared, with_figures("Results", languages))
    else:
        draw_missing(errors, prepared.directory.path, languages, of="layers")
        _show_result(out, prepared, "Already finished", " (--force runs it again).")


def show_part(request: SweepRequest, written: str, *, store: str | None, dry_run: bool, force: bool) -> None:
    """Do one part of a sweep, with progress on standard error and what is next on standard output."""
    from layerscope.sweeps.parts import run_sweep_part, shards_of
    from layerscope.sweeps.prepare import prepare_sweep
    from layerscope.sweeps.stored import folder_of
    from layerscope.workers.part import Part
    from layerscope.workers.store import Store

    part = Part.parse(written)
    place = None if store is None else Store.open(store)
    if force:
        raise DataError(f"--force replaces a whole run, and --shard {written} is a part of one: delete its directory first.")
    errors, out = _quiet_consoles()
    with errors.status("Reading the model's configuration and the texts …"):
        prepared = prepare_sweep(request)
    n_mine = len(shards_of(prepared, part))
    said = f"Part {part.number} of {part.of}: {n_mine} of {len(prepared.shards)} batches"
    if dry_run:
        _show_plan(out, prepared)
        say(out, said)
        return
    with progress_bar(errors, "Loading the model …", on_start=lambda: say(out, said)) as progress:
        n_done = run_sweep_part(prepared, part, store=place, progress=progress)
    rest = "" if n_done == n_mine else f", {n_mine - n_done} were already done"
    say_run(out, f"Part {part.number} of {part.of}: {n_done} batches computed{rest}", prepared.directory.path)
    run = prepared.directory.path if place is None else folder_of(prepared, place).address
    say_next(out, ("gather", run), when="When all parts have ended")


def show_gathered(run: str, output_dir: Path | None, languages: Sequence[Language] | None, *, trust_remote_code: bool) -> None:
    """Gather the parts of a sweep, from a run directory or a store, and show what a sweep shows."""
    errors, out = consoles()
    from layerscope.sweeps.parts import gather_stored_sweep, gather_sweep
    from layerscope.workers.store import Store, is_address

    if output_dir is not None and not is_address(run):
        raise DataError(f"--output-dir is only for a run from an object store, and '{run}' is on this machine: leave it out.")
    with errors.status("Gathering …"):
        if is_address(run):
            prepared = gather_stored_sweep(Store.open(run), output_dir or Path("results"), trust_remote_code=trust_remote_code)
        else:
            prepared = gather_sweep(Path(run).expanduser(), trust_remote_code=trust_remote_code)
    draw(errors, prepared.directory.path, languages, of="layers")
    if is_address(run):
        say_run(out, "Gathered", prepared.directory.path)
    _show_result(out, prepared, with_figures("Results", languages))


def _show_plan(console: Console, prepared: PreparedSweep) -> None:
    plan, memory, corpus = prepared.plan, prepared.memory, prepared.corpus
    share = plan.layer_runs / plan.layer_runs_without_sharing
    n_tokens = sum(window.n_tokens for window in corpus.windows)
    texts = [shard for some in prepared.rounds for shard in some.shards]
    n_batches, padded = len(texts), sum(shard.padded_tokens for shard in texts)
    weights = "unknown" if memory.weights is None else _gib(memory.weights)
    say(
        console,
        f"{prepared.source.name} ({plan.n_layers} layers, {prepared.record.dtype}) on {prepared.request.dataset}, "
        f"protocol {prepared.record.protocol}\n"
        f"Plan: {len(plan.variants)} variants, including the intact model, as {plan.layer_runs:,} layer runs per batch "
        f"({share:.0%} of {plan.layer_runs_without_sharing:,} without shared prefixes)\n"
        f"Text: {len(corpus.windows):,} texts, {n_tokens:,} tokens, {prepared.n_scored:,} scored, "
        f"in {n_batches} batches with {padded:,} positions in total{_until(prepared)}\n"
        f"{_pairs_line(prepared)}{_lens_line(prepared)}"
        f"Memory: about {_gib(memory.total)} (weights {weights}, states {_gib(memory.states)}, "
        f"scoring {_gib(memory.scoring)}{f', tuned lens {_gib(memory.lens)}' if memory.lens else ''})\n"
        f"Results: {prepared.directory.path}",
    )


def _pairs_line(prepared: PreparedSweep) -> str:
    """Pairs that are scored, and those that are not."""
    if prepared.pairs is None:
        return ""
    reasons = "; ".join(f"{n:,} left out: {reason}" for reason, n in prepared.pairs.left_out.items())
    return (
        f"Pairs: {len(prepared.pairs.pairs):,}, protocol {prepared.pairs.protocol.name}, in {len(prepared.pairs.shards)} "
        f"batches{f' ({reasons})' if reasons else ''}\n"
    )


def _lens_line(prepared: PreparedSweep) -> str:
    """The tuned lens, and how it is told that it belongs to this model."""
    lens = prepared.lens
    if lens is None:
        return ""
    checked = "checked by the hash of the unembedding" if lens.unembed_hash else "no hash: only its size is compared"
    return f"Tuned lens: {printable(lens.folder)}, for {printable(lens.base_model)} ({checked})\n"


def _until(prepared: PreparedSweep) -> str:
    """When a run may stop before its last text."""
    if prepared.request.until_ci is None:
        return ""
    asked, looks = prepared.request.until_ci, len(prepared.rounds)
    return f", or fewer: until every interval is within ±{asked:g} nats, with at most {looks} looks"


def _show_result(console: Console, prepared: PreparedSweep, what: str, note: str = "") -> None:
    from layerscope.sweeps.tables import LAYERS
    from layerscope.sweeps.terminal import layers_in_terminal

    layers = prepared.directory.read_table(LAYERS).to_pandas()
    console.print(layers_in_terminal(layers, model=prepared.source.name, dataset=prepared.request.dataset, width=console.width))
    if prepared.request.until_ci is not None:
        say(console, _precision(prepared, prepared.request.until_ci))
    if prepared.lens is not None and prepared.lens.unembed_hash is None:
        say(
            console,
            "The tuned lens has no hash of an unembedding: only its size was compared with this model.",
        )
    if prepared.pairs is not None:
        say(console, _preferred(prepared))
    _show_unscored(console, prepared)
    path = prepared.directory.path
    end_with_findings(console, path)
    say_run(console, what, path, note)
    preference = () if prepared.pairs is None else (("preference", path),)
    say_next(console, *preference, ("pos", path), ("report", path))


def _preferred(prepared: PreparedSweep) -> str:
    """What the intact model makes of the pairs, and which command says what variants make of them."""
    from layerscope.sweeps.pair_tables import PREFERENCE

    rows = prepared.directory.read_table(PREFERENCE).to_pandas()
    is_shown = (rows["variant"].astype(str) == "intact") & (rows["unit"].astype(str) == "sentence")
    (intact,) = rows[is_shown & (rows["kind"].astype(str) == "all")].to_dict("records")
    return (
        f"Pairs: the intact model finds the right sentence likelier in {intact['accuracy']:.1%} of {intact['pairs']:,} (margin "
        f"{intact['margin_nats']:+.3g} nats); for what each variant does to that, run: "
        f"layerscope preference {prepared.directory.path}"
    )


def _precision(prepared: PreparedSweep, asked: float) -> str:
    """How many texts it took to make every interval as narrow as asked for, or that the cap came first."""
    from layerscope.sweeps.tabulating import precision_reached

    found = precision_reached(prepared, asked)
    if found.reached_nats is None:
        return f"No interval could be computed from {found.documents:,} texts."
    widest = f"the widest interval is ±{found.reached_nats:.3g} nats ({found.widest})"
    looked = f"intervals are valid for up to {found.looks} looks"
    if found.reached_nats <= found.asked_nats:
        return f"Stopped after {found.documents:,} of {found.cap:,} texts: {widest}; {looked}."
    return f"Used all {found.cap:,} texts without reaching ±{found.asked_nats:g} nats: {widest}; {looked}."


def _show_unscored(console: Console, prepared: PreparedSweep) -> None:
    from layerscope.sweeps.tables import DOCUMENTS
    from layerscope.sweeps.tabulating import unscored_summary

    n_used = prepared.directory.read_table(DOCUMENTS).num_rows  # fewer than were drawn where the intervals were narrow enough
    unscored = unscored_summary(replace(prepared.corpus, windows=prepared.corpus.windows[:n_used]))
    silent, names = unscored.texts_without_a_scored_token, unscored.their_names
    shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    counted = (
        (silent, f"{silent:,} texts without a token to score ({shown})"),
        (n := unscored.first_tokens_without_context, f"{n:,} first tokens (no BOS before them)"),
        (n := unscored.tokens_past_the_context_length, f"{n:,} tokens past the context length"),
        (n := unscored.tokens_of_the_dropped_tail, f"{n:,} tokens of the dropped tail"),
    )
    there = [text for count, text in counted if count]
    if there:
        say(console, f"Not scored: {'; '.join(there)}.")


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.2f} GiB"
