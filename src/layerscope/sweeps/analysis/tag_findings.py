"""Which parts of speech a family of variants breaks more than other words, in sentences: how large, and what is resolved.

What is compared is the contrast: the effect on the words of a part of speech less that on all other words of the same texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from layerscope.bilingual import Bilingual, Language
from layerscope.paths.families import DEPTHS
from layerscope.sweeps.analysis.findings import counted, in_nats, told_from_zero

FEWEST_WORDS = 20
"""Of a part of speech that is named or counted in a sentence; in figures and on the page, rarer ones set no scale."""
_NAMED = 3


@dataclass(frozen=True)
class _Words:
    """How contrasts above and below 0 are spoken of."""

    start: Bilingual
    above: Bilingual
    below: Bilingual
    most: Bilingual
    least: Bilingual
    none: Bilingual
    counted: tuple[Bilingual, Bilingual]


_BREAKING = _Words(
    Bilingual("Breaks ", ""),
    Bilingual("more than other words", "他の語より大きく悪化するのは"),
    Bilingual("less than other words", "悪化が他の語より小さいのは"),
    Bilingual("breaks most", "他の語と比べた悪化が最も大きいのは"),
    Bilingual("least", "最も小さいのは"),
    Bilingual("breaks more or less than other words", "悪化の大きさが他の語と違う"),
    (Bilingual("more", "大きい"), Bilingual("less", "小さい")),
)
_AT_A_DEPTH = _Words(
    Bilingual("From the whole model's prediction ", ""),
    Bilingual("further than other words", "モデル全体の予測から他の語より遠いのは"),
    Bilingual("nearer than other words", "他の語より近いのは"),
    Bilingual("is furthest from the whole model's prediction", "他の語と比べてモデル全体の予測から最も遠いのは"),
    Bilingual("nearest", "最も近いのは"),
    Bilingual(
        "is further from the whole model's prediction than other words, or nearer", "モデル全体の予測からの遠さが他の語と違う"
    ),
    (Bilingual("further", "遠い"), Bilingual("nearer", "近い")),
)


def comparable_tags(rows: pd.DataFrame) -> pd.DataFrame:
    """Contrasts of parts of speech that have words enough to be spoken of, the largest first.

    Args:
        rows: rows of pos.parquet, of one family.
    """
    found = rows[(rows["unit"] == "word") & (rows["kind"] == "tag") & (rows["items"] >= FEWEST_WORDS)]
    found = found[np.isfinite(found["contrast_nats"].astype(float))]
    return found.sort_values("contrast_nats", ascending=False, kind="stable")


def tag_finding(rows: pd.DataFrame) -> Bilingual:
    """The sentences that stand under a family's parts of speech.

    Args:
        rows: rows of pos.parquet, of one family; only ``comparable_tags`` are named and counted.

    Returns:
        With a full stop, contrasts in nats per word. Each part of speech is named where it is furthest from other words,
        with an asterisk if it has fewer than 200.
    """
    tags = comparable_tags(rows)
    if tags.empty:
        return Bilingual(
            f"No part of speech with at least {FEWEST_WORDS} words can be compared with other words.",
            f"{FEWEST_WORDS} 語以上で、他の語と比べられる品詞はない。",
        )
    words = _AT_A_DEPTH if tags["family"].astype(str).isin(DEPTHS).all() else _BREAKING
    more, less, is_tested = told_from_zero(tags, "contrast", "contrast_q_value")
    if is_tested is None:
        most, least = tags.head(1), tags.tail(1)
        return Bilingual(
            f"Compared with other words, {_listed(most, 'en')} {words.most.en} and {_listed(least, 'en')} {words.least.en} "
            "(no intervals).",
            f"{words.most.ja} {_listed(most, 'ja')}、{words.least.ja} {_listed(least, 'ja')}（信頼区間なし）。",
        )
    parts = [(words.above, tags[more]), (words.below, tags[less].iloc[::-1])]
    named = [(said, some.drop_duplicates("tag").head(_NAMED)) for said, some in parts if len(some)]
    if named:
        listed = [f"{said.en}: {_listed(some, 'en')}" for said, some in named]
        japanese = "。".join(f"{said.ja} {_listed(some, 'ja')}" for said, some in named)
        said = Bilingual(f"{words.start.en}{'; '.join(listed)}", japanese)
    else:
        furthest = tags.iloc[[int(np.argmax(np.abs(tags["contrast_nats"].to_numpy(float))))]]
        said = Bilingual(
            f"It is not established that any part of speech {words.none.en} (furthest from them is {_listed(furthest, 'en')})",
            f"{words.none.ja}と言える品詞はない（最も離れているのは {_listed(furthest, 'ja')}）",
        )
    n_tags = tags["tag"].nunique()
    things = Bilingual(
        f"contrasts of {n_tags} parts of speech with at least {FEWEST_WORDS} words",
        f"対比（{FEWEST_WORDS} 語以上の {n_tags} 品詞）",
    )
    counts = counted(more, less, words.counted, things) if is_tested else counted(more, less)
    return Bilingual(f"{said.en}. {counts.en[0].upper()}{counts.en[1:]}.", f"{said.ja}。{counts.ja}。")


def _listed(rows: pd.DataFrame, language: Language) -> str:
    return (", " if language == "en" else "、").join(_named(row, language) for row in rows.to_dict("records"))


def _named(row: dict[Any, Any], language: Language) -> str:
    value = in_nats(row, "contrast", language)
    tag = f"{row['tag']}{'*' if row['is_few'] else ''}"
    return f"{tag} ({value} at {row['variant']})" if language == "en" else f"{tag}（{row['variant']} で {value}）"
