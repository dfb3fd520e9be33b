"""A request that is settled again in another process or place, and must come to the same run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from layerscope.errors import RunError
from layerscope.results.directory import RunDirectory
from layerscope.sweeps.prepare import PreparedSweep, SweepRequest, prepare_sweep
from layerscope.sweeps.record import SweepRequestRecord

REQUEST = "request.json"
"""What was asked for, so that parts can be gathered without asking again; deleted then."""


def anywhere(prepared: PreparedSweep) -> SweepRequest:
    """The request of a run as a process in any folder would give it."""
    request = prepared.request

    def absolute(path: Path | None) -> Path | None:
        return None if path is None else path.absolute()

    def name(text: str) -> str:
        return str(Path(text).expanduser().absolute()) if Path(text).expanduser().exists() else text

    return replace(
        request,
        model=name(request.model),
        dataset=name(request.dataset),
        data_dir=absolute(request.data_dir),
        pairs=absolute(request.pairs),
        tuned_lens=absolute(request.tuned_lens),
        output_dir=absolute(request.output_dir) or request.output_dir,
        batch_tokens=prepared.record.batch_tokens,
        compile="on" if prepared.compile else "off",
    )


def settle_again(
    request: SweepRequest, was: SweepRequestRecord, directory: RunDirectory, *, device_type: str | None = None
) -> PreparedSweep:
    """Settle what ``anywhere`` gave.

    Args:
        request: what was asked for.
        was: what it came to then.
        directory: where the run is.
        device_type: see ``prepare_sweep``.

    Raises:
        RunError: it comes to another run here; the message names what differs.
    """
    prepared = prepare_sweep(request, device_type=device_type)
    prepared = replace(
        prepared,
        request=replace(prepared.request, model=was.model, dataset=was.dataset),
        record=prepared.record.model_copy(update={"model": was.model, "dataset": was.dataset}),
        directory=directory,
    )
    differing = was.differing(prepared.record)
    if differing:
        raise RunError(
            f"All processes of a run compute the same; '{directory.path}' was begun otherwise ({'; '.join(differing)}): make "
            "the texts, the model and the machine as they were."
        )
    return prepared
