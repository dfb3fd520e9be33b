"""Is stability special to some layers, to some subtypes, to one type of pair? Each against placebos.

- Layers: the share of the stillest units (over all layers together) that lies in each layer, less that of the placebos.
- Subtypes: a subtype agrees with itself (between halves of its blocks) more than with others, beyond what placebos do, whose
  sentences are the same. Blocks are swapped with those of the placebos.
- Types: two subtypes of one type agree more, beyond their placebos, than two of different types; type labels are dealt out anew
  over subtypes.

Axes: ``group``, ``block``, ``layer``, ``dim``; ``resample``; ``side`` (types, then their placebos).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from layerscope.contrasts.analysis.block_products import BlockProducts
from layerscope.contrasts.analysis.consistency import Excess
from layerscope.contrasts.analysis.group_scores import MatchedScores, both_sides, draw_swaps, of_set, weighted_means
from layerscope.stats.permutation import labellings, permutation_p, smallest_labelling_p
from layerscope.stats.split_half import halves
from layerscope.stats.top_sets import smallest

LEVEL = 0.05


@dataclass(frozen=True)
class LayerShares:
    """Where the stillest units of some groups lie."""

    members: str
    """``all``, ``meaning``, ``grammar`` or a group's name."""
    share: Excess
    """Part of the stillest units that lies in each layer; 1/L everywhere if layers do not matter."""
    distance: float
    """Total variation distance ½ Σ |share − placebo| over layers, from 0 to 1."""
    distance_p: float
    """p of a distance that large, over swaps; NaN where inference is refused."""


@dataclass(frozen=True)
class TypeSpecificity:
    """Whether stability knows of subtypes and types; agreement is the correlation of percentiles, mean over layers."""

    within_subtype: float
    """Mean between halves of one subtype."""
    between_subtypes: float
    """Mean between halves of different subtypes."""
    within_placebo: float
    """Mean between halves of one subtype's placebos."""
    between_placebos: float
    """Mean between halves of different subtypes' placebos."""
    subtype_p: float
    """Two-sided p of (within − between) of subtypes less that of placebos, over swaps; NaN where inference is refused."""
    within_type: float
    """Mean between different subtypes of one type, less that of their placebos."""
    between_types: float
    """Mean between subtypes of different types, less that of their placebos."""
    type_p: float
    """One-sided p of the difference over the labellings of subtypes; NaN where too few subtypes let none be below 0.05."""
    labellings: int
    """Labellings that the p is made of: no p can be below one over it."""


def layer_shares(
    groups: Sequence[MatchedScores], n_units: int, *, generator: np.random.Generator, n_resamples: int
) -> list[LayerShares]:
    """Of all types together, of each type and of each group.

    Args:
        groups: the types beside their placebos.
        n_units: how many units count as the stillest of all.
        generator: source of randomness.
        n_resamples: swaps; 0 for values alone.
    """
    groups = [group for group in groups if len(group.own.pairs)]
    names = [group.name for group in groups]
    sets = {name: of_set(groups, name) for name in ("all", "meaning", "grammar", *names)}
    blocks = [first if second is first else (first + second) / 2 for first, second in zip(*both_sides(groups), strict=True)]
    swapped = np.concatenate(
        [
            _shares(weighted_means(blocks, [group.shares(some) for group, some in zip(groups, swaps, strict=True)]), n_units)
            for swaps in draw_swaps(groups, n_resamples, generator)
        ]
    )
    found = []
    for name, members in sets.items():
        if not members:
            continue
        shares = swapped[:, :, [names.index(group.name) for group in members]].mean(axis=2)
        share, placebo = shares[0]
        difference = shares[:, 0] - shares[:, 1]
        distance = 0.5 * np.abs(difference).sum(axis=1)
        excess, distance_p = Excess.without_inference(share, placebo), np.nan
        if n_resamples and all(group.allows_inference for group in members):
            excess = Excess.of_swaps(share, placebo, difference)
            distance_p = float(permutation_p(distance[0], distance[1:], alternative="greater"))
        found.append(LayerShares(name, excess, float(distance[0]), distance_p))
    return found


