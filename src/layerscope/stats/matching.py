"""Random sets of units that are like a given set on several covariates, to compare an intervention on that set with.

Axes: ``unit`` (for example dimensions), ``covariate`` (for example spread, mean size, weight in the unembedding), ``member``
(units of the given set), ``set`` (random sets).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats
from scipy.spatial.distance import cdist


def matched_sets(
    chosen: Int[np.ndarray, " member"],
    covariates: Float[np.ndarray, "unit covariate"],
    *,
    candidates: Bool[np.ndarray, " unit"],
    generator: np.random.Generator,
    n_sets: int,
    n_nearest: int = 20,
) -> Int[np.ndarray, "set member"]:
    """Sets in which each member of the given set is replaced by a random one of the units nearest to it.

    Nearest by Euclidean distance between rank-normal covariates: each covariate's ranks, put through the normal quantile
    function. So neither logarithms nor the few massive units of a residual stream, which would crowd all others into one
    z-score, decide what is near. What ranks cannot match, such as a unit far beyond all others, ``covariate_balance`` shows.

    Args:
        chosen: the given set; each unit once.
        covariates: of all units; NaN is allowed only in units that are neither chosen nor candidates.
        candidates: units that may be drawn; chosen ones never are.
        generator: source of randomness; the same one gives the same sets.
        n_sets: how many sets; 200 or more to place an effect among.
        n_nearest: candidates each member's substitute is drawn from. Fewer match better, more give sets that differ more.

    Returns:
        Units; column j stands for ``chosen[j]``. No unit is twice in a set. Members draw in random order, each with equal
        chance from those of its nearest that are not taken; if all are, it takes the next nearest.

    Raises:
        ValueError: if there are fewer candidates than members, a member is named twice, a covariate is NaN, or n_nearest is
            below 1.

    Source: after the distance between ranks of Rosenbaum 2010, "Design of Observational Studies", chapter 8.
    """
    pool = np.flatnonzero(_may_be_drawn(chosen, candidates))
    _check(chosen, pool, covariates, n_nearest)
    pool = generator.permutation(pool)  # so that equally distant units come in random order
    n_members = len(chosen)
    scores = _rank_normal(covariates[np.concatenate([chosen, pool])])
    nearest_first = np.argsort(cdist(scores[:n_members], scores[n_members:]), axis=1, kind="stable")
    drawn = np.empty((n_sets, n_members), dtype=np.intp)
    taken = np.zeros((n_sets, len(pool)), dtype=bool)
    every_set = np.arange(n_sets)
    turns = generator.permuted(np.tile(np.arange(n_members), (n_sets, 1)), axis=1)
    for member in turns.T:  # in each set another one
        near = nearest_first[member, :n_nearest]
        lots = np.where(taken[every_set[:, None], near], np.inf, generator.random(near.shape))
        substitute = near[every_set, lots.argmin(axis=1)]
        for crowded in np.flatnonzero(np.isinf(lots).all(axis=1)):
            in_order = nearest_first[member[crowded]]
            substitute[crowded] = in_order[np.argmin(taken[crowded, in_order])]
        taken[every_set, substitute] = True
        drawn[every_set, member] = substitute
    return pool[drawn]


def covariate_balance(
    chosen: Int[np.ndarray, " member"],
    sets: Int[np.ndarray, "set member"],
    *,
    covariates: Float[np.ndarray, "unit covariate"],
    candidates: Bool[np.ndarray, " unit"],
) -> Float[np.ndarray, " covariate"]:
    """How far matched sets miss the given set: the standardised mean difference of each covariate.

    Args:
        chosen: the given set.
        sets: as ``matched_sets`` gives them.
        covariates: of all units, on the scale on which a difference matters; logarithms of what is heavy-tailed.
        candidates: as for ``matched_sets``; at least two that are not chosen.

    Returns:
        (mean over the chosen − mean over all sets) / standard deviation over the candidates. Beyond ±0.1 is usually called
        unbalanced; NaN where the candidates do not vary or are infinite.

    Source: Rosenbaum & Rubin 1985, "Constructing a Control Group Using Multivariate Matched Sampling Methods"; Austin 2009,
    "Balance Diagnostics for Comparing the Distribution of Baseline Covariates", for 0.1.
    """
    values = covariates.astype(np.float64)
    pool = values[_may_be_drawn(chosen, candidates)]
    with np.errstate(invalid="ignore"):  # infinities
        spread = np.where(np.ptp(pool, axis=0) > 0, pool.std(axis=0, ddof=1), np.nan)
        return np.asarray((values[chosen].mean(axis=0) - values[sets].mean(axis=(0, 1))) / spread)


def _may_be_drawn(chosen: Int[np.ndarray, " member"], candidates: Bool[np.ndarray, " unit"]) -> Bool[np.ndarray, " unit"]:
    free = candidates.copy()
    free[chosen] = False
    return free


def _check(
    chosen: Int[np.ndarray, " member"],
    pool: Int[np.ndarray, " candidate"],
    covariates: Float[np.ndarray, "unit covariate"],
    n_nearest: int,
) -> None:
    if len(np.unique(chosen)) < len(chosen):
        raise ValueError(f"Each unit is chosen once; of {len(chosen)} only {len(np.unique(chosen))} differ.")
    if len(pool) < len(chosen):
        raise ValueError(
            f"As many candidates are needed as members, {len(chosen)}; there are {len(pool)}. Choose fewer, or admit more."
        )
    n_gaps = int(np.isnan(covariates[np.concatenate([chosen, pool])]).any(axis=1).sum())
    if n_gaps:
        raise ValueError(f"NaN is near to nothing; {n_gaps} members or candidates have it. Leave them out.")
    if n_nearest < 1:
        raise ValueError(f"A substitute is drawn from one candidate or more; n_nearest is {n_nearest}.")


def _rank_normal(covariates: Float[np.ndarray, "unit covariate"]) -> Float[np.ndarray, "unit covariate"]:
    """Normal quantiles of (rank − ½)/n; equal values share their mean rank."""
    ranks = stats.rankdata(covariates, axis=0)
    return np.asarray(stats.norm.ppf((ranks - 0.5) / len(covariates)))
