"""What a comparison comes to, read back against its tables."""

from __future__ import annotations

import pandas as pd

from layerscope.sweeps.analysis.comparison import View
from layerscope.sweeps.analysis.comparison_finding import comparison_findings

BITS, NATS = View("delta", "bits", "depth"), View("delta", "nats", "layer")


def fragility(anyway: str | None = None) -> pd.DataFrame:
    rows = [
        ("removal", "all", "small", "removal-1", 3.0, 0.9),
        ("removal", "all", "large", "removal-7", 2.0, 1.1),
        ("removal", "VERB", "small", "removal-2", 99.0, 99.0),
        ("exchange", "all", "small", "exchange-0-1", 0.5, 0.1),
        ("exchange", "all", "large", "exchange-3-4", 0.25, 0.2),
    ]
    names = ["family", "tag", "model", "most_variant", "most_delta_nll_nats", "most_delta_bits"]
    return pd.DataFrame(rows, columns=names).assign(compared_anyway=anyway)


def correlation(rho: float | None, more: tuple[float, ...] = ()) -> pd.DataFrame:
    rows = [("removal", "all", value, 18) for value in (rho, *more)] + [
        ("removal", "VERB", 0.99, 18),
        ("exchange", "all", None, 17),
    ]
    return pd.DataFrame(rows, columns=["family", "tag", "spearman", "layers_compared"])


def test_models_are_named_from_the_most_fragile_with_the_value_of_their_table() -> None:
    removal, exchange = comparison_findings(fragility(), correlation(0.0), BITS)
    assert removal.said.en == (
        "removal: large is most fragile at layer 7 (+1.1 bits per byte), small at layer 1 (+0.9). Rank correlation between "
        "profiles: ρ = 0.00 over 18 places (no interval)."
    )
    assert removal.said.ja.startswith("removal：最も脆いのは、large では層 7（1 バイトあたり +1.1 ビット）、small では層 1（")
    assert exchange.said.en == "exchange: large is most fragile at 3↔4 (+0.2 bits per byte), small at 0↔1 (+0.1)."
    assert removal.where == {"family": "removal"}
    in_nats, _ = comparison_findings(fragility(), correlation(0.5), NATS)
    assert in_nats.said.en.startswith("removal: small is most fragile at layer 1 (+3 nats per token), large at layer 7 (+2).")


def test_of_several_pairs_the_range_is_told() -> None:
    said = comparison_findings(fragility(), correlation(0.5, (-0.25, 0.75)), NATS)[0].said.en
    assert said.endswith(
        "Rank correlation between profiles of 3 pairs of models: ρ = -0.25 … 0.75 over 18 places (no interval)."
    )


def test_what_is_not_comparable_says_so_last() -> None:
    *_, last = comparison_findings(fragility("other texts"), correlation(0.5), NATS)
    assert last.is_warning
    assert "--anyway" in last.said.en
    assert not any(one.is_warning for one in comparison_findings(fragility(), correlation(0.5), NATS))
