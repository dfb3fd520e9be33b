"""Writing a file so that it is either whole or not there: to a temporary name beside it, then moved into place."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from layerscope.errors import RunError

TEMPORARY_PREFIX = ".unfinished-"
_TEMPORARY = re.compile(
    rf"{re.escape(TEMPORARY_PREFIX)}(?:(?P<host>[A-Za-z0-9_.]+)-)?(?P<pid>\d+)-[0-9a-f]{{8}}-(?P<name>.+)", re.DOTALL
)
_HOST = re.sub(r"[^A-Za-z0-9.]", "_", socket.gethostname())[:64] or "localhost"
"""A process id says nothing without its machine: a folder may be shared by many."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; it becomes ``path`` if the block ends well and goes away if not.

    What a killed process of this machine left of the same file goes away, too.

    Raises:
        RunError: the disk is full, the folder cannot be written, or ``path`` is not a file.
    """
    unfinished = path.parent / f"{TEMPORARY_PREFIX}{_HOST}-{os.getpid()}-{uuid.uuid4().hex[:8]}-{path.name}"
    check_place(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_dead(path.parent.glob(f"{TEMPORARY_PREFIX}*"), of=path.name)
        unfinished.touch()
        mode = unfinished.stat().st_mode & 0o777  # what the umask gives; some libraries keep their files from everybody else
        yield unfinished
        unfinished.chmod(mode)
        unfinished.replace(path)
    except (OSError, SafetensorError) as error:
        number = getattr(error, "errno", None)
        reason = os.strerror(number) if number else error  # libraries put words of their own around it
        raise RunError(f"'{path}' cannot be written ({reason}): free some space, or name another place for it.") from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)


def check_place(path: Path) -> None:
    """Refuse a place where no file can be written, before anything is computed for it.

    Raises:
        RunError: it is a folder or a device, or the nearest folder that is there takes no new files.
    """
    try:
        if path.exists() and not path.is_file():
            kind = "is a folder" if path.is_dir() else "is a device"
            raise RunError(f"'{path}' cannot be written (it {kind}): name a file.")
        nearest = next(parent for parent in path.absolute().parents if parent.exists())
        if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
            raise RunError(
                f"'{path}' cannot be written ('{nearest}' is not a folder that takes files): name another place for it."
            )
    except OSError as error:
        raise RunError(f"'{path}' cannot be written ({error.strerror or error}): name another place for it.") from error


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
        is_ours = found is not None and found["host"] in (None, _HOST)  # without a host: of an earlier version
        if found is not None and is_ours and of in (None, found["name"]) and not _is_alive(int(found["pid"])):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def is_leftover(path: Path) -> bool:
    """True for the temporary name of a file that was never finished."""
    return path.name.startswith(TEMPORARY_PREFIX)


def _is_alive(pid: int) -> bool:
    import psutil

    return bool(psutil.pid_exists(pid))
