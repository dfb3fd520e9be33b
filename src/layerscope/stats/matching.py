"""Random sets of units that are like a given set on several covariates, to compare an intervention on that set with.

Each member of the given set has a stratum of its own: itself and the units like it that no other stratum holds. A random set
takes one unit of each stratum, the member as likely as any other. If it does not matter which unit of a stratum is the member,
the given set is one such draw among the others, and (1 + #≥) / (1 + B) is a p-value. Sets drawn from the nearest units of each
member, in which strata overlap and the member is never drawn, are too alike: their spread is too narrow, and P(p ≤ .05) was up
to .15.

Axes: ``unit`` (for example dimensions), ``covariate`` (for example spread, mean size, weight in the unembedding), ``member``
(units of the given set), ``place`` (in a stratum; 0 is the member), ``set`` (random sets).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist


def matched_strata(
    chosen: Int[np.ndarray, " member"],
    covariates: Float[np.ndarray, "unit covariate"],
    *,
    candidates: Bool[np.ndarray, " unit"],
    n_alike: int,
) -> Int[np.ndarray, "member place"]:
    """Disjoint strata: each member, and as many units like it; all together as near as can be.

    Nearest by Euclidean distance between rank-normal covariates: each covariate's ranks, put through the normal quantile
    function. So neither logarithms nor the few massive units of a residual stream, which would crowd all others into one
    z-score, decide what is near. What ranks cannot match, such as a unit far beyond all others, ``covariate_balance`` shows.

    Args:
        chosen: the given set; each unit once.
        covariates: of all units; NaN is allowed only in units that are neither chosen nor candidates.
        candidates: units that may stand beside a member; chosen ones never do.
        n_alike: how many beside each member.

    Returns:
        Units, the member first. The sum of all distances is the smallest that disjoint strata have.

    Raises:
        ValueError: if there are too few candidates, a member is named twice, a covariate is NaN, or n_alike is below 1.

    Source: after the distance between ranks of Rosenbaum 2010, "Design of Observational Studies", chapter 8; assignment as in
    Kuhn 1955, "The Hungarian Method".
    """
    pool = np.flatnonzero(_may_be_drawn(chosen, candidates))
    _check(chosen, pool, covariates, n_alike)
    scores = _rank_normal(covariates[np.concatenate([chosen, pool])])
    distances = cdist(scores[: len(chosen)], scores[len(chosen) :])
    rows, columns = linear_sum_assignment(np.repeat(distances, n_alike, axis=0))
    return np.column_stack([chosen, pool[columns[np.argsort(rows)]].reshape(len(chosen), n_alike)])


def sets_of(
    strata: Int[np.ndarray, "member place"], generator: np.random.Generator, *, n_sets: int
) -> Int[np.ndarray, "set member"]:
    """Sets of one unit of each stratum, each with equal chance.

    Args:
        strata: from ``matched_strata``.
        generator: source of randomness; the same one gives the same sets.
        n_sets: how many; 200 or more to place an effect among.
    """
    n_members, n_places = strata.shape
    return strata[np.arange(n_members), generator.integers(n_places, size=(n_sets, n_members))]


def covariate_balance(
    strata: Int[np.ndarray, "member place"],
    *,
    covariates: Float[np.ndarray, "unit covariate"],
    candidates: Bool[np.ndarray, " unit"],
) -> Float[np.ndarray, " covariate"]:
    """How far the units beside the members miss them: the standardised mean difference of each covariate.

    Args:
        strata: from ``matched_strata``.
        covariates: of all units, on the scale on which a difference matters; logarithms of what is heavy-tailed.
        candidates: as for ``matched_strata``; at least two that are not chosen.

    Returns:
        (mean over the members − mean over all beside them) / standard deviation over the candidates. Beyond ±0.1 is usually
        called unbalanced; NaN where the candidates do not vary or are infinite.

    Source: Rosenbaum & Rubin 1985, "Constructing a Control Group Using Multivariate Matched Sampling Methods"; Austin 2009,
    "Balance Diagnostics for Comparing the Distribution of Baseline Covariates", for 0.1.
    """
    values = covariates.astype(np.float64)
    pool = values[_may_be_drawn(strata[:, 0], candidates)]
    with np.errstate(invalid="ignore"):  # infinities
        spread = np.where(np.ptp(pool, axis=0) > 0, pool.std(axis=0, ddof=1), np.nan)
        return np.asarray((values[strata[:, 0]].mean(axis=0) - values[strata[:, 1:]].mean(axis=(0, 1))) / spread)


def _may_be_drawn(chosen: Int[np.ndarray, " member"], candidates: Bool[np.ndarray, " unit"]) -> Bool[np.ndarray, " unit"]:
    free = candidates.copy()
    free[chosen] = False
    return free


def _check(
    chosen: Int[np.ndarray, " member"],
    pool: Int[np.ndarray, " candidate"],
    covariates: Float[np.ndarray, "unit covariate"],
    n_alike: int,
) -> None:
    if len(np.unique(chosen)) < len(chosen):
        raise ValueError(f"Each unit is chosen once; of {len(chosen)} only {len(np.unique(chosen))} differ.")
    if n_alike < 1:
        raise ValueError(f"A stratum holds a unit beside its member or more; n_alike is {n_alike}.")
    if len(pool) < n_alike * len(chosen):
        raise ValueError(
            f"With {n_alike} units beside each of {len(chosen)} members, {n_alike * len(chosen)} candidates are needed; there "
            f"are {len(pool)}. Choose fewer, or admit more."
        )
    n_gaps = int(np.isnan(covariates[np.concatenate([chosen, pool])]).any(axis=1).sum())
    if n_gaps:
        raise ValueError(f"NaN is near to nothing; {n_gaps} members or candidates have it. Leave them out.")


def _rank_normal(covariates: Float[np.ndarray, "unit covariate"]) -> Float[np.ndarray, "unit covariate"]:
    """Normal quantiles of (rank − ½)/n; equal values share their mean rank."""
    ranks = stats.rankdata(covariates, axis=0)
    return np.asarray(stats.norm.ppf((ranks - 0.5) / len(covariates)))
