"""Looking at intervals while data come in, and stopping when they are narrow enough, without losing their coverage.

Sample sizes at which one may look are fixed beforehand, from a first look to a cap. With J looks, each interval has the level
1 − α/J: by Bonferroni's inequality all J hold the truth together with probability 1 − α or more, so the one at which the data
make us stop does too, whatever the rule for stopping. Source: Dunn 1961, "Multiple Comparisons among Means"; Jennison &
Turnbull 1999, "Group Sequential Methods", chapter 2, for sharper boundaries under normal data, which these are not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

FIRST_LOOK = 32
"""Documents before the first look: with fewer, an interval is too narrow for very skewed effects."""
GROWTH = 1.5
ALPHA = 0.05


@dataclass(frozen=True)
class Looks:
    """When to look, and how wide an interval must be at each look."""

    sizes: tuple[int, ...]
    """Documents at each look, ascending; the last is the cap."""

    @property
    def level(self) -> float:
        """Level of the interval at each look, so that the one at which we stop covers with 1 − α."""
        return 1.0 - ALPHA / len(self.sizes)


def p_value_of_looks(p_value: Float[np.ndarray, "*shape"], level: float) -> Float[np.ndarray, "*shape"]:
    """p-values raised to match the level of an interval that was one of several looks: by Bonferroni's inequality, times J.

    Args:
        p_value: each of one look; NaN stays.
        level: 1 − α/J.
    """
    n_looks = round(ALPHA / (1.0 - level))
    raised: np.ndarray = np.minimum(p_value * n_looks, 1.0)
    return raised


def plan_looks(cap: int, *, first: int = FIRST_LOOK) -> Looks:
    """Looks from some number of documents on, each at half as many again, up to a cap.

    Args:
        cap: documents that there are, or that one is ready to take; 1 or more.
        first: documents before the first look.
    """
    sizes: list[int] = []
    size = float(first)
    while size < cap:
        sizes.append(int(size))
        size *= GROWTH
    return Looks((*sizes, cap))
