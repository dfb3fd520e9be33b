"""What ``--path`` takes, for every command that takes several paths."""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.paths.path import LayerPath


def paths_of(values: Sequence[str]) -> list[LayerPath]:
    """Paths, each once, in the order given.

    Args:
        values: each a path in its written form, such as ``0-9,12-29``.

    Raises:
        PathError: one does not follow the grammar.
    """
    return list(dict.fromkeys(LayerPath.parse(value) for value in values))
