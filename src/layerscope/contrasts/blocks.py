"""Blocks of templates: what is drawn again as one, because sentences of one template are alike.

A group's templates are dealt into blocks in turn; the engine keeps the mean of each block, and what is read back is held here.

Axes: ``block``, ``layer``, ``dim``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

N_BLOCKS = 20
"""Blocks of templates per group: what bootstrap and permutations draw from."""
UNMATCHED = N_BLOCKS
"""The block of pairs that lack a placebo: they count in means over all pairs, and in nothing that is held against placebos."""


@dataclass(frozen=True)
class GroupBlocks:
    """A group's blocks at one site and position."""

    number: Int[np.ndarray, " block"]
    """Of each block; blocks without a pair are left out."""
    pairs: Int[np.ndarray, " block"]
    """Pairs of each block."""
    percentile1: Float[np.ndarray, "block layer dim"]
    """Mean percentile among changes of similar size, by the first reference."""
    percentile2: Float[np.ndarray, "block layer dim"]
    """By the second."""
    z: Float[np.ndarray, "block layer dim"]
    """Mean |a1 − a2| / spread."""
    log_size: Float[np.ndarray, "block layer"]
    """Mean of ln ‖(a1 − a2) / spread‖."""


def group_blocks(table: pa.Table, n_layers: int) -> GroupBlocks:
    """The rows of one group, site and position as arrays."""
    blocks, place = np.unique(table["block"].to_numpy(), return_inverse=True)
    layer = table["layer"].to_numpy()
    width = len(table["z"][0]) if table.num_rows else 0
    arrays: list[np.ndarray] = []
    for name in ("percentile1", "percentile2", "z"):
        array = np.full((len(blocks), n_layers, width), np.nan, dtype=np.float32)
        values = table[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        array[place, layer] = values.reshape(-1, width)
        arrays.append(array)
    pairs = np.zeros(len(blocks), dtype=np.int64)
    pairs[place] = table["pairs"].to_numpy()
    log_size = np.full((len(blocks), n_layers), np.nan, dtype=np.float32)
    log_size[place, layer] = table["log_size"].to_numpy()
    percentile1, percentile2, z = arrays
    return GroupBlocks(blocks, pairs, percentile1, percentile2, z, log_size)
