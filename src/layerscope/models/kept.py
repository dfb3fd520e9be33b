"""Where converted models are kept, without importing anything heavy."""

from __future__ import annotations

import os
from pathlib import Path

_KEPT_UNDER = "gguf-2"
"""Changed when an earlier conversion must not be believed: those under ``gguf`` could hold weights that were made up."""


def cache_folder() -> Path:
    """``LAYERSCOPE_CACHE``, else ``XDG_CACHE_HOME/layerscope``, else ``~/.cache/layerscope``."""
    named = os.environ.get("LAYERSCOPE_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return (Path(named) if named else Path(base) / "layerscope").expanduser()


def place_of(digest: str) -> Path:
    """The folder of a converted model, whether it is there or not.

    Args:
        digest: SHA-256 of the GGUF file.
    """
    return cache_folder() / _KEPT_UNDER / digest


def kept(digest: str) -> Path | None:
    """The folder of a model that was converted before; None if there is none."""
    folder = place_of(digest)
    return folder if (folder / "config.json").is_file() else None
