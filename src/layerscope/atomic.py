"""Writing a file so that it is either whole or not there: to a temporary name beside it, then moved into place."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from layerscope.errors import RunError

TEMPORARY_PREFIX = ".unfinished-"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; it becomes ``path`` if the block ends well and goes away if not.

    Raises:
        RunError: the disk is full, or the folder cannot be written.
    """
    unfinished = path.parent / f"{TEMPORARY_PREFIX}{os.getpid()}-{uuid.uuid4().hex[:8]}-{path.name}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.touch()
        mode = unfinished.stat().st_mode & 0o777  # what the umask gives; some libraries keep their files from everybody else
        yield unfinished
        unfinished.chmod(mode)
        unfinished.replace(path)
    except OSError as error:
        raise RunError(
            f"'{path}' cannot be written ({error.strerror or error}): make room, or name another place for it."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write strict JSON, atomically: numbers that are not finite are refused."""
    with whole_file(path) as unfinished:
        unfinished.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def remove_leftovers(folder: Path) -> None:
    """Delete what killed processes of this machine left unfinished; files of living ones stay."""
    for path in folder.rglob(f"{TEMPORARY_PREFIX}*"):
        pid = path.name.removeprefix(TEMPORARY_PREFIX).split("-")[0]
        if pid.isdigit() and not _is_alive(int(pid)):
            path.unlink(missing_ok=True)


def is_leftover(path: Path) -> bool:
    """True for the temporary name of a file that was never finished."""
    return path.name.startswith(TEMPORARY_PREFIX)


def _is_alive(pid: int) -> bool:
    import psutil

    return bool(psutil.pid_exists(pid))
