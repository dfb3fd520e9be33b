"""What a family of variants comes to, in a sentence: how large, against what, and what is resolved.

A variant hurts, or helps, if its q is below 0.05; with too few texts for a q, no variant is said to do either. What is not
resolved is not called harmless. Of the largest effects only those that are resolved are named as hurting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from layerscope.bilingual import Bilingual, Language
from layerscope.sweeps.analysis.few_texts import few_texts

LEVEL = 0.05
_NAMED = 3


def family_finding(family: pd.DataFrame) -> Bilingual:
    """The sentences that stand under a sweep and above its chart.

    Args:
        family: rows of layers.parquet, one or more.

    Returns:
        With a full stop, ΔNLL in nats per token. The warning of few texts is none of them.
    """
    ranked = family[np.isfinite(family["delta_nll_nats"])].sort_values("delta_nll_nats", ascending=False, kind="stable")
    if ranked.empty:
        return Bilingual("No variant has a finite ΔNLL.", "ΔNLL が有限な変種はない。")
    low, high, q = (
        ranked[name].to_numpy(float, na_value=np.nan) for name in ("delta_nll_low_nats", "delta_nll_high_nats", "q_value")
    )
    effect = ranked["delta_nll_nats"].to_numpy(float)
    if np.isnan(low).all():
        return _ranked_only(ranked)
    is_tested = bool(np.isfinite(q).any())
    hurts, helps = ((q < LEVEL) & (effect > 0), (q < LEVEL) & (effect < 0)) if is_tested else (low > 0, high < 0)
    first = ranked.head(1)
    if hurts.any():
        first = ranked[hurts].head(_NAMED)
        said = Bilingual(
            f"{_listed(first, 'en')} {'hurts most' if len(first) == 1 else 'hurt most'}",
            f"最も悪化させるのは {_listed(first, 'ja')}",
        )
    else:
        said = Bilingual(
            f"none hurts as far as can be told (the largest is {_listed(first, 'en')})",
            f"悪化させると言える変種はない（最大は {_listed(first, 'ja')}）",
        )
    counted = (int(hurts.sum()), int(helps.sum()), int((~hurts & ~helps).sum()))
    if is_tested:
        counts = Bilingual(
            f"{_counted(('harmful', 'helpful', 'not resolved'), counted)} of {len(ranked)} variants (q < 0.05)",
            f"全 {len(ranked)} 変種の内訳は{_counted(('悪化', '改善', '判定できない'), counted, '、', '：')}（q < 0.05）",
        )
    else:
        counts = Bilingual(
            f"{_counted(('above 0', 'below 0', 'holding 0'), counted)} of {len(ranked)} intervals, and no test",
            f"全 {len(ranked)} 区間の内訳は{_counted(('0 より上', '0 より下', '0 を含む'), counted, '、', '：')}（検定なし）",
        )
    return Bilingual(f"{_capital(said.en)}; {counts.en}.", f"{said.ja}。{counts.ja}。")


def finding_with_warning(family: pd.DataFrame) -> Bilingual:
    """The same, and what is said of few texts."""
    said, warning = family_finding(family), few_texts(int(family["documents"].iloc[0]))
    return said if warning is None else Bilingual(f"{said.en} {warning.en}", f"{said.ja}{warning.ja}")


def _ranked_only(ranked: pd.DataFrame) -> Bilingual:
    """Of one text: there is an order, and nothing to say how sure it is."""
    most, least = ranked.head(1), ranked.tail(1)
    return Bilingual(
        f"ΔNLL is largest for {_listed(most, 'en')} and smallest for {_listed(least, 'en')}, without intervals.",
        f"ΔNLL が最大なのは {_listed(most, 'ja')}、最小なのは {_listed(least, 'ja')}（区間なし）。",
    )


def _listed(rows: pd.DataFrame, language: Language) -> str:
    return (", " if language == "en" else "、").join(_named(row, language) for row in rows.to_dict("records"))


def _named(row: dict[Any, Any], language: Language) -> str:
    value = f"{row['delta_nll_nats']:+.3g}" if language == "ja" else f"{row['delta_nll_nats']:+.3g} nats"
    if np.isfinite(row["delta_nll_low_nats"]):
        value += f" [{row['delta_nll_low_nats']:+.3g}, {row['delta_nll_high_nats']:+.3g}]"
    return f"{row['variant']} ({value})" if language == "en" else f"{row['variant']}（{value} nat）"


def _counted(words: Sequence[str], numbers: Sequence[int], separator: str = ", ", colon: str = ": ") -> str:
    return separator.join(f"{word}{colon}{number}" for word, number in zip(words, numbers, strict=True) if number)


def _capital(text: str) -> str:
    """The first letter of a sentence; the name of a variant stays as it is."""
    return f"{text[0].upper()}{text[1:]}" if text.startswith("none") else text
