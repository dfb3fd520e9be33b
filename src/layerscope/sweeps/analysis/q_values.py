"""Which tests of a sweep are corrected together: all variants of a run, but each family of depths by itself.

What a model says after its first layers is far from what it says in the end, at next to no p. Corrected together with such
certain effects, any other variant would pass at a p that is hardly below 0.05.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from layerscope.paths.families import DEPTHS
from layerscope.stats.false_discovery import benjamini_hochberg


def q_values(p_values: Float[np.ndarray, " test"], families: Sequence[str]) -> Float[np.ndarray, " test"]:
    """p-values after Benjamini-Hochberg; NaN stays NaN and does not count as a test.

    Args:
        p_values: of all tests of a table that belong together.
        families: of the variant of each test.
    """
    apart = np.array([family if family in DEPTHS else "" for family in families], dtype=object)
    found = np.full_like(p_values, np.nan)
    for name in dict.fromkeys(apart):
        found[apart == name] = benjamini_hochberg(p_values[apart == name])
    return found
