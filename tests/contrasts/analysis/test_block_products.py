"""Correlations from inner products of blocks are those of the means themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from layerscope.contrasts.analysis.block_products import BlockProducts
from layerscope.contrasts.analysis.group_scores import MatchedScores
from tests.made_up_groups import N_LAYERS, make_groups, read_once

TYPES = {"a": "meaning", "b": "meaning", "c": "grammar"}


def plain_correlations(groups: list[MatchedScores], shares: list[list[np.ndarray]]) -> np.ndarray:
    """``resample side first second``: means over blocks, each layer's correlation by numpy, averaged; 0 of a constant."""
    n, n_sides = shares[0][0].shape[:2]
    found = np.zeros((n, n_sides, len(groups), len(groups)))
    for draw, side, a, b in np.ndindex(*found.shape):
        means = []
        for reference, number in enumerate((a, b)):
            group = groups[number]
            blocks = np.concatenate([group.own.scores[reference], group.placebo.scores[reference]]).astype(np.float64)
            means.append(np.tensordot(shares[reference][number][draw, side].astype(np.float64), blocks, axes=1))
        of_layers = [
            np.corrcoef(first, second)[0, 1] if first.std() > 0 and second.std() > 0 else 0.0
            for first, second in zip(*means, strict=True)
        ]
        found[draw, side, a, b] = np.mean(of_layers)
    return found


def check(groups: list[MatchedScores], seed: int, atol: float = 2e-5) -> None:
    generator = np.random.default_rng(seed)
    swaps = [generator.random((3, len(group.own.pairs))) < 0.5 for group in groups]
    halves = [generator.permutation(len(group.own.pairs)) % 2 == 0 for group in groups]
    shares = [
        [group.shares(some, half if reference == 0 else ~half) for group, some, half in zip(groups, swaps, halves, strict=True)]
        for reference in (0, 1)
    ]
    found = BlockProducts.of(groups).correlations(*shares)
    np.testing.assert_allclose(found, plain_correlations(groups, shares), atol=atol)


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_they_are_those_of_a_loop_over_means(seed: int, once: bool) -> None:
    groups = make_groups(np.random.default_rng(seed), TYPES)
    check(read_once(groups) if once else groups, seed)


def test_scores_that_hardly_differ_about_a_large_mean() -> None:
    groups = make_groups(np.random.default_rng(4), TYPES)

    def flat(group: MatchedScores) -> MatchedScores:
        sides = (
            replace(side, scores=tuple((0.5 + 1e-3 * scores).astype(np.float32) for scores in side.scores))
            for side in (group.own, group.placebo)
        )
        return MatchedScores(*sides, log_ratio=0.0)

    check([flat(group) for group in groups], 5, atol=1e-3)


def test_groups_of_different_numbers_of_blocks() -> None:
    groups = make_groups(np.random.default_rng(6), TYPES)

    def fewer(group: MatchedScores, n: int) -> MatchedScores:
        sides = (
            replace(side, scores=tuple(scores[:n] for scores in side.scores), pairs=side.pairs[:n])
            for side in (group.own, group.placebo)
        )
        return MatchedScores(*sides, log_ratio=0.0)

    check([fewer(group, n) for group, n in zip(groups, (8, 3, 5), strict=True)], 7)


def test_a_constant_layer_correlates_with_nothing() -> None:
    groups = make_groups(np.random.default_rng(8), TYPES)
    for side in (groups[1].own, groups[1].placebo):
        for scores in side.scores:
            scores[:, 0] = 0.25
    shares = [group.shares(group.unswapped()) for group in groups]
    found = BlockProducts.of(groups).correlations(shares, shares)
    np.testing.assert_allclose(found, plain_correlations(groups, [shares, shares]), atol=2e-5)
    assert np.abs(found[0, 0, 1, 1]) <= (N_LAYERS - 1) / N_LAYERS
