"""What a search gains over what is simpler, in sentences: over one-shot size by size, and over random paths.

A gain or loss is told where its q is below 0.05, or, with too few texts for a q, where its interval leaves out 0.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from layerscope.bilingual import Bilingual
from layerscope.searches.analysis.frontier import MEAN_OF_DRAWS
from layerscope.searches.analysis.wording import at_sizes, joined, listed, plural, size_name
from layerscope.sweeps.analysis.findings import in_nats, told_from_zero

_NAMED = 3
"""Differences whose numbers are written out."""


def whole_size(frontier: pd.DataFrame) -> float:
    """Layers of the intact model, the first row."""
    return float(frontier["layers"].iloc[0])


def best_paths(frontier: pd.DataFrame) -> pd.DataFrame:
    """The search's best path of each size, the farthest from the model's own first."""
    rows = frontier[(frontier["way"] == "search") & frontier["is_best"]]
    order = (rows["layers"] - whole_size(frontier)).abs().sort_values(ascending=False, kind="stable").index
    return rows.loc[order]


def _of_all_draws(gains: pd.DataFrame, against: str) -> pd.DataFrame:
    """The mean over draws where there are several, else the one draw; the largest sizes first."""
    rows = gains[gains["against"] == against]
    return rows[rows["draw"] == (MEAN_OF_DRAWS if gains["draw"].nunique() > 1 else gains["draw"].min())]


def _over_draws(gains: pd.DataFrame) -> Bilingual:
    n = int((gains["draw"].unique() != MEAN_OF_DRAWS).sum())
    return Bilingual("", "") if n < 2 else Bilingual(f" (mean over {n} draws)", f"（{n} 組の平均）")


def over_one_shot(frontier: pd.DataFrame, gains: pd.DataFrame) -> Bilingual | None:
    """Better, worse, not told, the same path, and where there is nothing to compare with."""
    best = best_paths(frontier)[::-1]
    if best.empty:
        return None
    rows = _of_all_draws(gains, "one-shot")
    is_same, n = rows["same_path"].to_numpy(bool), len(best)
    other = rows[~is_same & np.isfinite(rows["gain_nats"].to_numpy(float))]
    said = [] if other.empty else _told(other, n)
    is_lacking = ~best["layers"].isin(rows["layers"])
    lacking = Bilingual("one-shot", "一括")
    if frontier.loc[frontier["way"] == "search", "draw"].nunique() > 1:
        lacking = Bilingual("one-shot or a draw", "一括またはいずれかの組")
    groups: tuple[tuple[pd.Series[Any], str, Literal["every", "any"], str], ...] = (
        (rows[is_same]["layers"], "the same path {at}", "every", "{at}同じパス"),
        (
            rows[~is_same & ~np.isfinite(rows["gain_nats"].to_numpy(float))]["layers"],
            "no finite NLL to compare {at}",
            "any",
            "{at}有限な NLL がなく比較できない",
        ),
        (
            best["layers"][is_lacking],
            f"no comparison {{at}}, where {lacking.en} has no path",
            "any",
            f"{{at}}{lacking.ja}にパスがなく比較できない",
        ),
    )
    for sizes, en, word, ja in groups:
        if len(sizes):
            at = at_sizes(sizes.tolist(), n, word=word)
            said.append(Bilingual(en.format(at=at.en), ja.format(at=at.ja)))
    over, all_said = _over_draws(gains), joined(said)
    return Bilingual(f"Against one-shot{over.en}: {all_said.en}.", f"一括（one-shot）との比較{over.ja}：{all_said.ja}。")


def _told(rows: pd.DataFrame, n_sizes: int) -> list[Bilingual]:
    above, below, is_tested = told_from_zero(rows, "gain", "q_value")
    said = []
    for told, en, ja in ((above, "better", "優れる"), (below, "worse", "劣る")):
        if told.any():
            largest = rows[told].assign(size=rows["gain_nats"].abs()).sort_values("size", ascending=False, kind="stable")
            numbers = [_number(row, is_tested) for row in largest.head(_NAMED).to_dict("records")]
            at = at_sizes(rows[told]["layers"].tolist(), n_sizes)
            few = Bilingual("; largest: ", "。大きい順に：") if told.sum() > _NAMED else Bilingual("", "")
            said.append(
                Bilingual(
                    f"{en} {at.en} ({few.en.lstrip('; ')}{', '.join(one.en for one in numbers)})",
                    f"{at.ja}{ja}（{few.ja.lstrip('。')}{'、'.join(one.ja for one in numbers)}）",
                )
            )
    if open_ := rows[~above & ~below]["layers"].tolist():
        at, why = at_sizes(open_, n_sizes, word="any"), _why_open(is_tested)
        said.append(Bilingual(f"no gain or loss is established {at.en}{why.en}", f"{at.ja}差があるとは言えない{why.ja}"))
    return said


def _why_open(is_tested: bool | None) -> Bilingual:
    if is_tested is None:
        return Bilingual(" (no interval)", "（信頼区間なし）")
    return (
        Bilingual(" (q ≥ 0.05)", "（q ≥ 0.05）")
        if is_tested
        else Bilingual(" (intervals include 0)", "（信頼区間が 0 を含む）")
    )


def _number(row: dict[Any, Any], is_tested: bool | None) -> Bilingual:
    """A gain of a size with its q."""
    size = size_name(row["layers"])
    q = _q(row) if is_tested else Bilingual("", "")
    return Bilingual(f"{size}: {in_nats(row, 'gain', 'en')}{q.en}", f"{size} 層：{in_nats(row, 'gain', 'ja')}{q.ja}")


def over_random(frontier: pd.DataFrame, gains: pd.DataFrame) -> Bilingual | None:
    """How many random paths are as good, and by how much their mean is worse at the farthest size."""
    rows = _of_all_draws(gains, "random")
    if rows.empty:
        return None
    counts = rows["random_paths"]
    low, high = int(counts.min()), int(counts.max())
    n = Bilingual(str(high), str(high)) if low == high else Bilingual(f"{low} to {high}", f"{low}〜{high}")
    as_good, over = rows[rows["random_as_good"] > 0].to_dict("records"), _over_draws(gains)
    if not as_good:
        said = Bilingual(
            f"Of {n.en} random {plural('path', high)} per size, none has as low a held-out NLL as the search{over.en}",
            f"評価用テキストの NLL が探索{over.ja}と同等以下のものは、各サイズの無作為なパス {n.ja} 本中にない",
        )
    else:
        some, more = as_good[:_NAMED], len(as_good[_NAMED:])
        en = [f"{row['random_as_good']} of {row['random_paths']} at {size_name(row['layers'])} layers" for row in some]
        ja = [f"{size_name(row['layers'])} 層で {row['random_paths']} 本中 {row['random_as_good']} 本" for row in some]
        en += [f"some at {more} more {plural('size', more)}"] if more else []
        ja += [f"ほか {more} サイズ"] if more else []
        said = Bilingual(
            f"Some random paths have as low a held-out NLL as the search{over.en}: {listed(en)}",
            f"無作為なパスで評価用テキストの NLL が探索{over.ja}と同等以下のものは、{'、'.join(ja)}",
        )
    mean = _mean_of_random(frontier, rows)
    return Bilingual(f"{said.en}{mean.en}.", f"{said.ja}{mean.ja}。")


def _q(row: dict[Any, Any]) -> Bilingual:
    q = row["q_value"]
    text = "q < 0.001" if q < 0.001 else f"q = {q:.2g}"
    return Bilingual(f", {text}", f"、{text}") if np.isfinite(q) else Bilingual("", "")


def _mean_of_random(frontier: pd.DataFrame, rows: pd.DataFrame) -> Bilingual:
    """By how much the mean of random paths lies above the search's at the size that is farthest from the model's own."""
    finite = rows[np.isfinite(rows["gain_nats"].to_numpy(float))]
    if finite.empty:
        return Bilingual("", "")
    farthest = finite.iloc[[int(np.argmax(np.abs(finite["layers"].to_numpy(float) - whole_size(frontier))))]]
    above, below, is_tested = told_from_zero(farthest, "gain", "q_value")
    row = farthest.to_dict("records")[0]
    size, told = size_name(row["layers"]), bool(above[0] or below[0])
    note = Bilingual("", "") if told else Bilingual(", which cannot be distinguished from 0", "、0 との差は言えない")
    q = _q(row) if is_tested else Bilingual("", "")
    return Bilingual(
        f"; at {size} layers the mean of random paths is {in_nats(row, 'gain', 'en')} above the search's{q.en}{note.en}",
        f"。{size} 層では無作為なパスの平均が探索より {in_nats(row, 'gain', 'ja')} 高い{q.ja}{note.ja}",
    )
