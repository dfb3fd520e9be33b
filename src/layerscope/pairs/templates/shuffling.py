"""Whole numbers in random order, without a list of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def shuffled(n: int, *, rng: np.random.Generator) -> Iterator[int]:
    """Each whole number below ``n`` once, all orders being equally likely; memory grows with what is taken.

    Source: Fisher and Yates's shuffle, with only those places kept that hold another number than their own.
    """
    moved: dict[int, int] = {}
    for place in range(n):
        other = int(rng.integers(place, n))
        yield moved.get(other, other)
        moved[other] = moved.pop(place, place)
