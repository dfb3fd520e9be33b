"""Are the dimensions that change least the same in every type of pair? Against chance, and against what placebos share.

Everything is computed within layers and then averaged over them. Overlap against chance alone proves nothing: dimensions of
small scale change little whatever the pair, and any two changes of one size in like sentences have dimensions in common. So
every value stands beside that of the types' placebos: E = mean over pairs of types J(A, B) − mean J(A°, B°). If an edit does
nothing but what any word of its size does in its place, a pair and its placebo can be swapped: p comes of swapping them, block
by block within each type, two-sided. The interval is that of the same test: the values of E that it would not reject.

Axes: ``group``, ``block``, ``layer``, ``dim``; ``resample``; ``side`` (types, then their placebos).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from layerscope.contrasts.analysis.agreement import (
    MEASURES,
    RBO_PERSISTENCE,
    jaccard,
    kendall_w_of,
    mean_of_pairs,
    rank_biased_overlap,
    ranks_of,
    sortable,
    spearman,
)
from layerscope.contrasts.analysis.group_scores import (
    Blocks,
    ByReference,
    GroupScores,
    MatchedScores,
    both_sides,
    draw_swaps,
    of_set,
    weighted_means,
)
from layerscope.stats.permutation import permutation_p
from layerscope.stats.rank_agreement import chance_rbo
from layerscope.stats.split_half import halves
from layerscope.stats.top_sets import expected_jaccard

TESTED = ("jaccard", "spearman")
"""Measures that are tested; rank-biased overlap lies between them and stands beside them as a value."""
_SPLITS = 20


@dataclass(frozen=True)
class Excess:
    """What types have beyond their placebos, of any shape, and how sure it is; NaN where nothing was inferred."""

    value: Float[np.ndarray, "*shape"]
    """Of the types."""
    placebo: Float[np.ndarray, "*shape"]
    """Of their placebos."""
    low: Float[np.ndarray, "*shape"]
    """Lower end of the 95% interval of value − placebo."""
    high: Float[np.ndarray, "*shape"]
    """Upper end."""
    p_value: Float[np.ndarray, "*shape"]
    """Two-sided, over swaps."""

    @classmethod
    def without_inference(cls, value: np.ndarray, placebo: np.ndarray) -> Excess:
        """Values alone."""
        gaps = np.full(np.shape(value), np.nan)
        return cls(value, placebo, gaps, gaps, gaps)

    @classmethod
    def of_swaps(cls, value: np.ndarray, placebo: np.ndarray, swapped: Float[np.ndarray, " resample *shape"]) -> Excess:
        """From the difference under each swap, the one that swaps nothing first.

        Swapping everything turns the sign, so that the differences lie about 0, and the width of an interval is the 95th
        percentile of their absolute values: it leaves out 0 just where p < 0.05.
        """
        observed, drawn = np.asarray(swapped[0], dtype=np.float64), np.abs(swapped[1:].astype(np.float64))
        p_value = permutation_p(np.abs(observed), drawn, alternative="greater")
        # the observed value is beyond it just where p < 0.05, which it is nowhere with fewer than 20 swaps
        n = len(drawn)
        place = 19 * (n + 1) // 20
        width = np.partition(drawn, place, axis=0)[place] if place < n else np.full(np.shape(observed), np.nan)
        width = np.where(np.isfinite(p_value), width, np.nan)
        return cls(value, placebo, np.asarray(observed - width), np.asarray(observed + width), p_value)


@dataclass(frozen=True)
class SetAgreement:
    """How far the groups of a set agree, layer by layer."""

    members: str
    """``all``, ``meaning`` or ``grammar``."""
    n_groups: int
    """Groups that stand for the set; see ``of_set``."""
    measure: str
    """One of ``MEASURES``, or ``kendall_w``."""
    chance: float
    """Expected of random orders."""
    by_layer: Excess
    """Means over pairs of groups, one per layer."""
    overall: Excess
    """Mean over layers."""


@dataclass(frozen=True)
class PairAgreement:
    """How far each group agrees with each, averaged over layers; ``first second``."""

    measure: str
    """One of ``MEASURES``."""
    chance: float
    """Expected of random orders."""
    found: Excess
    """Of each two; the diagonal holds each group's split-half value, and no excess."""


