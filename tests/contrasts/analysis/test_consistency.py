"""Consistency on simulated blocks whose truth is known: nothing, shared scale, a shared reference, planted dimensions."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from scipy import stats

from layerscope.contrasts.analysis.agreement import MEASURES, agreement, kendall_w_of, ranks_of
from layerscope.contrasts.analysis.consistency import Consistency, SetAgreement, chance_of, consistency, recentred, split_half
from layerscope.contrasts.analysis.group_scores import GroupScores
from layerscope.stats.rank_agreement import spearman_matrix
from layerscope.stats.top_sets import expected_jaccard, smallest
from tests.made_up_groups import N_DIMS, N_LAYERS, ROLES, K, lowered, make_groups
from tests.oracle_statistics import jaccard, rbo_matrix


def read_once(groups: list[GroupScores], side: int = 0) -> list[GroupScores]:
    """The same groups, all read on one reference."""
    return [GroupScores(g.name, g.role, (g.scores[side], g.scores[side]), g.pairs, g.allows_inference) for g in groups]


def found_in(groups: list[GroupScores], *, n_resamples: int = 0, seed: int = 0, k: int = K) -> Consistency:
    found = consistency(groups, k, generator=np.random.default_rng(seed), n_resamples=n_resamples)
    assert found is not None
    return found


def set_of(found: Consistency, members: str = "all", measure: str = "jaccard") -> SetAgreement:
    (one,) = [one for one in found.sets if (one.members, one.measure) == (members, measure)]
    return one


def test_values_are_those_of_the_plain_statistics() -> None:
    groups = make_groups(np.random.default_rng(0), pairs=(1, 9))
    found = found_in(groups)
    assert found.names == tuple(ROLES)
    means = [np.stack([np.average(g.scores[side], axis=0, weights=g.pairs) for g in groups]) for side in (0, 1)]
    n = len(groups)
    for pairs in found.pairs:
        expected = np.zeros((n, n))
        for layer in range(N_LAYERS):
            first, second = (mean[:, layer] for mean in means)
            both = np.concatenate([first, second])
            if pairs.measure == "jaccard":
                one_way = jaccard(smallest(first, K)[:, None], smallest(second, K)[None])
            elif pairs.measure == "spearman":
                one_way = spearman_matrix(both)[:n, n:]
            else:
                one_way = rbo_matrix(both, persistence=0.98, depth=N_DIMS)[:n, n:]
            expected += (one_way + one_way.T) / 2 / N_LAYERS
        off = ~np.eye(n, dtype=bool)
        np.testing.assert_allclose(pairs.value[off], expected[off], atol=1e-5)
        assert pairs.control == pytest.approx(expected[0, 1], abs=1e-5)
        for members, places in {"all": [2, 3, 4], "meaning": [2, 3]}.items():
            some = set_of(found, members, pairs.measure)
            mean = np.mean([expected[a, b] for a, b in itertools.combinations(places, 2)])
            assert some.overall[0] == pytest.approx(some.value.mean()) == pytest.approx(mean, abs=1e-5)
            assert some.overall[1] == pytest.approx(some.control.mean()) == pytest.approx(expected[0, 1], abs=1e-5)
            assert some.chance == pairs.chance == chance_of(pairs.measure, K, N_DIMS)
    for members, n_members in {"all": 3, "meaning": 2}.items():
        w, rho = set_of(found, members, "kendall_w"), set_of(found, members, "spearman")
        np.testing.assert_allclose(w.value, kendall_w_of(rho.value, n_members))
        np.testing.assert_allclose(w.control, kendall_w_of(rho.control, n_members))  # that of as many groups
        assert w.chance == 1 / n_members
    assert {one.members for one in found.sets} == {"all", "meaning"}, "one grammar subtype has nothing to agree with"


def test_blocks_count_by_their_pairs() -> None:
    generator = np.random.default_rng(1)
    by_count = make_groups(generator, n_blocks=2, pairs=(1, 4))
    one_by_one = [
        GroupScores(g.name, g.role, tuple(np.repeat(s, g.pairs, axis=0) for s in g.scores), np.ones(g.pairs.sum(), int), True)
        for g in by_count
    ]
    off = ~np.eye(len(ROLES), dtype=bool)
    for one, other in zip(found_in(by_count).pairs, found_in(one_by_one).pairs, strict=True):
        np.testing.assert_allclose(one.value[off], other.value[off], atol=1e-6)


# without an effect


def test_without_an_effect_p_values_are_uniform_and_nothing_is_in_excess() -> None:
    """All groups, controls included, are drawn alike; the references' errors are shared by all."""
    generator = np.random.default_rng(2)
    p: dict[str, list[float]] = {"set": [], "layer": [], "jaccard": [], "types": [], "control": []}
    excess = []
    for n in range(40):
        groups = make_groups(generator, n_blocks=5, n_dims=24, n_layers=1, pairs=(1, 6))
        found = found_in(groups, n_resamples=19, seed=n)
        rho, jac = set_of(found, measure="spearman"), set_of(found)
        excess.append([rho.overall[0] - rho.overall[1], jac.overall[0] - jac.overall[1]])
        p["set"].append(rho.overall[4])
        p["layer"].append(rho.p_value[0])
        p["jaccard"].append(jac.overall[4])
        p["types"].append(found.pairs[1].p_value[2, 4])
        p["control"].append(found.pairs[1].p_value[0, 3])
    for name, values in p.items():
        # exact: 0.1 of 40, so at most 10 with a probability of 0.998; sets have ties, which make p larger
        assert np.sum(np.array(values) <= 0.1) <= 10, name
        if name != "jaccard":
            spread_out = np.array(values) - generator.random(40) / 20
            assert stats.kstest(spread_out, "uniform").pvalue > 0.001, name
    for values in np.array(excess).T:
        assert abs(values.mean()) < 3 * values.std() / np.sqrt(len(values))


