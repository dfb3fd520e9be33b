"""The local scale in plain numpy, a pair and a window at a time; it shares nothing with the engine."""

from __future__ import annotations

import numpy as np


def parts_of(n_pairs: int) -> list[list[int]]:
    """Ranks of each part: two parts or more, none above 50, of about one size, the larger ones first."""
    n_parts = 2
    while n_pairs > 50 * n_parts:
        n_parts += 1
    sizes = [n_pairs // n_parts + (part < n_pairs % n_parts) for part in range(n_parts)]
    starts = [sum(sizes[:part]) for part in range(n_parts)]
    return [list(range(start, start + size)) for start, size in zip(starts, sizes, strict=True)]


def window_of(log_size: np.ndarray, size: float) -> list[int]:
    """Reference pairs that a pair of some size is read on: two parts side by side; from a part's middle on, the next two."""
    order = np.argsort(log_size, kind="stable")
    parts = parts_of(len(order))
    first = 0
    for part in parts[1:-1]:
        if size >= log_size[order[part[len(part) // 2]]]:
            first += 1
    return [int(order[rank]) for rank in parts[first] + parts[first + 1]]


def percentiles(ref_bins: np.ndarray, ref_log_size: np.ndarray, bins: np.ndarray, log_size: np.ndarray) -> np.ndarray:
    """Share of the window's pairs in lower bins and half of those in the same one, ``pair d_model``.

    Args:
        ref_bins: of the reference pairs that are there, ``reference d_model``.
        ref_log_size: of the same.
        bins: of the pairs that are read, ``pair d_model``.
        log_size: of the same.
    """
    found = np.zeros(bins.shape)
    for row, (one, size) in enumerate(zip(bins, log_size, strict=True)):
        window = ref_bins[window_of(ref_log_size, size)]
        found[row] = ((window < one).sum(axis=0) + 0.5 * (window == one).sum(axis=0)) / len(window)
    return found
