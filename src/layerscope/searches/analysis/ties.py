"""At how many steps of a search the calibration texts do not tell the choice from other candidates, in a sentence."""

from __future__ import annotations

import numpy as np
import pandas as pd

from layerscope.bilingual import Bilingual
from layerscope.searches.analysis.wording import plural


def ties(candidates: pd.DataFrame) -> Bilingual | None:
    """At how many steps the calibration texts do not tell the choice from every other candidate."""
    own = candidates[candidates["way"] != "one-shot"]
    others: dict[tuple[int, int], int] = {}
    for _, rows in own.groupby(["draw", "step", "layers"]):
        if len(rows) > 1:
            at = (int(rows["draw"].iloc[0]), int(rows["step"].iloc[0]))
            others[at] = others.get(at, 0) + _tied_with_the_choice(rows)
    if not others:
        return None
    tied = [n for n in others.values() if n]
    n_draws, total = len({draw for draw, _ in others}), len(others)
    over = Bilingual("", "") if n_draws == 1 else Bilingual(f" over {n_draws} draws", f"（{n_draws} 組）")
    if not tied:
        return Bilingual(
            f"At each of {total} {plural('step', total)}{over.en}, the choice could be told apart from every other candidate.",
            f"全 {total} ステップ{over.ja}で、選んだ候補は他のどの候補とも区別できた。",
        )
    median = f"{float(np.median(tied)):g}"
    return Bilingual(
        f"At {len(tied)} of {total} {plural('step', total)}{over.en}, the calibration texts do not distinguish the choice from "
        f"other candidates (median number: {median}): it is one of several.",
        f"{total} ステップ{over.ja}のうち {len(tied)} では、選んだ候補と他の候補（中央値 {median} 個）を"
        "較正用テキストで区別できない。選ばれたのはその 1 つにすぎない。",
    )


def _tied_with_the_choice(rows: pd.DataFrame) -> int:
    """Candidates of a size that were tied with the best one, beside those that were taken, or the best itself."""
    tied = rows["is_tied"].to_numpy(bool)
    taken = int((tied & rows["is_best"].to_numpy(bool)).sum())
    has_best = bool((rows["distance_nats"].to_numpy(float) == 0).any())
    return max(int(tied.sum()) - max(taken, int(has_best)), 0)