def test_p_against_every_way_to_deal_the_blocks() -> None:
    """Two blocks a group, four groups: 2,520 ways, all of them against a sample."""
    roles = {"a": "control", "b": "control", "x": "meaning", "y": "meaning"}
    groups = make_groups(np.random.default_rng(5), roles, n_blocks=2, n_layers=1, n_dims=10, pairs=(1, 4), noise=0.05,
                         profiles={"meaning": 0.1 * np.random.default_rng(1).normal(size=(1, 10))})  # fmt: skip
    first, second = (np.concatenate([g.scores[side] for g in groups])[:, 0] for side in (0, 1))
    pairs = np.concatenate([g.pairs for g in groups])

    def excess(labels: np.ndarray) -> float:
        means = [
            [np.average(side[labels == g], axis=0, weights=pairs[labels == g]) for g in range(4)] for side in (first, second)
        ]
        ranks = [stats.rankdata(mean, axis=1) for mean in means]
        rho = np.corrcoef(np.concatenate(ranks))[:4, 4:]
        return (rho[2, 3] + rho[3, 2] - rho[0, 1] - rho[1, 0]) / 2

    places = set(range(8))
    ways = []
    for a in itertools.combinations(range(8), 2):
        for b in itertools.combinations(sorted(places - {*a}), 2):
            for x in itertools.combinations(sorted(places - {*a, *b}), 2):
                labels = np.full(8, 3)
                labels[list(a)], labels[list(b)], labels[list(x)] = 0, 1, 2
                ways.append(excess(labels))
    assert len(ways) == 2520
    exact = float(np.mean(np.array(ways) >= excess(np.repeat(np.arange(4), 2)) - 1e-9))
    assert 0.02 < exact < 0.5
    p = found_in(groups, n_resamples=300, k=3).pairs[1].p_value[2, 3]
    assert p == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 300))


