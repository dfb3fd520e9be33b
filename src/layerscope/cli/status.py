"""``layerscope status``: how far a run is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

from layerscope.cli.console import consoles, say

if TYPE_CHECKING:
    from layerscope.workers.status import RunStatus


def status(
    run: Annotated[
        str, typer.Argument(help="Run directory, finished or not, or its address in an object store: s3://bucket/….")
    ],
) -> None:
    """Show the progress of a run: batches done and left, the processes that do them, rate and time left."""
    from layerscope.workers.status import read_status, read_stored_status
    from layerscope.workers.store import Store, is_address

    _, out = consoles()
    found = read_stored_status(Store.open(run)) if is_address(run) else read_status(Path(run).expanduser())
    say(out, f"{run}: {found.kind}, {found.state}")
    say(out, f"Done: {found.done:,}{'' if found.total is None else f' of {found.total:,}'} {found.unit}{_rate(found)}")
    if not found.workers:
        return
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("process", "node", "device", "done", "seconds", "status"):
        table.add_column(name, justify="right" if name in ("done", "seconds") else "left", overflow="fold")
    for one in found.workers:
        said = one.status if one.reason is None else f"{one.status}: {one.reason}"
        table.add_row(one.name, one.node, one.device, f"{one.shards:,}", f"{one.seconds:,.0f}", said)
    out.print(table)


def _rate(found: RunStatus) -> str:
    if found.a_minute is None or found.state == "finished":
        return ""
    left = "" if found.minutes_left is None else f", about {_duration(found.minutes_left)} left"
    return f"; recently {found.a_minute:.3g} per minute{left}"


def _duration(minutes: float) -> str:
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
