"""Which variant hurts most: said only of one whose interval lies above 0."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from layerscope.sweeps.analysis.summary import harm


def family(deltas: list[float], half_width: float | list[float] = 0.1) -> pd.DataFrame:
    delta = np.array(deltas)
    return pd.DataFrame(
        {
            "variant": [f"exchange-{i}-{i + 1}" for i in range(len(deltas))],
            "delta_nll_nats": delta,
            "delta_nll_low_nats": delta - half_width,
            "delta_nll_high_nats": delta + half_width,
        }
    )


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            family([0.0, 0.0, 0.0], 0.0),
            "none hurts, as no interval of ΔNLL lies above 0 (the largest is exchange-2-3 (+0.000 nats))",
        ),
        (
            family([0.05, -0.5, 0.09]),
            "none hurts, as no interval of ΔNLL lies above 0 (the largest is exchange-2-3 (+0.090 nats))",
        ),
        (family([0.5, 2.0, 1.0]), "exchange-1-2 (+2.000 nats) hurts most, exchange-0-1 (+0.500 nats) least"),
        (
            family([0.5, 0.0, -1.0, 2.0]),
            "exchange-3-4 (+2.000 nats) hurts most; 2 of 4 do not hurt, as their intervals reach 0 or lie below it",
        ),
        # the largest is uncertain, a smaller one is not
        (
            family([0.5, 0.9, 0.0], [0.1, 1.0, 0.1]),
            "exchange-0-1 (+0.500 nats) hurts most; 2 of 3 do not hurt, as their intervals reach 0 or lie below it",
        ),
        (family([np.nan, 1.0, 0.5]), "exchange-1-2 (+1.000 nats) hurts most, exchange-2-3 (+0.500 nats) least"),
        (family([np.nan, np.inf]), "no variant has a finite ΔNLL"),
        (
            family([1.0, 0.5], np.nan),
            "ΔNLL is largest for exchange-0-1 (+1.000 nats) and smallest for exchange-1-2 (+0.500 nats), without intervals, "
            "which take two texts",
        ),
    ],
)
def test_a_variant_hurts_if_its_interval_lies_above_nothing(rows: pd.DataFrame, said: str) -> None:
    assert harm(rows) == said
