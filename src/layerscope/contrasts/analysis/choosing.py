"""What an intervention ablates, what it is held against and what it is tested on: units, sets like them, pairs.

A unit is a dimension of a layer, numbered layer × width + dimension. Units are chosen on half of the blocks of templates and
tested on the other half.

Axes: ``unit``, ``set``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from layerscope.contrasts.analysis.stillest import rank_units
from layerscope.contrasts.blocks import GroupBlocks
from layerscope.stats.matching import covariate_balance, matched_strata, sets_of
from layerscope.stats.split_half import halves

COVARIATES = ("spread", "size", "unembedding")
"""Columns of the table ``reference`` that random sets are matched on."""
MOST_UNBALANCED = 0.1
"""Standard deviations that the mean of a covariate may be off."""
_N_ALIKE = (9, 7, 5, 4, 3, 2, 1)
"""Units beside a member that are tried."""


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


@dataclass(frozen=True)
class RandomSets:
    """What an intervention is held against."""

    sets: Int[np.ndarray, "set unit"]
    """Each with one unit of every stratum."""
    n_alike: int
    """Units beside each member in its stratum."""
    balance: dict[str, float]
    """Standardised mean difference between the members and the units beside them, by covariate."""

    @property
    def is_matched(self) -> bool:
        """Whether every covariate is balanced."""
        return all(abs(value) <= MOST_UNBALANCED for value in self.balance.values() if not np.isnan(value))


def random_sets(
    chosen: Int[np.ndarray, " unit"],
    covariates: Float[np.ndarray, "every_unit covariate"],
    *,
    n_sets: int,
    width: int,
    generator: np.random.Generator,
) -> RandomSets:
    """Sets of as many units of each layer, from disjoint strata matched on ``COVARIATES`` within it.

    As many units beside each member as leave every covariate balanced: nine, or fewer where the stillest units lie at the edge
    of what there is. The choice looks at covariates only. Where none is balanced, the best.
    """
    logs = np.log(np.maximum(covariates, 1e-30))
    every = np.ones(len(covariates), dtype=bool)
    found: list[tuple[float, int, Int[np.ndarray, "member place"], np.ndarray]] = []
    room = min(width // int(n) - 1 for n in np.unique(chosen // width, return_counts=True)[1])
    for n_alike in (n for n in _N_ALIKE if n <= room):
        strata = _strata(chosen, covariates, n_alike, width)
        balance = covariate_balance(strata, covariates=logs, candidates=every)
        found.append((float(np.nanmax(np.abs(balance), initial=0.0)), n_alike, strata, balance))
        if found[-1][0] <= MOST_UNBALANCED:
            break
    _, n_alike, strata, balance = min(found, key=lambda one: one[0])
    sets = sets_of(strata, generator, n_sets=n_sets)
    return RandomSets(sets, n_alike, dict(zip(COVARIATES, map(float, balance), strict=True)))


def _strata(
    chosen: Int[np.ndarray, " unit"], covariates: Float[np.ndarray, "every_unit covariate"], n_alike: int, width: int
) -> Int[np.ndarray, "member place"]:
    """Within each layer."""
    strata = np.zeros((len(chosen), n_alike + 1), dtype=np.int64)
    layers = chosen // width
    for layer in np.unique(layers):
        members = np.flatnonzero(layers == layer)
        start = layer * width
        strata[members] = start + matched_strata(
            chosen[members] - start,
            # spread and size say nearly the same: the third covariate counts as much as the two together
            covariates[start : start + width][:, [0, 1, 2, 2]],
            candidates=np.ones(width, dtype=bool),
            n_alike=n_alike,
        )
    return strata


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
