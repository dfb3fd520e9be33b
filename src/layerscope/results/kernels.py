"""A run goes on with the kernels that it began with: compiled layers round in other places than the model's own code."""

from __future__ import annotations

from layerscope.errors import RunError
from layerscope.results.directory import RunDirectory
from layerscope.results.record import RunRecord


def check_same_kernels(directory: RunDirectory, kind: type[RunRecord], *, compiled: bool) -> None:
    """Refuse to go on with compiled layers where a run began without, or the other way round.

    Args:
        directory: of the run.
        kind: of run.
        compiled: whether the layers are compiled now.

    Raises:
        RunError: what it began with and what there is now.
    """
    began = directory.record(kind)
    if began is not None and began.environment.compiled not in (None, compiled):
        was, now = ("without", "with") if compiled else ("with", "without")
        raise RunError(
            f"A run goes on as it began; '{directory.path}' began {was} compiled layers and this is {now}: "
            "make the compiler as it was, or use --force to run again."
        )
