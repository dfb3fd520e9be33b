"""How work in progress is told: by a job to whoever asked for it, by an engine to its job."""

from __future__ import annotations

import sys
from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called by a job with what it is doing, how much of that is done, and how much there is."""
Advance = Callable[[int], None]
"""Called by an engine with the work done since the last call."""


def nobody_asks(*_: object) -> None:
    """For either, where nobody wants to know."""


def print_progress(what: str, done: int, total: int) -> None:
    """Progress for a script in a terminal: one line on standard error, overwritten as work is done.

    Args:
        what: is being done.
        done: of it.
        total: of it.

    Examples:
        >>> decoder = ls.load_decoder("smollm2-135m")
        >>> len(ls.sweep(decoder, "The cat sat on the mat.", progress=ls.print_progress).layers)
        31
    """
    sys.stderr.write(f"\r{what}: {done / total if total else 1.0:.0%}" + ("\n" if done >= total else ""))
    sys.stderr.flush()