def test_a_shared_reference_makes_any_two_groups_agree() -> None:
    """Its error is as large as that of a group's mean: ρ = 1/2, and Spearman's 6/π · asin(ρ/2) = 0.48, of nothing at all."""
    generator = np.random.default_rng(3)
    groups = make_groups(generator, n_dims=3000, n_layers=1, n_blocks=16, noise=0.1, reference_error=0.1 / 4, pairs=(4, 5))
    apart, shared = found_in(groups, k=300), [found_in(read_once(groups, side), k=300) for side in (0, 1)]
    trap = 6 / np.pi * np.arcsin(0.25)
    assert trap == pytest.approx(0.483, abs=1e-3)
    off = ~np.eye(len(groups), dtype=bool)
    for found in shared:
        np.testing.assert_allclose(found.pairs[1].value[off], trap, atol=0.06)
        assert found.pairs[0].control > 2 * found.pairs[0].chance
    np.testing.assert_allclose(apart.pairs[1].value[off], 0.0, atol=0.07)
    np.testing.assert_allclose(apart.pairs[0].value[off], expected_jaccard(300, 3000), atol=0.03)
    assert abs(np.mean(apart.pairs[1].value[off])) < 0.02
    # halves of one group have the reference in common, too, unless each is read on another
    halves_apart = split_half(groups, 300, generator=generator, n_splits=4)["spearman"]
    halves_shared = split_half(read_once(groups), 300, generator=generator, n_splits=4)["spearman"]
    np.testing.assert_allclose(halves_apart, 0.0, atol=0.07)
    # of a half the variance is twice that: ρ = 1/3
    np.testing.assert_allclose(halves_shared, 6 / np.pi * np.arcsin(1 / 6), atol=0.06)


def test_shared_scale_makes_overlap_and_no_excess() -> None:
    """On the raw scale dimensions of small scale change least whatever the pair."""
    generator = np.random.default_rng(4)
    scale = np.exp(2.0 * generator.normal(size=(N_LAYERS, N_DIMS)))
    groups = []
    for name, role in ROLES.items():
        raw = (scale * generator.gamma(2.0, size=(12, N_LAYERS, N_DIMS))).astype(np.float32)
        groups.append(GroupScores(name, role, (raw, raw), np.full(12, 4), True))
    found = found_in(groups, n_resamples=99)
    for measure in MEASURES:
        one = set_of(found, measure=measure)
        assert one.overall[0] > 0.6
        assert one.overall[0] - one.chance > 0.15
        assert abs(one.overall[0] - one.overall[1]) < 0.1
        assert one.overall[2] < 0 < one.overall[3]
        assert one.overall[4] > 0.05
    assert set_of(found, measure="jaccard").overall[1] > 0.6, "controls overlap as much"


# planted


def planted_jaccard(n_shared: int, k: int = K, n_dims: int = N_DIMS) -> float:
    """Of sets that share some for certain, the rest drawn blindly."""
    rest = np.arange(k - n_shared + 1)
    weights = stats.hypergeom.pmf(rest, n_dims - n_shared, k - n_shared, k - n_shared)
    return float(weights @ ((n_shared + rest) / (2 * k - n_shared - rest)))


def test_planted_dimensions_are_found_at_their_size() -> None:
    generator = np.random.default_rng(6)
    planted = {"meaning": lowered(range(5)), "grammar": lowered(range(5))}
    expected = planted_jaccard(5) - expected_jaccard(K, N_DIMS)
    excess, covered = [], []
    for n in range(12):
        groups = make_groups(generator, profiles=planted, reference_error=0.02, n_blocks=12)
        found = found_in(groups, n_resamples=39, seed=n)
        one = set_of(found)
        value, control, low, high, p = one.overall
        excess.append(value - control)
        assert p == 1 / 40
        assert 0 < low < value - control < high
        covered.append(low <= expected <= high)
        types = found.pairs[0].value[2:, 2:][np.triu_indices(3, 1)]
        assert types.min() > found.pairs[0].value[:2, 2:].max(), "controls share nothing with types"
    assert np.mean(excess) == pytest.approx(expected, abs=0.03)
    assert np.mean(covered) >= 0.7


