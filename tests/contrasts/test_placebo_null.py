"""The tests against placebos, by simulation through sums, local scale, blocks and tables: the null, and what is really there.

The whole table comes of ``python -m benchmarks.placebos`` and stands in docs/design/placebos.md.
"""

from __future__ import annotations

import pytest
from scipy import stats

from benchmarks.placebos import WORLDS, simulate

RUNS, SWAPS = 40, 39


@pytest.mark.slow
def test_size_and_exponents_alone_are_found_about_as_often_as_the_level_says() -> None:
    found = simulate(WORLDS["size and exponents"], RUNS, SWAPS, seed=5)
    most = stats.binom.ppf(0.999, RUNS, 0.05) / RUNS
    for name in ("jaccard", "spearman", "shares", "subtypes"):
        assert found[name] <= most, name
    assert found["layer"] <= 0.12
    assert found["pair"] <= 0.10
    assert abs(found["excess"]) < 0.25, "of six dimensions"
    assert 0.05 < found["resisting_found"] < 0.16, "six of sixty are a tenth"


@pytest.mark.slow
def test_dimensions_that_really_resist_are_found() -> None:
    found = simulate(WORLDS["six resist"], 5, SWAPS, seed=6)
    assert found["jaccard"] == found["spearman"] == 1.0
    assert found["excess"] > 1.0
    assert found["resisting_found"] > 0.8


@pytest.mark.slow
def test_placebos_of_another_size_are_refused_rather_than_tested() -> None:
    found = simulate(type(WORLDS["six resist"])(placebo_size=1.3), 3, SWAPS, seed=7)
    assert found["jaccard"] != found["jaccard"], "no p at all"
