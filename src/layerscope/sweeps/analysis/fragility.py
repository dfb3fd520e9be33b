"""Where each model of a comparison is most and least fragile, and how alike the models' profiles rank: two tables.

A profile is the ΔNLL of every variant of a family in the order of the layers. Two profiles of models with the same number of
layers are ranked layer by layer; with different numbers, both are interpolated linearly onto the relative depths of the model
with fewer layers. Layers of one model depend on each other, so a correlation over them has no honest p-value: none is given.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Float
from scipy import stats

from layerscope.results.schema import Table, gaps
from layerscope.sweeps.analysis.comparison import OVERALL, ComparedModel, View, bits_a_nat, profile
from layerscope.sweeps.tables import FRAGILITY, PROFILE_CORRELATION

_THIRD, _TWO_THIRDS = 1.0 / 3.0, 2.0 / 3.0
_STATEMENTS = (
    (0.8, "on these texts fragile at much the same layers"),
    (0.4, "on these texts fragile at partly the same layers"),
    (-0.4, "on these texts fragile at mostly different layers"),
    (-1.0, "on these texts fragile where the other is not"),
)


def fragility_table(
    models: Sequence[ComparedModel], families: Sequence[str], view: View, *, tags: Sequence[str] = (), anyway: str | None = None
) -> pa.Table:
    """One row per model, family and tag: the variants that hurt most and least, and in which third of the model effects lie.

    Args:
        models: of the comparison.
        families: that every model has.
        view: says what the effects were measured on.
        tags: parts of speech that every model has.
        anyway: what is not comparable and was asked for all the same.
    """
    rows = []
    for family, tag, model in itertools.product(families, (OVERALL, *tags), models):
        known = profile(model, family, tag=tag).dropna(subset="delta_nll_nats")
        if known.empty:
            continue
        bits = bits_a_nat(model, tag) if tag != OVERALL or model.bytes_scored else None
        row = {
            "family": family,
            "unit": _unit_counted(tag),
            "tag": tag,
            "model": model.name,
            "run": model.source,
            "layers": model.n_layers,
            "variants": len(known),
            "measured_on": "text means" if view.of_text_means else "corpus",
            "compared_anyway": anyway,
        }
        effects = known["delta_nll_nats"].to_numpy()
        for name, place in (("most", int(effects.argmax())), ("least", int(effects.argmin()))):
            effect = float(effects[place])
            row[f"{name}_variant"] = str(known["variant"].iloc[place])
            row[f"{name}_depth"] = float(known["depth"].iloc[place])
            row[f"{name}_delta_nll_nats"] = effect
            row[f"{name}_delta_bits"] = math.nan if bits is None else effect * bits
        first, middle, last = shares_by_third(known["depth"].to_numpy(), effects)
        rows.append({**row, "share_first_third": first, "share_middle_third": middle, "share_last_third": last})
    return _built(FRAGILITY, rows)


def correlation_table(
    models: Sequence[ComparedModel], families: Sequence[str], *, tags: Sequence[str] = (), anyway: str | None = None
) -> pa.Table:
    """One row per pair of models, family and tag: Spearman's rank correlation of their profiles, in numbers and in words.

    Args:
        models: of the comparison.
        families: that every model has.
        tags: parts of speech that every model has.
        anyway: what is not comparable and was asked for all the same.
    """
    rows = []
    pairs = list(itertools.combinations(models, 2))
    for family, tag, (one, other) in itertools.product(families, (OVERALL, *tags), pairs):
        first, second = profile(one, family, tag=tag), profile(other, family, tag=tag)
        if one.axis_layers == other.axis_layers:
            both = first.merge(second, on=["layer", "depth"])
            aligned = both["delta_nll_nats_x"].to_numpy(), both["delta_nll_nats_y"].to_numpy()
            alignment = "layer by layer"
        else:
            depths = (first if one.axis_layers < other.axis_layers else second)["depth"].to_numpy()
            aligned = _effects_at(first, depths), _effects_at(second, depths)
            fewer = one if one.axis_layers < other.axis_layers else other
            alignment = f"interpolated onto the relative depths of {fewer.name}"
        known = ~np.isnan(aligned[0]) & ~np.isnan(aligned[1])
        rho = rank_correlation(aligned[0][known], aligned[1][known])
        rows.append(
            {
                "family": family,
                "unit": _unit_counted(tag),
                "tag": tag,
                "model_a": one.name,
                "model_b": other.name,
                "layers_a": one.n_layers,
                "layers_b": other.n_layers,
                "alignment": alignment,
                "layers_compared": int(known.sum()),
                "spearman": rho,
                "statement": in_words(rho),
                "compared_anyway": anyway,
            }
        )
    return _built(PROFILE_CORRELATION, rows)


def shares_by_third(depth: Float[np.ndarray, " variant"], effect: Float[np.ndarray, " variant"]) -> tuple[float, float, float]:
    """Share of Σ abs(effect) at relative depths below 1/3, from 1/3 to 2/3, and above 2/3; NaN where there is no effect.

    Sizes are added, not signed effects, so that the three shares lie in 0..1 and sum to 1 where some variants help.
    """
    sizes = np.abs(effect)
    total = float(sizes.sum())
    if total == 0.0 or math.isinf(total):
        return math.nan, math.nan, math.nan
    first, last = depth < _THIRD, depth > _TWO_THIRDS
    return tuple(float(sizes[some].sum()) / total for some in (first, ~first & ~last, last))  # type: ignore[return-value]


def interpolated(
    depth: Float[np.ndarray, " variant"], effect: Float[np.ndarray, " variant"], at: Float[np.ndarray, " place"]
) -> Float[np.ndarray, " place"]:
    """A profile read off between its layers: linear in relative depth, level outside its first and last one.

    Args:
        depth: relative depths, ascending.
        effect: ΔNLL at each.
        at: relative depths to read it at.
    """
    read: np.ndarray = np.interp(at, depth, effect)
    return read


def rank_correlation(one: Float[np.ndarray, " place"], other: Float[np.ndarray, " place"]) -> float:
    """Spearman's ρ; NaN below three places, or where all values of a profile are the same."""
    if len(one) < 3 or len(np.unique(one)) < 2 or len(np.unique(other)) < 2:
        return math.nan
    return float(stats.spearmanr(one, other).statistic)


def in_words(rho: float) -> str:
    """A correlation as a plain statement: its steps are 0.8, 0.4 and −0.4."""
    if math.isnan(rho):
        return "too few layers, or too little difference between them, to rank"
    return next(words for least, words in _STATEMENTS if rho >= least or least == -1.0)


def _effects_at(rows: pd.DataFrame, depths: np.ndarray) -> np.ndarray:
    """A profile at other depths; gaps where a neighbour is unknown or infinite."""
    effect = rows["delta_nll_nats"].to_numpy()
    with np.errstate(invalid="ignore"):
        found = interpolated(rows["depth"].to_numpy(), effect, depths)
    return np.where(np.isfinite(found), found, np.nan)


def _unit_counted(tag: str) -> str:
    return "token" if tag == OVERALL else "word"


def _built(table: Table, rows: list[dict[str, object]]) -> pa.Table:
    columns: dict[str, object] = {}
    for column in table.columns:
        values = [row[column.name] for row in rows]
        columns[column.name] = gaps(values) if column.nullable and pa.types.is_floating(column.dtype) else values  # type: ignore[arg-type]
    return table.build(columns)
