"""Correlations between weighted means of blocks, from the blocks' inner products: what is drawn again is only the weights.

A mean over blocks is linear in them, and so is its distance from the mean of its layer. With B the centred blocks and w the
weights, the covariance of two means is w·(B Bᵀ)·w′: B Bᵀ is made once, and no draw touches the dimensions again.

Axes: ``both`` (blocks of a group, then of its placebos), ``block`` (those of all groups); ``layer``; ``resample``; ``side``;
``first`` and ``second`` are groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from layerscope.contrasts.analysis.group_scores import MatchedScores

Shares = Sequence[Float[np.ndarray, "resample side _"]]
"""Of each group, what part each of its blocks has in a mean."""


@dataclass(frozen=True)
class BlockProducts:
    """Inner products over the dimensions of each layer, blocks centred in the layer."""

    across: Sequence[Float[np.ndarray, "_ layer block"]]
    """Of each group's blocks, read on the first reference, with all blocks, read on the second."""
    within: tuple[Sequence[Float[np.ndarray, "_ layer _"]], Sequence[Float[np.ndarray, "_ layer _"]]]
    """Of each group's blocks with one another, by reference."""

    @classmethod
    def of(cls, groups: Sequence[MatchedScores]) -> BlockProducts:
        """Made layer by layer."""
        sizes = [2 * len(group.own.pairs) for group in groups]
        ends = np.cumsum(sizes)
        parts = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
        n_layers = groups[0].own.scores[0].shape[1]
        across = np.empty((ends[-1], n_layers, ends[-1]), dtype=np.float32)
        within: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        for kept in within:
            kept += [np.empty((size, n_layers, size), dtype=np.float32) for size in sizes]
        for layer in range(n_layers):
            sides = [_centred(groups, layer, reference) for reference in (0, 1)]
            across[:, layer] = sides[0] @ sides[1].T
            for side, kept in zip(sides, within, strict=True):
                for part, of_group in zip(parts, kept, strict=True):
                    of_group[:, layer] = side[part] @ side[part].T
        return cls([across[part] for part in parts], within)

    def correlations(self, first: Shares, second: Shares) -> Float[np.ndarray, "resample side first second"]:
        """Each group's mean on the first reference with each group's on the second, mean over layers; 0 where one is constant.

        Args:
            first: shares of blocks in the means on the first reference.
            second: shares in those on the second.
        """
        lengths = [
            np.stack([_length(one, some) for one, some in zip(shares, kept, strict=True)], axis=2)
            for shares, kept in zip((first, second), self.within, strict=True)
        ]
        spread_out = _one_group_a_column(second)
        products = np.stack(
            [(np.tensordot(shares, some, axes=1) @ spread_out) for shares, some in zip(first, self.across, strict=True)], axis=2
        )  # resample side first layer second
        lengths_product = lengths[0][..., None] * lengths[1].swapaxes(-1, -2)[:, :, None]
        return np.asarray((products / np.where(lengths_product > 0, lengths_product, 1.0)).mean(axis=3))


def _centred(groups: Sequence[MatchedScores], layer: int, reference: int) -> Float[np.ndarray, "block dim"]:
    sides = [side.scores[reference][:, layer] for group in groups for side in (group.own, group.placebo)]
    blocks = np.concatenate(sides)
    return np.asarray(blocks - blocks.mean(axis=1, keepdims=True))


def _length(shares: Float[np.ndarray, "resample side both"], within: np.ndarray) -> Float[np.ndarray, "resample side layer"]:
    """Of the centred means."""
    squares = (np.tensordot(shares, within, axes=1) * shares[:, :, None]).sum(axis=-1)
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))


def _one_group_a_column(shares: Shares) -> Float[np.ndarray, "resample side block second"]:
    sizes = [some.shape[-1] for some in shares]
    found = np.zeros((*shares[0].shape[:2], sum(sizes), len(shares)), dtype=np.float32)
    end = 0
    for number, (some, size) in enumerate(zip(shares, sizes, strict=True)):
        found[:, :, end : end + size, number] = some
        end += size
    return found
