"""When nothing is inferred, and what is said then: at its borders, by hand."""

from __future__ import annotations

import math

import pytest

from layerscope.contrasts.enough import FEWEST_BLOCKS, FEWEST_PAIRS, MOST_UNLIKE, is_enough, refusal


def test_the_borders_are_forty_pairs_ten_blocks_and_a_tenth() -> None:
    assert (FEWEST_PAIRS, FEWEST_BLOCKS, MOST_UNLIKE) == (40, 10, 0.1)


@pytest.mark.parametrize(
    ("n_pairs", "n_blocks", "expected"),
    [(40, 10, True), (39, 10, False), (40, 9, False), (4000, 9, False), (39, 20, False), (0, 0, False)],
)
def test_pairs_and_blocks_are_both_needed(n_pairs: int, n_blocks: int, expected: bool) -> None:
    assert is_enough(n_pairs, n_blocks) is expected
    assert (refusal("tense", n_pairs, n_blocks, 0.0) is None) is expected


@pytest.mark.parametrize("log_ratio", [0.0, 0.1, -0.1, 0.0999])
def test_sizes_that_differ_by_no_more_than_a_tenth_are_alike(log_ratio: float) -> None:
    assert refusal("tense", 40, 10, log_ratio) is None


@pytest.mark.parametrize("log_ratio", [math.nextafter(0.1, 1), math.nextafter(-0.1, -1), 0.2, -3.0, math.inf])
def test_sizes_that_differ_by_more_are_refused(log_ratio: float) -> None:
    assert refusal("tense", 40, 10, log_ratio) is not None


def test_too_few_are_counted_out() -> None:
    expected = "tense: 39 pairs with a placebo, in 12 blocks; inference needs 40 in 10 blocks of templates"
    assert refusal("tense", 39, 12, 0.0) == expected
    assert (
        refusal("tense", 400, 9, 0.0)
        == "tense: 400 pairs with a placebo, in 9 blocks; inference needs 40 in 10 blocks of templates"
    )
    # of two reasons the first is said
    assert refusal("tense", 39, 12, 5.0) == expected


def test_how_unlike_the_sizes_are_is_said_in_ratios() -> None:
    # e^0.2 = 1.22, e^−0.5 = 0.61; e^∓0.1 = 0.90 and 1.11
    said = "typo: its placebos differ 1.22 times as much as its pairs here; inference needs 0.90 to 1.11"
    assert refusal("typo", 40, 10, 0.2) == said
    assert refusal("typo", 40, 10, -0.5) == said.replace("1.22", "0.61")
