"""Are the dimensions that change least the same in every type of pair? Against chance, and against what controls share.

Everything is computed within layers and then averaged over them. Overlap against chance alone proves nothing: dimensions of
small scale change little whatever the pair. So every value stands beside that of two groups of random-word controls, and
inference is about the excess over it: blocks of templates are dealt out anew among all groups, controls included (permutation),
or drawn with replacement within each (bootstrap).

Axes: ``group``, ``block``, ``layer``, ``dim``; ``resample``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from layerscope.contrasts.analysis.agreement import (
    MEASURES,
    RBO_PERSISTENCE,
    Agreement,
    agreement,
    kendall_w_of,
    mean_of_pairs,
    ranks_of,
)
from layerscope.contrasts.analysis.group_scores import ByReference, GroupScores
from layerscope.stats.permutation import permutation_p, permute_labels
from layerscope.stats.rank_agreement import chance_rbo
from layerscope.stats.split_half import halves
from layerscope.stats.top_sets import expected_jaccard

_AT_ONCE = 16
_SPLITS = 20


@dataclass(frozen=True)
class SetAgreement:
    """How far the groups of a set agree, layer by layer."""

    members: str
    """``all``, ``meaning`` or ``grammar``."""
    measure: str
    """One of ``MEASURES``, or ``kendall_w``."""
    value: Float[np.ndarray, " layer"]
    """Mean over pairs of groups."""
    chance: float
    """Expected of random orders."""
    control: Float[np.ndarray, " layer"]
    """That of two control groups; for W, what as many groups would have that agree as those two do."""
    low: Float[np.ndarray, " layer"]
    """Lower end of the 95 % interval of value − control; NaN where inference is refused."""
    high: Float[np.ndarray, " layer"]
    """Upper end."""
    p_value: Float[np.ndarray, " layer"]
    """One-sided permutation p of value − control being that large by chance."""
    overall: tuple[float, float, float, float, float]
    """Mean over layers: value, control, low and high of the difference, p."""


@dataclass(frozen=True)
class PairAgreement:
    """How far each group agrees with each, averaged over layers."""

    measure: str
    """One of ``MEASURES``."""
    value: Float[np.ndarray, "first second"]
    """Mean over layers; the diagonal holds each group's split-half value."""
    chance: float
    """Expected of random orders."""
    control: float
    """That of the two control groups."""
    low: Float[np.ndarray, "first second"]
    """Lower end of the 95 % interval of value − control."""
    high: Float[np.ndarray, "first second"]
    """Upper end."""
    p_value: Float[np.ndarray, "first second"]
    """One-sided permutation p of value − control."""


@dataclass(frozen=True)
class Consistency:
    """All about one scale at one site and position."""

    names: tuple[str, ...]
    """Of the groups: the two controls, then the types."""
    sets: tuple[SetAgreement, ...]
    """Of every set and measure."""
    pairs: tuple[PairAgreement, ...]
    """Of every measure."""


def consistency(
    groups: Sequence[GroupScores], k: int, *, generator: np.random.Generator, n_resamples: int
) -> Consistency | None:
    """Compare groups.

    Args:
        groups: the two controls and at least two types.
        k: dimensions a layer that count as those that change least.
        generator: source of randomness.
        n_resamples: bootstrap draws, and as many permutations; 0 for values alone.

    Returns:
        None where there are no two controls or no two types with a pair.
    """
    is_control = np.array([group.role == "control" for group in groups])
    if is_control.sum() != 2 or (~is_control).sum() < 2:
        return None
    (found,) = _collect(iter([_stack([group.mean(group.pairs[None]) for group in groups], axis=1)]), groups, k)
    resampled = _collect(_bootstrap(groups, generator, n_resamples), groups, k)
    # of a set: among its members and the controls alone, so that what other types share does not widen the null
    permuted: dict[str, list[Statistics]] = {}
    for name in dict.fromkeys(name for name, _ in found.sets):
        some = [group for group, is_in in zip(groups, _members(groups, name) | is_control, strict=True) if is_in]
        permuted[name] = _collect(_permutations(some, generator, n_resamples), some, k)
    allowed = np.array([group.allows_inference for group in groups])
    allowed &= allowed[is_control].all()  # every excess is one over the controls
    reliability = split_half(groups, k, generator=generator)
    sets = [
        _set_agreement(
            key, found, resampled, permuted[key[0]], groups, k, inferred=bool(allowed[_members(groups, key[0])].all())
        )
        for key in found.sets
    ]
    pairs = [
        _pair_agreement(name, found, resampled, permuted["all"], groups, k, reliability[name], allowed) for name in MEASURES
    ]
    return Consistency(tuple(group.name for group in groups), tuple(sets), tuple(pairs))


