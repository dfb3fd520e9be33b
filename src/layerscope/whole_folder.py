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
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder to write to; it takes the place of ``folder`` if the block ends well and goes away if not.

    Raises:
        RunError: the disk is full, or the place cannot be written.
    """
    folder = folder.expanduser().resolve()
    unfinished = folder.parent / f".unfinished-{os.getpid()}-{uuid.uuid4().hex[:8]}-{folder.name}"
    made = [parent for parent in folder.parents if not parent.exists()]
    try:
        unfinished.mkdir(parents=True)
        yield unfinished
        _move(unfinished, folder)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RunError(f"'{folder}' cannot be written ({reason}): make room, or name another --output-dir.") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        with suppress(OSError):  # the first that holds something ends it
            for parent in made:
                parent.rmdir()


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
