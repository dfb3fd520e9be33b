"""Replacing a module's ``forward`` for a while. Nothing is left behind, whatever happens inside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

Forward = Callable[..., Any]


@contextmanager
def replaced_forward(module: nn.Module, forward: Forward) -> Iterator[None]:
    """Shadow ``module.forward`` on the instance; a wrapper that was there before (off-loading) comes back."""
    had_own = "forward" in module.__dict__
    before = module.__dict__.get("forward")
    module.__dict__["forward"] = forward
    try:
        yield
    finally:
        if had_own:
            module.__dict__["forward"] = before
        else:
            del module.__dict__["forward"]
