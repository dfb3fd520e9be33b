"""What is said of a family's effects on the preference, over all pairs and by groups: each number is one of the tables'."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from layerscope.sweeps.analysis.beyond_damage import Explained
from layerscope.sweeps.analysis.preference_finding import preference_finding

INTACT = pd.Series({"pairs": 1200, "accuracy": 0.875, "margin_nats": 3.5})
EXPLAINED = [Explained("removal", "all", "all", "margin", 0.75, 0.002)]


def rows(q_values: list[float], beyond: list[float], group: str = "all") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "variant": [f"removal-{i}" for i in range(len(q_values))],
            "group": group,
            "beyond": beyond,
            "effect": [value + 0.4 for value in beyond],
            "standard_error": 0.25,
            "q_value": q_values,
        }
    )


def test_nothing_of_groups_where_there_are_none() -> None:
    said = preference_finding(rows([0.2, 0.01], [-0.1, -1.5]), INTACT, EXPLAINED, rows([], []), n_texts=60)
    assert said.en.endswith(
        "Beyond damage (q < 0.05, 1 of 2 variants; distance to the bound ± its standard error): the margin is lower than "
        "damage allows after removing layer 1 (-1.5 ± 0.25 nats; the margin changes by -1.1)."
    )
    assert "group" not in said.en


def test_a_margin_that_damage_alone_would_raise_is_not_called_a_loss() -> None:
    """Below its bound, and yet above 0: the sentence gives the change beside the distance."""
    low = rows([0.01, 0.001], [-0.2, 0.7])
    said = preference_finding(low, INTACT, EXPLAINED, rows([], []), n_texts=60)
    assert "lower than damage allows after removing layer 0 (-0.2 ± 0.25 nats; the margin changes by +0.2)" in said.en
    assert "it is higher after removing layer 1 (+0.7 ± 0.25 nats; the margin changes by +1.1)" in said.en
    assert "lost" not in said.en
    only = preference_finding(low[1:], INTACT, EXPLAINED, rows([], []), n_texts=60)
    assert "the margin is higher than damage allows after removing layer 1" in only.en


def test_groups_have_their_own_sentence() -> None:
    by_group = pd.concat(
        [rows([0.2, 0.01, np.nan], [-0.1, -1.5, 0.0], "tense"), rows([0.04, 0.3, np.nan], [2.5, -1.0, 0.0], "typo")]
    )
    said = preference_finding(rows([0.2, 0.3], [-0.1, 0.0]), INTACT, EXPLAINED, by_group, n_texts=60)
    assert "in 87.5% of 1,200 pairs (margin +3.5 nats)" in said.en
    assert "No variant is outside what damage allows" in said.en
    assert said.en.endswith(
        "In 2 groups of pairs taken separately, 2 of 4 effects are outside (q < 0.05), the clearest being: removing "
        "layer 1 for tense (-1.5 ± 0.25 nats; the margin changes by -1.1), removing layer 0 for typo (+2.5 ± 0.25 nats; the "
        "margin changes by +2.9)."
    )
    assert "効果 4 件のうち 2 件" in said.ja
    assert "typo で層 0 を除去する場合（+2.5 ± 0.25 nat、マージンの変化は +2.9）" in said.ja


@pytest.mark.parametrize("beyond", [[0.0, 0.0], [-0.5, 0.2]])
def test_where_no_group_is_outside_that_is_said(beyond: list[float]) -> None:
    said = preference_finding(rows([0.2, 0.3], beyond), INTACT, EXPLAINED, rows([0.2, 0.3], beyond, "tense"), n_texts=60)
    assert said.en.endswith("In 1 group of pairs taken separately, none of 2 effects is outside (q < 0.05).")


@pytest.mark.parametrize(
    ("n_texts", "said"), [(1, "on 1 text; from 8"), (7, "on 7 texts; from 8"), (8, "too few templates or pairs")]
)
def test_why_single_variants_are_not_tested(n_texts: int, said: str) -> None:
    found = preference_finding(rows([np.nan, np.nan], [-0.1, -1.5]), INTACT, EXPLAINED, rows([], []), n_texts=n_texts)
    assert said in found.en
    assert ("8 本以上" in found.ja) == (n_texts < 8)
