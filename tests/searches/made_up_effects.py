"""Per-text scores of candidates with skewed effects, as real removals have them: for simulations through the race."""

from __future__ import annotations

import numpy as np

from layerscope.paths.path import LayerPath


def candidates_of(n: int) -> list[LayerPath]:
    """Paths of one size."""
    return [LayerPath.from_layers(layer for layer in range(n) if layer != gone) for gone in range(n)]


def lengths_of(generator: np.random.Generator, n_texts: int, sigma: float) -> np.ndarray:
    """Scored tokens of texts, log-normal."""
    return np.maximum(8, np.round(60 * np.exp(generator.normal(0.0, sigma, n_texts)))).astype(int)


def sums_of(generator: np.random.Generator, means: np.ndarray, counts: np.ndarray, *, sigma: float = 1.0) -> np.ndarray:
    """NLL sums ``(candidate, text)``: what a text costs anyway, and a skewed effect of each candidate with the given mean.

    Half of an effect's spread is the text's own, shared by all candidates, as hard texts suffer from every removal; the rest is
    the candidate's, log-normal (skewness 6.2 with sigma 1).
    """
    m, n = len(means), len(counts)
    anyway = 3.0 + generator.normal(0.0, 0.5, n)
    shared = np.exp(generator.normal(0.0, sigma, n) - sigma**2 / 2)
    own = np.exp(generator.normal(0.0, sigma, (m, n)) - sigma**2 / 2)
    return (anyway + means[:, None] * (0.5 * shared + 0.5 * own)) * counts
