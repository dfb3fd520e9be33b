"""Correction, made measurable: do layers bring both sides together, the wrong one toward the right one, more so for errors?

Per layer, with R the distance between both sides relative to their length: contraction ρ = ln(R out / R in), below 0 where the
sides come together; and the part of the way to the other side that a layer moves one. Pairs of equal size are compared within
fifths of ln R in, by lines of one slope a fifth (fifths alone leave a tenth of what size explains), weighted as the errors lie.

What is said of a set is of its subtypes: blocks of templates are drawn again within them. What is said of errors *against*
meaning is said of two types, whose sample is subtypes, not pairs: the p is over all ways to call as many of the subtypes
errors, and there is no interval. Asymmetry compares the two sides of a pair, and needs no other type.

Axes: ``pair``, ``layer``, ``cluster`` (blocks of templates of a group: what is drawn again), ``quantity``, ``labelling``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from layerscope.contrasts.enough import FEWEST_BLOCKS, FEWEST_PAIRS
from layerscope.stats.bootstrap import draw_again, recentred
from layerscope.stats.permutation import labellings, smallest_labelling_p

QUANTITIES = ("size", "contraction", "toward_right", "asymmetry")
AT_EQUAL_SIZE = "error-meaning"
N_STRATA = 5
"""Strata of ln R in."""
LEVEL = 0.05
_AT_ONCE = 500


@dataclass(frozen=True)
class Moves:
    """One position's movement of pairs, NaN where a pair has none."""

    sets: np.ndarray
    """``control``, ``meaning`` or ``error`` of each pair."""
    cluster: Int[np.ndarray, " pair"]
    """Which block of which group it lies in."""
    group: np.ndarray
    """Its subtype."""
    values: dict[str, Float[np.ndarray, "pair layer"]]
    """By quantity."""


@dataclass(frozen=True)
class LayerEffect:
    """A quantity of a set, layer by layer."""

    set: str
    """``control``, ``meaning``, ``error``, a subtype with a wrong side, or ``error-meaning``."""
    quantity: str
    """One of ``QUANTITIES``."""
    pairs: int
    """Pairs counted."""
    value: Float[np.ndarray, " layer"]
    """Mean over pairs; or the difference at equal size."""
    median: Float[np.ndarray, " layer"]
    """Median over pairs; or the difference of medians, once the line of size is taken off."""
    low: Float[np.ndarray, " layer"]
    """Lower end of the value's 95% interval over blocks of these subtypes; NaN of a difference between types."""
    high: Float[np.ndarray, " layer"]
    """Upper end."""
    p_value: Float[np.ndarray, " layer"]
    """Two-sided, of 0; of a difference over labellings of subtypes."""


def pair_sets(pairs: pd.DataFrame) -> pd.Series[str]:
    """``error`` for pairs with a wrong side, ``meaning`` for those of meaning, ``control`` for random words; others empty."""
    found = pd.Series("", index=pairs.index)
    found[pairs["type"].astype(str) == "meaning"] = "meaning"
    found[pairs["subtype"].astype(str) == "random-word"] = "control"
    found[(pairs["type"].astype(str) == "grammar") & pairs["right"].notna()] = "error"
    return found


