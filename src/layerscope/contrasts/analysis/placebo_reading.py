"""What is written of consistency, layers and types: how large each is, against placebos, and whether that is resolved.

A statement begins with its size and ends with no more than its interval allows. What was not tested says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from layerscope.bilingual import Bilingual

LEVEL = 0.05
_SETS = {
    "all": Bilingual("subtypes", "任意の 2 つの下位分類"),
    "meaning": Bilingual("meaning subtypes", "意味に属する任意の 2 つの下位分類"),
    "grammar": Bilingual("grammar subtypes", "文法に属する任意の 2 つの下位分類"),
}


def read_consistency(facts: Mapping[str, Any], frames: Mapping[str, pd.DataFrame]) -> list[Bilingual]:
    """How many of their stillest dimensions subtypes share, all of them first.

    Args:
        facts: of the run; see ``read_stability``.
        frames: the tables of the stability analysis by file name.
    """
    if "layer_agreement.parquet" not in frames or _here(frames["layer_agreement.parquet"], facts).empty:
        return [
            Bilingual(
                "Consistency needs at least two subtypes with placebos at this position; there are fewer.",
                "一貫性の検討には、この位置でプラセボをもつ下位分類が 2 つ以上必要だが、足りない。",
            )
        ]
    layers = _here(frames["layer_agreement.parquet"], facts)
    said = []
    for name, (en, ja) in _SETS.items():
        rows = layers[(layers["set"] == name) & (layers["measure"] == "jaccard")]
        if rows.empty:
            continue
        mean = rows[(rows["scale"] == "percentile") & rows["layer"].isna()].iloc[0]
        k, n = int(facts["k"]), int(mean["subtypes"])
        own, beside, chance = (shared_of(float(mean[column]), k) for column in ("value", "placebo", "chance"))
        verdict = _resolved(mean, facts)
        by_layer = _single_layers(rows[(rows["scale"] == "percentile") & rows["layer"].notna()], facts)
        said.append(
            Bilingual(
                f"Of the {k} dimensions per layer that change least, two {en} share {own:.1f} on average ({n} compared) and "
                f"their placebos {beside:.1f} (chance: {chance:.1f}), a difference of {own - beside:+.1f} in {k}. "
                f"{verdict.en}{by_layer.en}",
                f"各層で最も変化しない {k} 次元のうち、{ja}（全 {n} 個の平均）に共通するのは {own:.1f} 個、"
                f"プラセボどうしでは {beside:.1f} 個（偶然の期待値は {chance:.1f} 個）。"
                f"差は {k} 個あたり {own - beside:+.1f} 個。{verdict.ja}{by_layer.ja}",
            )
        )
        if name == "all":
            raw = rows[(rows["scale"] == "raw") & rows["layer"].isna()].iloc[0]
            concordance = layers[(layers["set"] == name) & (layers["measure"] == "kendall_w") & layers["layer"].isna()]
            w = concordance[concordance["scale"] == "percentile"].iloc[0]
            raws = shared_of(float(raw["value"]), k), shared_of(float(raw["placebo"]), k)
            said.append(
                Bilingual(
                    f"On the raw scale, where dimensions that are always small rank first, they share {raws[0]:.1f} and their "
                    f"placebos {raws[1]:.1f}. Kendall's W over all dimensions is {w['value']:.3f} (placebos "
                    f"{w['placebo']:.3f}, chance {w['chance']:.3f}).",
                    f"つねに小さい次元が先頭に来る生の尺度では {raws[0]:.1f} 個、"
                    f"プラセボどうしでは {raws[1]:.1f} 個を共有する。"
                    f"全次元にわたるケンドールの W は {w['value']:.3f}"
                    f"（プラセボ {w['placebo']:.3f}、偶然 {w['chance']:.3f}）。",
                )
            )
    return said + _check(facts, frames)


def read_layers(facts: Mapping[str, Any], frames: Mapping[str, pd.DataFrame]) -> list[Bilingual]:
    """Whether the stillest units lie in other layers than those of placebos."""
    rows = _rows(frames, "layer_specificity.parquet", facts)
    if rows.empty:
        return []
    rows = rows[(rows["set"] == "all") & (rows["scale"] == "percentile")]
    first, n_units = rows.iloc[0], int(facts["k"]) * int(facts["layers"])
    p = _number(first["distance_p"])
    most = rows[rows["excess"] > 0].sort_values("excess", ascending=False, kind="stable").head(3).to_dict("records")
    where = [f"{int(row['layer'])} ({row['share']:.1%}, placebos {row['placebo']:.1%})" for row in most]
    where_ja = [f"層 {int(row['layer'])}（{row['share']:.1%}、プラセボ {row['placebo']:.1%}）" for row in most]
    farthest = Bilingual("", "")
    if most:
        farthest = Bilingual(
            f" The layers farthest above their placebos are {', '.join(where)}.",
            f"プラセボを最も上回るのは、{'、'.join(where_ja)}。",
        )
    if math.isnan(p):
        verdict = Bilingual("Not tested.", "検定なし。")
    elif 1 / (1 + int(facts["n_resamples"])) >= LEVEL:
        verdict = _too_few_swaps(int(facts["n_resamples"]))
    elif p < LEVEL:
        verdict = Bilingual(
            f"That is more than swapping pairs with their placebos gives (p = {p:.2g}).",
            f"入れ替えで生じる以上の差である（p = {p:.2g}）。",
        )
    else:
        verdict = Bilingual(
            f"Swapping pairs with their placebos gives as much, so the difference is not significant (p = {p:.2g}).",
            f"ペアとプラセボの入れ替えでも同程度は生じる（p = {p:.2g}）ので、差があるとは言えない。",
        )
    alone = _single_layers(rows, facts)
    return [
        Bilingual(
            f"The distribution over layers of the {n_units:,} units that change least differs from that of placebos by "
            f"{first['distance']:.0%} (total variation). {verdict.en}{alone.en}{farthest.en} An even spread would put "
            f"{1 / len(rows):.1%} in each layer.",
            f"全層で最も変化しない {n_units:,} ユニットの層への分布は、プラセボの分布と {first['distance']:.0%} ずれている"
            f"（全変動距離）。{verdict.ja}{alone.ja}{farthest.ja}均等なら 1 層あたり {1 / len(rows):.1%}。",
        )
    ]


def read_types(facts: Mapping[str, Any], frames: Mapping[str, pd.DataFrame]) -> list[Bilingual]:
    """Whether subtypes have profiles of their own, and whether meaning and grammar differ as types."""
    rows = _rows(frames, "type_specificity.parquet", facts)
    if rows.empty:
        return []
    row = rows[rows["scale"] == "percentile"].iloc[0]
    own, beside = row["within_subtype"] - row["between_subtypes"], row["within_placebo"] - row["between_placebos"]
    p = _number(row["subtype_p"])
    if math.isnan(p):
        verdict = Bilingual("Not tested.", "検定なし。")
    elif 1 / (1 + int(facts["n_resamples"])) >= LEVEL:
        verdict = _too_few_swaps(int(facts["n_resamples"]))
    elif p >= LEVEL:
        verdict = Bilingual(
            f"The two do not differ significantly (p = {p:.2g}): no profile of a subtype's own, beyond its sentences', is "
            "shown.",
            f"両者の差は確認できない（p = {p:.2g}）。文の性質を超える、下位分類に固有のプロファイルは示されていない。",
        )
    elif own > beside:
        verdict = Bilingual(
            f"Subtypes have profiles of their own, beyond what their sentences explain (p = {p:.2g}).",
            f"文の性質を超える、下位分類ごとに固有のプロファイルがある（p = {p:.2g}）。",
        )
    else:
        verdict = Bilingual(
            f"Subtypes are less distinct from each other than their placebos are (p = {p:.2g}).",
            f"下位分類どうしの区別は、プラセボどうしの区別より弱い（p = {p:.2g}）。",
        )
    said = [
        Bilingual(
            f"Halves of one subtype agree by {own:.3f} more than halves of different subtypes (r = {row['within_subtype']:.3f} "
            f"versus {row['between_subtypes']:.3f}); for placebos of the same sentences this is {beside:.3f}. {verdict.en}",
            f"同じ下位分類の半分どうしの相関は、異なる下位分類の半分どうしより {own:.3f} 高い"
            f"（r = {row['within_subtype']:.3f} と {row['between_subtypes']:.3f}）。同じ文のプラセボではこの差は {beside:.3f}。"
            f"{verdict.ja}",
        )
    ]
    if not math.isnan(_number(row["within_type"])) and not math.isnan(_number(row["between_types"])):
        gap = row["within_type"] - row["between_types"]
        types = _number(row["type_p"])
        if math.isnan(types):
            tested = Bilingual(
                "too few subtypes to test whether meaning and grammar differ as types",
                "意味と文法が分類として異なるかを検定するには下位分類の数が足りない",
            )
        elif types < LEVEL:
            tested = Bilingual(
                f"meaning and grammar differ as types (p = {types:.2g} over {int(row['labellings']):,} labellings)",
                f"意味と文法は分類として異なる（p = {types:.2g}、{int(row['labellings']):,} 通りの割り当て）",
            )
        else:
            tested = Bilingual(
                f"meaning and grammar do not differ significantly as types (p = {types:.2g} over {int(row['labellings']):,} "
                "labellings)",
                f"意味と文法は分類として区別されない（p = {types:.2g}、{int(row['labellings']):,} 通りの割り当て）",
            )
        said.append(
            Bilingual(
                f"Beyond their placebos, agreement between subtypes of one type minus that between subtypes of different types "
                f"is {gap:+.3f}: {tested.en}.",
                f"プラセボを差し引いた一致度の差（同じ分類の下位分類どうし − 異なる分類の下位分類どうし）は {gap:+.3f}："
                f"{tested.ja}。",
            )
        )
    return said


def shared_of(jaccard: float, k: int) -> float:
    """How many of their k units two sets share that have a Jaccard index.

    Examples:
        >>> shared_of(0.25, 50), shared_of(1.0, 50)
        (20.0, 50.0)
    """
    return 2 * k * jaccard / (1 + jaccard)


def _resolved(row: pd.Series[Any], facts: Mapping[str, Any]) -> Bilingual:
    """A sentence on an excess over placebos: its interval, and whether that leaves out 0."""
    p, n_swaps = _number(row["p_value"]), int(facts["n_resamples"])
    if math.isnan(p):
        return Bilingual("Not tested: see below.", "検定なし（下記参照）。")
    if 1 / (1 + n_swaps) >= LEVEL:
        return _too_few_swaps(n_swaps)
    interval = f"Jaccard {row['excess']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}], p = {p:.2g}"
    if p >= LEVEL:
        said = Bilingual("The difference is not significant", "差があるとは言えない")
    elif row["excess"] > 0:
        said = Bilingual("They are more alike than placebos", "下位分類どうしはプラセボどうしより互いに似ている")
    else:
        said = Bilingual("They are less alike than placebos", "下位分類どうしはプラセボどうしほど似ていない")
    return Bilingual(f"{said.en} ({interval}).", f"{said.ja}（{interval}）。")


def _too_few_swaps(n_swaps: int) -> Bilingual:
    return Bilingual(
        f"{n_swaps} swaps are too few for any test (--resamples 20 would be enough).",
        f"{n_swaps} 回の入れ替えでは何も判定できない（--resamples 20 なら可能）。",
    )


def _single_layers(by_layer: pd.DataFrame, facts: Mapping[str, Any]) -> Bilingual:
    """In how many layers the difference shows by itself, where it was tested."""
    if by_layer["p_value"].isna().all():
        return Bilingual("", "")
    n, n_swaps = len(by_layer), int(facts["n_resamples"])
    passed = by_layer["q_value"] < LEVEL
    above, below = int((passed & (by_layer["excess"] > 0)).sum()), int((passed & (by_layer["excess"] < 0)).sum())
    if 1 / (1 + n_swaps) >= LEVEL:
        return Bilingual("", "")  # said already
    if not above and not below and n / (1 + n_swaps) >= LEVEL:
        wanted = n * 20
        return Bilingual(
            f" {n_swaps} swaps are too few to test each of {n} layers by itself (--resamples {wanted} would be enough).",
            f"{n_swaps} 回の入れ替えでは {n} 層を 1 層ずつ判定することはできない（--resamples {wanted} なら可能）。",
        )
    return Bilingual(
        f" Tested one by one, {above} of {n} layers are above their placebos and {below} below (q < 0.05).",
        f"単独の層でプラセボを上回るのは {n} 層中 {above} 層、下回るのは {below} 層（q < 0.05）。",
    )


def _check(facts: Mapping[str, Any], frames: Mapping[str, pd.DataFrame]) -> list[Bilingual]:
    """What the same test finds where there is nothing: placebos against second placebos."""
    rows = _rows(frames, "placebo_check.parquet", facts)
    if rows.empty:
        return []
    rows = rows[(rows["measure"] == "jaccard") & (rows["scale"] == "percentile") & rows["layer"].isna()]
    row = rows.iloc[0]
    found = f"{row['excess']:+.3f}"
    if not math.isnan(_number(row["low"])):
        found += f" [{row['low']:+.3f}, {row['high']:+.3f}], p = {row['p_value']:.2g}"
    return [
        Bilingual(
            f"The same test of placebos against second placebos, which should find no difference: Jaccard {found}.",
            f"第 2 のプラセボに対する同じ検定（差はないはずである）：Jaccard 係数 {found}。",
        )
    ]


def _rows(frames: Mapping[str, pd.DataFrame], name: str, facts: Mapping[str, Any]) -> pd.DataFrame:
    return _here(frames[name], facts) if name in frames else pd.DataFrame()


def _here(frame: pd.DataFrame, facts: Mapping[str, Any]) -> pd.DataFrame:
    here: pd.DataFrame = frame[(frame["site"] == facts["site"]) & (frame["position"] == facts["position"])]
    return here


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
