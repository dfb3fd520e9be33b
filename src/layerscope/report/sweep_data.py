"""What the page shows of a sweep: every variant's measures, proxies, parts of speech, and what is needed most, in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from layerscope.report.packing import Packing, rounded
from layerscope.sweeps.analysis.comparison import relative_depth

_MEASURES = {
    "ppl": "ppl",
    "nll": "nll_nats",
    "delta": "delta_nll_nats",
    "low": "delta_nll_low_nats",
    "high": "delta_nll_high_nats",
    "q": "q_value",
    "bpb": "bits_per_byte",
    "accuracy": "top1_accuracy",
    "agreement": "agreement",
    "kl": "kl_nats",
    "block_influence": "block_influence",
    "angular_distance": "angular_distance",
    "not_finite": "tokens_not_finite",
}
_OF_TAGS = {
    "variant": "variant",
    "unit": "unit",
    "tag": "tag",
    "kind": "kind",
    "items": "items",
    "few": "is_few",
    "intact": "intact_nll_nats",
    "delta": "delta_nll_nats",
    "delta_low": "delta_nll_low_nats",
    "delta_high": "delta_nll_high_nats",
    "delta_q": "q_value",
    "contrast": "contrast_nats",
    "contrast_low": "contrast_low_nats",
    "contrast_high": "contrast_high_nats",
    "contrast_q": "contrast_q_value",
    "relative": "relative_change",
    "agreement": "agreement",
}
_NAMED = 3
_LEVEL = 0.05


def sweep_data(
    layers: pd.DataFrame, proxies: pd.DataFrame, pos: pd.DataFrame | None, *, n_layers: int, packing: Packing
) -> dict[str, Any]:
    """The tables of a sweep as the page reads them.

    Args:
        layers: layers.parquet, the intact model first.
        proxies: proxies.parquet.
        pos: pos.parquet; None where the run was not tagged.
        n_layers: of the model.
        packing: takes what is large.
    """
    first, last = (layers[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in ("span_first", "span_last"))
    variants = layers[["variant", "family", "path"]].rename(columns={"variant": "name"})
    variants = variants.assign(first=first, last=last, depth=relative_depth(first, last, n_layers))
    variants = variants.assign(**{name: layers[column] for name, column in _MEASURES.items()})
    families = list(dict.fromkeys(layers["family"][1:].astype(str)))
    return {
        "layers": n_layers,
        "families": families,
        "variants": packing.table(variants),
        "proxies": rounded(proxies.astype(object).to_dict("records")),
        "needs": {family: needs(layers[layers["family"] == family]) for family in families},
        "pos": None if pos is None else packing.table(_tags(pos)),
    }


def _tags(pos: pd.DataFrame) -> pd.DataFrame:
    shown = pos[pos["variant"] != "intact"]
    return pd.DataFrame({name: shown[column] for name, column in _OF_TAGS.items()})


def needs(family: pd.DataFrame) -> dict[str, str]:
    """Which of a family's variants cost most and least, in a sentence a language, with the numbers.

    Args:
        family: rows of layers.parquet.
    """
    ranked = family.sort_values("delta_nll_nats", ascending=False, kind="stable")
    ranked = ranked[np.isfinite(ranked["delta_nll_nats"])]
    if len(ranked) < 2:
        return {"en": "", "ja": ""}
    n_named = min(_NAMED, len(ranked) // 2)
    most, least = ranked.head(n_named), ranked.tail(n_named).iloc[::-1]
    unsure = int((ranked["q_value"] >= _LEVEL).sum())
    tested = int(ranked["q_value"].notna().sum())
    if ranked["delta_nll_low_nats"].isna().all() or (ranked["delta_nll_low_nats"] > 0).any():
        most = most[~(most["delta_nll_low_nats"] <= 0)]  # what has an interval costs something if that lies above 0
        english = f"Costs most: {_listed(most, 'en')}. Costs least: {_listed(least, 'en')}."
        japanese = f"影響が最大：{_listed(most, 'ja')}。影響が最小：{_listed(least, 'ja')}。"
    else:
        english = f"None costs anything: no interval lies above 0. The largest is {_listed(ranked.head(1), 'en')}."
        japanese = f"影響があると言える変種はない（区間が 0 より上にあるものはない）。最大は {_listed(ranked.head(1), 'ja')}。"
    if tested and unsure:
        english += f" {unsure} of {tested} cannot be told from no effect (q ≥ 0.05)."
        japanese += f"{tested} 個のうち {unsure} 個は効果なしと区別できない（q ≥ 0.05）。"
    elif tested:
        english += f" All {tested} differ from no effect (q < 0.05)."
        japanese += f"{tested} 個すべてが効果なしと区別できる（q < 0.05）。"
    else:
        english += " Fewer than five texts allow no test: read nothing into small differences."
        japanese += "テキストが 5 本未満で検定できないため、小さな差に意味を読み取らないこと。"
    return {"en": english, "ja": japanese}


def _listed(rows: pd.DataFrame, language: str) -> str:
    found = []
    for row in rows.to_dict("records"):
        value = f"{row['delta_nll_nats']:+.3g}"
        if np.isfinite(row["delta_nll_low_nats"]):
            value += f" [{row['delta_nll_low_nats']:+.3g}, {row['delta_nll_high_nats']:+.3g}]"
        found.append(f"{row['variant']} ({value})" if language == "en" else f"{row['variant']}（{value}）")
    return (", " if language == "en" else "、").join(found) + (" nats a token" if language == "en" else " nat／トークン")