def type_specificity(
    groups: Sequence[MatchedScores], *, generator: np.random.Generator, n_resamples: int, n_splits: int = 2
) -> TypeSpecificity | None:
    """Compare agreement within and between subtypes and types.

    Args:
        groups: types beside their placebos.
        generator: source of randomness.
        n_resamples: swaps; 0 for values alone.
        n_splits: random halvings that are averaged.

    Returns:
        None with fewer than two subtypes that have two blocks.
    """
    groups = of_set([group for group in groups if len(group.own.pairs) > 1], "all")
    if len(groups) < 2:
        return None
    splits = [halves(len(group.own.pairs), generator, n_splits=n_splits) for group in groups]
    products = BlockProducts.of(groups)
    each_draw = draw_swaps(groups, n_resamples, generator)
    drawn = np.concatenate([_half_matrices(groups, products, splits, swaps) for swaps in each_draw])
    within, between = _within_and_between(drawn)
    subtype_p = np.nan
    if n_resamples and all(group.allows_inference for group in groups):
        own = np.abs(np.diff((within - between)[:, ::-1], axis=1)[:, 0].astype(np.float64))
        subtype_p = float(permutation_p(own[0], own[1:], alternative="greater"))
    matrix = _whole_matrix(groups, products)
    is_grammar = np.array([group.role == "grammar" for group in groups])
    type_p, n_labellings = _type_p(matrix, is_grammar, generator)
    off = ~np.eye(len(groups), dtype=bool)
    same = is_grammar[:, None] == is_grammar
    return TypeSpecificity(
        float(within[0, 0]),
        float(between[0, 0]),
        float(within[0, 1]),
        float(between[0, 1]),
        subtype_p,
        _mean(matrix[same & off]),
        _mean(matrix[~same]),
        type_p,
        n_labellings,
    )


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")


def _half_matrices(
    groups: Sequence[MatchedScores],
    products: BlockProducts,
    splits: Sequence[Bool[np.ndarray, "split _"]],
    swaps: Sequence[Bool[np.ndarray, "resample _"]],
) -> Float[np.ndarray, "resample side first second"]:
    """A half of each group, read on one reference, with the other half of each, read on the other; mean over splits."""
    found = []
    for split in range(len(splits[0])):
        parts = list(zip(groups, swaps, [of_group[split] for of_group in splits], strict=True))
        first = [group.shares(some, half) for group, some, half in parts]
        found.append(products.correlations(first, [group.shares(some, ~half) for group, some, half in parts]))
    return np.asarray(np.mean(found, axis=0))


def _within_and_between(
    matrices: Float[np.ndarray, "resample side first second"],
) -> tuple[Float[np.ndarray, "resample side"], Float[np.ndarray, "resample side"]]:
    off = ~np.eye(matrices.shape[-1], dtype=bool)
    return np.diagonal(matrices, axis1=-2, axis2=-1).mean(axis=-1), matrices[..., off].mean(axis=-1)


def _whole_matrix(groups: Sequence[MatchedScores], products: BlockProducts) -> Float[np.ndarray, "group group"]:
    """Agreement of whole groups less that of their placebos."""
    whole = [group.shares(group.unswapped()) for group in groups]
    (found,) = products.correlations(whole, whole)
    both = (found + found.swapaxes(-1, -2)) / 2
    return np.asarray(both[0] - both[1])


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


def _shares(
    means: Float[np.ndarray, "resample side group layer dim"], n_units: int
) -> Float[np.ndarray, "resample side group layer"]:
    """Part of the units with the smallest mean score, over all layers together, in each layer."""
    chosen = smallest(means.reshape(*means.shape[:3], -1), n_units).reshape(means.shape)
    return np.asarray(chosen.sum(axis=4) / n_units)
