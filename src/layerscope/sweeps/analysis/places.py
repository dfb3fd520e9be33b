"""Where variants stand on an axis of layers, and which heads they leave out."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from layerscope.paths.families import DEPTHS, HEAD_REMOVAL


def stands_at(variants: pd.DataFrame, column: str) -> Float[np.ndarray, " variant"]:
    """The layers by which variants are drawn.

    Args:
        variants: rows of layers.parquet, or of a table made from it: ``variant``, ``family`` and the column.
        column: ``span_first`` or ``span_last``, the first or last layer that a variant changes.

    Returns:
        Those; of the families of depths the last layer that still runs, −1 for the embeddings. NaN for the intact model.
    """
    at: np.ndarray = variants[column].to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    families, names = (variants[column].astype(str).to_numpy() for column in ("family", "variant"))
    is_depth = np.isin(families, DEPTHS)
    at[is_depth] = [
        float(name.removeprefix(f"{family}-")) for name, family in zip(names[is_depth], families[is_depth], strict=True)
    ]
    return at


def head_of(variants: pd.DataFrame) -> Int[np.ndarray, " variant"]:
    """The key-value groups of heads that variants of the family ``head-removal`` leave out, by their number in the layer."""
    return variants["variant"].astype(str).str.rpartition("-")[2].to_numpy(dtype=np.int64)


def layer_families(layers: pd.DataFrame) -> list[str]:
    """Families with one variant for every layer, pair or window, which can stand over a layer axis; not those of heads."""
    return [
        family
        for family in dict.fromkeys(layers["family"])
        if family.split(":")[0] not in ("intact", "path", "reversal", "shuffle", HEAD_REMOVAL)
        and layers.loc[layers["family"] == family, "span_first"].nunique() > 1
    ]
