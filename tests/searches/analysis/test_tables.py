"""Frontier, gains, layers left out and candidates: worked by hand, and how often intervals of equal paths hold 0."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from layerscope.paths.moves import Candidate, size_of
from layerscope.paths.path import LayerPath
from layerscope.searches.analysis.candidates import candidates_table
from layerscope.searches.analysis.frontier import Found, HeldOut, frontier_table, gains_table
from layerscope.searches.analysis.left_out import left_out_table
from layerscope.searches.course import Course
from layerscope.searches.methods.trail import Step, Trail
from tests.searches.made_up import race_of
from tests.searches.made_up_effects import lengths_of

P = LayerPath.parse
INTACT = P("0-3")


def held_out(counts: list[int] | np.ndarray, **sums: list[float] | np.ndarray) -> HeldOut:
    """Sums by written paths, ``_`` for ``-``."""
    return HeldOut(
        {P(name[1:].replace("_", "-")): np.asarray(of, dtype=float) for name, of in sums.items()}, np.asarray(counts)
    )


def found_of(*rows: tuple[str, int, str, float, float]) -> list[Found]:
    return [Found("intact", 0, INTACT, (), 1.0, 1.0)] + [
        Found(way, draw, P(path), (f"to {path}",), float(own), float(every)) for way, draw, path, own, every in rows
    ]


# the frontier


def test_a_frontier_by_hand() -> None:
    """Texts of 1 and 3 tokens; path 0-2: 2 and 9 in place of 1 and 6, so 11/4 against 7/4."""
    found = found_of(
        ("search", 0, "0-2", 2.0, 2.5), ("one-shot", 0, "1-3", 2.1, math.inf), ("random", 3, "0,2-3", math.nan, math.nan)
    )
    scores = held_out([1, 3], p0_3=[1, 6], p0_2=[2, 9], p1_3=[1, 6], p0=[0, 0])
    scores.sums[P("0,2-3")] = np.array([math.nan, 4.0])
    table = frontier_table(found, scores, {INTACT: 100, P("0-2"): 80, P("1-3"): 81, P("0,2-3"): 82}).to_pandas()
    assert table["way"].tolist() == ["intact", "search", "one-shot", "random"]
    assert table["layers"].tolist() == [4.0, 3.0, 3.0, 3.0]
    assert table["parameters"].tolist() == [100, 80, 81, 82]
    assert table["moves"].tolist() == ["", "to 0-2", "to 1-3", "to 0,2-3"]
    np.testing.assert_allclose(table["nll_nats"], [1.75, 2.75, 1.75, math.nan])
    np.testing.assert_allclose(table["ppl"], [math.exp(1.75), math.exp(2.75), math.exp(1.75), math.nan])
    np.testing.assert_allclose(table["delta_nll_nats"], [0.0, 1.0, 0.0, math.nan])
    np.testing.assert_allclose(table["all_draws_nats"], [1.0, 2.5, math.nan, math.nan])
    # both texts are 1 worse a token: no spread, so no width
    np.testing.assert_allclose(table["delta_nll_low_nats"], [math.nan, 1.0, 0.0, math.nan])
    np.testing.assert_allclose(table["delta_nll_high_nats"], [math.nan, 1.0, 0.0, math.nan])
    assert table["is_best"].tolist() == [True, True, True, False]


def test_the_interval_of_a_frontier_is_students_where_texts_are_alike() -> None:
    """Differences 0, 1, 2, 3, 4 over texts of 10 tokens: mean 2, s² 2.5, s / √5 = √.5, by token a tenth."""
    scores = held_out([10] * 5, p0_3=[10] * 5, p0_2=[10, 11, 12, 13, 14])
    row = frontier_table(found_of(("search", 0, "0-2", 1, 1)), scores, {INTACT: 1, P("0-2"): 1}).to_pandas().iloc[1]
    half = stats.t.ppf(0.975, 4) * math.sqrt(0.5) / 10
    assert (row["delta_nll_low_nats"], row["delta_nll_high_nats"]) == pytest.approx((0.2 - half, 0.2 + half))


def test_the_best_is_that_of_all_draws_of_its_way_and_size() -> None:
    found = found_of(
        ("search", 0, "0-2", 1.0, 3.0),
        ("search", 0, "0-1", 1.0, 5.0),
        ("one-shot", 0, "0-2", 1.0, 3.0),
        ("search", 1, "1-3", 2.0, 2.0),
        ("search", 1, "2-3", 2.0, 5.0),
        ("one-shot", 1, "0,2-3", 1.0, 4.0),
        ("random", 0, "0,2-3", math.nan, math.nan),
    )
    scores = HeldOut({one.path: np.array([1.0, 2.0]) for one in found}, np.array([1, 2]))
    table = frontier_table(found, scores, {one.path: 1 for one in found}).to_pandas()
    # of size 2 both are equal: the first
    assert table["is_best"].tolist() == [True, False, True, True, True, False, False, False]


def test_a_very_bad_path_has_an_nll_and_no_perplexity() -> None:
    scores = held_out([1, 1], p0_3=[1, 1], p0_2=[1000, 1000])
    row = frontier_table(found_of(("search", 0, "0-2", 1, 1)), scores, {INTACT: 1, P("0-2"): 1}).to_pandas().iloc[1]
    assert row["nll_nats"] == 1000.0
    assert math.isnan(row["ppl"])


# gains


def test_gains_by_hand() -> None:
    """Two draws, one size; every difference is the same a token in both texts, so that intervals have no width."""
    found = found_of(
        ("search", 0, "0-2", 0, 0),
        ("one-shot", 0, "1-3", 0, 0),
        ("search", 1, "0,2-3", 0, 0),
        ("one-shot", 1, "0,2-3", 0, 0),
        ("random", 0, "0-1,3", 0, 0),
        ("random", 1, "0-2", 0, 0),
        ("random", 2, "3,2,1", 0, 0),
    )
    per_token = {"0-3": 1.0, "0-2": 2.0, "1-3": 3.0, "0,2-3": 2.5, "0-1,3": 6.0, "3,2,1": 1.0}
    counts = np.array([1, 3])
    scores = HeldOut({P(path): value * counts for path, value in per_token.items()}, counts)
    gains = gains_table(found, scores).to_pandas().set_index(["against", "draw"])
    assert gains.index.tolist() == [(rival, draw) for rival in ("one-shot", "random") for draw in (0, 1, -1)]
    # random: mean of 6, 2 and 1
    expected = {
        ("one-shot", 0): (1.0, False, 0, 0),
        ("one-shot", 1): (0.0, True, 0, 0),
        ("one-shot", -1): (0.5, False, 0, 0),  # (3 + 2.5)/2 − (2 + 2.5)/2
        ("random", 0): (1.0, False, 3, 2),  # 2 itself, and 1
        ("random", 1): (0.5, False, 3, 2),
        ("random", -1): (0.75, False, 3, 2),
    }
    for key, (gain, same, n_random, as_good) in expected.items():
        row = gains.loc[key]
        assert row[["gain_nats", "gain_low_nats", "gain_high_nats"]].tolist() == pytest.approx([gain] * 3)
        assert (row["same_path"], row["random_paths"], row["random_as_good"]) == (same, n_random, as_good)
        assert math.isnan(row["p_value"])


def test_gains_are_told_where_there_are_both_and_adjusted_over_sizes() -> None:
    generator = np.random.default_rng(0)
    counts = generator.integers(5, 30, 32)
    rows = [("search", 0, "0-2", 0, 0), ("search", 0, "0-1", 0, 0), ("search", 0, "0", 0, 0), ("one-shot", 0, "1-3", 0, 0)]
    found = found_of(*rows, ("one-shot", 0, "2-3", 0, 0), ("random", 0, "3", 0, 0))
    scores = HeldOut({one.path: (3.0 + generator.normal(0.1 * n, 0.3, 32)) * counts for n, one in enumerate(found)}, counts)
    gains = gains_table(found, scores).to_pandas()
    assert list(zip(gains["against"], gains["layers"], strict=True)) == [("one-shot", 3.0), ("one-shot", 2.0), ("random", 1.0)]
    p = gains["p_value"].to_numpy()
    assert gains["q_value"][2] == p[2]
    low, high = sorted(p[:2])
    assert sorted(gains["q_value"][:2]) == pytest.approx([min(2 * low, high), high])
    for row, (mine, theirs) in zip(gains.itertuples(), [("0-2", "1-3"), ("0-1", "2-3"), ("0", "3")], strict=True):
        assert row.gain_nats == pytest.approx((scores.sums[P(theirs)] - scores.sums[P(mine)]).sum() / counts.sum())
        assert row.gain_low_nats < row.gain_nats < row.gain_high_nats
        assert (row.p_value < 0.05) == (not row.gain_low_nats <= 0.0 <= row.gain_high_nats)


def test_a_rival_that_overflows_has_no_gain_and_no_seven_texts_have_a_p() -> None:
    found = found_of(("search", 0, "0-2", 0, 0), ("one-shot", 0, "1-3", 0, 0), ("random", 0, "0,2-3", 0, 0))
    scores = HeldOut({one.path: np.arange(7.0) * (n + 1) for n, one in enumerate(found)}, np.full(7, 3))
    scores.sums[P("1-3")][2] = math.inf
    gains = gains_table(found, scores).to_pandas().set_index("against")
    assert gains.loc["one-shot", ["gain_nats", "gain_low_nats", "p_value"]].isna().all()
    assert gains.loc["random", "gain_nats"] == pytest.approx(21 * 2 / 21)
    assert math.isnan(gains.loc["random", "p_value"])


def test_without_a_search_there_are_no_gains() -> None:
    assert len(gains_table(found_of(), held_out([1, 2], p0_3=[1, 2]))) == 0


@pytest.mark.slow
@pytest.mark.parametrize("n_draws", [1, 3])
@pytest.mark.parametrize("length_sigma", [0.0, 0.7])
@pytest.mark.parametrize("sigma", [0.3, 1.0])
def test_intervals_of_paths_that_are_equally_good_hold_zero(sigma: float, length_sigma: float, n_draws: int) -> None:
    """32 texts; a text's damage is log-normal, half of it its own and half the path's."""
    coverage = null_coverage(800, sigma=sigma, length_sigma=length_sigma, n_draws=n_draws)
    assert coverage["one-shot"] >= 0.93
    # a mean of several − one path is skewed in earnest: .93 where effects are log-normal with sigma 1, known here to ± .018
    assert coverage["random"] >= 0.93 - 2 * math.sqrt(0.93 * 0.07 / 800)


def null_coverage(n_repeats: int, *, sigma: float, length_sigma: float, n_draws: int) -> dict[str, float]:
    """How often the interval of a gain holds 0 where all paths have one true mean."""
    generator = np.random.default_rng(7)
    orders = [
        P(path) for path in ("0-2", "1-3", "0,2-3", "0-1,3", "2,1,0", "3,2,1", "1,0,3", "2-3,0", "0,3,1", "1,3,2", "2,0,3")
    ]
    names = [("search", draw) for draw in range(n_draws)] + [("one-shot", draw) for draw in range(n_draws)]
    names += [("random", number) for number in range(5)]
    found = [Found("intact", 0, INTACT, ())] + [
        Found(way, draw, path, ()) for (way, draw), path in zip(names, orders, strict=False)
    ]
    held = {"one-shot": 0, "random": 0}
    for _ in range(n_repeats):
        counts = lengths_of(generator, 32, length_sigma)

        def damage(n_texts: int = 32) -> np.ndarray:
            return np.exp(generator.normal(0.0, sigma, n_texts) - sigma**2 / 2)

        shared = damage()
        scores = {one.path: (3.0 + 0.3 * (0.5 * shared + 0.5 * damage())) * counts for one in found}
        gains = gains_table(found, HeldOut(scores, counts)).to_pandas()
        gains = gains[gains["draw"] == (-1 if n_draws > 1 else 0)].set_index("against")
        for against in held:
            row = gains.loc[against]
            held[against] += row["gain_low_nats"] <= 0.0 <= row["gain_high_nats"]
    return {against: number / n_repeats for against, number in held.items()}


# layers left out


def test_layers_left_out_by_hand() -> None:
    found = found_of(
        ("search", 0, "0,2", 0, 0),
        ("search", 1, "0,1.attn,2.mlp", 0, 0),
        ("search", 2, "2,2", 0, 0),
        ("search", 0, "0-2,3.mlp", 0, 0),
        ("one-shot", 0, "3,3", 0, 0),
        ("random", 0, "3,1", 0, 0),
    )
    assert {size_of(one.path) for one in found[1:4]} == {4}
    table = left_out_table(found, 4).to_pandas()
    assert table["layers"].tolist() == [3.5] * 4 + [2.0] * 4
    assert table["layer"].tolist() == [0, 1, 2, 3] * 2
    assert table["draws"].tolist() == [1] * 4 + [3] * 4
    assert table["without_layer"].tolist() == [0, 0, 0, 0, 1, 2, 0, 3]
    assert table["without_attention"].tolist() == [0, 0, 0, 1, 1, 2, 1, 3]
    assert table["without_mlp"].tolist() == [0, 0, 0, 0, 1, 3, 0, 3]


# candidates


def test_candidates_by_hand() -> None:
    """Two sizes in one step; four texts of one token. Distances are within a size; the first of two best is the best."""
    whole = [P("0-2"), P("1-3"), P("0,2-3")]
    half = [P("0-2,3.attn")]
    sums = {
        INTACT: np.zeros(4),
        whole[0]: np.array([3.0, 3, 3, 3]),
        whole[1]: np.array([1.0, 2, 1, 2]),
        whole[2]: np.array([1.0, 1, 2, math.nan]),
        half[0]: np.array([9.0, 9, 9, 9]),
    }
    race, _ = race_of(sums.__getitem__, [1, 1, 1, 1])
    trail = Trail(best={8: (INTACT,)})
    trail.made(INTACT, [Candidate(f"to-{path}", path) for path in (*whole, *half)])
    race.score_all([INTACT, *whole, *half])
    trail.steps.append(Step(1, (*whole, *half), {6: (whole[1], whole[0]), 7: (half[0],)}))
    baseline = Trail(best={8: (INTACT,)})
    table = candidates_table([Course(race, trail, baseline)], "beam").to_pandas()
    assert table["way"].tolist() == ["beam"] * 4
    assert table["layers"].tolist() == [3.0, 3.0, 3.0, 3.5]
    assert table["moves"].tolist() == [f"to-{path}" for path in (*whole, *half)]
    assert table["texts"].tolist() == [4] * 4
    np.testing.assert_allclose(table["objective_nats"], [3.0, 1.5, math.nan, 9.0])
    np.testing.assert_allclose(table["distance_nats"], [1.5, 0.0, math.nan, 0.0])
    # differences 2, 1, 2, 1: s² 1/3, three candidates and so two comparisons of one look
    half_width = stats.t.ppf(1 - 0.05 / 2, 3) * math.sqrt(1 / 3 / 4)
    assert table["distance_low_nats"][0] == pytest.approx(1.5 - half_width)
    assert table["distance_high_nats"][0] == pytest.approx(1.5 + half_width)
    assert table["is_best"].tolist() == [True, True, False, True]
    assert table["is_tied"].tolist() == [1.5 - half_width <= 0, True, False, True]
    assert table["is_dropped"].tolist() == [False] * 4


def test_the_baseline_is_told_beside_a_method_and_once_where_it_is_the_method() -> None:
    path = P("0-2")
    race, _ = race_of({path: np.ones(2), INTACT: np.zeros(2)}.__getitem__, [1, 1])
    trail = Trail()
    trail.made(INTACT, [Candidate("removal-3", path)])
    race.score_all([path])
    trail.steps.append(Step(1, (path,), {}))
    course = Course(race, trail, trail)
    assert candidates_table([course, course], "greedy").to_pandas()[["draw", "way"]].to_numpy().tolist() == [
        [0, "greedy"],
        [0, "one-shot"],
        [1, "greedy"],
        [1, "one-shot"],
    ]
    once: pd.DataFrame = candidates_table([course], "one-shot").to_pandas()
    assert once["way"].tolist() == ["one-shot"]
    assert not once["is_best"].any()
