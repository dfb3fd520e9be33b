"""Writing a folder so that it is either whole or not there: under a temporary name beside it, then moved into place."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from layerscope.errors import RunError


@contextmanager
def whole_folder(folder: Path, *, replace: bool = True) -> Iterator[Path]:
    """Give an empty folder to write to; it takes the place of ``folder`` if the block ends well and goes away if not.

    Everything in it gets the permissions that the umask gives, whatever it was written with: some libraries keep their files
    from everybody else.

    Args:
        folder: where it goes.
        replace: take the place of a folder that is there; otherwise that one stays, as another process may have made it.

    Raises:
        RunError: the disk is full, or the place cannot be written.
    """
    folder = folder.expanduser().resolve()
    unfinished = folder.parent / f".unfinished-{os.getpid()}-{uuid.uuid4().hex[:8]}-{folder.name}"
    made = [parent for parent in folder.parents if not parent.exists()]
    try:
        unfinished.mkdir(parents=True)
        yield unfinished
        _set_modes(unfinished)
        if replace or not folder.exists():
            _move(unfinished, folder)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RunError(f"'{folder}' cannot be written ({reason}): make room, or name another --output-dir.") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        with suppress(OSError):  # the first that holds something ends it
            for parent in made:
                parent.rmdir()


def _set_modes(folder: Path) -> None:
    """Of files and folders inside, those of the folder itself, which was made as the umask says."""
    mode = folder.stat().st_mode & 0o777
    for path in folder.rglob("*"):
        path.chmod(mode if path.is_dir() else mode & 0o666)


def _move(unfinished: Path, folder: Path) -> None:
    """Into place; what was there before goes away once the new folder stands."""
    before = unfinished.with_name(f"{unfinished.name}-before")
    if folder.exists():
        folder.rename(before)
    try:
        unfinished.rename(folder)
    except OSError:
        if before.exists():
            before.rename(folder)
        raise
    shutil.rmtree(before, ignore_errors=True)
