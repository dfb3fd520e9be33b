"""What lies beyond damage is tested from eight texts on, which measure the damage; values are there with fewer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from layerscope.sweeps.analysis.beyond_damage import beyond_damage

N_VARIANTS, N_PAIRS = 10, 40


def tables(n_texts: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Layers whose damage rises with their number, of which one costs far more of the margin than that."""
    generator = np.random.default_rng(0)
    margin = 3.0 - 0.1 * np.arange(N_VARIANTS + 1)[:, None] + generator.normal(0.0, 0.05, (N_VARIANTS + 1, N_PAIRS))
    margin[4] -= 2.0
    names = ["intact", *(f"removal-{number}" for number in range(N_VARIANTS))]
    layers = pd.DataFrame(
        {
            "variant": names,
            "family": ["intact", *["removal"] * N_VARIANTS],
            "delta_nll_nats": 0.1 * np.arange(N_VARIANTS + 1),
            "documents": n_texts,
        }
    )
    pairs = pd.DataFrame(
        {"subtype": "agreement", "template": [f"t{number}" for number in range(N_PAIRS)], "term": "", "type": "grammar"}
    )
    return pd.DataFrame({"sentence_margin_nats": margin.ravel()}), pairs, layers


@pytest.mark.parametrize("n_texts", [1, 7, 8, 60])
def test_there_is_a_test_from_eight_texts_on(n_texts: int) -> None:
    table, _ = beyond_damage(*tables(n_texts), unit="sentence", is_tie_right=True, seed=0)
    rows = table.to_pandas()
    rows = rows[(rows["kind"] == "all") & (rows["measure"] == "margin")].set_index("variant")
    assert rows.loc["removal-3", "beyond"] < -1.5, "the value is there"
    if n_texts < 8:
        assert rows[["p_value", "q_value"]].isna().all().all()
    else:
        assert rows.loc["removal-3", "q_value"] < 0.05
