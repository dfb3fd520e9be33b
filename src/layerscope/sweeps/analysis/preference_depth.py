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

from layerscope.paths.families import DEPTH
from layerscope.stats.ratio import ratio_interval
from layerscope.sweeps.analysis.prediction_depth import prediction_depths
from layerscope.sweeps.analysis.preference import FEW_PAIRS, clusters_of, pair_groups
from layerscope.sweeps.pair_tables import PAIR_DEPTH, PARTS, PREFERENCE_DEPTH


def pair_depth_table(effects: pd.DataFrame, layers: pd.DataFrame, n_pairs: int, *, is_tie_right: bool) -> pa.Table:
    """pair_depth.parquet: one row a part of the sentence and pair that has it.

    Args:
        effects: pair_effects.parquet.
        layers: layers.parquet; its variants of ``depth`` from the embeddings on.
        n_pairs: of the run.
        is_tie_right: whether the right side counts as preferred where both are exactly as likely.
    """
    rows = np.flatnonzero(layers["family"] == DEPTH)
    found = []
    for unit in PARTS:
        margin = effects[f"{unit}_margin_nats"].to_numpy(dtype=float, na_value=np.nan).reshape(-1, n_pairs)[rows]
        pair = np.flatnonzero(np.isfinite(margin).all(axis=0))
        is_right = margin[:, pair] >= 0 if is_tie_right else margin[:, pair] > 0
        found.append(
            pd.DataFrame(
                {
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


def preference_depth_table(depths: pd.DataFrame, pairs: pd.DataFrame) -> pa.Table:
    """preference_depth.parquet: one row a part of the sentence and group of pairs.

    Args:
        depths: pair_depth.parquet.
        pairs: pairs.parquet.
    """
    templates = pairs["template"].astype(str).to_numpy()
    found = []
    for unit in PARTS:
        of_unit = depths[depths["unit"].astype(str) == unit].set_index("pair")
        for group in pair_groups(pairs):
            rows = of_unit[of_unit.index.isin(group.pairs)]
            if len(rows):
                names = {"unit": unit, "kind": group.kind, "group": group.name}
                found.append({**names, **_of_group(rows, templates[rows.index])})
    return PREFERENCE_DEPTH.from_frame(pd.DataFrame(found))


def _of_group(rows: pd.DataFrame, templates: np.ndarray) -> dict[str, object]:
    kind, cluster = clusters_of(templates)
    is_right = rows["is_right"].to_numpy(bool)
    depth = rows["depth"].to_numpy(float)
    mean = _mean(depth, cluster, is_right)
    flips = _mean(rows["flips_back"].to_numpy(float), cluster, np.ones(len(rows), dtype=bool))
    return {
        "pairs": len(rows),
        "clusters": cluster.max() + 1,
        "clusters_of": kind,
        "pairs_right": int(is_right.sum()),
        "is_few": int(is_right.sum()) < FEW_PAIRS,
        "mean_depth": mean[0],
        "mean_depth_low": mean[1],
        "mean_depth_high": mean[2],
        "median_depth": float(np.median(depth[is_right])) if is_right.any() else np.nan,
        "flips_back": flips[0],
        "flips_back_low": flips[1],
        "flips_back_high": flips[2],
    }


def _mean(
    values: Float[np.ndarray, " pair"], cluster: Int[np.ndarray, " pair"], chosen: Bool[np.ndarray, " pair"]
) -> tuple[float, float, float]:
    """Mean over some pairs, with the ends of its interval over clusters; NaN where there are none."""
    if not chosen.any():
        return np.nan, np.nan, np.nan
    n_clusters = int(cluster.max()) + 1
    sums = np.bincount(cluster[chosen], values[chosen], minlength=n_clusters)
    counts = np.bincount(cluster[chosen], minlength=n_clusters)
    interval = ratio_interval(sums[None], counts)
    return float(sums.sum() / counts.sum()), float(interval.low[0]), float(interval.high[0])
