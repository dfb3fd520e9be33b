"""Who may write a folder: one process alone, or several that each hold a part of its work.

Whoever comes second is refused at once, or waits. The locks are the system's own (flock), so they go with their process,
however that ends. Their files lie beside the folder, hidden, and go away with the lock; one that a killed process left is
taken over.
"""

from __future__ import annotations

import glob
import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from layerscope.errors import RunError

log = logging.getLogger(__name__)

_BRIEFLY = 60.0
"""Seconds to wait for another part that is only just beginning."""


@contextmanager
def alone(folder: Path, *, wait: bool = False, patience: float = 0.0) -> Iterator[bool]:
    """Hold a folder while the block runs; it need not be there yet, and may be a symbolic link.

    Args:
        folder: to be held.
        wait: for another process that holds it to end, instead of refusing.
        patience: seconds to wait for processes that hold parts of its work.

    Yields:
        True if it is held; False where locks cannot be had, as on some network file systems: the block runs all the same.

    Raises:
        RunError: another process holds it or a part of its work, and does not end.
    """
    path = _beside(folder)
    with _held(path, -1.0 if wait else 0.0, _refusal(folder)) as is_held:
        if is_held:
            _check_no_parts(folder, path, patience)
        yield is_held


@contextmanager
def with_others(folder: Path, part: str, *, is_asked: bool = False) -> Iterator[bool]:
    """Hold a part of a folder's work while the block runs; other parts may be held by others, the whole by nobody.

    Args:
        folder: that is written.
        part: which part, as a word that file names can have.
        is_asked: whether the process that holds the whole has asked for this part to be done.

    Yields:
        True if it is held; False where locks cannot be had.

    Raises:
        RunError: another process holds the same part, or the whole.
    """
    path = _beside(folder)
    said = f"Part {part} of '{folder}' is written by another process: wait until it has ended, and give the command again."
    with ExitStack() as stack:
        with nullcontext() if is_asked else _held(path, _BRIEFLY, _refusal(folder)):
            is_held = stack.enter_context(_held(path.with_name(f"{path.name}.{part}"), 0.0, said))
        yield is_held


def held_parts(folder: Path) -> set[str]:
    """Parts of a folder's work that some process holds now: of this machine, or of any where locks work between them."""
    path = _beside(folder)
    return {other.name.removeprefix(f"{path.name}.") for other in _parts(path) if _is_held(other)}


def is_held(folder: Path) -> bool:
    """Whether some process holds a folder now."""
    path = _beside(folder)
    return path.exists() and _is_held(path)


def _is_held(path: Path) -> bool:
    """Whether a lock's file is held; one that a killed process left goes away."""
    lock = FileLock(path, blocking=False, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        return True
    except (OSError, NotImplementedError):
        return False
    with suppress(OSError):
        path.unlink(missing_ok=True)
    lock.release()
    return False


def _beside(folder: Path) -> Path:
    """The lock's file."""
    there = folder.expanduser().resolve()
    return there.parent / f".{there.name}.lock"


def _parts(path: Path) -> list[Path]:
    try:
        return sorted(path.parent.glob(f"{glob.escape(path.name)}.*"))
    except OSError:
        return []


def _refusal(folder: Path) -> str:
    return (
        f"Only one process at a time writes to '{folder}', and another one does now: wait until it has ended, and give the "
        "command again."
    )


def _check_no_parts(folder: Path, path: Path, patience: float) -> None:
    """Refuse while a part is held."""
    until = time.monotonic() + patience
    while _parts(path) and (held := held_parts(folder)):
        if time.monotonic() >= until:
            raise RunError(
                f"'{folder}' is written by {len(held)} process(es) that hold parts of it ({', '.join(sorted(held)[:5])}): wait "
                "until they have ended, and give the command again."
            )
        time.sleep(0.2)


@contextmanager
def _held(path: Path, timeout: float, refusal: str) -> Iterator[bool]:
    """Hold one lock's file; a timeout below 0 waits for ever."""
    made: list[Path] = []
    lock = FileLock(path, timeout=timeout, fallback_to_soft=False)
    try:
        made += [parent for parent in path.parents if not parent.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise RunError(refusal) from None
    except (OSError, NotImplementedError) as error:  # what cannot be written is said by whoever writes
        log.debug("'%s' cannot be locked: %s", path, error)
    try:
        yield lock.is_locked
    finally:
        if lock.is_locked:
            with suppress(OSError):  # while it is held: whoever has opened it finds it nameless, and tries again
                path.unlink(missing_ok=True)
            lock.release()
        with suppress(OSError):  # the first that holds something ends it
            for parent in made:
                parent.rmdir()
