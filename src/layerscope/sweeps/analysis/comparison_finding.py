"""What several models over each other come to, one sentence per family: where each is most fragile, and how alike they rank."""

from __future__ import annotations

from typing import Any

import pandas as pd

from layerscope.bilingual import Bilingual
from layerscope.finding import MOST, Finding
from layerscope.sweeps.analysis.comparison import OVERALL, View
from layerscope.sweeps.analysis.variant_words import variant_words

_MODELS = 4
"""That are named; of more, those that are most fragile."""


def comparison_findings(fragility: pd.DataFrame, correlation: pd.DataFrame, view: View) -> tuple[Finding, ...]:
    """One sentence per family, five at most.

    Args:
        fragility: fragility.parquet.
        correlation: profile_correlation.parquet.
        view: what was shown, in which unit.
    """
    whole = fragility[fragility["tag"] == OVERALL]
    families = [str(name) for name in dict.fromkeys(whole["family"])]
    warnings = [Finding(_NOT_COMPARABLE, is_warning=True)] if whole["compared_anyway"].notna().any() else []
    found = []
    for family in families[: MOST - len(warnings)]:
        of_pairs = correlation[(correlation["family"] == family) & (correlation["tag"] == OVERALL)]
        said = _family(family, whole[whole["family"] == family], of_pairs, view)
        found.append(Finding(said, {"family": family}))
    return (*found, *warnings)


_NATS = Bilingual("nats per token", "1 トークンあたり {} nat")
_BITS = Bilingual("bits per byte", "1 バイトあたり {} ビット")
_TEXT_MEANS = Bilingual("in ln(perplexity ratio)", "ln（パープレキシティ比）{}")
_NOT_COMPARABLE = Bilingual(
    "The runs are not comparable and are shown together only because of --anyway.",
    "これらの実行は本来比較できない。--anyway の指定により重ねている。",
)


def _family(family: str, models: pd.DataFrame, pairs: pd.DataFrame, view: View) -> Bilingual:
    in_bits = view.unit == "bits" and models["most_delta_bits"].notna().all()
    column = "most_delta_bits" if in_bits else "most_delta_nll_nats"
    named = models.sort_values(column, ascending=False, kind="stable").head(_MODELS).to_dict("records")
    unit = _BITS if in_bits else _TEXT_MEANS if view.of_text_means else _NATS
    values = [f"{row[column]:+.3g}" for row in named]
    at = [(row["model"], variant_words(row["most_variant"]).place) for row in named]
    (model, place), *others = at
    places = [f"{model} is most fragile at {place.en} ({values[0]} {unit.en})"]
    places += [f"{other} at {there.en} ({value})" for (other, there), value in zip(others, values[1:], strict=True)]
    places_ja = [f"{one} では{there.ja}（{unit.ja.format(value)}）" for (one, there), value in zip(at, values, strict=True)]
    alike = _alike(pairs)
    return Bilingual(f"{family}: {', '.join(places)}.{alike.en}", f"{family}：最も脆いのは、{'、'.join(places_ja)}。{alike.ja}")


def _alike(pairs: pd.DataFrame) -> Bilingual:
    """Rank correlation of the profiles, of all pairs that have one."""
    rows: list[dict[Any, Any]] = pairs[pairs["spearman"].notna()].to_dict("records")
    if not rows:
        return Bilingual("", "")
    low, high = min(row["spearman"] for row in rows), max(row["spearman"] for row in rows)
    rho = f"ρ = {low:.2f}" if len(rows) == 1 else f"ρ = {low:.2f} … {high:.2f}"
    n_places = sorted({int(row["layers_compared"]) for row in rows})
    over = f"{n_places[0]}" if len(n_places) == 1 else f"{n_places[0]}–{n_places[-1]}"
    of = (
        Bilingual("", "")
        if len(rows) == 1
        else Bilingual(f" of {len(rows)} pairs of models", f"（モデルのペア {len(rows)} 通り）")
    )
    return Bilingual(
        f" Rank correlation between profiles{of.en}: {rho} over {over} places (no interval).",
        f"プロファイルの順位相関{of.ja}は {over} か所で {rho}（信頼区間なし）。",
    )
