"""What is written of correction: does a layer move the wrong side to the right one, and errors otherwise than meaning?

Medians stand beside means, since one layer or pair can make a mean. What compares errors with meaning says over how many ways
to call subtypes errors it was tested, or that it was not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from layerscope.bilingual import Bilingual

LEVEL = 0.05


def read_correction(facts: Mapping[str, Any], frames: Mapping[str, pd.DataFrame]) -> list[Bilingual]:
    """Statements on correction, the one that rests on pairs alone first.

    Args:
        facts: of the run: position and groups.
        frames: the tables of the stability analysis by file name.
    """
    rows = frames["contraction.parquet"]
    rows = rows[rows["position"] == facts["position"]] if len(rows) else rows
    if rows.empty:
        return _falls(frames)
    said = _asymmetry(rows, int(facts["n_resamples"]))
    types = rows[rows["set"] == "error-meaning"]
    for quantity, wanted in (("contraction", -1), ("toward_right", 1)):
        some = types[types["quantity"] == quantity]
        if len(some):
            said.append(_against_meaning(some, wanted, rows, facts))
    return said + _falls(frames)


def _asymmetry(rows: pd.DataFrame, n_resamples: int) -> list[Bilingual]:
    """What the two sides of a pair say of each other; it comes first, for it compares no types."""
    of_pairs = rows[rows["quantity"] == "asymmetry"]
    some = of_pairs[of_pairs["set"] == "error"]
    if some.empty:
        return []
    by_subtype = of_pairs[of_pairs["set"] != "error"].groupby("set", observed=True, sort=False)["median"].median()
    above = int((by_subtype > 0).sum())
    tested = some[some["p_value"].notna()]
    more = int(((tested["q_value"] < LEVEL) & (tested["value"] > 0)).sum())
    less = int(((tested["q_value"] < LEVEL) & (tested["value"] < 0)).sum())
    counted = (
        Bilingual(
            f"the mean is above 0 in {more} of {len(some)} layers and below it in {less} (q < 0.05)",
            f"平均が 0 を上回るのは {len(some)} 層中 {more} 層、下回るのは {less} 層（q < 0.05）",
        )
        if len(tested)
        else Bilingual("inference refused", "検定なし")
    )
    if len(tested) / (1 + n_resamples) >= LEVEL and not more and not less:
        coarse = n_resamples, len(tested) * 20
        counted = Bilingual(
            f"{counted.en}, but {coarse[0]} draws are too few to test single layers (--resamples {coarse[1]} would be enough)",
            f"{counted.ja}。ただし {coarse[0]} 回の再標本化では単独の層を判定できない（--resamples {coarse[1]} なら可能）",
        )
    middle, mean = float(some["median"].median()), float(some["value"].mean())
    return [
        Bilingual(
            "If layers corrected errors, the wrong side of a pair would move toward the right one more than the right side "
            f"toward the wrong one. The difference is {middle:+.4f} of the way per layer (median over pairs, then layers; mean "
            f"{mean:+.4f}); {counted.en}. By subtype, its median is above 0 in {above} of {len(by_subtype)} that have a wrong "
            "side.",
            "訂正があるなら、ペアの誤りの側が正しい側へ動く量は、正しい側が誤りの側へ動く量より大きいはずである。"
            f"その差は 1 層あたり {middle:+.4f}（ペア、次いで層の中央値。平均は {mean:+.4f}）。{counted.ja}。"
            f"誤りの側をもつ下位分類 {len(by_subtype)} 個のうち、中央値が 0 を上回るのは {above} 個。",
        )
    ]


def _against_meaning(some: pd.DataFrame, wanted: int, rows: pd.DataFrame, facts: Mapping[str, Any]) -> Bilingual:
    """Errors against meaning at equal size: two types, whose sample is subtypes."""
    tested = some[some["p_value"].notna()]
    middle, mean = float(some["value"].median()), float(some["value"].mean())
    n_error = rows.loc[(rows["quantity"] == "asymmetry") & (rows["set"] != "error"), "set"].nunique()
    n_meaning = int((facts["groups"]["role"] == "meaning").sum())
    if len(tested):
        as_wanted = int(((tested["q_value"] < LEVEL) & (tested["value"] * wanted > 0)).sum())
        against = int(((tested["q_value"] < LEVEL) & (tested["value"] * wanted < 0)).sum())
        counted = Bilingual(
            f"this is so in {as_wanted} of {len(some)} layers and the reverse in {against} (q < 0.05, over all ways to call "
            f"{n_error} of {n_error + n_meaning} subtypes errors)",
            f"そうなるのは {len(some)} 層中 {as_wanted} 層、逆が {against} 層"
            f"（下位分類 {n_error + n_meaning} 個のうち {n_error} 個を誤りとするすべての割り当てに対して q < 0.05）",
        )
    else:
        counted = Bilingual(
            f"not tested, because {n_error} error subtypes and {n_meaning} meaning subtypes are too few to compare types, or "
            "have too few pairs",
            f"検定なし：下位分類が誤り {n_error} 個、意味 {n_meaning} 個では分類を区別するには少なすぎるか、ペアの数が足りない",
        )
    if wanted < 0:
        return Bilingual(
            "Correction would also bring the two sides of an error together faster than those of a meaning pair of equal size: "
            f"{counted.en}; over layers, the difference of ln(R out / R in) has the median {middle:+.3f} and the mean "
            f"{mean:+.3f}.",
            f"また、誤りのペアは同じ大きさの意味のペアより速く近づくはずである。{counted.ja}。"
            f"ln（R 出力／R 入力）の差の層にわたる中央値は {middle:+.3f}、平均は {mean:+.3f}。",
        )
    return Bilingual(
        f"And it would move the wrong side farther than the sides of such a meaning pair move: {counted.en}; over layers, the "
        f"difference has the median {middle:+.4f} of the way per layer and the mean {mean:+.4f}.",
        f"誤りの側の動きは、そのような意味のペアの動きより大きいはずである。{counted.ja}。"
        f"差は 1 層あたり中央値で {middle:+.4f}、平均で {mean:+.4f}。",
    )


def _falls(frames: Mapping[str, pd.DataFrame]) -> list[Bilingual]:
    if "divergence.parquet" not in frames:
        return []
    falls = frames["divergence.parquet"].set_index(["set", "distance"])
    if ("error", 0) not in falls.index or ("error", 3) not in falls.index:
        return []
    names = {"error": "誤り", "meaning": "意味", "control": "対照"}
    there = [name for name in names if (name, 0) in falls.index and (name, 3) in falls.index]
    en, ja = [], []
    for name in there:
        (near, near_mean), (far, far_mean) = (falls.loc[(name, place), ["median_nats", "kl_nats"]] for place in (0, 3))
        values = f"{near:.2f} → {far:.2f}", f"{near_mean:.2f} → {far_mean:.2f}"
        en.append(f"{name} {values[0]} (mean {values[1]})")
        ja.append(f"{names[name]} {values[0]}（平均 {values[1]}）")
    return [
        Bilingual(
            f"Median KL between the two sides' predictions, from the edit to three tokens after it (nats): {'; '.join(en)}. "
            "The types differ in size, so the decreases are not compared.",
            f"両側の予測の KL の中央値、編集位置から 3 トークン後まで（nat）：{'、'.join(ja)}。"
            "分類によって差の大きさが違うため、下がり方は比較しない。",
        )
    ]