@dataclass(frozen=True)
class Statistics:
    """What is resampled: agreement within sets by layer, and between groups over layers."""

    sets: dict[tuple[str, str], Float[np.ndarray, "two layer"]]
    """By set and measure: the value, and the controls' beside it."""
    pairs: dict[str, Float[np.ndarray, "first second"]]
    """By measure: mean over layers."""

    @classmethod
    def of(cls, scores: ByReference, groups: Sequence[GroupScores], k: int) -> Statistics:
        """Of one score a group, layer and dimension, by each reference."""
        found = _agreement(scores, k)
        controls = _members(groups, "control")
        sets: dict[tuple[str, str], np.ndarray] = {}
        for name in ("all", "meaning", "grammar"):
            members = _members(groups, name)
            n_members = int(members.sum())
            if n_members < 2:
                continue
            for measure in MEASURES:
                matrix = found.measure(measure)
                sets[name, measure] = np.stack([mean_of_pairs(matrix, members), mean_of_pairs(matrix, controls)])
            sets[name, "kendall_w"] = kendall_w_of(sets[name, "spearman"], n_members)
        return cls(sets, {measure: found.measure(measure).mean(axis=0) for measure in MEASURES})


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
        sums: list[Agreement] = []
        for half in halves(len(group.pairs), generator, n_splits=n_splits):
            both = group.mean(np.stack([half, ~half]) * group.pairs)
            sums.append(_agreement(both, k))
        for name in MEASURES:
            found[name][number] = np.mean([one.measure(name)[:, 0, 1] for one in sums])
    return found


def _agreement(scores: ByReference, k: int) -> Agreement:
    first = ranks_of(scores[0])
    return agreement(first, first if scores[1] is scores[0] else ranks_of(scores[1]), k)


def _stack(parts: Sequence[ByReference], *, axis: int) -> ByReference:
    first = np.stack([part[0] for part in parts], axis=axis)
    return first, first if all(part[0] is part[1] for part in parts) else np.stack([part[1] for part in parts], axis=axis)


def _members(groups: Sequence[GroupScores], name: str) -> Bool[np.ndarray, " group"]:
    if name == "all":
        return np.array([group.role != "control" for group in groups])
    return np.array([group.role == name for group in groups])


def _bootstrap(groups: Sequence[GroupScores], generator: np.random.Generator, n: int) -> Iterator[ByReference]:
    """Scores from blocks drawn with replacement within each group, ``resample group layer dim``."""
    for start in range(0, n, _AT_ONCE):
        size = min(_AT_ONCE, n - start)
        yield _stack([group.mean(group.drawn_again(size, generator)) for group in groups], axis=1)


def _permutations(groups: Sequence[GroupScores], generator: np.random.Generator, n: int) -> Iterator[ByReference]:
    """Scores of groups among which all blocks were dealt out anew, ``resample group layer dim``."""
    first = np.concatenate([group.scores[0] for group in groups])
    second = np.concatenate([group.scores[1] for group in groups]) if groups[0].has_references else first
    pairs = np.concatenate([group.pairs for group in groups])
    whole = GroupScores("all", "control", (first, second), pairs, allows_inference=True)
    labels = np.repeat(np.arange(len(groups)), [len(group.pairs) for group in groups])
    for start in range(0, n, _AT_ONCE):
        size = min(_AT_ONCE, n - start)
        dealt = permute_labels(labels, generator, n_permutations=size)
        weights = (dealt[:, None, :] == np.arange(len(groups))[None, :, None]) * pairs
        found = whole.mean(weights.reshape(-1, len(pairs)))
        shape = (size, len(groups), *first.shape[1:])
        one = found[0].reshape(shape)
        yield one, one if found[1] is found[0] else found[1].reshape(shape)


