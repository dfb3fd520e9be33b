"""How the families of depths read: after which layer the model's predictions are there, in sentences."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Bool

from layerscope.bilingual import Bilingual
from layerscope.paths.families import DEPTH, TUNED_DEPTH
from layerscope.sweeps.analysis.places import stands_at

LENSES = {
    DEPTH: Bilingual("logit lens", "ロジットレンズ"),
    TUNED_DEPTH: Bilingual("tuned lens", "チューンドレンズ"),
}
"""What a family of depths reads hidden states through."""
_MOST = 0.9
_NEAR_NATS = 0.5


def depth_finding(depths: pd.DataFrame) -> Bilingual:
    """The sentences that stand under the depths of a model.

    Args:
        depths: rows of layers.parquet, of one family of depths.

    Returns:
        With a full stop, after the lens that was read through. Depths are those from which on a share is reached at every
        later one too.
    """
    at = stands_at(depths, "span_last")
    rows = depths.iloc[np.argsort(at, kind="stable")]
    at = np.sort(at).astype(int)
    agreement, delta = rows["agreement"].to_numpy(float), rows["delta_nll_nats"].to_numpy(float)
    half, most = (_from_here_on(agreement >= share) for share in (0.5, _MOST))
    near = _from_here_on(np.abs(delta) <= _NEAR_NATS)
    last = int(at[-1])
    lens = LENSES[str(rows["family"].iloc[0])]
    return Bilingual(
        f"Read through the {lens.en}, the likeliest token is the whole model's for half of the tokens {_after_en(at, half)} "
        f"and for {_MOST:.0%} {_after_en(at, most)}; the NLL is within {_NEAR_NATS:g} nats of the whole model's "
        f"{_after_en(at, near)} (last layer: {last}). Straight from the embeddings, {agreement[0]:.1%} of tokens agree.",
        f"{lens.ja}による読み取り："
        f"最尤トークンがモデル全体と一致するのは、半数のトークンでは{_after_ja(at, half)}、"
        f"{_MOST:.0%} では{_after_ja(at, most)}。NLL の差が {_NEAR_NATS:g} nat 以内になるのは{_after_ja(at, near)}"
        f"（最終層：{last}）。埋め込みだけで一致するのは {agreement[0]:.1%}。",
    )


def _from_here_on(holds: Bool[np.ndarray, " depth"]) -> int | None:
    """First place from which on something holds; None where it does not hold at the end."""
    failing = np.flatnonzero(~holds)
    first = int(failing[-1]) + 1 if len(failing) else 0
    return first if first < len(holds) else None


def _after_en(at: np.ndarray, place: int | None) -> str:
    if place is None:
        return "at no depth"
    return "from the embeddings on" if at[place] < 0 else f"from layer {at[place]} on"


def _after_ja(at: np.ndarray, place: int | None) -> str:
    if place is None:
        return "どの深さでもない"
    return "埋め込みから" if at[place] < 0 else f"層 {at[place]} から"
