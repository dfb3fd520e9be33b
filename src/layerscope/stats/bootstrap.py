"""Drawing with replacement, and intervals of what was drawn: what every bootstrap of blocks shares."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

_DRAWN_AT_ONCE = 4_000_000


def draw_again(
    n: int, n_resamples: int, generator: np.random.Generator, *, at_once: int | None = None
) -> Iterator[Float[np.ndarray, "resample drawn"]]:
    """How often each of n documents, or blocks, is drawn with replacement.

    Args:
        n: what is drawn, as many times as there are.
        n_resamples: how often all of that is done.
        generator: source of randomness; the same one gives the same draws.
        at_once: resamples of each array that is yielded; by memory if None.
    """
    step = at_once or max(1, _DRAWN_AT_ONCE // n)
    even = np.full(n, 1.0 / n)
    for start in range(0, n_resamples, step):
        yield generator.multinomial(n, even, size=min(step, n_resamples - start)).astype(np.float64)


def recentred(value: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A 95% bootstrap interval moved onto the value.

    Returns:
        The value plus the 2.5% and the 97.5% quantile of the drawn values' distance from their mean.
    """
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    middle = drawn.mean(axis=0)
    return np.asarray(value + low - middle), np.asarray(value + high - middle)