def moves(movement: pd.DataFrame, pairs: pd.DataFrame, *, position: str, n_layers: int) -> Moves:
    """One position of a run.

    Args:
        movement: table ``movement``.
        pairs: table ``pairs``.
        position: its name.
        n_layers: of the model.
    """
    sets = pair_sets(pairs)
    rows = movement[(movement["position"].astype(str) == position) & movement["pair"].isin(pairs["pair"][sets != ""])]
    order = np.unique(rows["pair"].to_numpy())
    place, layer = np.searchsorted(order, rows["pair"].to_numpy()), rows["layer"].to_numpy()

    def table(column: str) -> np.ndarray:
        filled = np.full((len(order), n_layers), np.nan)
        filled[place, layer] = rows[column].to_numpy(dtype=np.float64)
        return filled

    of_pair = pairs.set_index("pair").loc[order]
    before, after = table("size_before"), table("size_after")
    first, second = table("toward_first"), table("toward_second")
    right = of_pair["right"].to_numpy(dtype=np.float64)[:, None]
    wrong_to_right = np.where(right == 1, first, np.where(right == 2, second, (first + second) / 2))
    other_way = np.where(right == 1, second, np.where(right == 2, first, (first + second) / 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        contraction = np.log(after / before)
    contraction[~np.isfinite(contraction)] = np.nan
    group = of_pair["group"].astype(str)
    cluster = pd.factorize(group + "/" + of_pair["block"].astype(str))[0]
    asymmetry = np.where(np.isnan(right), np.nan, wrong_to_right - other_way)
    values = {"size": before, "contraction": contraction, "toward_right": wrong_to_right, "asymmetry": asymmetry}
    return Moves(sets.loc[pairs["pair"].isin(order)].to_numpy(), cluster, group.to_numpy(), values)


def layer_effects(found: Moves, *, generator: np.random.Generator, n_resamples: int) -> Iterator[LayerEffect]:
    """Means of each set, and errors against meaning at equal size.

    Args:
        found: of one position.
        generator: source of randomness.
        n_resamples: bootstrap draws over clusters; 0 for values alone.
    """
    of_errors = list(dict.fromkeys(found.group[found.sets == "error"]))
    for quantity in QUANTITIES:
        values = found.values[quantity]
        chosen = {name: found.sets == name for name in ("control", "meaning", "error")}
        if quantity == "asymmetry":
            chosen |= {name: (found.sets == "error") & (found.group == name) for name in of_errors}
        for name, members in chosen.items():
            if members.any() and np.isfinite(values[members]).any():
                yield _effect(name, quantity, values[members], found.cluster[members], generator, n_resamples)
        both = np.isin(found.sets, ("meaning", "error"))
        if quantity in ("contraction", "toward_right") and len(set(found.sets[both])) == 2:
            with np.errstate(divide="ignore"):
                size = np.log(found.values["size"][both])
            yield _difference(
                quantity,
                values[both],
                size=size,
                strata=strata_of(found.values["size"][both]),
                is_error=found.sets[both] == "error",
                group=found.group[both],
                generator=generator,
                with_p=n_resamples > 0,
            )


def strata_of(size: Float[np.ndarray, "pair layer"]) -> Int[np.ndarray, "pair layer"]:
    """Fifth of each layer's sizes that each pair lies in; −1 where there is no size."""
    found = np.full(size.shape, -1)
    for layer in range(size.shape[1]):
        there = np.isfinite(size[:, layer])
        if there.any():
            edges = np.quantile(size[there, layer], np.linspace(0, 1, N_STRATA + 1)[1:-1])
            found[there, layer] = np.searchsorted(edges, size[there, layer])
    return found


def _effect(
    name: str,
    quantity: str,
    values: Float[np.ndarray, "pair layer"],
    cluster: Int[np.ndarray, " pair"],
    generator: np.random.Generator,
    n_resamples: int,
) -> LayerEffect:
    """A mean over the pairs of a set, with an interval over their blocks."""
    clusters, of_pair = np.unique(cluster, return_inverse=True)
    there = np.isfinite(values)
    counts, totals = np.zeros((2, len(clusters), values.shape[1]))
    np.add.at(counts, of_pair, there)
    np.add.at(totals, of_pair, np.where(there, values, 0.0))
    value = _means(np.ones((1, len(clusters))), counts, totals)[0]
    low = high = p_value = np.full(values.shape[1], np.nan)
    enough = there.sum(axis=0) >= FEWEST_PAIRS
    if n_resamples and len(clusters) >= FEWEST_BLOCKS and enough.any():
        draws = draw_again(len(clusters), n_resamples, generator)
        drawn = np.concatenate([_means(some, counts, totals) for some in draws])
        drawn = np.where(np.isfinite(drawn), drawn, value)  # a draw without a member says nothing
        low, high = recentred(value, drawn)
        as_far = (np.abs(drawn - drawn.mean(axis=0)) >= np.abs(value) - 1e-12).sum(axis=0)
        p_value = np.where(np.isfinite(value), (1.0 + as_far) / (1.0 + n_resamples), np.nan)
        low, high, p_value = (np.where(enough, one, np.nan) for one in (low, high, p_value))
    n_pairs = int(there.any(axis=1).sum())
    return LayerEffect(name, quantity, n_pairs, value, _median(values), low, high, p_value)


def _means(
    weights: Float[np.ndarray, "resample cluster"], counts: np.ndarray, totals: np.ndarray
) -> Float[np.ndarray, "resample layer"]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((weights @ totals) / (weights @ counts))


def _median(values: Float[np.ndarray, "pair layer"]) -> Float[np.ndarray, " layer"]:
    found = np.full(values.shape[1], np.nan)
    there = np.isfinite(values).any(axis=0)
    found[there] = np.nanmedian(np.where(np.isfinite(values[:, there]), values[:, there], np.nan), axis=0)
    return found


def _difference(
    quantity: str,
    values: Float[np.ndarray, "pair layer"],
    *,
    size: Float[np.ndarray, "pair layer"],
    strata: Int[np.ndarray, "pair layer"],
    is_error: Bool[np.ndarray, " pair"],
    group: np.ndarray,
    generator: np.random.Generator,
    with_p: bool,
) -> LayerEffect:
    """Errors less meaning at equal size, among all ways to call as many of the subtypes errors."""
    groups, of_pair = np.unique(group, return_inverse=True)
    of_errors = np.isin(np.arange(len(groups)), of_pair[is_error])
    moments = _moments(values, size, strata, of_pair)
    value, slope = (one[0] for one in _differences(of_errors[None], moments))
    p_value = np.full(values.shape[1], np.nan)
    there = np.isfinite(values)
    enough = np.minimum(there[is_error].sum(axis=0), there[~is_error].sum(axis=0)) >= FEWEST_PAIRS
    ways = labellings(of_errors, generator)
    if with_p and smallest_labelling_p(of_errors, len(ways)) <= LEVEL and enough.any():
        each = [_differences(ways[start : start + _AT_ONCE], moments)[0] for start in range(0, len(ways), _AT_ONCE)]
        as_far = (np.abs(np.concatenate(each)) >= np.abs(value) - 1e-12).mean(axis=0)
        p_value = np.where(enough & np.isfinite(value), as_far, np.nan)
    with np.errstate(invalid="ignore"):  # a size of 0 has no logarithm
        left = np.where(np.isfinite(size), values - slope * size, np.nan)
    median = _median(left[is_error]) - _median(left[~is_error])
    nothing = np.full(values.shape[1], np.nan)
    n_pairs = int(there.any(axis=1).sum())
    return LayerEffect(
        AT_EQUAL_SIZE, quantity, n_pairs, value, np.where(np.isfinite(value), median, np.nan), nothing, nothing, p_value
    )


def _moments(
    values: Float[np.ndarray, "pair layer"],
    size: Float[np.ndarray, "pair layer"],
    strata: Int[np.ndarray, "pair layer"],
    of_pair: Int[np.ndarray, " pair"],
) -> Float[np.ndarray, "moment group stratum layer"]:
    """Sums of 1, y, x, x² and xy over the pairs of each subtype, where y is the value and x the size."""
    found = np.zeros((5, int(of_pair.max()) + 1, int(strata.max()) + 1, values.shape[1]))
    row, layer = np.nonzero(np.isfinite(values) & np.isfinite(size) & (strata >= 0))
    at = (of_pair[row], strata[row, layer], layer)
    y, x = values[row, layer], size[row, layer]
    for number, term in enumerate((np.ones(len(y)), y, x, x * x, x * y)):
        np.add.at(found[number], at, term)
    return found


def _differences(
    is_error: Bool[np.ndarray, "labelling group"], moments: np.ndarray
) -> tuple[Float[np.ndarray, "labelling layer"], Float[np.ndarray, "labelling layer"]]:
    """Errors less meaning at equal size, and the slope: within strata by lines of one slope, weighted by the errors in each.

    Strata that lack a side are left out.
    """
    sides = np.stack([is_error, ~is_error]).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        counts, y, x, xx, xy = np.einsum("krg,mgsl->mkrsl", sides, moments, optimize=True)
        within_xx, within_xy = ((total - x * other / counts) for total, other in ((xx, x), (xy, y)))
        # a side without a pair in a stratum has nothing that varies there
        within_xx, within_xy = (np.where(counts > 0, one, 0.0).sum(axis=0) for one in (within_xx, within_xy))
        varies = within_xx > 1e-12 * np.maximum(xx.sum(axis=0), 1e-300)
        slope = np.where(varies, within_xy / within_xx, 0.0)
        (y_error, y_meaning), (x_error, x_meaning) = y / counts, x / counts
        usable = (counts > 0).all(axis=0)
        difference = np.where(usable, y_error - y_meaning - slope * (x_error - x_meaning), 0.0)
        shares = np.where(usable, counts[0], 0.0)
        total = shares.sum(axis=1)
        overall = (within_xy.sum(axis=1), within_xx.sum(axis=1))
        common = np.where(overall[1] > 0, overall[0] / overall[1], 0.0)
        return np.asarray((shares * difference).sum(axis=1) / total), common


@dataclass(frozen=True)
class Divergence:
    """KL between both sides' predictions by distance from the edit."""

    set: str
    """Of pairs."""
    pairs: Int[np.ndarray, " distance"]
    """Pairs counted."""
    kl_nats: Float[np.ndarray, " distance"]
    """Mean."""
    median_nats: Float[np.ndarray, " distance"]
    """Median."""
    low: Float[np.ndarray, " distance"]
    """Lower end of its 95% interval."""
    high: Float[np.ndarray, " distance"]
    """Upper end."""


def divergences(
    predictions: pd.DataFrame, pairs: pd.DataFrame, *, generator: np.random.Generator, n_resamples: int, longest: int = 8
) -> Iterator[Divergence]:
    """Of controls, meaning and errors, then of each group.

    Args:
        predictions: table ``predictions``.
        pairs: table ``pairs``.
        generator: source of randomness.
        n_resamples: bootstrap draws over clusters.
        longest: distances from 0 to this.
    """
    rows = predictions[predictions["distance"] <= longest]
    kl = np.full((int(pairs["pair"].max()) + 1, longest + 1), np.nan)
    kl[rows["pair"], rows["distance"]] = rows["kl_nats"]
    groups = pairs["group"].astype(str).to_numpy()
    cluster = pd.factorize(groups + "/" + pairs["block"].astype(str))[0]
    sets = pair_sets(pairs).to_numpy()
    for labels, names in ((sets, ("control", "meaning", "error")), (groups, tuple(dict.fromkeys(groups)))):
        for name in names:
            members = labels == name
            values = kl[pairs["pair"].to_numpy()[members]]
            if not np.isfinite(values).any():
                continue
            effect = _effect(name, "kl", values, cluster[members], generator, n_resamples)
            yield Divergence(name, np.isfinite(values).sum(axis=0), effect.value, effect.median, effect.low, effect.high)
