"""Strata and sets from them: what holds for each, units matched by hand, balance, and the null of a member like any other."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from layerscope.stats.matching import covariate_balance, matched_strata, sets_of
from layerscope.stats.permutation import permutation_p


def on_a_line(n_units: int) -> np.ndarray:
    return np.arange(float(n_units))[:, None]


def everywhere(n_units: int) -> np.ndarray:
    return np.ones(n_units, dtype=bool)


def test_strata_are_disjoint_and_begin_with_their_member() -> None:
    generator = np.random.default_rng(0)
    covariates, chosen = generator.normal(size=(60, 3)), np.array([50, 3, 17, 18, 40])
    candidates = generator.random(60) < 0.6
    strata = matched_strata(chosen, covariates, candidates=candidates, n_alike=4)
    assert strata.shape == (5, 5)
    assert strata[:, 0].tolist() == chosen.tolist()
    assert len(np.unique(strata)) == strata.size
    assert candidates[strata[:, 1:]].all()


def test_the_nearest_by_hand() -> None:
    # units 0 to 9 on a line, 2 and 7 chosen: beside them are 1 and 3, and 6 and 8
    strata = matched_strata(np.array([2, 7]), on_a_line(10), candidates=everywhere(10), n_alike=2)
    assert [set(row) for row in strata.tolist()] == [{1, 2, 3}, {6, 7, 8}]
    backwards = matched_strata(np.array([7, 2]), on_a_line(10), candidates=everywhere(10), n_alike=2)
    assert [set(row) for row in backwards.tolist()] == [{6, 7, 8}, {1, 2, 3}]


def test_all_together_are_as_near_as_can_be() -> None:
    """Against every way to deal six candidates to two members, by rank-normal distance."""
    from scipy.spatial.distance import cdist
    from scipy.stats import norm, rankdata

    covariates = np.random.default_rng(4).normal(size=(8, 2))
    strata = matched_strata(np.array([0, 1]), covariates, candidates=everywhere(8), n_alike=3)
    scores = norm.ppf((rankdata(covariates, axis=0) - 0.5) / 8)
    distance = cdist(scores[:2], scores)
    costs = [
        distance[0, list(some)].sum() + distance[1, list(set(range(2, 8)) - set(some))].sum()
        for some in itertools.combinations(range(2, 8), 3)
    ]
    assert sum(distance[row, strata[row, 1:]].sum() for row in (0, 1)) == pytest.approx(min(costs))


def test_sets_take_one_unit_of_each_stratum_the_member_like_any_other() -> None:
    strata = matched_strata(np.array([2, 7]), on_a_line(10), candidates=everywhere(10), n_alike=2)
    sets = sets_of(strata, np.random.default_rng(0), n_sets=9000)
    assert sets.shape == (9000, 2)
    for column, row in enumerate(strata):
        units, times = np.unique(sets[:, column], return_counts=True)
        assert set(units) == set(row)
        assert np.abs(times / 9000 - 1 / 3).max() < 0.02
    np.testing.assert_array_equal(
        sets_of(strata, np.random.default_rng(5), n_sets=7), sets_of(strata, np.random.default_rng(5), n_sets=7)
    )


def test_neither_logarithms_nor_what_does_not_vary_change_the_match() -> None:
    covariates = np.random.default_rng(2).lognormal(sigma=2.0, size=(80, 2))
    versions = [covariates, np.log(covariates), np.column_stack([covariates, np.full(80, 0.1)])]
    strata = [matched_strata(np.arange(6), one, candidates=everywhere(80), n_alike=5) for one in versions]
    for other in strata[1:]:
        np.testing.assert_array_equal(np.sort(strata[0][:, 1:], axis=1), np.sort(other[:, 1:], axis=1))


def test_balance_by_hand() -> None:
    # Unit 3 is chosen, 0 1 2 are candidates with 0 2 4 (deviation 2): (5 − (2 + 4)/2) / 2. The second does not vary, and the
    # third is the logarithm of 0 once.
    covariates = np.array([[0.0, 1.0, -np.inf], [2.0, 1.0, 1.0], [4.0, 1.0, 2.0], [5.0, 3.0, 1.5]])
    balance = covariate_balance(np.array([[3, 1, 2]]), covariates=covariates, candidates=everywhere(4))
    np.testing.assert_allclose(balance, [1.0, np.nan, np.nan])


def test_balance_is_near_zero_where_candidates_abound() -> None:
    """The chosen are the 40 most quiet of a corner; blind strata are far off, matched ones are not."""
    generator = np.random.default_rng(3)
    covariates = generator.normal(size=(4000, 3)) @ np.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])
    corner = np.flatnonzero((covariates[:, 0] < -0.5) & (covariates[:, 2] > 0.5))
    chosen = generator.choice(corner, size=40, replace=False)
    arguments = {"covariates": covariates, "candidates": everywhere(4000)}
    strata = matched_strata(chosen, covariates, candidates=everywhere(4000), n_alike=9)
    assert np.abs(covariate_balance(strata, **arguments)).max() < 0.1
    others = generator.choice(np.setdiff1d(np.arange(4000), chosen), (40, 9), replace=False)
    assert np.abs(covariate_balance(np.column_stack([chosen, others]), **arguments)).max() > 0.8


@pytest.mark.parametrize(("n_units", "n_members", "n_alike"), [(576, 50, 9), (576, 150, 2), (60, 12, 4)])
def test_p_is_uniform_where_units_matter_by_chance_and_by_their_covariates(n_units: int, n_members: int, n_alike: int) -> None:
    """What a unit does depends on its covariates and on chance; which of a stratum is the member, on nothing."""
    generator, p = np.random.default_rng(6), []
    for _ in range(300):
        covariates = generator.normal(size=(n_units, 2))
        chosen = generator.choice(n_units, n_members, replace=False)
        effect = 0.3 * covariates[:, 0] + generator.exponential(size=n_units)
        strata = matched_strata(chosen, covariates, candidates=everywhere(n_units), n_alike=n_alike)
        sets = sets_of(strata, generator, n_sets=199)
        p.append(float(permutation_p(effect[chosen].sum(), effect[sets].sum(axis=1), alternative="greater")))
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.035)
    assert np.mean(np.array(p) <= 0.2) == pytest.approx(0.2, abs=0.06)
    assert np.mean(p) == pytest.approx(0.5, abs=0.05)


def test_what_cannot_be_matched() -> None:
    with pytest.raises(ValueError, match="With 1 units beside each of 3 members, 3 candidates are needed; there are 2. Choose"):
        matched_strata(np.array([0, 1, 2]), on_a_line(5), candidates=everywhere(5), n_alike=1)
    with pytest.raises(ValueError, match="Each unit is chosen once; of 3 only 2 differ."):
        matched_strata(np.array([0, 1, 0]), on_a_line(9), candidates=everywhere(9), n_alike=1)
    with pytest.raises(ValueError, match="n_alike is 0."):
        matched_strata(np.array([0]), on_a_line(9), candidates=everywhere(9), n_alike=0)
    gap = on_a_line(9)
    gap[4] = np.nan
    with pytest.raises(ValueError, match="NaN is near to nothing; 1 members or candidates have it. Leave them out."):
        matched_strata(np.array([0]), gap, candidates=everywhere(9), n_alike=2)
    assert (matched_strata(np.array([0]), gap, candidates=np.arange(9) != 4, n_alike=2) != 4).all()
