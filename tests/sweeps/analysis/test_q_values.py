"""Which tests are corrected together: what is certain of depths makes no other variant pass."""

from __future__ import annotations

import numpy as np

from layerscope.stats.false_discovery import benjamini_hochberg
from layerscope.sweeps.analysis.q_values import q_values


def test_depths_are_apart_and_all_others_together() -> None:
    families = ["intact", *["removal"] * 3, *["exchange"] * 2, *["depth"] * 4, *["tuned-depth"] * 2]
    p = np.array([np.nan, 0.03, 0.2, np.nan, 0.04, 0.5, 1e-9, 1e-9, 1e-9, 0.04, 0.04, 0.5])
    found = q_values(p, families)
    np.testing.assert_array_equal(found[:6], benjamini_hochberg(p[:6]))
    np.testing.assert_array_equal(found[6:10], benjamini_hochberg(p[6:10]))
    np.testing.assert_array_equal(found[10:], benjamini_hochberg(p[10:]))


def test_by_chance_no_removal_passes_because_depths_do() -> None:
    generator = np.random.default_rng(0)
    families = ["intact", *["removal"] * 30, *["depth"] * 31]
    found = []
    for _ in range(300):
        p = np.concatenate([[np.nan], generator.random(30), np.full(31, 1e-12)])
        found.append((q_values(p, families)[1:31] < 0.05).any())
    assert np.mean(found) <= 0.08
