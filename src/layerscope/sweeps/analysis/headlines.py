"""What a sweep found, in a few sentences for somebody who has half a minute: the layers that matter most, parts of speech.

Sizes, intervals and counts are those of the tables. An effect is resolved if its q is below 0.05; with too few texts for a q,
if its interval leaves out 0; of one text there is no interval, and the sentence says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from layerscope.bilingual import Bilingual
from layerscope.finding import Finding
from layerscope.paths.families import DEPTHS
from layerscope.sweeps.analysis.depth_finding import depth_finding
from layerscope.sweeps.analysis.findings import in_nats, told_from_zero

NAMED = 5
"""Variants of a sentence."""
FEWEST_WORDS = 20
"""Of a part of speech that is named."""


def family_headline(family: pd.DataFrame) -> Finding:
    """Which variants of a family cost most.

    Args:
        family: rows of layers.parquet, of one family, one or more.
    """
    name = str(family["family"].iloc[0])
    if name in DEPTHS:
        return Finding(depth_finding(family), {"family": name})
    ranked = family[np.isfinite(family["delta_nll_nats"])].sort_values("delta_nll_nats", ascending=False, kind="stable")
    if ranked.empty:
        said = Bilingual(f"No variant of {name} has a finite loss.", f"{name} には損失が有限な変種がない。")
        return Finding(said, {"family": name})
    hurts, helps, is_tested = told_from_zero(ranked, "delta_nll", "q_value")
    where = {"family": name, **_layer(ranked.iloc[0])}
    if is_tested is None:
        most, least = ranked.iloc[0], ranked.iloc[-1]
        said = Bilingual(
            f"{_done(most).en} raises the loss most ({_size(most, 'en')}) and {_done(least, at_start=False).en} least "
            f"({_size(least, 'en')}); one text gives no interval.",
            f"損失が最も増えるのは{_done(most).ja}こと（{_size(most, 'ja')}）、最も増えないのは{_done(least).ja}こと"
            f"（{_size(least, 'ja')}）。テキストが 1 つなので区間はない。",
        )
        return Finding(said, where)
    open_ = _not_resolved(int((~hurts & ~helps).sum()), len(ranked), is_tested=is_tested)
    if not hurts.any():
        most = ranked.iloc[0]
        said = Bilingual(
            f"No variant of {name} is known to raise the loss; the largest change is {_size(most, 'en')}, from "
            f"{_done(most, at_start=False).en}.{open_.en}",
            f"{name} に損失を増やすと言える変種はない。最大の変化は{_done(most).ja}ことによる {_size(most, 'ja')}。{open_.ja}",
        )
        return Finding(said, where)
    first, *others = (row for _, row in ranked[hurts].head(NAMED).iterrows())
    where = {"family": name, **_layer(first)}
    then = Bilingual("", "")
    if others:
        listed = [f"{_short(row)} ({row['delta_nll_nats']:+.3g})" for row in others]
        one = Bilingual("", "") if _layers(first)[1] is None else Bilingual("layer ", "層 ")
        what = f"{one.en.strip()}s " if one.en and len(others) > 1 else one.en
        then = Bilingual(
            f"; next {'comes' if len(others) == 1 else 'come'} {what}{_and(listed)}",
            f"、続いて{one.ja}" + "、".join(listed).replace(" (", "（").replace(")", "）"),
        )
    said = Bilingual(
        f"{_done(first).en} raises the loss most, by {_size(first, 'en')}{then.en}.{open_.en}",
        f"損失が最も増えるのは{_done(first).ja}こと（{_size(first, 'ja')}）{then.ja}。{open_.ja}",
    )
    return Finding(said, where)


def tag_headline(rows: pd.DataFrame) -> Finding | None:
    """Which part of speech a family of variants breaks more than other words, and where.

    Args:
        rows: rows of pos.parquet, of one family.

    Returns:
        None where no part of speech has words enough to be named.
    """
    tags = rows[(rows["unit"] == "word") & (rows["kind"] == "tag") & (rows["items"] >= FEWEST_WORDS)]
    tags = tags[np.isfinite(tags["contrast_nats"].astype(float))]
    tags = tags.sort_values("contrast_nats", ascending=False, kind="stable")
    family = str(rows["family"].iloc[0])
    if tags.empty or family in DEPTHS:
        return None
    more, less, is_tested = told_from_zero(tags, "contrast", "contrast_q_value")
    n_open, n_all = int((~more & ~less).sum()), len(tags)
    if not more.any():
        said = Bilingual(
            f"No part of speech is known to suffer more than other words from a variant of {family} ({n_all} contrasts).",
            f"{family} で、他の語より大きく悪化すると言える品詞はない（対比 {n_all} 件）。",
        )
        return Finding(said, {"family": family})
    row = tags[more].iloc[0]
    size = {language: in_nats(row.to_dict(), "contrast", language) for language in ("en", "ja")}
    by = "q ≥ 0.05" if is_tested else "0 lies in the interval"
    said = Bilingual(
        f"By part of speech, {row['tag']} stands out most: {_done(row, at_start=False).en} costs it {size['en']} per word more "
        f"than other words ({int(row['items']):,} words). {n_open} of {n_all} such contrasts are not resolved ({by}).",
        f"品詞では {row['tag']} が最も目立つ。{_done(row).ja}と、他の語より 1 語あたり {size['ja']} 多く悪化する"
        f"（{int(row['items']):,} 語）。対比 {n_all} 件のうち {n_open} 件は判定できない。",
    )
    return Finding(said, {"family": family, "tag": str(row["tag"]), **_layer(row)})


def _not_resolved(n_open: int, n_all: int, *, is_tested: bool) -> Bilingual:
    if not n_open:
        return Bilingual("", "")
    by = Bilingual("q ≥ 0.05", "q ≥ 0.05") if is_tested else Bilingual("the 95% interval holds 0", "95 % 区間が 0 を含む")
    return Bilingual(
        f" {n_open} of {n_all} effects {'is' if n_open == 1 else 'are'} not resolved from 0 ({by.en}).",
        f"{n_all} 件のうち {n_open} 件は 0 と区別できない（{by.ja}）。",
    )


def _size(row: pd.Series[Any], language: str) -> str:
    low, high = row["delta_nll_low_nats"], row["delta_nll_high_nats"]
    interval = f" [{low:+.3g}, {high:+.3g}]" if np.isfinite(low) else ""
    value = f"{row['delta_nll_nats']:+.3g}"
    return f"{value} nats per token{interval}" if language == "en" else f"1 トークンあたり {value} nat{interval}"


def _layers(row: pd.Series[Any]) -> tuple[str, str | None, str | None]:
    """What is done and to which layer or two; the variant's name and none of other families."""
    variant = str(row["variant"])
    exchanged = re.fullmatch(r"exchange-(\d+)-(\d+)", variant, re.ASCII)
    if exchanged is not None:
        return "exchange", exchanged[1], exchanged[2]
    family, _, layer = variant.rpartition("-")
    return (family, layer, None) if family in _DONE and layer.isdecimal() else (variant, None, None)


