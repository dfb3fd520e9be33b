"""Is stability special to some layers, to some subtypes, to one type of pair? Each against its own null.

- Layers: the share of the stillest units (over all layers together) that lies in each layer, against that of the controls.
- Subtypes: a subtype agrees with itself (between halves of its blocks) more than with others; blocks are dealt out anew.
- Types: two subtypes of one type agree more than two of different types; type labels are dealt out anew over subtypes.

Axes: ``group``, ``block``, ``layer``, ``dim``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from layerscope.contrasts.analysis.agreement import agreement, ranks_of
from layerscope.contrasts.analysis.consistency import recentred
from layerscope.contrasts.analysis.group_scores import GroupScores
from layerscope.stats.permutation import labellings, permutation_p, permute_labels, smallest_labelling_p
from layerscope.stats.split_half import halves
from layerscope.stats.top_sets import smallest

LEVEL = 0.05
_AT_ONCE = 16


@dataclass(frozen=True)
class LayerShares:
    """Where the stillest units of some groups lie."""

    members: str
    """``all``, ``meaning``, ``grammar`` or a group's name."""
    share: Float[np.ndarray, " layer"]
    """Part of the stillest units that lies in each layer; 1/L everywhere if layers do not matter."""
    control: Float[np.ndarray, " layer"]
    """The same of the control groups."""
    low: Float[np.ndarray, " layer"]
    """Lower end of the 95 % interval of share − control; NaN where inference is refused."""
    high: Float[np.ndarray, " layer"]
    """Upper end."""
    p_value: Float[np.ndarray, " layer"]
    """Two-sided permutation p of each layer's difference."""
    distance: float
    """Total variation distance ½ Σ |share − control| over layers, from 0 to 1."""
    distance_p: float
    """Permutation p of a distance that large; NaN where inference is refused."""


@dataclass(frozen=True)
class TypeSpecificity:
    """Whether stability knows of subtypes and types."""

    within_subtype: float
    """Mean Spearman correlation between halves of one subtype."""
    between_subtypes: float
    """Mean between halves of different subtypes."""
    subtype_p: float
    """One-sided p of the difference, blocks dealt out anew among subtypes; NaN where inference is refused."""
    within_type: float
    """Mean between different subtypes of one type."""
    between_types: float
    """Mean between subtypes of different types."""
    type_p: float
    """One-sided p of the difference over the labellings of subtypes; NaN where too few subtypes let none be below 0.05."""
    labellings: int
    """Labellings that the p is made of: no p can be below one over it."""


def layer_shares(
    groups: Sequence[GroupScores], n_units: int, *, generator: np.random.Generator, n_resamples: int
) -> list[LayerShares]:
    """Of all types together, of each type and of each group.

    Args:
        groups: the controls and the types.
        n_units: how many units count as the stillest of all.
        generator: source of randomness.
        n_resamples: bootstrap draws, and as many permutations; 0 for values alone.
    """
    controls = [group for group in groups if group.role == "control"]
    types = [group for group in groups if group.role != "control"]
    sets = {"all": types} | {role: [g for g in types if g.role == role] for role in ("meaning", "grammar")}
    sets |= {group.name: [group] for group in types}
    control = np.mean([_shares(group, n_units) for group in controls], axis=0)
    found = []
    for name, members in sets.items():
        if not members:
            continue
        share = np.mean([_shares(group, n_units) for group in members], axis=0)
        distance = 0.5 * float(np.abs(share - control).sum())
        low = high = p_value = np.full(len(share), np.nan)
        distance_p = np.nan
        if n_resamples and all(group.allows_inference for group in (*members, *controls)):
            drawn = _drawn_shares(members, n_units, generator, n_resamples) - _drawn_shares(
                controls, n_units, generator, n_resamples
            )
            low, high = recentred(share - control, drawn)
            dealt = _dealt_shares(members, controls, n_units, generator, n_resamples)
            p_value = permutation_p(share - control, dealt, alternative="two-sided")
            distance_p = float(permutation_p(distance, 0.5 * np.abs(dealt).sum(axis=1), alternative="greater"))
        found.append(LayerShares(name, share, control, low, high, p_value, distance, distance_p))
    return found


def type_specificity(
    groups: Sequence[GroupScores], *, generator: np.random.Generator, n_resamples: int, n_splits: int = 4
) -> TypeSpecificity | None:
    """Compare agreement within and between subtypes and types, by Spearman correlation averaged over layers.

    Args:
        groups: types only are looked at.
        generator: source of randomness.
        n_resamples: permutations of blocks; 0 for values alone.
        n_splits: random halvings that are averaged.

    Returns:
        None with fewer than two subtypes that have two blocks.
    """
    types = [group for group in groups if group.role != "control" and len(group.pairs) > 1]
    if len(types) < 2:
        return None
    halved = _half_matrix(types, generator, n_splits)
    subtype_p = np.nan
    if n_resamples and all(group.allows_inference for group in types):
        dealt = [_within_less_between(_half_matrix(_dealt(types, generator), generator, n_splits)) for _ in range(n_resamples)]
        subtype_p = float(permutation_p(_within_less_between(halved), np.array(dealt), alternative="greater"))
    matrix = _whole_matrix(types)
    is_grammar = np.array([group.role == "grammar" for group in types])
    type_p, n_labellings = _type_p(matrix, is_grammar, generator)
    off = ~np.eye(len(types), dtype=bool)
    same = is_grammar[:, None] == is_grammar
    return TypeSpecificity(
        float(np.diag(halved).mean()),
        float(halved[off].mean()),
        subtype_p,
        _mean(matrix[same & off]),
        _mean(matrix[~same]),
        type_p,
        n_labellings,
    )


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")


