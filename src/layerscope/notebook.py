"""Notebooks: whether this is one, what is shown in it, and how it shows progress, by its own means and without widgets."""

from __future__ import annotations

import html
import importlib
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from layerscope.progress import Progress, nobody_asks

_EVERY = 0.2
"""Seconds between two pictures of a bar."""
_KNOWN_AFTER = 1.0
"""Seconds of work before it is told how much is left."""


def notebook_kind() -> Literal["jupyter", "marimo"] | None:
    """Where this process runs: a Jupyter kernel, a marimo notebook, or neither (a script, a terminal, IPython in one)."""
    marimo = sys.modules.get("marimo")
    if marimo is not None and marimo.running_in_notebook():
        return "marimo"
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return None if getattr(shell, "kernel", None) is None else "jupyter"


def show_html(text: str) -> bool:
    """Show HTML in the cell that runs; False where there is no notebook."""
    kind = notebook_kind()
    if kind == "marimo":
        import marimo

        marimo.output.append(marimo.Html(text))
    elif kind == "jupyter":
        _ipython().display(_ipython().HTML(text))
    return kind is not None


@contextmanager
def progress_in_notebook(asked: Progress | None) -> Iterator[Progress]:
    """What a job tells its progress to: whoever asked, else a bar in a notebook, else nobody. The bar goes with the block."""
    kind = notebook_kind()
    if asked is not None or kind is None:
        yield nobody_asks if asked is None else asked
        return
    bar = _MarimoBar() if kind == "marimo" else _JupyterBar()
    try:
        yield bar
    finally:
        bar.close()


class _JupyterBar:
    """A bar that is drawn again in its place."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._started = self._drawn = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if self._handle is not None and now < self._drawn + _EVERY:
            return
        self._drawn = now
        picture = _ipython().HTML(bar_html(what, done, total, now - self._started))
        if self._handle is None:
            self._handle = _ipython().display(picture, display_id=True)
        else:
            self._handle.update(picture)

    def close(self) -> None:
        """Leave nothing where the bar was."""
        if self._handle is not None:
            self._handle.update(_ipython().HTML(""))


class _MarimoBar:
    """marimo's own bar."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._done = 0

    def __call__(self, what: str, done: int, total: int) -> None:
        import marimo

        if self._bar is None:
            self._bar = marimo.status.progress_bar(total=total, title=what, remove_on_exit=True)
            self._shown = self._bar.__enter__()
        self._shown.update(increment=done - self._done, title=what)
        self._done = done

    def close(self) -> None:
        """Leave nothing where the bar was."""
        if self._bar is not None:
            self._bar.__exit__(None, None, None)


def bar_html(what: str, done: int, total: int, seconds: float) -> str:
    """One picture of a bar.

    Examples:
        >>> bar_html("Sweeping 31 variants", 1, 4, 3.0)
        '<label>Sweeping 31 variants <progress max="4" value="1"></progress> 25%, about 9 s left</label>'
    """
    is_known = seconds > _KNOWN_AFTER and 0 < done < total
    left = f", about {seconds * (total - done) / done:.0f} s left" if is_known else ""
    share = done / total if total else 1.0
    return f'<label>{html.escape(what)} <progress max="{total}" value="{done}"></progress> {share:.0%}{left}</label>'


def _ipython() -> Any:
    """What a kernel shows things by; it is there, since a kernel runs."""
    return importlib.import_module("IPython.display")
