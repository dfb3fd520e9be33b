"""A sweep's request that is settled again in another process or place, and must come to the same run."""

from __future__ import annotations

from dataclasses import replace

from layerscope.results.directory import RunDirectory
from layerscope.sweeps.prepare import PreparedSweep, SweepRequest, prepare_sweep
from layerscope.sweeps.record import SweepRequestRecord
from layerscope.workers.anywhere import anywhere, check_same_run

REQUEST = "request.json"
"""What was asked for, so that parts can be gathered without asking again; deleted then."""


def asked_anywhere(prepared: PreparedSweep) -> SweepRequest:
    """The request of a run as a process in any folder would give it."""
    return anywhere(
        prepared.request,
        ("model", "dataset"),
        batch_tokens=prepared.record.batch_tokens,
        compile="on" if prepared.compile else "off",
    )


def settle_again(
    request: SweepRequest, was: SweepRequestRecord, directory: RunDirectory, *, device_type: str | None = None
) -> PreparedSweep:
    """Settle what ``asked_anywhere`` gave.

    Args:
        request: what was asked for.
        was: what it came to then.
        directory: where the run is.
        device_type: see ``prepare_sweep``.

    Raises:
        RunError: it comes to another run here; the message names what differs.
    """
    prepared = prepare_sweep(request, device_type=device_type)
    record = prepared.record.model_copy(update={"model": was.model, "dataset": was.dataset})
    check_same_run(was, record, directory.path)
    asked = replace(prepared.request, model=was.model, dataset=was.dataset)
    return replace(prepared, request=asked, record=record, directory=directory)
