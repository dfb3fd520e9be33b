"""Split-half reliability: random halves of the data, and what the whole is worth when its halves agree so far.

Axes: ``split``, ``block`` (what goes into a half whole, for example the pairs of one template), ``*shape`` (any).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool


def halves(n_blocks: int, generator: np.random.Generator, *, n_splits: int) -> Bool[np.ndarray, "split block"]:
    """Random halves of the blocks; the other half of a split is its negation.

    Args:
        n_blocks: 2 or more.
        generator: source of randomness; the same one gives the same halves.
        n_splits: how many; drawn independently, so few blocks give the same halves more than once.

    Returns:
        True for ⌊n_blocks / 2⌋ blocks of each split.

    Raises:
        ValueError: if there are fewer than two blocks.
    """
    if n_blocks < 2:
        raise ValueError(f"Halves need two blocks or more; the number of blocks is {n_blocks}.")
    one = np.arange(n_blocks) < n_blocks // 2
    return generator.permuted(np.tile(one, (n_splits, 1)), axis=1)