def test_sets_tell_meaning_that_agrees_from_grammar_that_does_not() -> None:
    roles = {**ROLES, "four": "grammar", "five": "grammar", "six": "meaning"}
    profiles = {
        "meaning": lowered(range(5)),
        "three": lowered(range(6, 11)),
        "four": lowered(range(12, 17)),
        "five": lowered(range(18, 23)),
    }
    found = found_in(make_groups(np.random.default_rng(7), roles, profiles=profiles, n_blocks=16), n_resamples=99)
    for measure in (*MEASURES, "kendall_w"):
        meaning, grammar, everyone = (set_of(found, members, measure) for members in ("meaning", "grammar", "all"))
        assert meaning.overall[4] <= 0.03
        assert meaning.overall[2] > 0
        assert grammar.overall[4] > 0.1
        assert grammar.overall[2] < meaning.overall[2]
        assert max(grammar.overall[0], everyone.overall[0]) < meaning.overall[0]
    matrix = found.pairs[0].value
    names = list(found.names)
    assert matrix[names.index("one"), names.index("six")] > 0.5 > 0.3 > matrix[names.index("four"), names.index("five")]
    assert (np.diag(matrix)[2:] > 0.4).all(), "every type agrees with itself"
    assert (np.diag(matrix)[:2] < 0.4).all()


# what is refused, and what is drawn


def test_fewer_than_two_types_or_controls_are_not_compared() -> None:
    groups = make_groups(np.random.default_rng(8))
    generator = np.random.default_rng(0)
    for some in (groups[:3], groups[1:], groups[2:], [*groups[:2]], []):
        assert consistency(some, K, generator=generator, n_resamples=3) is None
    assert consistency(groups[:4], K, generator=generator, n_resamples=0) is not None


@pytest.mark.parametrize("small", ["three", "one"])
def test_inference_is_refused_for_all_that_a_small_group_is_part_of(small: str) -> None:
    found = found_in(make_groups(np.random.default_rng(9), refused=(small,)), n_resamples=9)
    place = found.names.index(small)
    for pairs in found.pairs:
        assert np.isfinite(pairs.value).all()
        for part in (pairs.low, pairs.high, pairs.p_value):
            there = np.isfinite(part)
            assert not there[place].any()
            assert not there[:, place].any()
            assert not there.diagonal().any()
            assert not there[0, 1], "controls against themselves"
            rest = [n for n in range(1, 5) if n != place]
            assert all(there[a, b] for a, b in itertools.combinations(rest, 2))
    for one in found.sets:
        is_refused = one.members == "all" or small == "one"
        assert np.isfinite(one.value).all()
        for part in (one.low, one.high, one.p_value, np.array(one.overall[2:])):
            assert np.isnan(part).all() == is_refused
            assert np.isfinite(part).all() != is_refused


def test_inference_is_refused_where_a_control_is_small() -> None:
    """Every excess is one over the controls."""
    found = found_in(make_groups(np.random.default_rng(9), refused=("control-b",)), n_resamples=9)
    for one in (*found.sets, *found.pairs):
        assert np.isfinite(one.value).all()
        assert np.isnan([one.low, one.high, one.p_value]).all()
    assert all(np.isnan(one.overall[2:]).all() for one in found.sets)


def test_the_same_seed_gives_the_same_numbers_and_none_resampled_gives_values_alone() -> None:
    groups = make_groups(np.random.default_rng(10))
    one, same, other, alone = (found_in(groups, n_resamples=n, seed=seed) for n, seed in ((20, 0), (20, 0), (20, 1), (0, 0)))
    for number, pairs in enumerate(one.pairs):
        for name in ("value", "low", "high", "p_value"):
            np.testing.assert_array_equal(getattr(pairs, name), getattr(same.pairs[number], name))
        off = ~np.eye(5, dtype=bool)
        np.testing.assert_array_equal(pairs.value[off], alone.pairs[number].value[off])
        assert np.isnan([alone.pairs[number].low, alone.pairs[number].high, alone.pairs[number].p_value]).all()
    for number, some in enumerate(one.sets):
        assert some.overall == same.sets[number].overall
        np.testing.assert_array_equal(some.p_value, same.sets[number].p_value)
        assert some.overall[2:4] != other.sets[number].overall[2:4]
        assert np.isnan(alone.sets[number].overall[2:]).all()
        assert np.isnan(alone.sets[number].p_value).all()


