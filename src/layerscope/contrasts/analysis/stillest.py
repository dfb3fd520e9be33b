"""Which units change least: rankings on every scale side by side, and which single dimensions stand out from their layer.

Axes: ``group``, ``layer``, ``dim``, ``block``. A unit is a dimension of a layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from layerscope.contrasts.analysis.agreement import ranks_of
from layerscope.contrasts.analysis.group_scores import GroupScores, MatchedScores
from layerscope.stats.false_discovery import benjamini_hochberg
from layerscope.stats.rank_agreement import spearman_matrix

SCALES = ("percentile", "raw", "z", "relative")
"""The primary one first."""
_RESAMPLES = 500


@dataclass(frozen=True)
class Ranked:
    """The units that change least on one scale."""

    scope: str
    """``layer`` or ``all``."""
    layer: Int[np.ndarray, " row"]
    """Of each unit."""
    dim: Int[np.ndarray, " row"]
    """Of each unit."""
    rank: Int[np.ndarray, " row"]
    """From 1, within the scope."""


def rank_units(scores: Float[np.ndarray, "layer dim"], k: int) -> tuple[Ranked, Ranked]:
    """The k units with the smallest score in each layer, and over all layers together."""
    n_dims = scores.shape[1]
    ranks = ranks_of(scores).astype(np.int64)
    layer, dim = np.nonzero(ranks < k)
    order = np.lexsort((ranks[layer, dim], layer))
    within = Ranked("layer", layer[order], dim[order], ranks[layer, dim][order] + 1)
    best = np.argsort(scores.reshape(-1), kind="stable")[:k]
    return within, Ranked("all", best // n_dims, best % n_dims, np.arange(1, len(best) + 1))


def intervals(
    groups: Sequence[GroupScores], units: Ranked, scores: Float[np.ndarray, " row"], *, generator: np.random.Generator
) -> tuple[Float[np.ndarray, " row"], Float[np.ndarray, " row"]]:
    """95% bootstrap intervals of units' mean scores over groups, blocks of templates drawn within each group.

    Where pairs without a placebo lie in no block, the width is that of the others, about the score of all.
    """
    drawn = np.zeros((_RESAMPLES, len(units.layer)))
    middle = np.zeros(len(units.layer))
    for group in groups:
        of_block = (group.scores[0] + group.scores[1])[:, units.layer, units.dim] / 2
        weights = group.drawn_again(_RESAMPLES, generator)
        drawn += weights @ of_block / weights.sum(axis=1, keepdims=True) / len(groups)
        middle += np.average(of_block, axis=0, weights=group.pairs) / len(groups)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return scores + low - middle, scores + high - middle


def spread_explains(
    scores: Float[np.ndarray, "layer dim"], spread: Float[np.ndarray, "layer dim"]
) -> tuple[Float[np.ndarray, " layer"], float]:
    """Spearman correlation of a scale with the dimensions' own spread, in each layer and over all layers together."""
    by_layer = [spearman_matrix(np.stack(both))[0, 1] for both in zip(scores, spread, strict=True)]
    return np.array(by_layer), float(spearman_matrix(np.stack([scores.ravel(), spread.ravel()]))[0, 1])


@dataclass(frozen=True)
class StandingOut:
    """Dimensions that change less than their layer does, more so than under placebos."""

    layer: Int[np.ndarray, " row"]
    """Of each."""
    dim: Int[np.ndarray, " row"]
    """Of each."""
    p_value: Float[np.ndarray, " row"]
    """One-sided, t over blocks."""
    q_value: Float[np.ndarray, " row"]
    """After Benjamini-Hochberg over all dimensions of the layers that were tested."""


def standing_out(groups: Sequence[MatchedScores], layers: Sequence[int], *, level: float = 0.05) -> StandingOut:
    """Test every dimension of some layers.

    A block's percentile less its layer's mean is compared with that of the same pairs' placebos: a layer that changes less as a
    whole does not make each of its dimensions stand out.

    Args:
        groups: the types of a set beside their placebos; scores are percentiles.
        layers: those whose agreement was significant: layers first, then dimensions inside them.
        level: of the false discovery rate.
    """
    chosen = np.array(layers, dtype=np.int64)
    if not len(chosen):
        nothing = np.zeros(0)
        return StandingOut(chosen, chosen, nothing, nothing)

    def centred(group: GroupScores) -> np.ndarray:
        scores = (group.scores[0][:, chosen] + group.scores[1][:, chosen]).astype(np.float64) / 2
        return np.asarray(scores - scores.mean(axis=2, keepdims=True))

    less = np.concatenate([centred(group.own) - centred(group.placebo) for group in groups])
    with np.errstate(divide="ignore", invalid="ignore"):
        p_value = stats.ttest_1samp(less, 0.0, axis=0, alternative="less").pvalue
    p_value = np.where(np.isfinite(p_value), p_value, 1.0)
    q_value = benjamini_hochberg(p_value.ravel()).reshape(p_value.shape)
    row, dim = np.nonzero(q_value < level)
    order = np.lexsort((q_value[row, dim], row))
    row, dim = row[order], dim[order]
    return StandingOut(chosen[row], dim, p_value[row, dim], q_value[row, dim])
