"""What an intervention ablates, what it is held against and what it is tested on: units, sets like them, pairs.

A unit is a dimension of a layer, numbered layer × width + dimension. Units are chosen on half of the blocks of templates and
tested on the other half.

Axes: ``unit``, ``set``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


@dataclass(frozen=True)
class TypeBlocks:
    """A type of pairs at the place where units are chosen."""

    name: str
    """Of the group."""
    role: str
    """``meaning`` or ``grammar``."""
    blocks: GroupBlocks
    """Of its pairs."""
    placebos: GroupBlocks | None
    """Of their placebos, if there are any."""


@dataclass(frozen=True)
class Chosen:
    """Units that change least on one half of the pairs, as layer × width + dimension."""

    units: Int[np.ndarray, " unit"]
    """Under the edits."""
    of_placebos: Int[np.ndarray, " unit"] | None
    """As many under their placebos; None where a type has none."""
    scores: Float[np.ndarray, "layer dim"]
    """Mean percentile under the edits, on that half."""
    left: dict[str, frozenset[int]]
    """By group, the numbers of the blocks of the other half, which is for the test."""


def choose_units(
    types: Iterable[TypeBlocks],
    n_units: int,
    *,
    members: str,
    layer: int | None,
    generator: np.random.Generator,
) -> Chosen | None:
    """The stable set from half of each group's blocks of templates, and which blocks are left for the test.

    Args:
        types: all meaning and grammar groups.
        n_units: how many to choose.
        members: whose pairs choose them: ``all``, ``meaning`` or ``grammar``.
        layer: choose them in this layer only.
        generator: of the halves.

    Returns:
        None where no group of the types asked for has two blocks.
    """
    left: dict[str, frozenset[int]] = {}
    own: list[np.ndarray] = []
    placebos: list[np.ndarray | None] = []
    for one in types:
        is_test = np.zeros(1, dtype=bool)
        if len(one.blocks.number) > 1:
            (is_test,) = halves(len(one.blocks.number), generator, n_splits=1)
        left[one.name] = frozenset(one.blocks.number[is_test].tolist())
        if members in ("all", one.role) and len(is_test) > 1:
            chosen = one.blocks.number[~is_test]
            mean = _mean_percentile(one.blocks, chosen)
            assert mean is not None, "these are its own blocks"
            own.append(mean)
            placebos.append(None if one.placebos is None else _mean_percentile(one.placebos, chosen))
    if not own:
        return None
    there = [mean for mean in placebos if mean is not None]
    of_placebos = _smallest(there, n_units, layer) if len(there) == len(own) else None
    return Chosen(_smallest(own, n_units, layer), of_placebos, np.mean(own, axis=0), left)


def _mean_percentile(blocks: GroupBlocks, numbers: Int[np.ndarray, " block"]) -> Float[np.ndarray, "layer dim"] | None:
    """Over some blocks, as far as they are there; None if none is."""
    is_in = np.isin(blocks.number, numbers)
    if not is_in.any():
        return None
    both = (blocks.percentile1 + blocks.percentile2)[is_in] / 2
    return np.asarray(np.average(both, axis=0, weights=blocks.pairs[is_in]))


def _smallest(means: Sequence[np.ndarray], n_units: int, layer: int | None) -> Int[np.ndarray, " unit"]:
    scores = np.mean(means, axis=0)
    if layer is not None:
        scores = np.where(np.arange(len(scores))[:, None] == layer, scores, np.inf)
    _, best = rank_units(scores, n_units)
    return np.asarray(best.layer * scores.shape[1] + best.dim)


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


@dataclass(frozen=True)
class AgainstPlacebos:
    """Units that are among the stillest under edits and not under placebos, and the other way round; as many of either."""

    of_edits: Int[np.ndarray, " unit"]
    """S without S°."""
    of_placebos: Int[np.ndarray, " unit"]
    """S° without S."""
    n_shared: int
    """Units of both."""
    balance: dict[str, float]
    """Standardised mean difference between the two, by covariate."""

    @property
    def is_matched(self) -> bool:
        """Whether every covariate is balanced."""
        return all(abs(value) <= MOST_UNBALANCED for value in self.balance.values() if not np.isnan(value))


def against_placebos(
    units: Int[np.ndarray, " unit"],
    of_placebos: Int[np.ndarray, " other"] | None,
    covariates: Float[np.ndarray, "every_unit covariate"],
) -> AgainstPlacebos | None:
    """What sets the stable set apart from that of the placebos; None where there is none, or nothing does."""
    if of_placebos is None:
        return None
    own, other = np.setdiff1d(units, of_placebos), np.setdiff1d(of_placebos, units)
    if not len(own):
        return None
    logs = np.log(np.maximum(covariates, 1e-30))
    with np.errstate(divide="ignore", invalid="ignore"):
        balance = (logs[own].mean(axis=0) - logs[other].mean(axis=0)) / logs.std(axis=0, ddof=1)
    found = dict(zip(COVARIATES, map(float, balance), strict=True))
    return AgainstPlacebos(own, other, len(units) - len(own), found)


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
