"""Races: intervals worked by hand, who is dropped and when, ties, texts of different lengths, scores that are no numbers.

How often the truly best is dropped, and whether dropping early changes a choice, is simulated through the race itself.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from layerscope.paths.path import LayerPath
from layerscope.searches.race import Race
from layerscope.stats.looks import plan_looks
from layerscope.stats.ratio import ratio_interval
from tests.searches.made_up import MadeUp, race_of
from tests.searches.made_up_effects import candidates_of, lengths_of, sums_of

NEVER = 1e-9
"""A half-width that no interval reaches: candidates are dropped, but no step ends early."""


def race_between(
    sums: np.ndarray, counts: list[int] | np.ndarray, ends: tuple[int, ...] | None = None, until: float | None = NEVER
) -> tuple[Race, list[LayerPath], MadeUp]:
    """A race between as many removals as there are rows."""
    paths = candidates_of(len(sums))
    race, scoring = race_of(dict(zip(paths, sums, strict=True)).__getitem__, list(counts), ends, until)
    return race, paths, scoring


# by hand


def test_distances_are_students_interval_where_texts_are_alike_and_nothing_is_skewed() -> None:
    """Differences −1, 0, 1, 2, 3 over texts of 2 tokens: mean 1, s² 2.5, so that s / √5 is √.5; by token half of all that."""
    race, (best, other, third), _ = race_between(np.array([[4.0] * 5, [3, 4, 5, 6, 7], [8.0] * 5]), [2] * 5, until=None)
    race.compare([best, other, third], {}, n_best=1)
    quantile = stats.t.ppf(1 - 0.05 / 2, df=4)  # one look, two comparisons
    found = race.distances([best, other, third], best)
    assert found[other].nats == pytest.approx(0.5)
    assert found[other].low == pytest.approx(0.5 - quantile * math.sqrt(0.5) / 2)
    assert found[other].high == pytest.approx(0.5 + quantile * math.sqrt(0.5) / 2)
    assert found[best].nats == 0.0
    assert [found[path].is_tied for path in (best, other, third)] == [True, True, False]  # the third is 2 worse in every text


@pytest.mark.parametrize(("n_looks", "m"), [(1, 2), (1, 30), (5, 2), (5, 30)])
def test_distances_hold_for_all_candidates_and_looks_together(n_looks: int, m: int) -> None:
    generator = np.random.default_rng(m)
    counts = generator.integers(3, 40, 64)
    ends = plan_looks(64, first=16).sizes[-n_looks:] if n_looks > 1 else (64,)
    race, paths, _ = race_between(sums_of(generator, np.full(m, 0.2), counts), counts, ends, until=None)
    race.compare(paths, {}, n_best=1)
    level = 1 - 2 * 0.05 / (n_looks * (m - 1))
    for path, distance in race.distances(paths, paths[0]).items():
        difference = (race.sums[path] - race.sums[paths[0]])[None]
        narrow = ratio_interval(difference, counts, level=level)
        share = counts / counts.sum()
        assert distance.nats == pytest.approx(((difference[0] / counts) * share).sum())
        assert distance.low <= narrow.low[0] or path == paths[0]
        assert distance.high >= narrow.high[0] or path == paths[0]


def test_a_cautious_interval_is_the_wider_at_each_end() -> None:
    generator = np.random.default_rng(0)
    sums, counts = generator.exponential(1.0, (50, 16)) - 1.0, np.full(16, 3)
    for level in (0.95, 0.9995):
        with_correction, cautious = (ratio_interval(sums, counts, level=level, cautious=flag) for flag in (False, True))
        error = sums.std(axis=1, ddof=1) / 4 / 3
        mean, quantile = sums.mean(axis=1) / 3, stats.t.ppf((1 + level) / 2, 15)
        np.testing.assert_allclose(cautious.low, np.minimum(with_correction.low, mean - quantile * error))
        np.testing.assert_allclose(cautious.high, np.maximum(with_correction.high, mean + quantile * error))


# who is dropped, and what is not run


def spread(n: int, offsets: list[float], noise: float = 0.05, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return 2.0 + np.array(offsets)[:, None] + generator.normal(0, noise, (len(offsets), n))


def test_hopeless_candidates_go_at_the_first_look_and_close_ones_stay() -> None:
    sums = spread(54, [0.0, 0.01, 5.0, 3.0])
    race, paths, scoring = race_between(sums, [1] * 54, (16, 24, 54))
    race.compare(paths, {}, n_best=1)
    assert race.dropped == {paths[2], paths[3]}
    assert [race.n_scored(path) for path in paths] == [54, 54, 16, 16]
    assert race.ranked(paths)[-2:] == [paths[3], paths[2]]
    assert scoring.texts == 2 * 54 + 2 * 16


def test_as_many_stay_as_will_be_taken() -> None:
    sums = spread(54, [0.0, 1.0, 2.0, 3.0, 4.0])
    for n_best in range(1, 7):
        race, paths, _ = race_between(sums, [1] * 54, (16, 54))
        race.compare(paths, {}, n_best=n_best)
        assert race.dropped == set(paths[n_best:])


def test_a_step_ends_when_what_is_left_is_known_well_enough() -> None:
    sums = spread(200, [0.0, 0.001, 0.002, 2.0])
    for until, texts in ((10.0, 16), (0.05, None), (NEVER, 200)):
        race, paths, _ = race_between(sums, [1] * 200, plan_looks(200, first=16).sizes, until)
        race.compare(paths, {}, n_best=1)
        reached = {race.n_scored(path) for path in paths[:3]}
        assert len(reached) == 1
        if texts is None:
            (n,) = reached
            assert 16 <= n < 200
            wide = [d for path, d in race.distances(paths[:3], race.ranked(paths)[0]).items() if path != race.ranked(paths)[0]]
            assert all((distance.high - distance.low) / 2 <= 0.05 for distance in wide)
        else:
            assert reached == {texts}


def test_a_step_goes_on_until_the_best_of_those_taken_is_known_too() -> None:
    """All four are taken, so that there is nothing to drop; which of them is best is still asked."""
    race, paths, _ = race_between(spread(54, [0.0, 0.01, 0.02, 0.03]), [1] * 54, (16, 24, 54))
    race.compare(paths, {}, n_best=4)
    assert [race.n_scored(path) for path in paths] == [54] * 4


def test_a_later_step_goes_on_from_what_an_earlier_one_left() -> None:
    """The first step was content with 16 texts; the second, which asks for one alone, runs what it lacks and nothing twice."""
    sums = spread(54, [0.0, 0.01, 1.0, 5.0])
    race, paths, scoring = race_between(sums, [1] * 54, (16, 24, 54), until=3.0)
    race.compare(paths, {}, n_best=3)
    assert {race.n_scored(path) for path in paths} == {16}
    race.until = NEVER
    race.compare(paths, {}, n_best=1)
    assert [race.n_scored(path) for path in paths] == [54, 54, 16, 16]
    assert scoring.texts == 2 * 54 + 2 * 16


def test_rivals_are_run_on_as_many_texts_as_those_that_they_are_compared_with() -> None:
    sums = spread(54, [0.5, 0.0, 0.01, 3.0])
    race, paths, _ = race_between(sums, [1] * 54, (16, 24, 54), until=3.0)
    race.compare(paths[:1], {}, n_best=1)
    assert race.n_scored(paths[0]) == 16
    race.until = NEVER
    size = 2 * len(paths[0])
    race.compare(paths[1:], {size: paths[:1]}, n_best=1)
    assert [race.n_scored(path) for path in paths] == [54, 54, 54, 16]
    assert race.dropped == {paths[3]}


def test_candidates_of_other_sizes_are_no_rivals() -> None:
    long, short = LayerPath.parse("0-4"), [LayerPath.parse(text) for text in ("0-3", "1-4", "0,2-4")]
    sums = dict(zip([long, *short], spread(32, [0.0, 5.0, 5.01, 9.0]), strict=True))
    race, _ = race_of(sums.__getitem__, [1] * 32, (16, 32), NEVER)
    race.compare([long, *short], {}, n_best=1)
    assert race.dropped == {short[2]}


def test_without_early_dropping_all_are_run_on_every_text_once() -> None:
    race, paths, scoring = race_between(spread(20, [0.0, 9.0, 0.1]), [1] * 20, (4, 20), until=None)
    race.compare([*paths, paths[0]], {}, n_best=1)
    race.compare(paths, {}, n_best=1)
    assert (scoring.texts, race.dropped) == (60, set())


def test_texts_count_by_their_tokens() -> None:
    """The first is better by 1 in three short texts, the second by 2 in the long one."""
    sums = np.array([[1.0, 1, 1, 1, 80], [2.0, 2, 2, 2, 78]])
    race, paths, _ = race_between(sums, [1, 1, 1, 1, 40], until=None)
    race.compare(paths, {}, n_best=1)
    assert race.ranked(paths) == [paths[0], paths[1]]  # 84 against 86
    race, paths, _ = race_between(sums - np.array([[0], [1]]) * [0, 0, 0, 0, 3], [1, 1, 1, 1, 40], until=None)
    race.compare(paths, {}, n_best=1)
    assert race.ranked(paths) == [paths[1], paths[0]]  # 84 against 83
    assert race.mean(paths[1]) == pytest.approx(83 / 44)
    assert race.mean(paths[1], 2) == pytest.approx(2.0)


# ties, and what is no number


def test_equal_candidates_are_tied_and_stay() -> None:
    row = spread(40, [0.0])[0]
    race, paths, _ = race_between(np.stack([row, row, row]), [2] * 40, (16, 40))
    race.compare(paths, {}, n_best=1)
    assert race.dropped == set()
    assert race.ranked(paths) == paths  # the order in which they were made
    assert all(distance.is_tied and distance.nats == 0.0 for distance in race.distances(paths, paths[0]).values())


def test_one_worse_by_the_same_in_every_text_is_no_tie() -> None:
    row = spread(40, [0.0])[0]
    race, paths, _ = race_between(np.stack([row, row + 0.01]), [1] * 40, (16, 40))
    race.compare(paths, {}, n_best=1)
    assert race.dropped == {paths[1]}


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("where", [slice(None), slice(3, 4), slice(30, 31)])
def test_what_overflows_is_never_ahead_and_never_tied(bad: float, where: slice) -> None:
    sums = spread(40, [0.0, 0.01, 0.02])
    sums[0, where] = bad
    for until in (None, NEVER, 0.5):
        race, paths, _ = race_between(sums, [1] * 40, (16, 40), until)
        race.compare(paths, {}, n_best=1)
        race.score_all(paths)
        assert race.ranked(paths)[-1] == paths[0]
        assert race.mean(paths[0]) == math.inf
        assert not race.distances(paths, paths[1])[paths[0]].is_tied
        assert race.distances(paths, paths[1])[paths[0]].nats == math.inf


def test_a_winner_that_overflows_late_is_behind_those_that_it_had_beaten() -> None:
    sums = spread(40, [0.0, 0.001, 1.0, 2.0])
    sums[:2, 30] = math.inf
    race, paths, _ = race_between(sums, [1] * 40, (16, 24, 40))
    race.compare(paths, {}, n_best=1)
    assert race.dropped == {paths[2], paths[3]}
    assert race.ranked(paths) == [paths[2], paths[3], paths[0], paths[1]]


def test_where_all_but_one_overflow_that_one_wins_however_many_are_taken() -> None:
    sums = spread(40, [0.0, 0.1, 0.2, 0.3])
    sums[[0, 1, 3]] = math.nan
    for n_best in (1, 2, 4):
        race, paths, _ = race_between(sums, [1] * 40, (16, 40))
        race.compare(paths, {}, n_best=n_best)
        assert race.ranked(paths)[0] == paths[2]
        assert paths[2] not in race.dropped


def test_a_dropped_one_is_behind_whatever_its_later_texts_say() -> None:
    sums = spread(40, [0.0, 5.0])
    sums[1, 16:] = -100.0
    race, paths, _ = race_between(sums, [1] * 40, (16, 40))
    race.compare(paths, {}, n_best=1)
    race.score_all(paths)
    assert race.mean(paths[1]) < race.mean(paths[0])
    assert race.ranked(paths) == paths


# how often it errs, through the race


def rate_of_dropping(
    n_repeats: int, *, m: int, n_texts: int, sigma: float, length_sigma: float, better: float = 0.0, seed: int = 0
) -> tuple[float, float]:
    """Of candidates of one true mean, but for the first, which may be better: how often the first is dropped, and any one."""
    generator, ends = np.random.default_rng(seed), plan_looks(n_texts, first=16).sizes
    means, first, all_of_them = np.full(m, 0.3), 0, 0
    means[0] -= better
    for _ in range(n_repeats):
        counts = lengths_of(generator, n_texts, length_sigma)
        race, paths, _ = race_between(sums_of(generator, means, counts, sigma=sigma), counts, ends)
        race.compare(paths, {}, n_best=1)
        first += paths[0] in race.dropped
        all_of_them += len(race.dropped)
    return first / n_repeats, all_of_them / n_repeats / m


@pytest.mark.parametrize("length_sigma", [0.0, 0.7])
def test_one_of_the_best_is_rarely_dropped(length_sigma: float) -> None:
    assert rate_of_dropping(60, m=12, n_texts=64, sigma=1.0, length_sigma=length_sigma)[1] <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("better", [0.0, 0.01])
@pytest.mark.parametrize("length_sigma", [0.0, 0.7])
@pytest.mark.parametrize("sigma", [0.3, 1.0, 1.5])
@pytest.mark.parametrize(("m", "n_texts"), [(2, 64), (10, 128), (30, 64)])
def test_the_best_is_dropped_in_one_step_of_twenty_at_most(
    m: int, n_texts: int, sigma: float, length_sigma: float, better: float
) -> None:
    first, each = rate_of_dropping(400, m=m, n_texts=n_texts, sigma=sigma, length_sigma=length_sigma, better=better)
    assert first <= 0.05
    if better == 0.0:
        assert each <= 0.05


@pytest.mark.parametrize("n_texts", [64, 128])
@pytest.mark.parametrize("sigma", [0.5, 1.0])
def test_dropping_early_makes_the_same_choice_with_less_work(n_texts: int, sigma: float) -> None:
    """30 candidates whose effects spread as those of single removals do: .03 nats and more, .25 more on average."""
    same, worst, texts = 0, 0.0, 0
    for seed in range(20):
        generator = np.random.default_rng(seed)
        counts = lengths_of(generator, n_texts, 0.5)
        sums = sums_of(generator, 0.03 + generator.exponential(0.25, 30), counts, sigma=sigma)
        race, paths, scoring = race_between(sums, counts, plan_looks(n_texts, first=16).sizes)
        race.compare(paths, {}, n_best=1)
        means = sums.sum(axis=1) / counts.sum()
        chosen = paths.index(race.ranked(paths)[0])
        same, worst, texts = same + (chosen == means.argmin()), max(worst, means[chosen] - means.min()), texts + scoring.texts
    assert same >= 19
    assert texts < 0.6 * 20 * 30 * n_texts


def test_a_step_that_ends_early_chooses_one_within_the_half_width() -> None:
    for seed in range(20):
        generator = np.random.default_rng(seed)
        counts = lengths_of(generator, 128, 0.5)
        sums = sums_of(generator, 0.03 + generator.exponential(0.25, 30), counts, sigma=1.0)
        race, paths, _ = race_between(sums, counts, plan_looks(128, first=16).sizes, until=0.05)
        race.compare(paths, {}, n_best=1)
        means = sums.sum(axis=1) / counts.sum()
        assert means[paths.index(race.ranked(paths)[0])] - means.min() <= 0.05
