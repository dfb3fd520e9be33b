"""The workers of one run on a cluster: refused where they would not compute the same, kept at work, ended with their driver."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from layerscope.errors import RunError
from layerscope.workers.ray_pool import RayPool, Size
from layerscope.workers.schedule import Patience, Schedule
from layerscope.workers.worker import Hand, Hello, Made, hello_of


@contextmanager
def crew(
    size: Size, run: Path, hand: Callable[..., Hand], given: Sequence[Any], *, patience: Patience | None = None
) -> Iterator[Schedule]:
    """Workers on the connected cluster; they are ended with the block, however that ends.

    Args:
        size: how many and how large.
        run: the run directory, held by this process; its parent is there.
        hand: makes what does the work, in each worker.
        given: what it is made from, after the worker's name.
        patience: how long is too long.

    Raises:
        RunError: a worker does not see what this process writes, or has other versions.
    """
    run = run.absolute()
    session = secrets.token_hex(2)
    token = run.parent / f".{run.name}.seen-{secrets.token_hex(8)}"
    token.write_text(token.name, encoding="utf-8")
    ours = hello_of(token)
    pool = RayPool(size, lambda number: Made(f"{session}-{number}", hand, tuple(given), token))
    schedule = Schedule(pool, size.workers, lambda hello: _checked(hello, ours, run), patience or Patience())
    try:
        yield schedule
    finally:
        schedule.stop()
        with suppress(OSError):
            token.unlink(missing_ok=True)


def _checked(hello: Hello, ours: Hello, run: Path) -> str:
    """The node of a worker that may take part.

    Raises:
        RunError: it may not.
    """
    where = f"node {hello.node} ({hello.address})"
    if hello.token != ours.token:
        raise RunError(
            f"Workers write into the run directory, and {where} does not see what this process wrote beside '{run}': name an "
            "--output-dir on storage that every node has under the same path."
        )
    for name, version in ours.versions.items():
        if hello.versions.get(name) != version:
            raise RunError(
                f"All workers have the versions of the process that starts them; {where} has {name} {hello.versions.get(name)} "
                f"and this is {version}: install the same on every node."
            )
    if hello.code != ours.code:
        raise RunError(
            f"All workers run the same layerscope; its files on {where} are others than here: install the same on every node."
        )
    return hello.node


def wait_until(is_there: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Whether something comes true in a while, as files do on network file systems."""
    until = time.monotonic() + seconds
    while not (found := is_there()) and time.monotonic() < until:
        time.sleep(0.2)
    return found
