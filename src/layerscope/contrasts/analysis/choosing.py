"""What an intervention ablates, what it is held against and what it is tested on: units, sets like them, pairs.

A unit is a dimension of a layer, numbered layer × width + dimension. Units are chosen on half of the blocks of templates and
tested on the other half.

Axes: ``unit``, ``set``.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from layerscope.contrasts.analysis.stillest import rank_units
from layerscope.contrasts.blocks import GroupBlocks
from layerscope.stats.matching import matched_sets
from layerscope.stats.split_half import halves

_N_NEAREST = 10
"""Units like a member, of which a random set takes one: the stillest units lie at the edge of what there is."""


def choose_units(
    groups: Iterable[tuple[str, str, GroupBlocks]],
    n_units: int,
    *,
    members: str,
    layer: int | None,
    generator: np.random.Generator,
) -> tuple[Int[np.ndarray, " unit"], dict[str, frozenset[int]]] | None:
    """The stable set from half of each group's blocks of templates, and which blocks are left for the test.

    Args:
        groups: name, role and blocks of each group of meaning and grammar pairs.
        n_units: how many to choose.
        members: whose pairs choose them: ``all``, ``meaning`` or ``grammar``.
        layer: choose them in this layer only.
        generator: of the halves.

    Returns:
        Units as layer × width + dimension; by group, the numbers of the blocks of the test half. None where no group of the
        types asked for has two blocks.
    """
    left: dict[str, frozenset[int]] = {}
    means = []
    for name, role, blocks in groups:
        is_test = np.zeros(1, dtype=bool)
        if len(blocks.number) > 1:
            (is_test,) = halves(len(blocks.number), generator, n_splits=1)
        left[name] = frozenset(blocks.number[is_test].tolist())
        if members in ("all", role) and len(is_test) > 1:
            both = (blocks.percentile1 + blocks.percentile2)[~is_test] / 2
            means.append(np.average(both, axis=0, weights=blocks.pairs[~is_test]))
    if not means:
        return None
    scores = np.mean(means, axis=0)
    if layer is not None:
        scores = np.where(np.arange(len(scores))[:, None] == layer, scores, np.inf)
    _, best = rank_units(scores, n_units)
    return best.layer * scores.shape[1] + best.dim, left


def random_sets(
    chosen: Int[np.ndarray, " unit"],
    covariates: Float[np.ndarray, "every_unit covariate"],
    *,
    n_sets: int,
    width: int,
    generator: np.random.Generator,
) -> Int[np.ndarray, "set unit"]:
    """Sets of as many units of each layer, matched on spread, mean size and unembedding weight within it."""
    found = np.zeros((n_sets, len(chosen)), dtype=np.int64)
    layers = chosen // width
    for layer in np.unique(layers):
        members = layers == layer
        start = layer * width
        found[:, members] = start + matched_sets(
            chosen[members] - start,
            # spread and size say nearly the same: the third covariate counts as much as the two together
            covariates[start : start + width][:, [0, 1, 2, 2]],
            candidates=np.ones(width, dtype=bool),
            generator=generator,
            n_sets=n_sets,
            n_nearest=_N_NEAREST,
        )
    return found


def pairs_to_test(
    pairs: pd.DataFrame, left: dict[str, frozenset[int]], max_pairs: int, *, generator: np.random.Generator
) -> pd.DataFrame:
    """Pairs of the test half: those with a wrong side, and half as many of meaning; none where none has a wrong side.

    Args:
        pairs: table ``pairs``.
        left: blocks of the test half, by group.
        max_pairs: with a wrong side.
        generator: of the sample.
    """
    is_left = [block in left.get(str(group), ()) for group, block in zip(pairs["group"], pairs["block"], strict=True)]
    pairs = pairs[is_left]
    errors = pairs[pairs["right"].notna()]
    if errors.empty:
        return errors
    meaning = pairs[pairs["type"].astype(str) == "meaning"]
    parts = [_sampled(errors, max_pairs, generator), _sampled(meaning, max_pairs // 2, generator)]
    return pd.concat(parts).sort_values("pair")


def _sampled(pairs: pd.DataFrame, n: int, generator: np.random.Generator) -> pd.DataFrame:
    return pairs.iloc[np.sort(generator.permutation(len(pairs))[:n])]
