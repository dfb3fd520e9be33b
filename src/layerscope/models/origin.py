"""Which layers of which model an exported checkpoint has, as its ``layerscope.json`` says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layerscope.errors import LayerscopeError
from layerscope.paths.path import LayerPath
from layerscope.paths.sequential import sequential_steps
from layerscope.reading import read_json

EXPORT_FILE = "layerscope.json"
"""What an export writes beside the weights."""


@dataclass(frozen=True)
class Origin:
    """The model that a checkpoint was exported from."""

    model: str
    """Its name, as the export has it."""
    layers: int
    """How many it has."""
    path: str
    """Through it, a step for each layer of the checkpoint."""


def find_origin(folder: Path, n_layers: int) -> Origin | None:
    """Where a checkpoint comes from; None if it is no export, or its file does not fit it, which only costs the alignment.

    Args:
        folder: of the checkpoint.
        n_layers: that it has.
    """
    file = folder / EXPORT_FILE
    if not file.is_file():
        return None
    try:
        record: Any = read_json(file)
        model, written, before = record["model"], record["path"], record["layers"]["before"]
        if not isinstance(model, str) or not isinstance(written, str) or type(before) is not int:
            return None
        path = LayerPath.parse(written)
        path.check_fits(before)
        if len(sequential_steps(path)) != n_layers:
            return None
    except (LayerscopeError, KeyError, TypeError):
        return None
    return Origin(model, before, str(path))