@dataclass(frozen=True)
class Consistency:
    """All about one scale at one site and position."""

    names: tuple[str, ...]
    """Of the types."""
    sets: tuple[SetAgreement, ...]
    """Of every set and measure."""
    pairs: tuple[PairAgreement, ...]
    """Of every measure."""


def consistency(
    groups: Sequence[MatchedScores], k: int, *, generator: np.random.Generator, n_resamples: int
) -> Consistency | None:
    """Compare groups.

    Args:
        groups: at least two types beside their placebos.
        k: dimensions per layer that count as those that change least.
        generator: source of randomness.
        n_resamples: swaps; 0 for values alone.

    Returns:
        None where there are fewer than two types with a placebo.
    """
    groups = [group for group in groups if len(group.own.pairs)]
    if len(groups) < 2:
        return None
    drawn = _swapped_agreement(groups, k, generator, n_resamples)
    unswapped = _swapped_ranks(groups, both_sides(groups), [group.unswapped() for group in groups])
    first = unswapped[0][0]
    ranks = (first, first if unswapped[1] is unswapped[0] else unswapped[1][0])
    both = {
        "jaccard": np.stack([jaccard(_side(ranks, side), k) for side in (0, 1)]),
        "spearman": np.stack([spearman(_side(ranks, side)) for side in (0, 1)]),
        "rbo": np.stack([rank_biased_overlap(_side(ranks, side)) for side in (0, 1)]),
    }
    allowed = np.array([group.allows_inference for group in groups])
    n_dims = groups[0].own.scores[0].shape[2]
    sets = []
    for name in ("all", "meaning", "grammar"):
        names = [group.name for group in of_set(groups, name)]
        members = np.array([group.name in names for group in groups])
        if members.sum() < 2:
            continue
        for measure in MEASURES:
            value, placebo = (mean_of_pairs(one, members) for one in both[measure])
            inferred = n_resamples and measure in TESTED and allowed[members].all()
            swapped = mean_of_pairs(drawn[measure], members) if inferred else None
            both_ways = (
                _excess(value, placebo, swapped),
                _excess(
                    np.asarray(value.mean()), np.asarray(placebo.mean()), None if swapped is None else swapped.mean(axis=1)
                ),
            )
            sets.append(SetAgreement(name, int(members.sum()), measure, chance_of(measure, k, n_dims), *both_ways))
            if measure == "spearman":
                n = int(members.sum())
                sets.append(SetAgreement(name, n, "kendall_w", 1.0 / n, *(_as_w(one, n) for one in both_ways)))
    reliability = split_half([group.own for group in groups], k, generator=generator)
    pairs = []
    for measure in MEASURES:
        value, placebo = (one.mean(axis=0) for one in both[measure])
        swapped = drawn[measure].mean(axis=1) if n_resamples and measure in TESTED else None
        found = _where(_excess(value, placebo, swapped), (allowed[:, None] & allowed) & ~np.eye(len(groups), dtype=bool))
        np.fill_diagonal(found.value, reliability[measure])
        np.fill_diagonal(found.placebo, np.nan)
        pairs.append(PairAgreement(measure, chance_of(measure, k, n_dims), found))
    return Consistency(tuple(group.name for group in groups), tuple(sets), tuple(pairs))


