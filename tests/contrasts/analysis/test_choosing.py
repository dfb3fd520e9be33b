"""What is ablated comes from one half of the blocks, what it is tested on from the other, and random sets are like it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from layerscope.contrasts.analysis.choosing import TypeBlocks, against_placebos, choose_units, pairs_to_test, random_sets
from layerscope.contrasts.blocks import GroupBlocks

N_LAYERS, WIDTH = 3, 20


def blocks_of(scores: np.ndarray, n_blocks: int = 6) -> GroupBlocks:
    """Blocks that all have the same scores."""
    same = np.broadcast_to(scores.astype(np.float32), (n_blocks, N_LAYERS, WIDTH))
    return GroupBlocks(np.arange(10, 10 + n_blocks), np.full(n_blocks, 4), same, same, same, same[..., 0])


def still(*units: tuple[int, int]) -> np.ndarray:
    scores = np.full((N_LAYERS, WIDTH), 0.5)
    for layer, dim in units:
        scores[layer, dim] = 0.1
    return scores


def test_the_stillest_units_of_the_types_asked_for() -> None:
    groups = [
        TypeBlocks("place", "meaning", blocks_of(still((0, 3), (2, 7))), None),
        TypeBlocks("tense", "grammar", blocks_of(still((1, 5), (2, 9))), None),
    ]
    for members, expected in (("meaning", [3, 47]), ("grammar", [25, 49])):
        found = choose_units(groups, 2, members=members, layer=None, generator=np.random.default_rng(0))
        assert found is not None
        assert sorted(found.units.tolist()) == expected
        assert found.of_placebos is None
        left = found.left
        assert set(left) == {"place", "tense"}, "what is tested is of all types"
        assert all(len(numbers) == 3 and numbers < set(range(10, 16)) for numbers in left.values())
    found = choose_units(groups, 1, members="all", layer=1, generator=np.random.default_rng(0))
    assert found is not None
    assert found.units.tolist() == [25]


def test_as_many_units_are_chosen_on_the_placebos_of_the_same_blocks() -> None:
    scores = np.full((8, N_LAYERS, WIDTH), 0.5, dtype=np.float32)
    for block in range(8):
        scores[block, 0, block] = 0.0
    own = blocks_of(still((0, 3), (2, 7)), n_blocks=8)
    placebos = GroupBlocks(own.number[1:], own.pairs[1:], *[scores[1:]] * 3, scores[1:, :, 0])
    group = TypeBlocks("tense", "grammar", own, placebos)
    for seed in range(10):
        found = choose_units([group], 2, members="all", layer=None, generator=np.random.default_rng(seed))
        assert found is not None
        assert found.of_placebos is not None
        assert sorted(found.units.tolist()) == [3, 47]
        assert len(found.of_placebos) == 2
        # block number 10 + i has still unit i: none of a block that is left for the test
        assert not {int(unit) + 10 for unit in found.of_placebos} & found.left["tense"]


def test_what_sets_the_stable_set_apart_from_that_of_placebos() -> None:
    covariates = np.exp(np.random.default_rng(0).normal(size=(60, 3)))
    found = against_placebos(np.array([3, 5, 9]), np.array([5, 20, 31]), covariates)
    assert found is not None
    assert (found.of_edits.tolist(), found.of_placebos.tolist(), found.n_shared) == ([3, 9], [20, 31], 1)
    logs = np.log(covariates[:, 0])
    by_hand = (logs[[3, 9]].mean() - logs[[20, 31]].mean()) / logs.std(ddof=1)
    assert found.balance["spread"] == pytest.approx(by_hand)
    assert found.is_matched == all(abs(value) <= 0.1 for value in found.balance.values())
    assert against_placebos(np.array([3, 5]), None, covariates) is None
    assert against_placebos(np.array([3, 5]), np.array([5, 3]), covariates) is None


def test_units_are_chosen_on_the_half_that_is_not_tested() -> None:
    """Each block has a still unit of its own: none of a tested block is chosen."""
    scores = np.full((8, N_LAYERS, WIDTH), 0.5, dtype=np.float32)
    for block in range(8):
        scores[block, 0, block] = 0.0
    blocks = GroupBlocks(np.arange(8), np.full(8, 2), scores, scores, scores, scores[..., 0])
    for seed in range(20):
        group = TypeBlocks("tense", "grammar", blocks, None)
        found = choose_units([group], 4, members="all", layer=None, generator=np.random.default_rng(seed))
        assert found is not None
        assert set(found.units.tolist()) == set(range(8)) - found.left["tense"]


def test_one_block_cannot_be_halved() -> None:
    group = TypeBlocks("tense", "grammar", blocks_of(still((0, 1)), n_blocks=1), None)
    assert choose_units([group], 1, members="all", layer=None, generator=np.random.default_rng(0)) is None
    assert choose_units([], 1, members="all", layer=None, generator=np.random.default_rng(0)) is None


def test_random_sets_have_as_many_units_of_each_layer() -> None:
    generator = np.random.default_rng(0)
    chosen = np.array([2, 4, 45])
    found = random_sets(chosen, generator.lognormal(size=(60, 3)), n_sets=50, width=WIDTH, generator=generator)
    assert found.sets.shape == (50, 3)
    assert (found.sets // WIDTH == chosen // WIDTH).all()
    assert all(len(set(one)) == 3 for one in found.sets.tolist())
    for column, unit in enumerate(chosen):
        others = np.delete(chosen, column)
        assert unit in found.sets[:, column], "a member is drawn like any other of its stratum"
        assert not np.isin(found.sets[:, column], others).any()


def test_as_many_units_stand_beside_each_as_leave_the_covariates_balanced() -> None:
    generator = np.random.default_rng(1)
    covariates = generator.lognormal(size=(2000, 3))
    inside = random_sets(generator.choice(2000, 40, replace=False), covariates, n_sets=20, width=2000, generator=generator)
    assert inside.is_matched
    assert inside.n_alike >= 3
    # those with the smallest spread: whoever stands beside them has a larger one
    edge = random_sets(np.argsort(covariates[:, 0])[:40], covariates, n_sets=20, width=2000, generator=generator)
    assert not edge.is_matched
    assert edge.balance["spread"] < -0.1
    assert edge.n_alike < 9


def test_a_layer_of_which_a_third_is_chosen_has_room_for_two_beside_each() -> None:
    generator = np.random.default_rng(2)
    found = random_sets(np.arange(6), generator.lognormal(size=(60, 3)), n_sets=10, width=WIDTH, generator=generator)
    assert found.n_alike <= 2


def test_pairs_to_test_lie_in_the_blocks_that_are_left() -> None:
    pairs = pd.DataFrame(
        {
            "pair": np.arange(60),
            "group": np.repeat(["tense", "place", "random-word-a"], 20),
            "type": np.repeat(["grammar", "meaning", "control"], 20),
            "block": np.tile(np.arange(5), 12),
            "right": np.repeat([1.0, np.nan, np.nan], 20),
        }
    )
    left = {"tense": frozenset({0, 1}), "place": frozenset({3})}
    found = pairs_to_test(pairs, left, 6, generator=np.random.default_rng(0))
    assert found["group"].value_counts().to_dict() == {"tense": 6, "place": 3}
    assert set(found["block"][found["group"] == "tense"]) <= {0, 1}
    assert set(found["block"][found["group"] == "place"]) == {3}
    assert found["pair"].is_monotonic_increasing
    assert pairs_to_test(pairs[pairs["right"].isna()], left, 6, generator=np.random.default_rng(0)).empty
