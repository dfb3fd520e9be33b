"""From what a run has at its places to the tables of what stays still: statistics put together, no disk.

Inference is on the primary scale, the percentile among changes of similar size; the raw scale stands beside it with its values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from layerscope.contrasts.analysis.consistency import consistency
from layerscope.contrasts.analysis.contraction import divergences, layer_effects, moves
from layerscope.contrasts.analysis.group_scores import MatchedScores, of_set
from layerscope.contrasts.analysis.place import WITH_BLOCKS, Place
from layerscope.contrasts.analysis.rows import (
    balance_rows,
    consistency_rows,
    effect_rows,
    layer_agreement_rows,
    layer_share_rows,
    ranking_rows,
    with_q,
)
from layerscope.contrasts.analysis.specificity import layer_shares, type_specificity
from layerscope.contrasts.analysis.stillest import SCALES, spread_explains, standing_out
from layerscope.contrasts.enough import FEWEST_PAIRS_A_DIMENSION
from layerscope.contrasts.tables import (
    BALANCE,
    CHECK,
    CONSISTENCY,
    CONTRACTION,
    DIMENSIONS,
    DIVERGENCE,
    LAYER_AGREEMENT,
    LAYER_SPECIFICITY,
    RANKING,
    SPREAD_EXPLAINS,
    TYPE_SPECIFICITY,
)

LEVEL = 0.05
TESTED_SCALES = ("percentile", "raw")
"""The primary scale, which inference is on, and the raw one beside it."""


def place_tables(place: Place, k: int, *, n_resamples: int, generator: np.random.Generator) -> dict[str, pd.DataFrame]:
    """Everything about one site and position, by table.

    Args:
        place: what the run has there.
        k: dimensions per layer, and units over all layers, that count as those that change least.
        n_resamples: swaps of blocks with those of placebos; 0 for values alone.
        generator: source of randomness.
    """
    cells = place.cells
    roles = {group.name: group.role for group in place.types["percentile"]}
    types = list(roles)
    sets = {"all": types} | {role: [name for name in types if roles[name] == role] for role in ("meaning", "grammar")}
    frames: dict[str, list[pd.DataFrame]] = {}
    for name, members in {**sets, **{name: [name] for name in types}}.items():
        if not members:
            continue
        scores = {scale: np.mean([cells[scale][member] for member in members], axis=0) for scale in SCALES}
        of_set = {scale: [group for group in place.types[scale] if group.name in members] for scale in WITH_BLOCKS}
        ranking = ranking_rows(name, scores, place.spread, of_set, k=k, within_layers=name in sets, generator=generator)
        frames.setdefault(RANKING.name, []).append(ranking)
        if name in sets:
            frames.setdefault(SPREAD_EXPLAINS.name, []).append(_spread_rows(name, scores, place.spread))
    frames[BALANCE.name] = [balance_rows([*place.matched["percentile"], *place.checks["percentile"]])]
    for scale in TESTED_SCALES:
        n_drawn = n_resamples if scale == "percentile" else 0
        for name, frame in _against_placebos(place.matched[scale], k, generator=generator, n_resamples=n_drawn).items():
            frames.setdefault(name, []).append(frame.assign(scale=scale))
        checked = consistency(place.checks[scale], k, generator=generator, n_resamples=n_resamples)
        if checked is not None:
            rows = layer_agreement_rows(checked)
            frames.setdefault(CHECK.name, []).append(rows[rows["set"] == "all"].assign(scale=scale))
    return {name: pd.concat(parts, ignore_index=True) for name, parts in frames.items()}


def _against_placebos(
    groups: Sequence[MatchedScores], k: int, *, generator: np.random.Generator, n_resamples: int
) -> dict[str, pd.DataFrame]:
    """What types have beyond their placebos on one scale, by table; nothing with fewer than two types."""
    found = consistency(groups, k, generator=generator, n_resamples=n_resamples)
    if found is None:
        return {}
    n_layers = groups[0].own.scores[0].shape[1]
    share = layer_shares(groups, k * n_layers, generator=generator, n_resamples=n_resamples)
    types_found = type_specificity(groups, generator=generator, n_resamples=n_resamples)
    return {
        CONSISTENCY.name: consistency_rows(found, groups, k),
        LAYER_AGREEMENT.name: layer_agreement_rows(found),
        LAYER_SPECIFICITY.name: layer_share_rows(share),
        **({} if types_found is None else {TYPE_SPECIFICITY.name: pd.DataFrame([asdict(types_found)])}),
    }


def movement_tables(
    movement: pd.DataFrame,
    predictions: pd.DataFrame,
    pairs: pd.DataFrame,
    *,
    positions: Sequence[str],
    n_layers: int,
    n_resamples: int,
    generator: np.random.Generator,
) -> dict[str, pd.DataFrame]:
    """Whether layers and later tokens bring both sides together, by table.

    Args:
        movement: table ``movement``.
        predictions: table ``predictions``.
        pairs: table ``pairs``.
        positions: to look at.
        n_layers: of the model.
        n_resamples: bootstrap draws; 0 for values alone.
        generator: source of randomness.
    """
    parts = []
    for position in positions:
        found = moves(movement, pairs, position=position, n_layers=n_layers)
        effects = effect_rows(layer_effects(found, generator=generator, n_resamples=n_resamples))
        parts.append(effects.assign(position=position))
    falls = [
        pd.DataFrame(asdict(one)).assign(distance=lambda frame: np.arange(len(frame)))
        for one in divergences(predictions, pairs, generator=generator, n_resamples=n_resamples)
    ]
    return {
        CONTRACTION.name: pd.concat(parts, ignore_index=True),
        DIVERGENCE.name: pd.concat(falls, ignore_index=True).dropna(subset=["kl_nats"]),
    }


def preferences_table(pairs: pd.DataFrame) -> pd.DataFrame:
    """Pairs with a wrong side, and those whose wrong side the model finds likelier."""
    judged = pairs[pairs["right"].notna() & pairs["prefers"].notna()]
    rows = []
    for name, some in judged.groupby("group", observed=True, sort=False):
        against = some["right"] != some["prefers"]
        rows.append(
            {
                "group": str(name),
                "pairs": len(some),
                "agreed": float(1.0 - against.mean()),
                "disagreeing": some["pair"][against].astype(int).tolist(),
            }
        )
    return pd.DataFrame(rows, columns=["group", "pairs", "agreed", "disagreeing"])


def correct(frames: dict[str, pd.DataFrame]) -> None:
    """Add q-values: Benjamini-Hochberg over each family of tests."""
    families = {
        CONSISTENCY.name: ("scale", "measure"),
        CHECK.name: ("scale", "measure"),
        LAYER_SPECIFICITY.name: ("set", "scale", "site", "position"),
        CONTRACTION.name: ("set", "quantity", "position"),
    }
    for name, family in families.items():
        if name in frames:
            with_q(frames[name], family)
    if LAYER_AGREEMENT.name in frames:
        layers = frames[LAYER_AGREEMENT.name]
        # of one place its layers, of the means over layers the places
        layers["family"] = np.where(layers["layer"].isna(), "", layers["site"] + "/" + layers["position"])
        frames[LAYER_AGREEMENT.name] = with_q(layers, ("set", "scale", "measure", "family")).drop(columns="family")
    if TYPE_SPECIFICITY.name in frames:
        types = frames[TYPE_SPECIFICITY.name]
        with_q(types, ("scale",), p="subtype_p", q="subtype_q")
        with_q(types, ("scale",), p="type_p", q="type_q")


def dimensions_table(places: Callable[[str, str], Place], layers: pd.DataFrame) -> pd.DataFrame:
    """Single dimensions, inside layers whose stillest ones agree across subtypes more than their placebos' do.

    Args:
        places: gives what the run has at a site and position.
        layers: table ``layer_agreement``, with its q-values.
    """
    found = [pd.DataFrame(columns=[column.name for column in DIMENSIONS.columns])]
    passed = layers[
        (layers["measure"] == "jaccard")
        & (layers["scale"] == "percentile")
        & (layers["q_value"] < LEVEL)
        & (layers["excess"] > 0)
        & layers["layer"].notna()
    ]
    for (site, position), of_place in passed.groupby(["site", "position"], sort=False):
        place = places(str(site), str(position))
        groups, cells = place.matched["percentile"], place.cells
        for name, rows in of_place.groupby("set", sort=False):
            members = of_set([group for group in groups if len(group.own.pairs)], str(name))
            n_pairs = int(sum(group.own.pairs.sum() for group in members))
            if n_pairs < FEWEST_PAIRS_A_DIMENSION:
                continue
            units = standing_out(members, rows["layer"].astype(int).tolist(), level=LEVEL)
            at = (units.layer, units.dim)
            percentile, beside = (
                np.mean([cells["percentile"][one.name] for one in some], axis=0)[at]
                for some in ([group.own for group in members], [group.placebo for group in members])
            )
            with np.errstate(divide="ignore", invalid="ignore"):
                medians = [cells["median"][group.own.name][at] / cells["median"][group.placebo.name][at] for group in members]
                ratios = np.mean(np.log(medians), axis=0)
            found.append(
                pd.DataFrame(
                    {
                        "set": name,
                        "site": site,
                        "position": position,
                        "layer": units.layer,
                        "dim": units.dim,
                        "pairs": n_pairs,
                        "percentile": percentile,
                        "placebo": beside,
                        "log_ratio_of_medians": np.where(np.isfinite(ratios), ratios, np.nan),
                        "p_value": units.p_value,
                        "q_value": units.q_value,
                    }
                )
            )
    return pd.concat([frame for frame in found if len(frame)] or found, ignore_index=True)


def _spread_rows(name: str, scores: dict[str, np.ndarray], spread: np.ndarray) -> pd.DataFrame:
    rows = []
    for scale in SCALES:
        by_layer, overall = spread_explains(scores[scale], spread)
        values = [overall, *by_layer]
        rows += [
            {"set": name, "scale": scale, "layer": layer, "spearman": value}
            for layer, value in zip([None, *range(len(by_layer))], values, strict=True)
        ]
    return pd.DataFrame(rows)
