"""What a family does to the preference for the right side, beyond its damage, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from layerscope.bilingual import Bilingual, Language
from layerscope.stats.ratio import FEWEST_DOCUMENTS
from layerscope.sweeps.analysis.beyond_damage import Explained
from layerscope.sweeps.analysis.variant_words import variant_words

LEVEL = 0.05
_NAMED = 3


def preference_finding(
    rows: pd.DataFrame, intact: pd.Series[Any], explained: Sequence[Explained], by_group: pd.DataFrame, *, n_texts: int
) -> Bilingual:
    """The sentences under a family and a group of pairs.

    Args:
        rows: rows of beyond_damage.parquet, of one family, group and the measure margin.
        intact: the intact model's row of preference.parquet, of the same group and unit.
        explained: of the same family and group, margin first.
        by_group: rows of beyond_damage.parquet, of the family, its single groups of pairs and the measure margin; may be empty.
        n_texts: of neutral text, on which damage was measured.
    """
    overall, of_groups = _overall(rows, intact, explained, n_texts), _of_groups(by_group)
    return Bilingual(overall.en + of_groups.en, overall.ja + of_groups.ja)


def _of_groups(rows: pd.DataFrame) -> Bilingual:
    """Which variants are beyond their damage for which groups of pairs."""
    rows = rows[rows["q_value"].notna()]
    n_tested = len(rows)
    if n_tested == 0:
        return Bilingual("", "")
    found = rows[rows["q_value"] < LEVEL].sort_values("q_value", kind="stable")
    n_groups = rows["group"].nunique()
    groups = f"{n_groups} {'group' if n_groups == 1 else 'groups'}"
    if found.empty:
        return Bilingual(
            f" In {groups} of pairs taken separately, none of {n_tested:,} effects is outside (q < {LEVEL:g}).",
            f"{n_groups} 群のペアを別々に見ると、効果 {n_tested:,} 件のうち範囲を外れるものはない（q < {LEVEL:g}）。",
        )
    en, ja = (_listed(found, language, with_group=True) for language in ("en", "ja"))
    return Bilingual(
        f" In {groups} of pairs taken separately, {len(found)} of {n_tested:,} effects are outside (q < {LEVEL:g}), "
        f"the clearest being: {en}.",
        f"{n_groups} 群のペアを別々に見ると、効果 {n_tested:,} 件のうち {len(found)} 件が範囲を外れる（q < {LEVEL:g}）。"
        f"最も確かなもの：{ja}。",
    )


def _overall(rows: pd.DataFrame, intact: pd.Series[Any], explained: Sequence[Explained], n_texts: int) -> Bilingual:
    """Over all pairs."""
    n_pairs = int(intact["pairs"])
    known = Bilingual(
        f"The intact model prefers the right side in {intact['accuracy']:.1%} of {n_pairs:,} pairs (margin "
        f"{intact['margin_nats']:+.3g} nats).",
        f"元のモデルは {n_pairs:,} ペアの {intact['accuracy']:.1%} で正しい側を選ぶ"
        f"（マージン {intact['margin_nats']:+.3g} nat）。",
    )
    tested = rows["q_value"].to_numpy(float)
    share = explained[0].share
    by_damage = Bilingual(
        f" Damage to neutral text explains {share:.0%} of the variants' effects on the margin (permuted variants: p = "
        f"{explained[0].p_value:.2g}).",
        f"変種がマージンに与える効果の {share:.0%} は中立なテキストの損傷で説明される"
        f"（変種の並べ替え：p = {explained[0].p_value:.2g}）。",
    )
    if np.isnan(share):
        by_damage = Bilingual(" No variant changes the margin.", "マージンを変える変種はない。")
    if np.isnan(tested).all():
        few = Bilingual(
            " There are too few templates or pairs to test single variants.",
            "テンプレートやペアが少なく、変種ごとの検定はできない。",
        )
        if n_texts < FEWEST_DOCUMENTS:
            few = Bilingual(
                f" Single variants are not tested, because their damage was measured on {n_texts} "
                f"{'text' if n_texts == 1 else 'texts'}; from {FEWEST_DOCUMENTS} texts on they are.",
                f"損傷を測ったテキストが {n_texts} 本なので、変種ごとの検定はしない（{FEWEST_DOCUMENTS} 本以上で検定する）。",
            )
        return Bilingual(known.en + by_damage.en + few.en, known.ja + by_damage.ja + few.ja)
    n_tested = int(np.isfinite(tested).sum())
    found = rows[tested < LEVEL]
    worse, better = found[found["beyond"] < 0].sort_values("beyond"), found[found["beyond"] > 0].sort_values("beyond")[::-1]
    if found.empty:
        said = Bilingual(
            f" No variant is outside what damage allows (q < {LEVEL:g}).",
            f"損傷で許される範囲を外れると言える変種はない（q < {LEVEL:g}）。",
        )
        return Bilingual(known.en + by_damage.en + said.en, known.ja + by_damage.ja + said.ja)
    parts = [
        (Bilingual("the margin is lower than damage allows after", "マージンが損傷で許される範囲より低いのは"), worse),
        (Bilingual("it is higher after", "高いのは"), better),
    ]
    if worse.empty:
        parts = [
            (Bilingual("the margin is higher than damage allows after", "マージンが損傷で許される範囲より高いのは"), better)
        ]
    en = "; ".join(f"{words.en} {_listed(some, 'en')}" for words, some in parts if len(some))
    ja = "。".join(f"{words.ja} {_listed(some, 'ja')}" for words, some in parts if len(some))
    return Bilingual(
        f"{known.en}{by_damage.en} Beyond damage (q < {LEVEL:g}, {len(found)} of {n_tested} variants; distance to the bound ± "
        f"its standard error): {en}.",
        f"{known.ja}{by_damage.ja}損傷で許される範囲の外（q < {LEVEL:g}、{n_tested} 変種中 {len(found)} 変種。"
        f"値は範囲までの隔たり ± 標準誤差）：{ja}。",
    )


def _listed(rows: pd.DataFrame, language: Language, *, with_group: bool = False) -> str:
    named = [_named(row, language, with_group=with_group) for row in rows.head(_NAMED).to_dict("records")]
    more = len(rows) - len(named)
    if more:
        named.append(f"and {more} more" if language == "en" else f"ほか {more} 件")
    return (", " if language == "en" else "、").join(named)


def _named(row: dict[Any, Any], language: Language, *, with_group: bool) -> str:
    value = f"{row['beyond']:+.3g} ± {row['standard_error']:.2g}"
    change = f"{row['effect']:+.3g}"
    done = variant_words(str(row["variant"])).done
    if language == "en":
        return f"{done.en}{' for ' + str(row['group']) if with_group else ''} ({value} nats; the margin changes by {change})"
    return f"{str(row['group']) + ' で' if with_group else ''}{done.ja}場合（{value} nat、マージンの変化は {change}）"