def _whole_matrix(groups: Sequence[GroupScores]) -> Float[np.ndarray, "group group"]:
    means = [group.mean(group.pairs[None]) for group in groups]
    first, second = (ranks_of(np.stack([mean[side][0] for mean in means])) for side in (0, 1))
    same = not groups[0].has_references
    return np.asarray(agreement(first, first if same else second, 1).spearman.mean(axis=0))


def _half_matrix(groups: Sequence[GroupScores], generator: np.random.Generator, n_splits: int) -> np.ndarray:
    """Spearman correlation of a half of each group with the other half of each, mean over splits and layers."""
    total = np.zeros((len(groups), len(groups)))
    for _ in range(n_splits):
        of_halves = []
        for group in groups:
            (is_first,) = halves(len(group.pairs), generator, n_splits=1)
            of_halves.append(group.mean(np.stack([is_first, ~is_first]) * group.pairs))
        first = ranks_of(np.stack([half[0][0] for half in of_halves]))
        second = ranks_of(np.stack([half[1][1] for half in of_halves]))
        total += agreement(first, second, 1).spearman.mean(axis=0)
    return np.asarray(total / n_splits)


def _within_less_between(matrix: Float[np.ndarray, "group group"]) -> float:
    return float(np.diag(matrix).mean() - matrix[~np.eye(len(matrix), dtype=bool)].mean())


def _dealt(groups: Sequence[GroupScores], generator: np.random.Generator) -> list[GroupScores]:
    """The same blocks, dealt out anew among groups of the same sizes."""
    pairs = np.concatenate([group.pairs for group in groups])
    first = np.concatenate([group.scores[0] for group in groups])
    second = np.concatenate([group.scores[1] for group in groups]) if groups[0].has_references else first
    (order,) = permute_labels(np.arange(len(pairs)), generator, n_permutations=1)
    found, start = [], 0
    for group in groups:
        of_group = order[start : start + len(group.pairs)]
        start += len(group.pairs)
        one = first[of_group]
        two = one if second is first else second[of_group]
        found.append(GroupScores(group.name, group.role, (one, two), pairs[of_group], group.allows_inference))
    return found


def _type_p(
    matrix: Float[np.ndarray, "group group"], is_grammar: Bool[np.ndarray, " group"], generator: np.random.Generator
) -> tuple[float, int]:
    """Over all ways to call as many of the subtypes grammar, or a sample of them where there are too many; and how many."""
    n, n_grammar = len(is_grammar), int(is_grammar.sum())
    if n_grammar < 2 or n - n_grammar < 2:
        return float("nan"), 0
    off = ~np.eye(n, dtype=bool)

    def contrast(labels: np.ndarray) -> float:
        same = labels[:, None] == labels
        return float(matrix[same & off].mean() - matrix[~same].mean())

    ways = labellings(is_grammar, generator)
    found = np.array([contrast(labels) for labels in ways])
    smallest_p = smallest_labelling_p(is_grammar, len(ways))
    p_value = float(np.mean(found >= contrast(is_grammar) - 1e-12))
    return p_value if smallest_p <= LEVEL else float("nan"), len(found)


def _shares(group: GroupScores, n_units: int) -> Float[np.ndarray, " layer"]:
    return np.asarray(_shares_of(group.mean(group.pairs[None]), n_units)[0])


def _shares_of(scores: tuple[np.ndarray, np.ndarray], n_units: int) -> Float[np.ndarray, "resample layer"]:
    """Part of the units with the smallest mean score, over all layers together, in each layer."""
    mean = (scores[0] + scores[1]) / 2
    chosen = smallest(mean.reshape(len(mean), -1), n_units).reshape(mean.shape)
    return np.asarray(chosen.sum(axis=2) / n_units)


def _drawn_shares(
    groups: Sequence[GroupScores], n_units: int, generator: np.random.Generator, n: int
) -> Float[np.ndarray, "resample layer"]:
    found = []
    for start in range(0, n, _AT_ONCE):
        size = min(_AT_ONCE, n - start)
        of_groups = [_shares_of(group.mean(group.drawn_again(size, generator)), n_units) for group in groups]
        found.append(np.mean(of_groups, axis=0))
    return np.concatenate(found)


def _dealt_shares(
    members: Sequence[GroupScores], controls: Sequence[GroupScores], n_units: int, generator: np.random.Generator, n: int
) -> Float[np.ndarray, "resample layer"]:
    """Shares of the members less those of the controls, all blocks dealt out anew among them."""
    groups = [*members, *controls]
    scores = np.concatenate([(group.scores[0] + group.scores[1]) / 2 for group in groups])
    pairs = np.concatenate([group.pairs for group in groups])
    labels = np.repeat(np.arange(len(groups)), [len(group.pairs) for group in groups])
    whole = GroupScores("all", "control", (scores, scores), pairs, allows_inference=True)
    found = []
    for _ in range(n):
        weights = (permute_labels(labels, generator, n_permutations=1) == np.arange(len(groups))[:, None]) * pairs
        shares = _shares_of(whole.mean(weights), n_units)
        found.append(shares[: len(members)].mean(axis=0) - shares[len(members) :].mean(axis=0))
    return np.stack(found)
