"""Writing a folder so that it is either whole or not there: under a temporary name beside it, then moved into place."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from layerscope.errors import RunError
from layerscope.lock import alone

_UNFINISHED, _REPLACED = ".unfinished-", ".replaced-"


@contextmanager
def whole_folder(folder: Path, *, replace: bool = True) -> Iterator[Path]:
    """Give an empty folder to write to; it takes the place of ``folder`` if the block ends well and goes away if not.

    What a killed process left of the same folder goes away, too. Everything in it gets the permissions that the umask gives,
    whatever it was written with: some libraries keep their files from everybody else.

    Args:
        folder: where it goes.
        replace: take the place of a folder that is there, and refuse to begin while another process writes it; otherwise wait
            for that process, and leave what it made.

    Raises:
        RunError: the disk is full, the place cannot be written, or another process is writing it.
    """
    folder = folder.expanduser().resolve()
    with alone(folder, wait=not replace) as is_held:
        if is_held:
            _remove_leftovers(folder)
        unfinished = folder.parent / f"{_UNFINISHED}{os.getpid()}-{uuid.uuid4().hex[:8]}-{folder.name}"
        try:
            unfinished.mkdir(parents=True)
            yield unfinished
            _set_modes(unfinished)
            if replace or not folder.exists():
                _move(unfinished, folder)
        except (OSError, SafetensorError) as error:
            reason = getattr(error, "strerror", None) or error
            raise RunError(
                f"'{folder}' cannot be written ({reason}): free some space, or name another --output-dir."
            ) from error
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _set_modes(folder: Path) -> None:
    """Of files and folders inside, those of the folder itself, which was made as the umask says."""
    mode = folder.stat().st_mode & 0o777
    for path in folder.rglob("*"):
        path.chmod(mode if path.is_dir() else mode & 0o666)


def _move(unfinished: Path, folder: Path) -> None:
    """Into place; what was there before goes away once the new folder stands."""
    before = unfinished.with_name(unfinished.name.replace(_UNFINISHED, _REPLACED, 1))
    if folder.exists():
        folder.rename(before)
    try:
        unfinished.rename(folder)
    except OSError:
        if before.exists():
            before.rename(folder)
        raise
    shutil.rmtree(before, ignore_errors=True)


def _remove_leftovers(folder: Path) -> None:
    """Delete what killed processes left of a folder; nobody is writing it any more, because it is held."""
    of_folder = re.compile(rf"({re.escape(_UNFINISHED)}|{re.escape(_REPLACED)})\d+-[0-9a-f]{{8}}-{re.escape(folder.name)}")
    left = [path for path in folder.parent.iterdir() if of_folder.fullmatch(path.name)] if folder.parent.is_dir() else []
    for path in left:
        if path.name.startswith(_REPLACED) and not folder.exists():  # its process was killed between the two moves
            path.rename(folder)
        else:
            shutil.rmtree(path, ignore_errors=True)