def split_half(
    groups: Sequence[GroupScores], k: int, *, generator: np.random.Generator, n_splits: int = _SPLITS
) -> dict[str, Float[np.ndarray, " group"]]:
    """Agreement of a group with itself: between random halves of its blocks, mean over splits and layers.

    Halves have half the pairs, so that this is a floor of what the whole group would reach; nothing is extrapolated.

    Returns:
        By measure; NaN for groups with fewer than two blocks.
    """
    found = {name: np.full(len(groups), np.nan) for name in MEASURES}
    for number, group in enumerate(groups):
        if len(group.pairs) < 2:
            continue
        of_splits: dict[str, list[np.ndarray]] = {name: [] for name in MEASURES}
        for half in halves(len(group.pairs), generator, n_splits=n_splits):
            first, second = group.mean(np.stack([half, ~half]) * group.pairs)
            ranks = _ranked((first, second))
            of_splits["jaccard"].append(jaccard(ranks, k)[:, 0, 1])
            of_splits["spearman"].append(spearman(ranks)[:, 0, 1])
            of_splits["rbo"].append(rank_biased_overlap(ranks)[:, 0, 1])
        for name in MEASURES:
            found[name][number] = np.mean(of_splits[name])
    return found


def _swapped_agreement(
    groups: Sequence[MatchedScores], k: int, generator: np.random.Generator, n: int
) -> dict[str, Float[np.ndarray, "resample layer first second"]]:
    """Agreement of the types less that of their placebos, by measure, with blocks swapped; the first row swaps none."""
    found: dict[str, list[np.ndarray]] = {measure: [] for measure in TESTED}
    blocks = both_sides(groups)
    for swaps in draw_swaps(list(groups), n, generator) if n else ():
        ranks = _swapped_ranks(groups, blocks, swaps)
        for measure, kept in found.items():
            sides = [
                jaccard(_side(ranks, side), k) if measure == "jaccard" else spearman(_side(ranks, side)) for side in (0, 1)
            ]
            kept.append(sides[0] - sides[1])
    return {
        measure: np.concatenate(kept) if kept else np.zeros((0, 1, len(groups), len(groups))) for measure, kept in found.items()
    }


def _swapped_ranks(
    groups: Sequence[MatchedScores], blocks: tuple[Blocks, Blocks], swaps: Sequence[Bool[np.ndarray, "resample _"]]
) -> ByReference:
    """``resample side group layer dim`` by reference."""
    shares = [group.shares(some) for group, some in zip(groups, swaps, strict=True)]
    first = weighted_means(blocks[0], shares)
    return _ranked((first, first if blocks[1] is blocks[0] else weighted_means(blocks[1], shares)))


def _ranked(scores: ByReference) -> ByReference:
    if scores[1] is scores[0]:
        found = ranks_of(scores[0])
        return found, found
    return ranks_of(scores[0], sortable), ranks_of(scores[1], sortable)


def _side(ranks: ByReference, side: int) -> ByReference:
    first = ranks[0][..., side, :, :, :]
    return first, first if ranks[1] is ranks[0] else ranks[1][..., side, :, :, :]


def _excess(value: np.ndarray, placebo: np.ndarray, swapped: np.ndarray | None) -> Excess:
    value, placebo = np.array(value, dtype=np.float64), np.array(placebo, dtype=np.float64)
    return Excess.without_inference(value, placebo) if swapped is None else Excess.of_swaps(value, placebo, swapped)


def _as_w(found: Excess, n: int) -> Excess:
    """A mean Spearman correlation of n groups as Kendall's W, which is a line of it."""
    share = (n - 1) / n
    return Excess(
        kendall_w_of(found.value, n),
        kendall_w_of(found.placebo, n),
        np.asarray(found.low * share),
        np.asarray(found.high * share),
        found.p_value,
    )


def _where(found: Excess, inferred: Bool[np.ndarray, "*shape"]) -> Excess:
    low, high, p_value = (np.where(inferred, one, np.nan) for one in (found.low, found.high, found.p_value))
    return Excess(found.value, found.placebo, low, high, p_value)


def chance_of(measure: str, k: int, n_dims: int) -> float:
    """What random orders give."""
    if measure == "jaccard":
        return expected_jaccard(k, n_dims)
    return chance_rbo(n_dims, RBO_PERSISTENCE, depth=n_dims) if measure == "rbo" else 0.0
