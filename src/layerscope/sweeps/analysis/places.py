"""Where variants stand on an axis of layers, and which heads they leave out."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from layerscope.paths.families import DEPTH


def stands_at(variants: pd.DataFrame, column: str) -> Float[np.ndarray, " variant"]:
    """The layers by which variants are drawn.

    Args:
        variants: rows of layers.parquet, or of a table made from it: ``variant``, ``family`` and the column.
        column: ``span_first`` or ``span_last``, the first or last layer that a variant changes.

    Returns:
        Those; of the family ``depth`` the last layer that still runs, −1 for the embeddings. NaN for the intact model.
    """
    at: np.ndarray = variants[column].to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    is_depth = (variants["family"].astype(str) == DEPTH).to_numpy()
    names = variants["variant"].astype(str).to_numpy()
    at[is_depth] = [float(name.removeprefix(f"{DEPTH}-")) for name in names[is_depth]]
    return at


def head_of(variants: pd.DataFrame) -> Int[np.ndarray, " variant"]:
    """The key-value groups of heads that variants of the family ``head-removal`` leave out, by their number in the layer."""
    return variants["variant"].astype(str).str.rpartition("-")[2].to_numpy(dtype=np.int64)
