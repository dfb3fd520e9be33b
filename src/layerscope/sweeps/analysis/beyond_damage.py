"""Whether a layer carries the preference for the right side, beyond what its loss does to everything.

Damage is ΔNLL on the neutral text of the same run. If variants did nothing but damage, the preference would fall as damage
rises, in whatever form: the variants with the next smaller and larger damages, and the intact model (no damage, no loss), then
bound what each one's effect can be. What lies outside these bounds is beyond the damage; inside them nothing is claimed
(``stats.monotone``). The damage is taken as measured: p is over pairs, and there is none where fewer than eight texts measure
the damage.

Axes: ``variant``, ``pair``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Float

from layerscope.paths.families import DEPTHS
from layerscope.stats.false_discovery import benjamini_hochberg
from layerscope.stats.monotone import FEWEST_POINTS, explained, outside
from layerscope.stats.ratio import FEWEST_DOCUMENTS
from layerscope.sweeps.analysis.preference import clusters_of, pair_groups
from layerscope.sweeps.pair_tables import BEYOND_DAMAGE

MEASURES = ("margin", "accuracy")
_PERMUTATIONS = 999


@dataclass(frozen=True)
class Explained:
    """How much of a family's effects on a group a falling relation with damage explains."""

    family: str
    """In its written form."""
    kind: str
    """Of the group: all, subtype or term."""
    group: str
    """Its name."""
    measure: str
    """margin or accuracy."""
    share: float
    """Of the variation over variants; NaN where there is none."""
    p_value: float
    """Of permuted variants that are explained as well."""


def beyond_damage(
    effects: pd.DataFrame, pairs: pd.DataFrame, layers: pd.DataFrame, *, unit: str, is_tie_right: bool, seed: int
) -> tuple[pa.Table, list[Explained]]:
    """beyond_damage.parquet, and how much damage explains.

    Args:
        effects: pair_effects.parquet.
        pairs: pairs.parquet.
        layers: layers.parquet, the intact model first.
        unit: edit, continuation or sentence.
        is_tie_right: whether the right side counts as preferred where both are exactly as likely.
        seed: of the permutations.
    """
    margin = effects[f"{unit}_margin_nats"].to_numpy(dtype=float, na_value=np.nan).reshape(len(layers), len(pairs))
    templates = pairs["template"].astype(str).to_numpy()
    is_there = ~np.isnan(margin[0])
    found, shares = [], []
    for family in families_of(layers):
        rows = np.flatnonzero(layers["family"] == family)
        for group in pair_groups(pairs):
            chosen = group.pairs[is_there[group.pairs]]
            usable = rows[np.isfinite(margin[rows][:, chosen]).all(axis=1) & np.isfinite(_damage(layers, rows))]
            if len(chosen) == 0 or len(usable) < FEWEST_POINTS:
                continue
            for measure in MEASURES:
                values = _values(margin[:, chosen], measure, is_tie_right=is_tie_right)
                table, share = _of_group(values, usable, templates[chosen], layers, seed=seed)
                names = {"family": family, "kind": group.kind, "group": group.name, "measure": measure}
                found.append(table.assign(**names, unit=unit))
                shares.append(Explained(**names, share=share[0], p_value=share[1]))
    columns = [column.name for column in BEYOND_DAMAGE.columns]
    table = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)
    if int(layers["documents"].iloc[0]) < FEWEST_DOCUMENTS:  # the damage itself has no interval then
        table["p_value"] = np.nan
    table["q_value"] = np.nan
    for _, some in table.groupby(["family", "kind", "measure"]):
        table.loc[some.index, "q_value"] = benjamini_hochberg(some["p_value"].to_numpy(dtype=float))
    return BEYOND_DAMAGE.from_frame(table), shares


def families_of(layers: pd.DataFrame) -> list[str]:
    """Families with variants enough for a relation; those of depths do no damage."""
    sizes = layers["family"].value_counts(sort=False)
    return [str(name) for name, n in sizes.items() if name not in ("intact", *DEPTHS, "path") and n >= FEWEST_POINTS]


def _damage(layers: pd.DataFrame, rows: np.ndarray) -> Float[np.ndarray, " variant"]:
    damage: np.ndarray = layers["delta_nll_nats"].to_numpy(dtype=float)[rows]
    return damage


def _values(
    margin: Float[np.ndarray, "variant pair"], measure: str, *, is_tie_right: bool
) -> Float[np.ndarray, "variant pair"]:
    """What is lost, pair by pair: variant − intact."""
    if measure == "margin":
        return np.asarray(margin - margin[0])
    correct = (margin >= 0 if is_tie_right else margin > 0).astype(float)
    return np.asarray(correct - correct[0])


def _of_group(
    values: Float[np.ndarray, "variant pair"], rows: np.ndarray, templates: np.ndarray, layers: pd.DataFrame, *, seed: int
) -> tuple[pd.DataFrame, tuple[float, float]]:
    """One row per variant of a family, and the share explained."""
    _, cluster = clusters_of(templates)
    cluster = np.random.default_rng(seed).permutation(cluster.max() + 1)[cluster]  # parts of the jackknife are drawn
    counts = np.bincount(cluster)
    with_intact = [0, *rows]
    damage = _damage(layers, np.array(with_intact))
    sums = np.stack([np.bincount(cluster, values[row], minlength=len(counts)) for row in with_intact])
    found = outside(damage, sums, counts)
    effect = sums.sum(axis=1) / counts.sum()
    share = explained(damage[1:], effect[1:], n_permutations=_PERMUTATIONS, seed=seed)
    return (
        pd.DataFrame(
            {
                "variant": layers["variant"].to_numpy()[rows],
                "damage_nats": damage[1:],
                "effect": effect[1:],
                "expected_low": np.where(np.isfinite(found.low[1:]), found.low[1:], np.nan),
                "expected_high": np.where(np.isfinite(found.high[1:]), found.high[1:], np.nan),
                "beyond": found.beyond[1:],
                "standard_error": found.error[1:],
                "p_value": found.p_value[1:],
            }
        ),
        share,
    )
