"""What a search comes to, in sentences that say no more than its tables: the rise, gains, layers that go, ties.

A difference is told where its q is below 0.05, or, with too few texts for a q, where its interval leaves out 0. What is not
told is said to be so, and is not called equal.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from layerscope.bilingual import Bilingual
from layerscope.searches.analysis.gains_finding import best_paths, over_one_shot, over_random, whole_size
from layerscope.searches.analysis.layers_that_go import layers_that_go
from layerscope.searches.analysis.ties import ties
from layerscope.searches.analysis.wording import at_sizes, joined, size_name
from layerscope.sweeps.analysis.few_texts import few_texts
from layerscope.sweeps.analysis.findings import in_nats


def search_findings(
    frontier: pd.DataFrame, gains: pd.DataFrame, left_out: pd.DataFrame, candidates: pd.DataFrame
) -> list[Bilingual]:
    """The sentences that stand under a search and above its chart, those that decide first; the warning of few texts is none.

    Args:
        frontier: frontier.parquet, the intact model first.
        gains: gains.parquet.
        left_out: left_out.parquet.
        candidates: candidates.parquet.
    """
    found = [_rise(frontier), layers_that_go(left_out, whole_size(frontier))]
    is_one_shot = set(candidates["way"]) == {"one-shot"}
    if is_one_shot:
        found.append(
            Bilingual(
                "The method is one-shot itself, so there is no gain over it to report.",
                "手法が一括（one-shot）そのものなので、それに対する改善はない。",
            )
        )
    else:
        found.append(over_one_shot(frontier, gains))
    found += [None if is_one_shot else ties(candidates), over_random(frontier, gains), _not_told(frontier)]
    return [one for one in found if one is not None]


def held_out_warning(n_texts: int) -> Bilingual | None:
    """What is said beside numbers from few held-out texts; None from fifty on."""
    warning = few_texts(n_texts)
    if warning is None:
        return None
    return Bilingual(f"Held out: {warning.en[0].lower()}{warning.en[1:]}", f"評価用：{warning.ja}")


def _rise(frontier: pd.DataFrame) -> Bilingual:
    """Of the path that is farthest from the intact model."""
    best, whole = best_paths(frontier), size_name(whole_size(frontier))
    if best.empty:
        return Bilingual("The search found no path other than the intact model.", "元のモデル以外のパスは見つからなかった。")
    row: dict[Any, Any] = best.to_dict("records")[0]
    size = size_name(row["layers"])
    made = Bilingual(f"With {size} instead of {whole} layers,", f"{whole} 層を {size} 層にすると")
    n_draws = frontier.loc[frontier["way"] == "search", "draw"].nunique()
    best_of = (
        Bilingual("", "") if n_draws == 1 else Bilingual("the best on all calibration texts: ", "全較正用テキストで最良の")
    )
    if size == whole:
        made = Bilingual(f"With the model's {whole} layers rearranged,", f"{whole} 層を並べ替えると")
    path = Bilingual(f" ({best_of.en}path {row['path']})", f"（{best_of.ja}パス {row['path']}）")
    if not np.isfinite(row["delta_nll_nats"]):
        return Bilingual(
            f"{made.en} the held-out NLL is not finite{path.en}.", f"{made.ja}、評価用テキストの NLL が有限でない{path.ja}。"
        )
    by = Bilingual(in_nats(row, "delta_nll", "en"), in_nats(row, "delta_nll", "ja"))
    return Bilingual(
        f"{made.en} the held-out NLL changes by {by.en} per token{path.en}.",
        f"{made.ja}、評価用テキストの NLL は 1 トークンあたり {by.ja} 変化する{path.ja}。",
    )


def _not_told(frontier: pd.DataFrame) -> Bilingual | None:
    """Sizes at which nothing was lost as far as can be told, and those that are better than the intact model."""
    best = best_paths(frontier)[::-1]
    low, high = best["delta_nll_low_nats"].to_numpy(float), best["delta_nll_high_nats"].to_numpy(float)
    said = []
    if open_ := best[(low <= 0) & (high >= 0)]["layers"].tolist():
        at = at_sizes(open_, len(best), word="any")
        said.append(
            Bilingual(
                f"no change is established {at.en} (the interval includes 0)",
                f"{at.ja}変化があるとは言えない（信頼区間が 0 を含む）",
            )
        )
    if lower := best[high < 0]["layers"].tolist():
        at = at_sizes(lower, len(best))
        said.append(Bilingual(f"the NLL is lower than the intact model's {at.en}", f"{at.ja}元のモデルより低い"))
    if not said:
        return None
    both = joined(said)
    return Bilingual(
        f"Taking each interval separately, {both.en}.",
        f"信頼区間を 1 つずつ見ると、{both.ja}。",
    )
