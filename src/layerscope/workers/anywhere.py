"""A request as a process in any folder would give it, and the check that it comes to the same run there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from layerscope.errors import RunError
from layerscope.results.record import RequestRecord

Request = TypeVar("Request")


def anywhere(request: Request, names: Sequence[str], **settled: object) -> Request:
    """A request with absolute paths.

    Args:
        request: a dataclass; requests in it are made absolute, too.
        names: fields that hold a name or a path.
        settled: fields whose value this process has chosen.

    Examples:
        >>> from layerscope.workers.anywhere import anywhere
        >>> anywhere(ls.SweepRequest("smollm2-135m", "lee"), ("model", "dataset")).output_dir.is_absolute()
        True
    """
    assert is_dataclass(request), "requests are dataclasses"
    changed: dict[str, Any] = {}
    for field in fields(request):
        value = getattr(request, field.name)
        if isinstance(value, Path):
            changed[field.name] = value.absolute()
        elif field.name in names and Path(value).expanduser().exists():
            changed[field.name] = str(Path(value).expanduser().absolute())
        elif is_dataclass(value):
            changed[field.name] = anywhere(value, names)
    return cast(Request, replace(cast(Any, request), **{**changed, **settled}))


def check_same_run(was: RequestRecord, here: RequestRecord, run: Path) -> None:
    """Refuse a request that comes to another run here than in the process that gave it.

    Args:
        was: what it came to there.
        here: what it comes to here.
        run: the run directory.

    Raises:
        RunError: the message names what differs.
    """
    differing = was.differing(here)
    if differing:
        raise RunError(
            f"All processes of a run compute the same; '{run}' was begun otherwise ({'; '.join(differing)}): make the texts, "
            "the model and the machine as they were."
        )