def _collect(drawn: Iterator[ByReference], groups: Sequence[GroupScores], k: int) -> list[Statistics]:
    found = []
    for first, second in drawn:
        for number in range(len(first)):
            one = first[number]
            found.append(Statistics.of((one, one if second is first else second[number]), groups, k))
    return found


def _set_agreement(
    key: tuple[str, str],
    found: Statistics,
    resampled: list[Statistics],
    permuted: list[Statistics],
    groups: Sequence[GroupScores],
    k: int,
    *,
    inferred: bool,
) -> SetAgreement:
    name, measure = key
    value, control = found.sets[key]
    n_members, n_dims = int(_members(groups, name).sum()), groups[0].scores[0].shape[2]
    chance = 1.0 / n_members if measure == "kendall_w" else chance_of(measure, k, n_dims)
    low = high = p_value = np.full(len(value), np.nan)
    overall = [float(value.mean()), float(control.mean()), np.nan, np.nan, np.nan]
    if inferred and resampled:
        drawn = np.stack([one.sets[key][0] - one.sets[key][1] for one in resampled])
        dealt = np.stack([one.sets[key][0] - one.sets[key][1] for one in permuted])
        low, high = recentred(value - control, drawn)
        p_value = permutation_p(value - control, dealt, alternative="greater")
        whole = np.asarray((value - control).mean())
        ends = recentred(whole, drawn.mean(axis=1))
        overall[2:] = [float(end) for end in ends] + [float(permutation_p(whole, dealt.mean(axis=1), alternative="greater"))]
    return SetAgreement(name, measure, value, chance, control, low, high, p_value, tuple(overall))  # type: ignore[arg-type]


def _pair_agreement(
    measure: str,
    found: Statistics,
    resampled: list[Statistics],
    permuted: list[Statistics],
    groups: Sequence[GroupScores],
    k: int,
    reliability: Float[np.ndarray, " group"],
    allowed: Bool[np.ndarray, " group"],
) -> PairAgreement:
    first, second = np.flatnonzero(_members(groups, "control"))

    def excess(one: Statistics) -> np.ndarray:
        matrix = one.pairs[measure]
        return np.asarray(matrix - matrix[first, second])

    value = found.pairs[measure].copy()
    low = high = p_value = np.full(value.shape, np.nan)
    if resampled:
        low, high = recentred(excess(found), np.stack([excess(one) for one in resampled]))
        p_value = permutation_p(excess(found), np.stack([excess(one) for one in permuted]), alternative="greater")
        refused = ~(allowed[:, None] & allowed) | np.eye(len(groups), dtype=bool)
        refused[first, second] = refused[second, first] = True  # the controls against themselves
        low, high, p_value = (np.where(refused, np.nan, one) for one in (low, high, p_value))
    np.fill_diagonal(value, reliability)
    control = float(found.pairs[measure][first, second])
    return PairAgreement(measure, value, chance_of(measure, k, groups[0].scores[0].shape[2]), control, low, high, p_value)


def chance_of(measure: str, k: int, n_dims: int) -> float:
    """What random orders give."""
    if measure == "jaccard":
        return expected_jaccard(k, n_dims)
    return chance_rbo(n_dims, RBO_PERSISTENCE, depth=n_dims) if measure == "rbo" else 0.0


def recentred(value: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A 95 % bootstrap interval moved onto the value: resampling adds noise, and noise lowers every agreement.

    Returns:
        The value plus the 2.5 % and the 97.5 % quantile of the drawn values' distance from their mean.
    """
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    middle = drawn.mean(axis=0)
    return np.asarray(value + low - middle), np.asarray(value + high - middle)
