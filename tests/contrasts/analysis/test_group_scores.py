"""Means of blocks, and of blocks that changed places with their placebos', against loops; sets; what is drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from layerscope.contrasts.analysis import group_scores
from layerscope.contrasts.analysis.group_scores import (
    GroupScores,
    MatchedScores,
    both_sides,
    draw_swaps,
    of_set,
    weighted_means,
)
from tests.made_up_groups import N_DIMS, N_LAYERS, make_groups, read_once

FOUR = {"m1": "meaning", "m2": "meaning", "g1": "grammar", "g2": "grammar"}


def one_group(seed: int = 0, **given: object) -> MatchedScores:
    """A type and its placebos, whose blocks have other numbers of pairs."""
    (group,) = make_groups(np.random.default_rng(seed), {"one": "meaning"}, pairs=(1, 9), **given)  # type: ignore[arg-type]
    other = np.random.default_rng(seed + 1).integers(1, 9, size=len(group.own.pairs))
    return replace(group, placebo=replace(group.placebo, pairs=other))


def plain_mean(
    group: MatchedScores, swapped: np.ndarray, side: int, reference: int, counts: np.ndarray | None = None
) -> np.ndarray:
    """Of one side (the type, its placebos): block by block, from the other one where swapped."""
    total, weight = np.zeros((N_LAYERS, N_DIMS)), 0.0
    for block in range(len(swapped)):
        if counts is not None and not counts[block]:
            continue
        source = group.own if (side == 0) != bool(swapped[block]) else group.placebo
        total = total + source.pairs[block] * source.scores[reference][block].astype(np.float64)
        weight += float(source.pairs[block])
    return total / weight


# one side


def test_means_count_blocks_by_their_weights() -> None:
    group = one_group().own
    weights = np.random.default_rng(3).random((5, 8))
    for found, scores in zip(group.mean(weights), group.scores, strict=True):
        assert found.shape == (5, N_LAYERS, N_DIMS)
        for row, some in zip(found, weights, strict=True):
            np.testing.assert_allclose(row, np.average(scores, axis=0, weights=some), rtol=1e-5)


def test_one_reading_is_averaged_once() -> None:
    twice, (once,) = one_group(), read_once([one_group()])
    assert twice.own.has_references
    assert not once.own.has_references
    first, second = once.own.mean(once.own.pairs[None])
    assert first is second
    np.testing.assert_array_equal(first, twice.own.mean(twice.own.pairs[None])[0])


def test_blocks_are_drawn_again_by_their_pairs() -> None:
    group = one_group().own
    weights = group.drawn_again(3000, np.random.default_rng(0))
    times = weights / group.pairs
    assert weights.shape == (3000, 8)
    np.testing.assert_array_equal(times, np.rint(times))
    np.testing.assert_array_equal(times.sum(axis=1), 8)
    np.testing.assert_allclose(times.mean(axis=0), 1.0, atol=5 / np.sqrt(3000))
    np.testing.assert_array_equal(weights, group.drawn_again(3000, np.random.default_rng(0)))


# both sides


def means(group: MatchedScores, swaps: np.ndarray, counted: np.ndarray | None = None) -> list[np.ndarray]:
    """By reference, ``resample side layer dim``."""
    return [weighted_means(blocks, [group.shares(swaps, counted)])[:, :, 0] for blocks in both_sides([group])]


def test_swapped_means_by_hand() -> None:
    def side(name: str, role: str, values: list[float], pairs: list[int]) -> GroupScores:
        scores = np.array(values, dtype=np.float32).reshape(-1, 1, 1)
        return GroupScores(name, role, (scores, 10 * scores), np.array(pairs))  # type: ignore[arg-type]

    group = MatchedScores(side("x", "meaning", [1, 2, 3], [1, 1, 2]), side("y", "placebo", [5, 7, 9], [3, 1, 2]), 0.0)
    # own 1·1 2·1 3·2; placebos 5·3 7·1 9·2
    found = means(group, np.array([[False, False, False], [False, True, False], [True, True, True], [True, False, True]]))
    expected = np.array([[9 / 4, 40 / 6], [14 / 4, 35 / 6], [40 / 6, 9 / 4], [35 / 6, 14 / 4]])
    np.testing.assert_allclose(found[0].squeeze(), expected, rtol=1e-6)
    np.testing.assert_allclose(found[1].squeeze(), 10 * expected, rtol=1e-6)
    # without the second block: own 1 3 3, placebos 5 5 5 9 9; the first swapped: own 5 5 5 3 3, placebos 1 9 9
    some = means(group, np.array([[False] * 3, [True, False, False]]), np.array([True, False, True]))
    np.testing.assert_allclose(some[0].squeeze(), [[7 / 3, 33 / 5], [21 / 5, 19 / 3]], rtol=1e-6)


@pytest.mark.parametrize("chosen", [False, True])
def test_swapped_means_are_those_of_a_loop(chosen: bool) -> None:
    group = one_group(1)
    generator = np.random.default_rng(2)
    swaps = generator.random((12, 8)) < 0.5
    counts = np.array([True, False, True, True, False, False, True, True]) if chosen else None
    found = means(group, swaps, counts)
    for reference in (0, 1):
        assert found[reference].shape == (12, 2, N_LAYERS, N_DIMS)
        for row, swapped in zip(found[reference], swaps, strict=True):
            for side in (0, 1):
                np.testing.assert_allclose(row[side], plain_mean(group, swapped, side, reference, counts), rtol=1e-5)


def test_none_swapped_are_the_sides_and_all_swapped_are_the_sides_exchanged() -> None:
    group = one_group(3)
    for found, own, placebo in zip(
        means(group, np.array([[False] * 8, [True] * 8])),
        group.own.mean(group.own.pairs[None]),
        group.placebo.mean(group.placebo.pairs[None]),
        strict=True,
    ):
        np.testing.assert_allclose(found[0], [own[0], placebo[0]], rtol=1e-6)
        np.testing.assert_array_equal(found[1], found[0][::-1])


def test_swapped_means_of_one_reading_are_the_same_array() -> None:
    (group,) = read_once([one_group(4)])
    first, second = both_sides([group])
    assert first is second
    (first, _) = means(group, np.zeros((2, 8), dtype=bool))
    np.testing.assert_allclose(first[0, 1], plain_mean(group, np.zeros(8), 1, 0), rtol=1e-5)


def test_a_matched_group_is_called_as_its_type() -> None:
    group, refused = make_groups(np.random.default_rng(0), {"a": "meaning", "b": "grammar"}, refused=("b",))
    assert (group.name, group.role, group.allows_inference, group.refusal) == ("a", "meaning", True, None)
    assert (refused.name, refused.role, refused.allows_inference) == ("b", "grammar", False)


# sets


@pytest.mark.parametrize(
    ("refused", "name", "expected"),
    [
        ((), "all", ["m1", "m2", "g1", "g2"]),
        ((), "meaning", ["m1", "m2"]),
        ((), "grammar", ["g1", "g2"]),
        ((), "g1", ["g1"]),
        ((), "placebo", []),
        (("g1",), "all", ["m1", "m2", "g2"]),  # three others stand for the set
        (("g1",), "grammar", ["g1", "g2"]),  # one other does not
        (("g1",), "meaning", ["m1", "m2"]),
        (("g1",), "g1", ["g1"]),
        (("m1", "g1"), "all", ["m2", "g2"]),
        (("m1", "g1", "g2"), "all", ["m1", "m2", "g1", "g2"]),
        (("m1", "m2", "g1", "g2"), "meaning", ["m1", "m2"]),
    ],
)
def test_refused_groups_are_left_out_where_two_others_remain(refused: tuple[str, ...], name: str, expected: list[str]) -> None:
    groups = make_groups(np.random.default_rng(0), FOUR, refused=refused)
    assert [group.name for group in of_set(groups, name)] == expected


# what is swapped


def test_the_first_draw_swaps_none_and_the_others_half() -> None:
    groups = make_groups(np.random.default_rng(0), FOUR)
    (drawn,) = draw_swaps(groups, 2000, np.random.default_rng(0))
    assert [one.shape for one in drawn] == [(2001, 8)] * 4
    assert not np.concatenate([one[0] for one in drawn]).any()
    rest = np.concatenate([one[1:] for one in drawn], axis=1).astype(float)
    np.testing.assert_allclose(rest.mean(axis=0), 0.5, atol=4 * 0.5 / np.sqrt(2000))
    # every block by itself, also of different groups
    together = np.corrcoef(rest.T) - np.eye(32)
    assert np.abs(together).max() < 5 / np.sqrt(2000)


def test_each_group_has_its_own_number_of_blocks() -> None:
    generator = np.random.default_rng(0)
    groups = [make_groups(generator, {name: "meaning"}, n_blocks=n)[0] for name, n in (("a", 3), ("b", 7))]
    (drawn,) = draw_swaps(groups, 5, np.random.default_rng(4))
    assert [one.shape for one in drawn] == [(6, 3), (6, 7)]
    # one draw after another, each of all groups
    plain = np.random.default_rng(4)
    for draw in range(6):
        for one, n in zip(drawn, (3, 7), strict=True):
            expected = [plain.random() < 0.5 for _ in range(n)]
            assert one[draw].tolist() == (expected if draw else [False] * n)


def test_without_swaps_there_is_the_one_that_swaps_none() -> None:
    (drawn,) = draw_swaps(make_groups(np.random.default_rng(0), FOUR), 0, np.random.default_rng(0))
    assert [one.tolist() for one in drawn] == [[[False] * 8]] * 4


def test_as_many_are_drawn_at_once_as_memory_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = make_groups(np.random.default_rng(0), FOUR)
    cells = 4 * N_LAYERS * N_DIMS
    (at_once,) = draw_swaps(groups, 20, np.random.default_rng(1))
    for room, expected in ((7 * cells, [7, 7, 7]), (7 * cells - 1, [6, 6, 6, 3]), (1, [1] * 21)):
        monkeypatch.setattr(group_scores, "_CELLS_AT_ONCE", room)
        pieces = list(draw_swaps(groups, 20, np.random.default_rng(1)))
        assert [len(piece[0]) for piece in pieces] == expected
        whole = [np.concatenate(parts) for parts in zip(*pieces, strict=True)]
        assert [one.shape for one in whole] == [(21, 8)] * 4
        np.testing.assert_array_equal(whole, at_once, "the same seed draws the same")
        assert not any(one[0].any() for one in whole)
        assert all(np.concatenate(rows).any() for rows in zip(*(one[1:] for one in whole), strict=True)), "only the first"