_DONE: dict[str, Callable[[str], Bilingual]] = {
    "removal": lambda layer: Bilingual(f"removing layer {layer}", f"層 {layer} を除く"),
    "attention-removal": lambda layer: Bilingual(
        f"silencing the attention of layer {layer}", f"層 {layer} のアテンションを止める"
    ),
    "mlp-removal": lambda layer: Bilingual(f"silencing the MLP of layer {layer}", f"層 {layer} の MLP を止める"),
    "repetition": lambda layer: Bilingual(f"running layer {layer} twice", f"層 {layer} を 2 回通す"),
}


def _done(row: pd.Series[Any], *, at_start: bool = True) -> Bilingual:
    """What a variant does, as the subject of a sentence."""
    family, layer, second = _layers(row)
    if layer is None:
        said = Bilingual(f"the path {family}", f"パス {family} にする")
    elif second is not None:
        said = Bilingual(f"exchanging layers {layer} and {second}", f"層 {layer} と {second} を入れ替える")
    else:
        said = _DONE[family](layer)
    return Bilingual(f"{said.en[0].upper()}{said.en[1:]}" if at_start else said.en, said.ja)


def _short(row: pd.Series[Any]) -> str:
    """A variant among others of its family."""
    name, layer, second = _layers(row)
    return name if layer is None else layer if second is None else f"{layer}↔{second}"


def _layer(row: pd.Series[Any]) -> dict[str, str]:
    layer = _layers(row)[1]
    return {"variant": str(row["variant"])} | ({} if layer is None else {"layer": layer})


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
