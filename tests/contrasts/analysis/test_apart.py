"""Units still under errors alone against those still under placebos alone: the effect by hand, and every verdict read back."""

from __future__ import annotations

import numpy as np
import pytest

from layerscope.contrasts.analysis.choosing import AgainstPlacebos
from layerscope.contrasts.analysis.intervention import PlaceboSetEffect, placebo_set_effect
from layerscope.contrasts.analysis.intervention_verdict import read_apart


def test_the_effect_by_hand() -> None:
    of_edits = np.array([[1.0, 2.0, 4.0, 9.0, np.nan], [3.0, 1.0, 5.0, 9.0, 1.0]])
    of_placebos = np.array([[1.0, 2.0, 4.0, 9.0, 1.0], [2.0, 2.0, 4.0, 9.0, 1.0]])
    right, templates = np.array([1, 2, 1, 0, 1]), np.array([0, 1, 1, 2, 2])
    found = placebo_set_effect(of_edits, of_placebos, right, templates)
    # (3−1) − (2−1) = 1; the second side is right: −((1−2) − (2−2)) = 1; (5−4) − 0 = 1; neither right; no number
    assert (found.effect, found.n_items, found.n_groups) == (1.0, 3, 2)
    assert np.isnan(found.p_value), "two templates are too few"


def test_the_null_is_rejected_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    p_values = []
    for _ in range(300):
        templates = np.arange(40) % 20
        of_template = generator.normal(size=20)[templates]
        both = generator.normal(size=(2, 2, 40)) + np.stack([of_template * 0, of_template])
        p_values.append(placebo_set_effect(both[0], both[1], np.full(40, 1), templates).p_value)
    assert 0.02 < np.mean(np.array(p_values) <= 0.05) < 0.09


def effect(value: float, p: float) -> PlaceboSetEffect:
    return PlaceboSetEffect(value, value - 0.01, value + 0.02, p, 40, 20)


@pytest.mark.parametrize(
    ("mean", "resample", "balance", "said"),
    [
        ((0.05, 0.01), (0.03, 0.05), 0.0, "the first matter more for errors"),
        ((-0.05, 0.01), (-0.03, 0.05), 0.1, "the second matter more for errors"),
        ((0.05, 0.01), (0.03, 0.051), 0.0, "no difference is significant with both replacements"),
        ((0.05, 0.01), (-0.03, 0.01), 0.0, "no difference is significant with both replacements"),
        ((0.05, 0.01), (0.03, 0.01), -0.101, "not matched (SD: spread -0.10), so nothing is inferred"),
        ((0.05, np.nan), (0.03, 0.01), 0.0, "too few templates to tell"),
    ],
)
def test_the_sentence_says_no_more_than_its_numbers(mean, resample, balance, said) -> None:
    beside = AgainstPlacebos(np.arange(7), np.arange(10, 17), 13, {"spread": balance})
    found = read_apart(beside, {"mean": effect(*mean), "resample": effect(*resample)})
    assert found.en.endswith(f": {said}.")
    for text in (found.en, found.ja):
        assert f"mean {mean[0]:+.4f} [{mean[0] - 0.01:+.4f}, {mean[0] + 0.02:+.4f}]" in text
        assert f"resample {resample[0]:+.4f}" in text
        assert "7" in text
