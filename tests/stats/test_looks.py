"""Looking while data come in: the plan by hand, and coverage on simulated effects with and without the correction."""

from __future__ import annotations

import math

import numpy as np

from layerscope.stats.looks import p_value_of_looks, plan_looks
from layerscope.stats.ratio import ratio_interval

N_VARIANTS = 25
N_RUNS = 40
CAP = 243


def test_the_plan_by_hand() -> None:
    assert plan_looks(10).sizes == (10,)
    assert plan_looks(10).level == 0.95
    assert plan_looks(32).sizes == (32,)
    looks = plan_looks(250)
    assert looks.sizes == (32, 48, 72, 108, 162, 243, 250)
    assert math.isclose(looks.level, 1 - 0.05 / 7)


def test_p_values_are_raised_to_match_by_hand() -> None:
    raised = p_value_of_looks(np.array([0.01, 0.4, np.nan]), plan_looks(48).level)  # two looks
    np.testing.assert_allclose(raised, [0.02, 0.8, np.nan])
    np.testing.assert_allclose(p_value_of_looks(np.array([0.4]), 1 - 0.05 / 7), [1.0])


def simulate(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums ``(variant, document)``, tokens, and the true ratios: skewed effects, larger in longer documents."""
    tokens = np.maximum(generator.lognormal(4.0, 0.5, CAP), 2.0).round()
    scale = generator.uniform(0.05, 0.3, (N_VARIANTS, 1))
    per_token = scale * (generator.gamma(2.0, 1.0, (N_VARIANTS, CAP)) - 1.0)  # mean: scale
    return per_token * tokens, tokens, scale[:, 0]


def share_that_misses(level: float, sizes: tuple[int, ...], seed: int) -> tuple[float, float]:
    """How often an interval misses the truth: at any look, and at the look at which all are narrow enough."""
    generator = np.random.default_rng(seed)
    ever, stopped = [], []
    for _ in range(N_RUNS):
        sums, tokens, truth = simulate(generator)
        missed_before = np.zeros(N_VARIANTS, dtype=bool)
        at_stop: np.ndarray | None = None
        for size in sizes:
            interval = ratio_interval(sums[:, :size], tokens[:size], level=level)
            missed = (truth < interval.low) | (truth > interval.high)
            missed_before |= missed
            if at_stop is None and ((interval.high - interval.low).max() / 2 <= 0.06 or size == sizes[-1]):
                at_stop = missed
        assert at_stop is not None
        ever.append(missed_before)
        stopped.append(at_stop)
    return float(np.mean(ever)), float(np.mean(stopped))


def test_coverage_survives_looking_only_with_the_correction() -> None:
    looks = plan_looks(CAP)
    assert len(looks.sizes) == 6
    ever, stopped = share_that_misses(looks.level, looks.sizes, seed=1)
    naive_ever, naive_stopped = share_that_misses(0.95, looks.sizes, seed=1)
    # 1,000 intervals: a share of 0.05 is known to ± 0.014, and variants of a run share their documents
    assert stopped <= 0.05
    assert ever <= 0.05 + 0.014
    assert naive_ever > 0.10
    assert stopped < naive_stopped
