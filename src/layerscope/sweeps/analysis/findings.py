"""What sentences about effects share: which of them are told from 0, how many, and how one is written.

An effect is told from 0 if its q is below 0.05; with too few texts for a q, if its interval leaves out 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from layerscope.bilingual import Bilingual, Language

LEVEL = 0.05
_INTERVALS = Bilingual("intervals", "信頼区間")


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
        of = (Bilingual("above 0", "0 より上"), Bilingual("below 0", "0 より下"), Bilingual("including 0", "0 を含む"))
        note = Bilingual(", not tested", "（検定なし）")
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