def test_intervals_against_a_plain_bootstrap() -> None:
    """Blocks are drawn within their groups, and count by their pairs."""
    generator = np.random.default_rng(13)
    profile = 0.2 * generator.normal(size=(1, 60))
    shared = {"control": profile, "meaning": profile, "grammar": profile}
    groups = [
        dataclasses.replace(group, pairs=np.repeat([1, 20], [11, 5]))
        for group in make_groups(generator, profiles=shared, n_layers=1, n_dims=60, n_blocks=16)
    ]
    one = set_of(found_in(groups, n_resamples=400), measure="spearman")

    def drawn_excess(*, by_pairs: bool) -> float:
        both: list[list[np.ndarray]] = [[], []]
        for group in groups:
            drawn = generator.integers(len(group.pairs), size=len(group.pairs))
            weights = group.pairs[drawn] if by_pairs else None
            for side, scores in zip(both, group.scores, strict=True):
                side.append(stats.rankdata(np.average(scores[drawn, 0], axis=0, weights=weights)))
        rho = np.corrcoef(np.concatenate(both))[:5, 5:]
        rho = (rho + rho.T) / 2
        return float(np.mean([rho[2, 3], rho[2, 4], rho[3, 4]]) - rho[0, 1])

    widths = {
        by_pairs: float(np.subtract(*np.quantile([drawn_excess(by_pairs=by_pairs) for _ in range(600)], [0.975, 0.025])))
        for by_pairs in (True, False)
    }
    value, control, low, high, _ = one.overall
    assert high - low == pytest.approx(widths[True], rel=0.15)
    assert widths[False] < 0.8 * widths[True], "blocks that count the same would be more certain"
    assert low < value - control < high
    assert (one.low[0], one.high[0]) == pytest.approx((low, high))


def test_an_interval_is_moved_onto_its_value() -> None:
    # 0, 1, …, 40: mean 20, quantiles 1 and 39, so 19 below and above
    drawn = np.arange(41.0)
    low, high = recentred(np.array(100.0), drawn)
    assert (float(low), float(high)) == (81.0, 119.0)
    # one long tail: 0 four times in five, else 10, mean 2
    low, high = recentred(np.array([5.0, 0.0]), np.stack([np.repeat([0.0, 10.0], [80, 20]), np.ones(100)], axis=1))
    np.testing.assert_allclose([low, high], [[3.0, 0.0], [13.0, 0.0]])


def test_two_blocks_have_two_halves() -> None:
    groups = make_groups(np.random.default_rng(11), n_blocks=2, pairs=(1, 7))
    found = split_half(groups, K, generator=np.random.default_rng(0))
    on_diagonal = {pairs.measure: np.diag(pairs.value) for pairs in found_in(groups).pairs}
    for number, group in enumerate(groups):
        halves = [ranks_of(scores) for scores in group.scores]
        expected = agreement(*halves, K)
        for name in MEASURES:
            value = expected.measure(name)[:, 0, 1].mean()
            assert found[name][number] == pytest.approx(value, abs=1e-6)
            assert on_diagonal[name][number] == pytest.approx(value, abs=1e-6)
    # by hand: one block on the first reference against the other on the second, both ways, mean over layers
    one, two = groups[0].scores
    ways = [
        spearman_matrix(np.stack([one[half, layer], two[1 - half, layer]]))[0, 1]
        for layer in range(N_LAYERS)
        for half in (0, 1)
    ]
    assert found["spearman"][0] == pytest.approx(np.mean(ways), abs=1e-5)


def test_one_block_has_no_halves() -> None:
    groups = make_groups(np.random.default_rng(12), n_blocks=3)
    small = groups[2]
    groups[2] = GroupScores("one", "meaning", tuple(s[:1] for s in small.scores), small.pairs[:1], False)
    found = found_in(groups, n_resamples=3)
    assert np.isnan(found.pairs[0].value).sum() == 1
    assert np.isnan(found.pairs[0].value[2, 2])
