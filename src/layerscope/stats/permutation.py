"""Permutation tests: labels drawn anew, and p-values of what is observed among what was permuted.

What depends on each other (for example pairs of one template) is one block with one label, and blocks are permuted whole.

Axes: ``permutation``, ``block`` (what is exchangeable), ``*shape`` (any number of statistics, for example one per dimension).
"""

from __future__ import annotations

import itertools
import math
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int, Num


def permute_labels(
    labels: Int[np.ndarray, " block"], generator: np.random.Generator, *, n_permutations: int
) -> Int[np.ndarray, "permutation block"]:
    """The same labels in random order over the blocks, many times; each label keeps its number of blocks.

    Args:
        labels: label of each block.
        generator: source of randomness; the same one gives the same orders.
        n_permutations: 999 or more for a p-value that can be quoted.
    """
    return generator.permuted(np.tile(labels, (n_permutations, 1)), axis=1)


_MOST_LABELLINGS = 20_000


def labellings(
    is_one: Bool[np.ndarray, " unit"], generator: np.random.Generator, *, most: int | None = None
) -> Bool[np.ndarray, "labelling unit"]:
    """All ways to call as many of some units ``one`` as are, or a sample of them where there are too many; the true one is in.

    Args:
        is_one: the true labels; with few units, such as subtypes of pairs, all ways can be gone through.
        generator: of the sample.
        most: ways beyond which a sample of as many is taken; 20,000 if None.
    """
    n, n_one, most = len(is_one), int(is_one.sum()), _MOST_LABELLINGS if most is None else most
    if math.comb(n, n_one) <= most:
        found = np.zeros((math.comb(n, n_one), n), dtype=bool)
        for row, chosen in zip(found, itertools.combinations(range(n), n_one), strict=True):
            row[list(chosen)] = True
        return found
    return np.concatenate([is_one[None], permute_labels(is_one.astype(np.int64), generator, n_permutations=most - 1) == 1])


def smallest_labelling_p(is_one: Bool[np.ndarray, " unit"], n_labellings: int) -> float:
    """What no p over labellings can be below: with as many of either label, swapping the two changes nothing."""
    return (2 if len(is_one) == 2 * int(is_one.sum()) else 1) / n_labellings


def permutation_p(
    observed: Num[np.ndarray, "*shape"] | float,
    permuted: Num[np.ndarray, " permutation *shape"],
    *,
    alternative: Literal["greater", "less", "two-sided"],
) -> Float[np.ndarray, "*shape"]:
    """p-value of each observed statistic among its permuted values.

    Args:
        observed: the statistics under the true labels, in double precision: what differs by rounding only counts as equal.
        permuted: the same under permuted labels, one row per permutation.
        alternative: "greater" asks how often a permuted value is as large, "less" as small, "two-sided" as far from the centre.

    Returns:
        p = (1 + number of permuted values as extreme or more) / (1 + number of permutations), never 0. The centre is the mean
        of the permuted values and the observed one: without an effect all of them are then treated alike, so p keeps its
        level exactly. NaN where a value is not finite.

    Raises:
        ValueError: if there is no permutation.

    Source: Phipson & Smyth 2010, "Permutation P-values Should Never Be Zero"; Davison & Hinkley 1997, section 4.3.
    """
    n_permutations = len(permuted)
    if n_permutations == 0:
        raise ValueError("A p-value needs one permutation or more; there is none.")
    found, drawn = np.asarray(observed, dtype=np.float64), np.asarray(permuted, dtype=np.float64)
    finite = np.isfinite(found) & np.isfinite(drawn).all(axis=0)
    with np.errstate(invalid="ignore"):  # infinities, whose p-value is NaN
        # a permuted value that equals the observed one but for rounding must count the same on every machine; a statistic that
        # cancels to almost 0 has the rounding of its usual size
        size = np.maximum(np.abs(found), np.median(np.abs(drawn), axis=0))
        slack = 1e-12 * np.maximum(size, np.finfo(float).tiny)
        if alternative == "two-sided":
            centre = (found + drawn.sum(axis=0)) / (1 + n_permutations)
            found, drawn = np.abs(found - centre), np.abs(drawn - centre)
        elif alternative == "less":
            found, drawn = -found, -drawn
        as_extreme = (drawn >= found - slack).sum(axis=0)
    return np.asarray(np.where(finite, (1.0 + as_extreme) / (1.0 + n_permutations), np.nan))
