"""Matched sets: what holds for every set, lines of units that can be matched by hand, and balance."""

from __future__ import annotations

import numpy as np
import pytest

from layerscope.stats.matching import covariate_balance, matched_sets


def on_a_line(n_units: int) -> np.ndarray:
    return np.arange(float(n_units))[:, None]


def everywhere(n_units: int) -> np.ndarray:
    return np.ones(n_units, dtype=bool)


def test_no_unit_is_chosen_or_twice_in_a_set() -> None:
    generator = np.random.default_rng(0)
    covariates, chosen = generator.normal(size=(60, 3)), np.array([50, 3, 17, 18, 40])
    candidates = generator.random(60) < 0.5
    sets = matched_sets(chosen, covariates, candidates=candidates, generator=generator, n_sets=300, n_nearest=4)
    assert sets.shape == (300, 5)
    assert not np.isin(sets, chosen).any()
    assert candidates[sets].all()
    assert (np.diff(np.sort(sets, axis=1), axis=1) > 0).all()


def test_substitutes_are_the_nearest_by_hand() -> None:
    # units 0 to 9 on a line, 2 and 7 chosen: beside them are 1 and 3, and 6 and 8
    arguments = {"candidates": everywhere(10), "n_sets": 200, "n_nearest": 2}
    sets = matched_sets(np.array([2, 7]), on_a_line(10), generator=np.random.default_rng(0), **arguments)
    assert set(sets[:, 0].tolist()) == {1, 3}
    assert set(sets[:, 1].tolist()) == {6, 8}
    # each of the four sets about 50 times
    _, times = np.unique(sets, axis=0, return_counts=True)
    assert len(times) == 4
    assert times.min() >= 30
    backwards = matched_sets(np.array([7, 2]), on_a_line(10), generator=np.random.default_rng(0), **arguments)
    assert set(backwards[:, 0].tolist()) == {6, 8}  # columns go by the order of the chosen


def test_who_finds_the_nearest_taken_takes_the_next() -> None:
    # 0, 1 and 2 are chosen: 3 is nearest to all, then 4, then 5; whoever draws first has it
    sets = matched_sets(
        np.array([0, 1, 2]), on_a_line(8), candidates=everywhere(8), generator=np.random.default_rng(0), n_sets=100, n_nearest=1
    )
    assert (np.sort(sets, axis=1) == [3, 4, 5]).all()
    assert len(np.unique(sets, axis=0)) == 6  # every order of drawing


def test_as_many_candidates_as_members_are_all_taken() -> None:
    candidates = np.array([True, True, True, False, True])
    sets = matched_sets(np.array([1, 4]), on_a_line(5), candidates=candidates, generator=np.random.default_rng(0), n_sets=5)
    assert (np.sort(sets, axis=1) == [0, 2]).all()


def test_the_seed_decides_and_sets_differ() -> None:
    covariates, chosen = np.random.default_rng(1).normal(size=(300, 2)), np.arange(8)

    def draw(seed: int) -> np.ndarray:
        return matched_sets(chosen, covariates, candidates=everywhere(300), generator=np.random.default_rng(seed), n_sets=200)

    np.testing.assert_array_equal(draw(5), draw(5))
    assert (draw(5) != draw(6)).any()
    assert len(np.unique(np.sort(draw(5), axis=1), axis=0)) == 200


def test_neither_logarithms_nor_what_does_not_vary_change_the_match() -> None:
    covariates = np.random.default_rng(2).lognormal(sigma=2.0, size=(80, 2))
    versions = [covariates, np.log(covariates), np.column_stack([covariates, np.full(80, 0.1)])]
    sets = [
        matched_sets(np.arange(6), one, candidates=everywhere(80), generator=np.random.default_rng(0), n_sets=20)
        for one in versions
    ]
    np.testing.assert_array_equal(sets[0], sets[1])
    np.testing.assert_array_equal(sets[0], sets[2])


def test_units_that_are_equal_are_drawn_whatever_their_index() -> None:
    sets = np.concatenate(
        [
            matched_sets(
                np.array([0]), np.zeros((50, 1)), candidates=everywhere(50), generator=np.random.default_rng(seed), n_sets=50
            )
            for seed in range(10)
        ]
    )
    assert len(np.unique(sets)) > 40


def test_balance_by_hand() -> None:
    # Unit 3 is chosen, 0 1 2 are candidates with 0 2 4 (deviation 2): (5 − (2 + 4)/2) / 2. The second does not vary, and the
    # third is the logarithm of 0 once.
    covariates = np.array([[0.0, 1.0, -np.inf], [2.0, 1.0, 1.0], [4.0, 1.0, 2.0], [5.0, 3.0, 1.5]])
    balance = covariate_balance(np.array([3]), np.array([[1], [2]]), covariates=covariates, candidates=everywhere(4))
    np.testing.assert_allclose(balance, [1.0, np.nan, np.nan])


def test_balance_is_near_zero_where_candidates_abound() -> None:
    """The chosen are the 40 most quiet of a corner; blind sets are far off, matched ones are not."""
    generator = np.random.default_rng(3)
    covariates = generator.normal(size=(4000, 3)) @ np.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])
    corner = np.flatnonzero((covariates[:, 0] < -0.5) & (covariates[:, 2] > 0.5))
    chosen = generator.choice(corner, size=40, replace=False)
    arguments = {"covariates": covariates, "candidates": everywhere(4000)}
    sets = matched_sets(chosen, covariates, candidates=everywhere(4000), generator=generator, n_sets=200)
    assert np.abs(covariate_balance(chosen, sets, **arguments)).max() < 0.1
    blind = np.stack([generator.choice(np.setdiff1d(np.arange(4000), chosen), 40, replace=False) for _ in range(200)])
    assert np.abs(covariate_balance(chosen, blind, **arguments)).max() > 0.8


def test_what_cannot_be_matched() -> None:
    arguments = {"generator": np.random.default_rng(0), "n_sets": 2}
    with pytest.raises(
        ValueError, match="As many candidates are needed as members, 3; there are 2. Choose fewer, or admit more."
    ):
        matched_sets(np.array([0, 1, 2]), on_a_line(5), candidates=everywhere(5), **arguments)
    with pytest.raises(ValueError, match="Each unit is chosen once; of 3 only 2 differ."):
        matched_sets(np.array([0, 1, 0]), on_a_line(9), candidates=everywhere(9), **arguments)
    with pytest.raises(ValueError, match="n_nearest is 0."):
        matched_sets(np.array([0]), on_a_line(9), candidates=everywhere(9), n_nearest=0, **arguments)
    gap = on_a_line(9)
    gap[4] = np.nan
    with pytest.raises(ValueError, match="NaN is near to nothing; 1 members or candidates have it. Leave them out."):
        matched_sets(np.array([0]), gap, candidates=everywhere(9), **arguments)
    others = np.arange(9) != 4
    assert (matched_sets(np.array([0]), gap, candidates=others, **arguments) != 4).all()
