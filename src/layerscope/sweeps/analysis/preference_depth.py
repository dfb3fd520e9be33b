"""At which depth the preference for a side of a pair is made up, and whether it was there before and was lost.

Depth −1 is the embeddings, depth k what stands after layer k, depth L − 1 the model itself. A pair's depth is the first one
from which on the side that the whole model prefers is the likelier one, as the prediction depth of a token is
(``prediction_depth``). It flips back if the right side is the likelier one at some depth and not at a later one.

Axes: ``depth`` (L + 1 of them), ``pair``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Bool, Float, Int

from layerscope.paths.families import DEPTHS
from layerscope.stats.ratio import ratio_interval
from layerscope.sweeps.analysis.prediction_depth import prediction_depths
from layerscope.sweeps.analysis.preference import FEW_PAIRS, clusters_of, pair_groups
from layerscope.sweeps.pair_tables import PAIR_DEPTH, PARTS, PREFERENCE_DEPTH


def pair_depth_table(effects: pd.DataFrame, layers: pd.DataFrame, n_pairs: int, *, is_tie_right: bool) -> pa.Table:
    """pair_depth.parquet: one row per family of depths, part of the sentence and pair that has it.

    Args:
        effects: pair_effects.parquet.
        layers: layers.parquet; variants of a family of depths from the embeddings on.
        n_pairs: of the run.
        is_tie_right: whether the right side counts as preferred where both are exactly as likely.
    """
    found = []
    for family in DEPTHS:
        rows = np.flatnonzero(layers["family"] == family)
        for unit in PARTS if len(rows) else ():
            margin = effects[f"{unit}_margin_nats"].to_numpy(dtype=float, na_value=np.nan).reshape(-1, n_pairs)[rows]
            pair = np.flatnonzero(np.isfinite(margin).all(axis=0))
            is_right = margin[:, pair] >= 0 if is_tie_right else margin[:, pair] > 0
            found.append(
                pd.DataFrame(
                    {
                        "family": family,
                        "pair": pair,
                        "unit": unit,
                        "is_right": is_right[-1],
                        "depth": prediction_depths(is_right == is_right[-1]),
                        "changes": (is_right[1:] != is_right[:-1]).sum(axis=0),
                        "flips_back": (is_right[:-1] & ~is_right[1:]).any(axis=0),
                    }
                )
            )
    return PAIR_DEPTH.from_frame(pd.concat(found, ignore_index=True))


def preference_depth_table(depths: pd.DataFrame, pairs: pd.DataFrame, last: int) -> pa.Table:
    """preference_depth.parquet: one row per family of depths, part of the sentence and group of pairs.

    Args:
        depths: pair_depth.parquet.
        pairs: pairs.parquet.
        last: the last layer.
    """
    templates = pairs["template"].astype(str).to_numpy()
    found = []
    for (family, unit), rows in depths.astype({"family": str, "unit": str}).groupby(["family", "unit"], sort=False):
        of_unit = rows.set_index("pair")
        for group in pair_groups(pairs):
            chosen = of_unit[of_unit.index.isin(group.pairs)]
            if len(chosen):
                names = {"family": family, "unit": unit, "kind": group.kind, "group": group.name}
                found.append({**names, **_of_group(chosen, templates[chosen.index], last)})
    return PREFERENCE_DEPTH.from_frame(pd.DataFrame(found, columns=[column.name for column in PREFERENCE_DEPTH.columns]))


def _of_group(rows: pd.DataFrame, templates: np.ndarray, last: int) -> dict[str, object]:
    kind, cluster = clusters_of(templates)
    is_right = rows["is_right"].to_numpy(bool)
    depth, flips_back = rows["depth"].to_numpy(float), rows["flips_back"].to_numpy(float)
    found: dict[str, object] = {
        "pairs": len(rows),
        "clusters": cluster.max() + 1,
        "clusters_right": len(np.unique(cluster[is_right])),
        "clusters_of": kind,
        "pairs_right": int(is_right.sum()),
        "is_few": int(is_right.sum()) < FEW_PAIRS,
        "median_depth": float(np.median(depth[is_right])) if is_right.any() else np.nan,
    }
    everywhere = np.ones(len(rows), dtype=bool)
    for name, values, chosen, ends in (
        ("mean_depth", depth, is_right, (-1.0, float(last))),
        ("flips_back", flips_back, everywhere, (0.0, 1.0)),
    ):
        mean, interval = _mean(values, cluster, chosen, ends)
        found |= {name: mean, f"{name}_low": interval[0], f"{name}_high": interval[1]}
    return found


def _mean(
    values: Float[np.ndarray, " pair"],
    cluster: Int[np.ndarray, " pair"],
    chosen: Bool[np.ndarray, " pair"],
    ends: tuple[float, float],
) -> tuple[float, tuple[float, float]]:
    """Mean over some pairs, with its interval over clusters; NaN without pairs, and no interval with fewer than two clusters.

    Values lie between two ends, and so does the interval. Where all are one, nothing tells of their spread: then n clusters
    leave room, at 95%, for a share of others of 1 − 0.025^(1/n), all of them at an end.
    """
    if not chosen.any():
        return np.nan, (np.nan, np.nan)
    n_clusters = int(cluster.max()) + 1
    sums = np.bincount(cluster[chosen], values[chosen], minlength=n_clusters)
    counts = np.bincount(cluster[chosen], minlength=n_clusters)
    mean, n_used = float(sums.sum() / counts.sum()), int((counts > 0).sum())
    if n_used < 2:
        return mean, (np.nan, np.nan)
    if np.ptp(values[chosen]) == 0.0:
        others = 1.0 - 0.025 ** (1.0 / n_used)
        return mean, (mean - others * (mean - ends[0]), mean + others * (ends[1] - mean))
    interval = ratio_interval(sums[None], counts)
    return mean, (float(np.clip(interval.low[0], *ends)), float(np.clip(interval.high[0], *ends)))
