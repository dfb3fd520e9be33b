"""A group's blocks on one scale, at one site and position: what is averaged, drawn again and dealt out anew.

Axes: ``block`` (of templates), ``layer``, ``dim``; ``resample``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, Num

from layerscope.stats.bootstrap import draw_again

Role = Literal["control", "meaning", "grammar"]
ByReference = tuple[np.ndarray, np.ndarray]
"""An array as read on each of the two groups of reference controls; the very same array where a scale needs no reference."""


@dataclass(frozen=True)
class GroupScores:
    """A group's blocks on one scale, at one site and position."""

    name: str
    """Of the group."""
    role: Role
    """``control`` for the two groups of random-word pairs that are compared like types."""
    scores: tuple[Float[np.ndarray, "block layer dim"], Float[np.ndarray, "block layer dim"]]
    """Mean of each block, the smaller, the stiller; read on two references, or twice the same where there is none."""
    pairs: Int[np.ndarray, " block"]
    """Pairs of each block."""
    allows_inference: bool
    """Whether it has pairs and blocks enough."""

    @property
    def has_references(self) -> bool:
        """Whether scores are read on two references."""
        return self.scores[0] is not self.scores[1]

    def mean(self, weights: Num[np.ndarray, "resample block"]) -> ByReference:
        """Weighted means over blocks, by each reference: ``resample layer dim``."""
        first = _weighted(weights, self.scores[0])
        return first, _weighted(weights, self.scores[1]) if self.has_references else first

    def drawn_again(self, n_resamples: int, generator: np.random.Generator) -> Float[np.ndarray, "resample block"]:
        """Weights of blocks of templates drawn with replacement: times drawn × pairs. How every bootstrap of groups draws."""
        (times,) = draw_again(len(self.pairs), n_resamples, generator, at_once=n_resamples)
        return np.asarray(times * self.pairs)


def _weighted(weights: np.ndarray, scores: Float[np.ndarray, "block layer dim"]) -> Float[np.ndarray, "resample layer dim"]:
    shares = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return np.asarray((shares @ scores.reshape(len(scores), -1)).reshape(-1, *scores.shape[1:]))
