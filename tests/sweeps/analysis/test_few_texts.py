"""Runs without any effect, through the functions that make a sweep's tables: how often p, q and intervals err."""

from __future__ import annotations

import pytest

from benchmarks.few_texts import simulate
from layerscope.sweeps.analysis.few_texts import few_texts


@pytest.mark.parametrize(
    ("effect", "lengths", "n_texts"),
    [("normal", "equal", 8), ("exponential", "equal", 20), ("exponential", "log-normal", 20), ("normal", "log-normal", 50)],
)
def test_without_effects_few_are_found(effect: str, lengths: str, n_texts: int) -> None:
    # 60 runs of 20 variants with a common part: rates are known to about ± 0.02, "some q" to ± 0.03
    found = simulate(60, 1, n_texts, effect, lengths)
    assert 0.01 <= found["p05"] <= 0.08
    assert found["above"] + found["below"] == pytest.approx(found["p05"])
    assert found["p0025"] <= 0.012
    assert found["some_q"] <= 0.12
    assert 0.01 <= found["contrast_p05"] <= 0.08


def test_five_texts_have_intervals_and_no_p() -> None:
    found = simulate(40, 2, 5, "normal", "equal")
    assert found["p05"] == found["some_q"] == found["contrast_p05"] == found["contrast_some_q"] == 0.0
    assert 0.0 < found["above"] + found["below"] <= 0.10


def test_the_warning_by_the_number_of_texts() -> None:
    assert [few_texts(n) is None for n in (1, 2, 7, 8, 49, 50, 1000)] == [False] * 5 + [True] * 2
    assert few_texts(7).en.startswith("Only 7 texts: with fewer than 8 there are no p- or q-values")
    assert "p 値" in few_texts(7).ja
    assert few_texts(8).en.startswith("Only 8 texts: with fewer than 50, intervals and p-values err")
    assert few_texts(1).en == (
        "Only one text: no interval, p-value or q-value. Give several texts; from 8 on there are p-values."
    )
