"""What a family of variants comes to, in a sentence: how large, against what, and what is resolved.

A variant hurts, or helps, if its q is below 0.05; with too few texts for a q, no variant is said to do either. What is not
resolved is not called harmless. Of the largest effects only those that are resolved are named as hurting.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from layerscope.bilingual import Bilingual, Language
from layerscope.paths.families import DEPTHS
from layerscope.sweeps.analysis.depth_finding import depth_finding
from layerscope.sweeps.analysis.few_texts import few_texts

LEVEL = 0.05
_NAMED = 3
_INTERVALS = Bilingual("intervals", "区間")


def family_finding(family: pd.DataFrame) -> Bilingual:
    """The sentences that stand under a sweep and above its chart.

    Args:
        family: rows of layers.parquet, one or more.

    Returns:
        With a full stop, ΔNLL in nats per token. The warning of few texts is none of them.
    """
    if family["family"].isin(DEPTHS).all():
        return depth_finding(family)
    ranked = family[np.isfinite(family["delta_nll_nats"])].sort_values("delta_nll_nats", ascending=False, kind="stable")
    if ranked.empty:
        return Bilingual("No variant has a finite ΔNLL.", "ΔNLL が有限な変種はない。")
    hurts, helps, is_tested = told_from_zero(ranked, "delta_nll", "q_value")
    if is_tested is None:
        return _ranked_only(ranked)
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
    words = (Bilingual("harmful", "悪化"), Bilingual("helpful", "改善"))
    counts = counted(hurts, helps, words, Bilingual("variants", "変種")) if is_tested else counted(hurts, helps)
    return Bilingual(f"{_capital(said.en)}; {counts.en}.", f"{said.ja}。{counts.ja}。")


def with_warning(said: Bilingual, n_texts: int) -> Bilingual:
    """A finding, and what is said of few texts."""
    warning = few_texts(n_texts)
    return said if warning is None else Bilingual(f"{said.en} {warning.en}", f"{said.ja}{warning.ja}")


def told_from_zero(rows: pd.DataFrame, name: str, q_name: str) -> tuple[np.ndarray, np.ndarray, bool | None]:
    """Which effects lie above 0 and which below: by q; with too few texts for a test, by whether intervals leave out 0.

    Args:
        rows: with the effect, ``<name>_nats``, and its interval.
        name: of the effect.
        q_name: column with its q.

    Returns:
        Above, below, and whether by q; the last is None where there is not even an interval.
    """
    low, high, q = (
        rows[column].to_numpy(float, na_value=np.nan) for column in (f"{name}_low_nats", f"{name}_high_nats", q_name)
    )
    effect = rows[f"{name}_nats"].to_numpy(float)
    if np.isfinite(q).any():
        return (q < LEVEL) & (effect > 0), (q < LEVEL) & (effect < 0), True
    return low > 0, high < 0, None if np.isnan(low).all() else False


def counted(
    above: np.ndarray,
    below: np.ndarray,
    words: tuple[Bilingual, Bilingual] | None = None,
    things: Bilingual = _INTERVALS,
) -> Bilingual:
    """How many are above 0, below, and neither; ``words`` for both where there was a test, None where there are intervals."""
    numbers = (int(above.sum()), int(below.sum()), int((~above & ~below).sum()))
    if words is None:
        of = (Bilingual("above 0", "0 より上"), Bilingual("below 0", "0 より下"), Bilingual("holding 0", "0 を含む"))
        note = Bilingual(", and no test", "（検定なし）")
    else:
        of, note = (*words, Bilingual("not resolved", "判定できない")), Bilingual(" (q < 0.05)", "（q < 0.05）")
    en = ", ".join(f"{word.en}: {number}" for word, number in zip(of, numbers, strict=True) if number)
    ja = "、".join(f"{word.ja}：{number}" for word, number in zip(of, numbers, strict=True) if number)
    return Bilingual(f"{en} of {len(above)} {things.en}{note.en}", f"全 {len(above)} {things.ja}の内訳は{ja}{note.ja}")


def in_nats(row: dict[Any, Any], name: str, language: Language) -> str:
    """An effect, ``<name>_nats`` of a row, with its interval if it has one."""
    low, high = row[f"{name}_low_nats"], row[f"{name}_high_nats"]
    value = f"{row[f'{name}_nats']:+.3g}"
    interval = f" [{low:+.3g}, {high:+.3g}]" if np.isfinite(low) else ""
    return f"{value} nats{interval}" if language == "en" else f"{value}{interval} nat"


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
    value = in_nats(row, "delta_nll", language)
    return f"{row['variant']} ({value})" if language == "en" else f"{row['variant']}（{value}）"


def _capital(text: str) -> str:
    """The first letter of a sentence; the name of a variant stays as it is."""
    return f"{text[0].upper()}{text[1:]}" if text.startswith("none") else text
