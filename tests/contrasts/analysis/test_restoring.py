"""From patched NLLs to the table and its reading: by hand, the null by simulation, and every verdict read back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from layerscope.contrasts.analysis.restoring import (
    ALL,
    CARRIED,
    WITHOUT_RANDOM,
    WITHOUT_STABLE,
    read_restoring,
    restoring_table,
)


def test_the_table_by_hand() -> None:
    margin = np.array([1.0, 3.0, 2.0, 2.0])
    templates = np.array([0, 1, 1, 2])
    whole, stable, random = (
        np.array([1.0, 2.0, 2.0, np.nan]),
        np.array([0.5, 1.0, 2.0, np.nan]),
        np.array([0.9, 1.8, 2.0, np.nan]),
    )
    found = restoring_table(
        margin, {(3, "edit", ALL): whole, (3, "edit", WITHOUT_STABLE): stable, (3, "edit", WITHOUT_RANDOM): random}, templates
    )
    rows = found.set_index("set")
    assert rows.loc[ALL, ["pairs", "restored_nats", "share"]].tolist() == pytest.approx([3, 5 / 3, 5 / 6])
    assert rows.loc[CARRIED, ["pairs", "restored_nats", "share"]].tolist() == pytest.approx([3, 1.2 / 3, 0.2])
    assert (rows["layer"] == 3).all()
    assert (rows["position"] == "edit").all()
    assert rows["p_value"].isna().all(), "two templates are too few"


def test_under_the_null_what_the_stillest_carry_is_seldom_significant() -> None:
    generator = np.random.default_rng(0)
    p_values = []
    for _ in range(300):
        margin, templates = generator.normal(2, 1, size=40), np.arange(40) % 20
        of_template = generator.normal(size=20)[templates]
        both = [1.0 + of_template + generator.normal(size=40) for _ in range(2)]
        found = restoring_table(
            margin,
            {(0, "edit", ALL): margin, (0, "edit", WITHOUT_STABLE): both[0], (0, "edit", WITHOUT_RANDOM): both[1]},
            templates,
        )
        p_values.append(float(found.set_index("set").loc[CARRIED, "p_value"]))
    assert 0.02 < np.mean(np.array(p_values) <= 0.05) < 0.09


def table(shares: list[float], carried: list[float], q: list[float]) -> pd.DataFrame:
    rows = []
    for layer, (share, lost, one) in enumerate(zip(shares, carried, q, strict=True)):
        shared = {"layer": layer, "position": "edit", "pairs": 30}
        rows.append({**shared, "set": ALL, "restored_nats": 2 * share, "low": 2 * share - 0.1, "high": 2 * share + 0.1})
        rows[-1] |= {"share": share, "p_value": 0.001, "q_value": 0.001}
        rows.append({**shared, "set": CARRIED, "restored_nats": 2 * lost, "low": 0.0, "high": 0.0, "share": lost})
        rows[-1] |= {"p_value": one, "q_value": one}
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("carried", "q", "said"),
    [
        ([0.1, 0.2, 0.1], [0.01, 0.2, 0.04], "they carry more in 2 of 3 places and less in 0 (q < 0.05)"),
        ([-0.1, 0.2, 0.1], [0.01, 0.2, 0.4], "they carry more in 0 of 3 places and less in 1 (q < 0.05)"),
        ([-0.1, 0.2, 0.1], [np.nan] * 3, "not tested, because there are too few templates"),
    ],
)
def test_the_reading_says_where_the_margin_is_and_what_the_stillest_carry(carried, q, said) -> None:
    first, last = read_restoring(table([0.2, 0.9, 0.4], carried, q), 50, ["edit"])
    assert "restores 20% of the margin after layer 0, and most after layer 1: 90% (+1.800 nats [+1.700, +1.900])" in first.en
    assert "層 1 の後の 90%" in first.ja
    assert said in last.en
    assert f"costs {np.median(carried):+.1%} more of the margin" in last.en
    assert f"マージンの {np.median(carried):+.1%}" in last.ja
