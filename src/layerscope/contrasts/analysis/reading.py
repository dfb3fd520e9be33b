"""A short written reading of a contrast run, made from its tables: scale, three questions, correction. English and Japanese.

Every sentence carries its numbers, what chance and controls give, and no more than they allow. What was refused is said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from layerscope.bilingual import Bilingual, Language
from layerscope.contrasts.analysis.correction_reading import read_correction

LEVEL = 0.05
_MOSTLY = 0.6


def read_stability(facts: Mapping[str, Any], frames: Mapping[str, pd.DataFrame]) -> Bilingual:
    """The reading, as Markdown.

    Args:
        facts: about the run: model, pairs, k, width, layers, site, position, n_resamples, groups, refused,
            and below_control, the share of all units that change less than under a random word (None without types).
        frames: the tables of the stability analysis by file name.
    """
    parts = [
        (Bilingual("Scale", "尺度"), _scale(facts, frames)),
        (
            Bilingual("Is it the same in every type of pair? (consistency)", "どの種類のペアでも同じか（一貫性）"),
            _consistency(facts, frames),
        ),
        (
            Bilingual("Is it special to some layers? (layer specificity)", "特定の層に偏るか（層特異性）"),
            _layers(facts, frames),
        ),
        (
            Bilingual("Is it special to some types? (type specificity)", "特定の種類に偏るか（種類特異性）"),
            _types(facts, frames),
        ),
        (Bilingual("Do the layers correct errors?", "層は誤りを訂正しているか"), read_correction(facts, frames)),
        (Bilingual("What to keep in mind", "留意点"), _caveats(facts, frames)),
    ]
    title = Bilingual(
        f"What stays still in {facts['model']} ({facts['pairs']})",
        f"{facts['model']} で変化しないもの（{facts['pairs']}）",
    )
    place = Bilingual(
        f"Site {facts['site']}, position {facts['position']}, the {facts['k']} dimensions of {facts['width']} a layer that "
        f"change least; {_n_pairs(facts):,} pairs of {_n_subtypes(facts)} subtypes.",
        f"観測箇所 {facts['site']}、位置 {facts['position']}、各層 {facts['width']} 次元のうち変化の小さい {facts['k']} 次元。"
        f"{_n_subtypes(facts)} 種類、{_n_pairs(facts):,} ペア。",
    )

    def written(language: Language) -> str:
        lines = [f"# {title.of(language)}", "", place.of(language)]
        for heading, statements in parts:
            if statements:
                lines += ["", f"## {heading.of(language)}", "", *(f"- {one.of(language)}" for one in statements)]
        return "\n".join(lines) + "\n"

    return Bilingual(written("en"), written("ja"))


def _scale(facts: Mapping[str, Any], frames: Mapping[str, pd.DataFrame]) -> list[Bilingual]:
    rows = _here(frames["spread.parquet"], facts)
    spread = rows[(rows["set"] == "all") & rows["layer"].isna()].set_index("scale")["spearman"]
    ranking = _here(frames["ranking.parquet"], facts)
    ranking = ranking[(ranking["set"] == "all") & (ranking["scope"] == "all")]
    units = {
        scale: set(zip(rows["layer"], rows["dim"], strict=True)) for scale, rows in ranking.groupby("scale", observed=True)
    }
    shared, k = len(units["percentile"] & units["raw"]), int(facts["k"])
    n_units = int(facts["width"]) * int(facts["layers"])
    return [
        Bilingual(
            f"Over all layers the raw ranking follows the dimensions' own spread over ordinary text with ρ = "
            f"{spread['raw']:.2f}; the ranking by control percentile with ρ = {spread['percentile']:.2f}.",
            f"全層を通じて、生の差の順位は通常の文章における次元自身のばらつきと ρ = {spread['raw']:.2f} で対応し、"
            f"対照パーセンタイルの順位では ρ = {spread['percentile']:.2f} である。",
        ),
        Bilingual(
            f"Of the {k} units with the smallest raw difference {shared} are among the {k} with the smallest control "
            f"percentile (chance: {k * k / n_units:.2f}).",
            f"生の差が最小の {k} ユニットのうち {shared} 個が、対照パーセンタイルが最小の {k} ユニットにも含まれる"
            f"（偶然の期待値 {k * k / n_units:.2f}）。",
        ),
    ]


def _consistency(facts: Mapping[str, Any], frames: Mapping[str, pd.DataFrame]) -> list[Bilingual]:
    if "layer_agreement.parquet" not in frames:
        return [
            Bilingual(
                "Consistency needs two subtypes and the random-word controls at this position; there are fewer.",
                "一貫性の検討には 2 種類以上のペアと無作為語対照が必要だが、足りない。",
            )
        ]
    layers = _here(frames["layer_agreement.parquet"], facts)
    names = {
        "all": Bilingual("subtypes of any type", "全種類"),
        "meaning": Bilingual("meaning subtypes", "意味の種類"),
        "grammar": Bilingual("grammar subtypes", "文法の種類"),
    }
    said = []
    for name, (en, ja) in names.items():
        rows = layers[(layers["set"] == name) & (layers["measure"] == "jaccard")]
        if rows.empty:
            continue
        mean = rows[(rows["scale"] == "percentile") & rows["layer"].isna()].iloc[0]
        raw = rows[(rows["scale"] == "raw") & rows["layer"].isna()].iloc[0]
        by_layer = rows[(rows["scale"] == "percentile") & rows["layer"].notna()]
        apart = _layers_apart(by_layer)
        concordance = layers[(layers["set"] == name) & (layers["measure"] == "kendall_w") & layers["layer"].isna()]
        w = concordance[concordance["scale"] == "percentile"].iloc[0]
        more = _verdict(mean)
        said.append(
            Bilingual(
                f"Two {en} share a Jaccard of {mean['value']:.3f} of their stillest dimensions a layer, where chance gives "
                f"{mean['chance']:.3f} and two control groups {mean['control']:.3f}; excess over controls {_interval(mean)}: "
                f"{more.en}{apart.en}. Kendall's W is "
                f"{w['value']:.3f} (chance {w['chance']:.3f}, controls {w['control']:.3f}).",
                f"{ja}の 2 つの間で、最も変化しない次元の Jaccard は層平均 {mean['value']:.3f}（偶然 {mean['chance']:.3f}、"
                f"対照どうし {mean['control']:.3f}）。対照に対する超過は {_interval(mean)}：{more.ja}。"
                f"{apart.ja}Kendall の W は {w['value']:.3f}"
                f"（偶然 {w['chance']:.3f}、対照 {w['control']:.3f}）。",
            )
        )
        if name == "all":
            below = raw["value"] <= raw["control"]
            alone = "shared scale alone makes that much overlap" if below else "more than that of the controls"
            said.append(
                Bilingual(
                    f"On the raw scale the same Jaccard is {raw['value']:.3f}, and that of two control groups "
                    f"{raw['control']:.3f}: {alone}.",
                    f"生の尺度では同じ Jaccard が {raw['value']:.3f}、対照どうしでは {raw['control']:.3f} であり、"
                    f"{'尺度の共有だけでこの程度は重なる' if below else '対照を上回る'}。",
                )
            )
    return said


def _layers(facts: Mapping[str, Any], frames: Mapping[str, pd.DataFrame]) -> list[Bilingual]:
    if "layer_specificity.parquet" not in frames:
        return []
    rows = _here(frames["layer_specificity.parquet"], facts)
    rows = rows[(rows["set"] == "all") & (rows["scale"] == "percentile")]
    first = rows.iloc[0]
    most = rows.sort_values("excess", ascending=False).head(3)
    n_units = int(facts["k"]) * int(facts["layers"])
    where_en = ", ".join(
        f"layer {row['layer']} ({row['share']:.1%} against {row['control']:.1%})" for _, row in most.iterrows()
    )
    where_ja = "、".join(f"第 {row['layer']} 層（{row['share']:.1%}、対照 {row['control']:.1%}）" for _, row in most.iterrows())
    significant = int((rows["q_value"] < LEVEL).sum())
    is_known = not math.isnan(_number(first["distance_p"]))
    en = f"p = {first['distance_p']:.3g}" if is_known else "inference refused"
    ja = f"p = {first['distance_p']:.3g}" if is_known else "検定なし"
    differ = (
        Bilingual(
            f"; {significant} of {len(rows)} layers differ (q < 0.05)",
            f"{len(rows)} 層中 {significant} 層で差がある（q < 0.05）。",
        )
        if is_known
        else Bilingual("", "")
    )
    return [
        Bilingual(
            f"The {n_units:,} stillest units of all layers together lie {first['distance']:.0%} otherwise over the layers than "
            f"those of controls (total variation; {en}); most above controls are {where_en}{differ.en}. "
            f"An even spread would be {1 / len(rows):.1%} a layer.",
            f"全層で最も変化しない {n_units:,} ユニットの層分布は対照と {first['distance']:.0%} 異なる（全変動距離、{ja}）。"
            f"対照を最も上回るのは{where_ja}。{differ.ja}均等なら 1 層 {1 / len(rows):.1%}。",
        )
    ]


def _types(facts: Mapping[str, Any], frames: Mapping[str, pd.DataFrame]) -> list[Bilingual]:
    if "type_specificity.parquet" not in frames:
        return []
    rows = _here(frames["type_specificity.parquet"], facts)
    row = rows[rows["scale"] == "percentile"].iloc[0]
    subtype = _p_phrase(
        row["subtype_p"],
        Bilingual("subtypes have profiles of their own", "種類ごとに固有の型がある"),
        Bilingual("no profile of a subtype's own is seen", "種類に固有の型は認められない"),
    )
    said = [
        Bilingual(
            f"Halves of one subtype rank the dimensions alike with ρ = {row['within_subtype']:.3f}, halves of different "
            f"subtypes with ρ = {row['between_subtypes']:.3f} ({subtype.en}).",
            f"同じ種類の半分どうしの順位相関は ρ = {row['within_subtype']:.3f}、異なる種類の半分どうしでは "
            f"ρ = {row['between_subtypes']:.3f}（{subtype.ja}）。",
        )
    ]
    if not math.isnan(_number(row["within_type"])) and not math.isnan(_number(row["between_types"])):
        types = _p_phrase(
            row["type_p"],
            Bilingual("meaning and grammar differ as types", "意味と文法は種類として異なる"),
            Bilingual("meaning and grammar are not told apart as types", "意味と文法は種類として区別されない"),
        )
        said.append(
            Bilingual(
                f"Different subtypes of one type agree with ρ = {row['within_type']:.3f}, subtypes of different types with ρ = "
                f"{row['between_types']:.3f} ({types.en}; {int(row['labellings']):,} labellings).",
                f"同じ型（意味・文法）の異なる種類どうしは ρ = {row['within_type']:.3f}、型の異なる種類どうしは "
                f"ρ = {row['between_types']:.3f}（{types.ja}、{int(row['labellings']):,} 通り）。",
            )
        )
    return said


def _caveats(facts: Mapping[str, Any], frames: Mapping[str, pd.DataFrame]) -> list[Bilingual]:
    said = [
        Bilingual(
            "All this is correlation: whether the dimensions that stay still do anything is for 'layerscope intervene'.",
            "以上は相関である。変化しない次元が何かをしているかどうかは layerscope intervene で調べる。",
        ),
        Bilingual(
            "The units at the head of a ranking were chosen for being smallest: in new pairs they will be less so.",
            "順位の先頭のユニットは最小であるために選ばれたものであり、新しいペアではこれほど小さくはならない。",
        ),
    ]
    share = facts["below_control"]
    if share is not None and share > _MOSTLY:
        said.append(
            Bilingual(
                f"A random word is the larger change: {share:.1%} of all units change less than under it. Controls are not "
                "matched for size, so that part of an excess may be what any smaller change shares.",
                f"無作為語のほうが変化は大きい：全ユニットの {share:.1%} は無作為語より変化が小さい。"
                "対照は大きさを揃えていないので、対照との差の一部は、小さな変化に共通するものかもしれない。",
            )
        )
    found = frames.get("dimensions.parquet")
    if found is not None:
        here = found[(found["site"] == facts["site"]) & (found["position"] == facts["position"]) & (found["set"] == "all")]
        said.append(
            Bilingual(
                f"{len(here):,} single dimensions stand out from their layer at this place (q < 0.05, inside significant "
                "layers).",
                f"この観測箇所・位置で層の中から際立つ次元は {len(here):,} 個（有意な層の中で q < 0.05）。",
            )
        )
    judged = frames["preferences.parquet"]
    if len(judged):
        n = int(judged["pairs"].sum())
        wrong = sum(len(rows) for rows in judged["disagreeing"])
        said.append(
            Bilingual(
                f"In {wrong:,} of {n:,} pairs with a wrong side the model finds the wrong one likelier; they are listed in "
                "preferences.parquet and were kept.",
                f"誤りの側をもつ {n:,} ペアのうち {wrong:,} ペアでは、モデルは誤りの側をより確からしいとする"
                "（preferences.parquet に一覧、分析には含む）。",
            )
        )
    groups = facts["groups"]
    of_pairs = groups["group"][groups["blocks_of"] == "pair"].astype(str).tolist()
    if of_pairs:
        names = ", ".join(of_pairs)
        said.append(
            Bilingual(
                f"Too few templates to draw again in {names}: pairs were drawn; these intervals and p-values say nothing about "
                "other templates.",
                f"テンプレートが少ないためペアを単位に再標本化した種類：{names}。区間と p 値は他のテンプレートには及ばない。",
            )
        )
    said += [Bilingual(f"Inference refused: {line}.", f"検定なし：{line}。") for line in facts["refused"]]
    if not facts["n_resamples"]:
        said.append(Bilingual("No resampling was asked for: values only.", "再標本化なし：値のみ。"))
    return said


def _here(frame: pd.DataFrame, facts: Mapping[str, Any]) -> pd.DataFrame:
    here: pd.DataFrame = frame[(frame["site"] == facts["site"]) & (frame["position"] == facts["position"])]
    return here


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _interval(row: pd.Series[Any]) -> str:
    if math.isnan(_number(row["low"])):
        return f"{row['excess']:+.3f}"
    return f"{row['excess']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}], p = {row['p_value']:.3g}"


def _verdict(row: pd.Series[Any]) -> Bilingual:
    if math.isnan(_number(row["p_value"])):
        return Bilingual("inference refused", "検定なし")
    if row["p_value"] < LEVEL and row["excess"] > 0:
        return Bilingual("more alike than controls", "対照より似ている")
    return Bilingual("no more alike than controls", "対照より似ているとはいえない")


def _layers_apart(by_layer: pd.DataFrame) -> Bilingual:
    """In how many layers the difference shows by itself, where it was tested."""
    if by_layer["q_value"].isna().all():
        return Bilingual("", "")
    significant = int((by_layer["q_value"] < LEVEL).sum())
    return Bilingual(
        f", in {significant} of {len(by_layer)} layers by themselves (q < 0.05)",
        f"単独の層では {len(by_layer)} 層中 {significant} 層（q < 0.05）。",
    )


def _p_phrase(p: Any, yes: Bilingual, no: Bilingual) -> Bilingual:
    value = _number(p)
    if math.isnan(value):
        return Bilingual("inference refused", "検定なし")
    what = yes if value < LEVEL else no
    return Bilingual(f"p = {value:.3g}: {what.en}", f"p = {value:.3g}、{what.ja}")


def _n_pairs(facts: Mapping[str, Any]) -> int:
    groups = facts["groups"]
    return int(groups["pairs"][groups["role"].isin(("meaning", "grammar"))].sum())


def _n_subtypes(facts: Mapping[str, Any]) -> int:
    return int(facts["groups"]["role"].isin(("meaning", "grammar")).sum())
