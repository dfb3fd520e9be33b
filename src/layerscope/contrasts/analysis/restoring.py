"""What patching comes to: how much of the wrong form's disadvantage goes, by layer and position, and what the stillest carry.

The margin of a pair is the NLL of what follows its wrong form less that of what follows its right one. A patch of every
dimension of the residual stream at one place restores so much of it. The stillest dimensions differ least between the sides,
so that leaving them out of the patch costs little in any case; what they carry is what leaving them out costs more than
leaving out as many others that are alike in spread, size and weight.

Axes: ``patch``, ``pair``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from layerscope.bilingual import Bilingual
from layerscope.contrasts.tables import ALL, CARRIED, WITHOUT_RANDOM, WITHOUT_STABLE
from layerscope.stats.false_discovery import benjamini_hochberg
from layerscope.stats.ratio import ratio_interval

LEVEL = 0.05


def restoring_table(
    margin_nats: Float[np.ndarray, " pair"],
    restored_nats: Mapping[tuple[int, str, str], Float[np.ndarray, " pair"]],
    templates: Int[np.ndarray, " pair"],
) -> pd.DataFrame:
    """One row per layer, position and what was patched; ``carried`` is without-random less without-stable.

    Args:
        margin_nats: of each pair.
        restored_nats: by layer, position and one of the first three names, how much less the NLL is after a patch; NaN where a
            pair lacks the position. Without-random is the mean over the random sets.
        templates: of each pair, by number; intervals are over templates.
    """
    found = dict(restored_nats)
    for layer, position, name in restored_nats:
        if name == WITHOUT_STABLE:
            others = restored_nats[layer, position, WITHOUT_RANDOM]
            found[layer, position, CARRIED] = others - restored_nats[layer, position, WITHOUT_STABLE]
    rows = [
        {"layer": layer, "position": position, "set": name, **_row(values, margin_nats, templates)}
        for (layer, position, name), values in found.items()
    ]
    frame = pd.DataFrame(rows)
    frame["q_value"] = np.nan
    for _, some in frame.groupby("set", sort=False):
        frame.loc[some.index, "q_value"] = benjamini_hochberg(some["p_value"].to_numpy(dtype=float))
    return frame


def _row(values: np.ndarray, margin_nats: np.ndarray, templates: np.ndarray) -> dict[str, Any]:
    there = np.isfinite(values) & np.isfinite(margin_nats)
    _, group = np.unique(templates[there], return_inverse=True)
    n_groups = int(group.max(initial=-1)) + 1
    sums, counts = np.bincount(group, values[there], minlength=n_groups), np.bincount(group, minlength=n_groups)
    interval = ratio_interval(sums.astype(np.float64)[None], counts)
    total = float(margin_nats[there].sum())
    return {
        "pairs": int(there.sum()),
        "restored_nats": float(values[there].mean()) if there.any() else np.nan,
        "low": float(interval.low[0]),
        "high": float(interval.high[0]),
        "p_value": float(interval.p_value[0]),
        "share": float(values[there].sum() / total) if total else np.nan,
    }


def read_restoring(table: pd.DataFrame, k: int, positions: Sequence[str]) -> list[Bilingual]:
    """Where the margin is, and whether the stillest dimensions carry any of it.

    Args:
        table: from ``restoring_table``.
        k: stillest dimensions of a layer that were left out.
        positions: in their order.
    """
    said = []
    whole = table[table["set"] == ALL]
    for position in positions:
        rows = whole[(whole["position"] == position) & whole["share"].notna()]
        if len(rows):
            first, best = rows.iloc[0], rows.iloc[int(np.argmax(rows["share"].to_numpy()))]
            said.append(
                Bilingual(
                    f"At {position}, patching the whole residual stream restores {first['share']:.0%} of the margin after "
                    f"layer {int(first['layer'])}, and most after layer {int(best['layer'])}: {best['share']:.0%} "
                    f"({best['restored_nats']:+.3f} nats [{best['low']:+.3f}, {best['high']:+.3f}]).",
                    f"{position} で残差ストリーム全体を差し替えると、層 {int(first['layer'])} の後ではマージンの "
                    f"{first['share']:.0%} が回復し、最大は層 {int(best['layer'])} の後の {best['share']:.0%}"
                    f"（{best['restored_nats']:+.3f} nat [{best['low']:+.3f}, {best['high']:+.3f}]）。",
                )
            )
    carried = table[(table["set"] == CARRIED) & table["restored_nats"].notna()]
    if len(carried):
        tested = carried["q_value"].notna()
        more = int((tested & (carried["q_value"] < LEVEL) & (carried["restored_nats"] > 0)).sum())
        less = int((tested & (carried["q_value"] < LEVEL) & (carried["restored_nats"] < 0)).sum())
        middle, n = float(carried["share"].median()), len(carried)
        verdict = (
            Bilingual(
                f"they carry more in {more} of {n} places and less in {less} (q < 0.05)",
                f"{n} 箇所のうち多く担うのは {more} 箇所、少なく担うのは {less} 箇所（q < 0.05）",
            )
            if tested.any()
            else Bilingual("not tested, because there are too few templates", "テンプレートが足りず、検定なし")
        )
        said.append(
            Bilingual(
                f"Leaving the {k} dimensions of the layer that change least out of the patch costs {middle:+.1%} more of the "
                f"margin than leaving out {k} similar ones (median over layers and positions): {verdict.en}.",
                f"差し替えからその層の最も変化しない {k} 次元を除くと、似た別の {k} 次元を除く場合より、"
                f"マージンの {middle:+.1%} だけ多く失われる（層と位置にわたる中央値）。{verdict.ja}。",
            )
        )
    return said
