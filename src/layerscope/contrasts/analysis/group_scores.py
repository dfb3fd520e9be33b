"""A group's blocks on one scale, at one site and position, and beside them those of its placebos: what is averaged and swapped.

Axes: ``block`` (of templates), ``layer``, ``dim``; ``resample``; ``side`` (the pairs themselves, then their placebos).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from layerscope.stats.bootstrap import draw_again

Role = Literal["meaning", "grammar", "placebo"]
ByReference = tuple[np.ndarray, np.ndarray]
"""An array as read on each of the two references; the very same array where a scale needs none."""
Blocks = list[Float[np.ndarray, "_ layer dim"]]
"""Of each group, its blocks and then its placebos'."""
_CELLS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class GroupScores:
    """A group's blocks on one scale, at one site and position."""

    name: str
    """Of the group."""
    role: Role
    """``placebo`` for placebos."""
    scores: tuple[Float[np.ndarray, "block layer dim"], Float[np.ndarray, "block layer dim"]]
    """Mean of each block, the smaller, the stiller; read on two references, or twice the same where there is none."""
    pairs: Int[np.ndarray, " block"]
    """Pairs of each block."""

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


@dataclass(frozen=True)
class MatchedScores:
    """A type's blocks and, block by block, those of the same pairs' placebos."""

    own: GroupScores
    """Of the type."""
    placebo: GroupScores
    """Of its placebos; as many blocks, in the same order."""
    log_ratio: float
    """Mean over pairs and layers of ln(size of the placebo / of the pair) at this site and position."""
    refusal: str | None = None
    """Why nothing is inferred; None where it is."""

    @property
    def name(self) -> str:
        """Of the type."""
        return self.own.name

    @property
    def role(self) -> Role:
        """Of the type."""
        return self.own.role

    @property
    def allows_inference(self) -> bool:
        """Whether there are pairs, blocks and likeness in size enough."""
        return self.refusal is None

    def shares(
        self, swaps: Bool[np.ndarray, "resample block"], counted: Bool[np.ndarray, " block"] | None = None
    ) -> Float[np.ndarray, "resample side both"]:
        """What part each block, of the type and then of its placebos, has in each side's mean with some swapped between them.

        Args:
            swaps: which blocks change places with those of the placebos.
            counted: which blocks count; all if None.
        """
        counts = np.ones(len(self.own.pairs), dtype=bool) if counted is None else counted
        kept, taken = ~swaps & counts, swaps & counts
        pairs, other = self.own.pairs, self.placebo.pairs
        weights = np.stack(
            [
                np.concatenate([kept * pairs, taken * other], axis=1),
                np.concatenate([taken * pairs, kept * other], axis=1),
            ],
            axis=1,
        )
        return np.asarray((weights / weights.sum(axis=2, keepdims=True)).astype(np.float32))

    def unswapped(self) -> Bool[np.ndarray, "1 block"]:
        """Swaps that swap none."""
        return np.zeros((1, len(self.own.pairs)), dtype=bool)


def both_sides(groups: Sequence[MatchedScores]) -> tuple[Blocks, Blocks]:
    """By reference, each group's blocks and then its placebos'; the very same list where a scale needs no reference."""

    def on(reference: int) -> Blocks:
        return [np.concatenate([group.own.scores[reference], group.placebo.scores[reference]]) for group in groups]

    first = on(0)
    return first, on(1) if any(group.own.has_references for group in groups) else first


def weighted_means(
    blocks: Blocks, shares: Sequence[Float[np.ndarray, "resample side _"]]
) -> Float[np.ndarray, "resample side group layer dim"]:
    """Each group's blocks in the shares that they have, in one array."""
    cells, (n, n_sides) = blocks[0].shape[1:], shares[0].shape[:2]
    found = np.empty((n, n_sides, len(blocks), *cells), dtype=np.float32)
    rows = found.reshape(n * n_sides, len(blocks), -1)
    for number, (some, of_some) in enumerate(zip(blocks, shares, strict=True)):
        np.matmul(of_some.reshape(n * n_sides, -1), some.reshape(len(some), -1), out=rows[:, number])
    return found


def of_set(groups: Sequence[MatchedScores], name: str) -> list[MatchedScores]:
    """The groups that stand for a set: those that allow inference, if there are two, or else all.

    Args:
        groups: of any type.
        name: ``all``, ``meaning`` or ``grammar``, or the name of a group.
    """
    members = [group for group in groups if name in ("all", group.role, group.name)]
    allowed = [group for group in members if group.allows_inference]
    return allowed if len(allowed) > 1 else members


def draw_swaps(
    groups: list[MatchedScores], n_resamples: int, generator: np.random.Generator
) -> Iterator[list[Bool[np.ndarray, "resample block"]]]:
    """For each group the blocks that change places with those of its placebos, some draws at a time; the first draw swaps none.

    Where an edit does nothing but what any change of its size does in its place, a pair and its placebo can be swapped.
    """
    cells = sum(group.own.scores[0][0].size for group in groups) or 1
    step, n_blocks = max(1, _CELLS_AT_ONCE // cells), [len(group.own.pairs) for group in groups]
    for start in range(0, n_resamples + 1, step):
        size = min(step, n_resamples + 1 - start)
        # all groups at once: the same seed draws the same, however much fits at once
        drawn = generator.random((size, sum(n_blocks))) < 0.5
        if start == 0:
            drawn[0] = False
        yield np.split(drawn, np.cumsum(n_blocks)[:-1], axis=1)


def _weighted(weights: np.ndarray, scores: Float[np.ndarray, "block layer dim"]) -> Float[np.ndarray, "resample layer dim"]:
    shares = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return np.asarray((shares @ scores.reshape(len(scores), -1)).reshape(-1, *scores.shape[1:]))
