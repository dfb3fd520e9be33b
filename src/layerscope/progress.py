"""How work in progress is told: by a job to whoever asked for it, by an engine to its job."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called by a job with what it is doing, how much of that is done, and how much there is."""
Advance = Callable[[int], None]
"""Called by an engine with the work done since the last call."""


def nobody_asks(*_: object) -> None:
    """For either, where nobody wants to know."""
