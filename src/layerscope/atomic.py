"""Writing a file so that it is either whole or not there: to a temporary name beside it, then moved into place."""

from __future__ import annotations

import contextlib
import json
import os
import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from layerscope.errors import RunError

TEMPORARY_PREFIX = ".unfinished-"
_TEMPORARY = re.compile(rf"{re.escape(TEMPORARY_PREFIX)}(?P<pid>\d+)-[0-9a-f]+-(?P<name>.+)", re.DOTALL)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; it becomes ``path`` if the block ends well and goes away if not.

    What a killed process left of the same file goes away, too.

    Raises:
        RunError: the disk is full, the folder cannot be written, or a folder has the name of the file.
    """
    unfinished = path.parent / f"{TEMPORARY_PREFIX}{os.getpid()}-{uuid.uuid4().hex[:8]}-{path.name}"
    try:
        if path.is_dir():
            raise RunError(f"'{path}' is a folder and a file goes there: remove it, or name another place.")
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_dead(path.parent.glob(f"{TEMPORARY_PREFIX}*"), of=path.name)
        yield unfinished
        unfinished.replace(path)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error  # libraries put words of their own around it
        raise RunError(f"'{path}' cannot be written ({reason}): make room, or name another place for it.") from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write strict JSON, atomically: numbers that are not finite are refused."""
    with whole_file(path) as unfinished:
        unfinished.write_text(json_text(value), encoding="utf-8")


def json_text(value: Any) -> str:
    """Strict JSON: numbers that are not finite are refused."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def remove_leftovers(folder: Path) -> None:
    """Delete what killed processes of this machine left unfinished; files of living ones stay."""
    _remove_dead(folder.rglob(f"{TEMPORARY_PREFIX}*"))


def _remove_dead(paths: Iterable[Path], *, of: str | None = None) -> None:
    """Delete those whose process has ended; only those of one file where its name is given."""
    for path in paths:
        found = _TEMPORARY.fullmatch(path.name)
        if found is not None and of in (None, found["name"]) and not _is_alive(int(found["pid"])):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def is_leftover(path: Path) -> bool:
    """True for the temporary name of a file that was never finished."""
    return path.name.startswith(TEMPORARY_PREFIX)


def _is_alive(pid: int) -> bool:
    import psutil

    return bool(psutil.pid_exists(pid))
