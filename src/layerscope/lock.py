"""One process at a time: a folder that is written is held, and whoever comes second is refused at once, or waits.

The lock is the system's own (flock), so it goes with its process, however that ends. Its file lies beside the folder, hidden,
and goes away with the lock; one that a killed process left is taken over.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from layerscope.errors import RunError

log = logging.getLogger(__name__)


@contextmanager
def alone(folder: Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold a folder while the block runs; it need not be there yet, and may be a symbolic link.

    Args:
        folder: to be held.
        wait: for another process that holds it to end, instead of refusing.

    Yields:
        True if it is held; False where locks cannot be had, as on some network file systems: the block runs all the same.

    Raises:
        RunError: another process holds it, and ``wait`` is false.
    """
    there = folder.expanduser().resolve()
    path = there.parent / f".{there.name}.lock"
    made: list[Path] = []
    lock = FileLock(path, blocking=wait, fallback_to_soft=False)
    try:
        made += [parent for parent in path.parents if not parent.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise RunError(
            f"Only one process at a time writes to '{folder}', and another one does now: wait until it has ended, and give "
            "the command again."
        ) from None
    except (OSError, NotImplementedError) as error:  # what cannot be written is said by whoever writes
        log.debug("'%s' cannot be locked: %s", folder, error)
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
