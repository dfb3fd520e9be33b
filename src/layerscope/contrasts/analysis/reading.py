"""A short written reading of a contrast run, made from its tables: three questions, correction, scale. English and Japanese.

Every sentence carries its numbers, what chance and placebos give, and no more than they allow. What was refused is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from layerscope.bilingual import Bilingual, Language
from layerscope.contrasts.analysis.correction_reading import read_correction
from layerscope.contrasts.analysis.placebo_reading import read_consistency, read_layers, read_types

_TOLD = 2
"""Refusals in a sentence."""


def stability_findings(facts: Mapping[str, Any], frames: Mapping[str, pd.DataFrame]) -> list[Bilingual]:
    """The first sentences of the three questions and of correction; before them, where there is no inference at all, why."""
    parts = (read_consistency, read_layers, read_types, read_correction)
    first = [_nothing_inferred(facts)] if 0 < _n_subtypes(facts) <= len(facts["refused"]) else []
    return [*first, *(statements[0] for read in parts if (statements := read(facts, frames)))]


def _nothing_inferred(facts: Mapping[str, Any]) -> Bilingual:
    """Of a run none of whose subtypes has enough pairs with a placebo."""
    lines = "; ".join(facts["refused"][:_TOLD])
    more = len(facts["refused"]) - _TOLD
    rest, rest_ja = (f"; and {more} more", f"、ほか {more} 件") if more > 0 else ("", "")
    return Bilingual(
        "Which dimensions change least cannot be inferred from these pairs, so their ranking is of values alone "
        f"({lines}{rest}).",
        f"どの次元が最も変化しないかは、これらのペアからは推測できない。順位は値のみによる（{lines}{rest_ja}）。",
    )


def read_stability(facts: Mapping[str, Any], frames: Mapping[str, pd.DataFrame]) -> Bilingual:
    """The reading, as Markdown.

    Args:
        facts: about the run: model, pairs, k, width, layers, site, position, n_resamples, groups, refused.
        frames: the tables of the stability analysis by file name.
    """
    parts = [
        (
            Bilingual("Is it the same for every type of pair? (consistency)", "どの分類のペアでも同じか（一貫性）"),
            read_consistency(facts, frames),
        ),
        (
            Bilingual("Is it specific to some layers? (layer specificity)", "特定の層に偏るか（層特異性）"),
            read_layers(facts, frames),
        ),
        (
            Bilingual("Is it specific to some types? (type specificity)", "特定の分類に偏るか（分類特異性）"),
            read_types(facts, frames),
        ),
        (Bilingual("Do the layers correct errors?", "層は誤りを訂正しているか"), read_correction(facts, frames)),
        (Bilingual("Scale", "尺度"), _scale(facts, frames)),
        (Bilingual("What to keep in mind", "留意点"), _caveats(facts, frames)),
    ]
    title = Bilingual(
        f"Dimensions that barely change when one word changes: {facts['model']} ({facts['pairs']})",
        f"{facts['model']} で変化しない次元（{facts['pairs']}）",
    )
    place = Bilingual(
        f"Site {facts['site']}, position {facts['position']}: the {facts['k']} of {facts['width']} dimensions per layer that "
        f"change least; {_n_pairs(facts):,} pairs of {_n_subtypes(facts)} subtypes.",
        f"観測箇所 {facts['site']}、位置 {facts['position']}、各層 {facts['width']} 次元のうち"
        f"最も変化しない {facts['k']} 次元。下位分類 {_n_subtypes(facts)} 個、{_n_pairs(facts):,} ペア。",
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
            f"Over all layers, the raw ranking correlates with the dimensions' own spread over ordinary text at ρ = "
            f"{spread['raw']:.2f}, the ranking by percentile among changes of similar size at ρ = {spread['percentile']:.2f}.",
            f"全層を通じて、生の差の順位は通常のテキストにおける次元自身の標準偏差と ρ = {spread['raw']:.2f} で対応し、"
            f"同程度の大きさの変化の中でのパーセンタイルの順位では ρ = {spread['percentile']:.2f} である。",
        ),
        Bilingual(
            f"Of the {k} units with the smallest raw difference, {shared} are among the {k} with the smallest "
            f"percentile (chance: {k * k / n_units:.2f}).",
            f"生の差が最小の {k} ユニットのうち {shared} 個が、パーセンタイルが最小の {k} ユニットにも含まれる"
            f"（偶然の期待値 {k * k / n_units:.2f}）。",
        ),
    ]


def _caveats(facts: Mapping[str, Any], frames: Mapping[str, pd.DataFrame]) -> list[Bilingual]:
    said = [
        Bilingual(
            "All of this is correlational; 'layerscope intervene' tests whether these dimensions do anything.",
            "以上は相関である。変化しない次元が何かをしているかどうかは「layerscope intervene」で調べる。",
        ),
        Bilingual(
            "The units at the top of a ranking were chosen because they are smallest: in new pairs they will be less extreme.",
            "順位の先頭のユニットは最小であるために選ばれたものであり、新しいペアではこれほど小さくはならない。",
        ),
    ]
    found = frames.get("dimensions.parquet")
    if found is not None:
        here = found[(found["site"] == facts["site"]) & (found["position"] == facts["position"]) & (found["set"] == "all")]
        said.append(
            Bilingual(
                f"{len(here):,} single dimensions stand out from their layer at this place (q < 0.05, within significant "
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
                f"In {wrong:,} of {n:,} pairs with a wrong side, the model finds the wrong one likelier; they are listed in "
                "preferences.parquet and were kept in the analysis.",
                f"誤りの側をもつ {n:,} ペアのうち {wrong:,} ペアでは、モデルは誤りの側により高い確率を与える"
                "（preferences.parquet に一覧、分析には含む）。",
            )
        )
    groups = facts["groups"]
    is_type = groups["role"].isin(("meaning", "grammar"))
    of_pairs = groups["group"][is_type & (groups["blocks_of"] == "pair")].astype(str).tolist()
    if of_pairs:
        names = ", ".join(of_pairs)
        said.append(
            Bilingual(
                f"Too few templates to resample in {names}, so pairs were resampled; these intervals and p-values say nothing "
                "about other templates.",
                f"テンプレートが少ないためペアを単位に再標本化した下位分類：{names}。"
                "信頼区間と p 値は他のテンプレートには及ばない。",
            )
        )
    said += [Bilingual(f"Inference refused: {line}.", f"検定なし：{line}。") for line in facts["refused"]]
    if not facts["n_resamples"]:
        said.append(Bilingual("No resampling was requested: values only.", "再標本化なし：値のみ。"))
    return said


def _here(frame: pd.DataFrame, facts: Mapping[str, Any]) -> pd.DataFrame:
    here: pd.DataFrame = frame[(frame["site"] == facts["site"]) & (frame["position"] == facts["position"])]
    return here


def _n_pairs(facts: Mapping[str, Any]) -> int:
    groups = facts["groups"]
    return int(groups["pairs"][groups["role"].isin(("meaning", "grammar"))].sum())


def _n_subtypes(facts: Mapping[str, Any]) -> int:
    return int(facts["groups"]["role"].isin(("meaning", "grammar")).sum())
