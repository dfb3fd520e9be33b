"""Layer, subtype and type specificity: by hand, against plain programs, planted, and without an effect."""

from __future__ import annotations

import itertools
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy import stats

from layerscope.contrasts.analysis import group_scores, specificity
from layerscope.contrasts.analysis.group_scores import GroupScores, MatchedScores, draw_swaps
from layerscope.contrasts.analysis.specificity import LayerShares, TypeSpecificity, layer_shares, type_specificity
from layerscope.stats import permutation
from layerscope.stats.split_half import halves
from tests.made_up_groups import N_DIMS, N_LAYERS, lowered, make_groups, of_many_sizes, read_once

FOUR = {"m1": "meaning", "m2": "meaning", "g1": "grammar", "g2": "grammar"}


def side_of(name: str, role: str, first: list[list[float]], second: list[list[float]] | None = None) -> GroupScores:
    """One block, ``layer dim``."""
    one = np.array([first], dtype=np.float32)
    other = one if second is None else np.array([second], dtype=np.float32)
    return GroupScores(name, role, (one, other), np.array([1]))  # type: ignore[arg-type]


def shares_by_name(groups: list[MatchedScores], n_units: int, *, n_resamples: int = 0, seed: int = 0) -> dict[str, LayerShares]:
    found = layer_shares(groups, n_units, generator=np.random.default_rng(seed), n_resamples=n_resamples)
    return {one.members: one for one in found}


def specificity_of(groups: list[MatchedScores], *, n_resamples: int = 0, seed: int = 0, n_splits: int = 4) -> TypeSpecificity:
    found = type_specificity(groups, generator=np.random.default_rng(seed), n_resamples=n_resamples, n_splits=n_splits)
    assert found is not None
    return found


def plain_mean(
    group: MatchedScores, swapped: np.ndarray, side: int, reference: int, counts: np.ndarray | None = None
) -> np.ndarray:
    """Of one side (the type, its placebos): block by block, from the other one where swapped."""
    scores, pairs = [], []
    for block in range(len(swapped)):
        if counts is None or counts[block]:
            source = group.own if (side == 0) != bool(swapped[block]) else group.placebo
            scores.append(source.scores[reference][block].astype(np.float64))
            pairs.append(source.pairs[block])
    return np.average(scores, axis=0, weights=pairs)


def p_of(each: list[float]) -> float:
    """Of the first among all, as far from 0."""
    return float(np.mean(np.abs(each) >= abs(each[0]) - 1e-9))


# layers


def test_shares_and_distance_by_hand() -> None:
    groups = [
        MatchedScores(
            side_of("x", "meaning", [[0.1, 0.1, 0.9], [0.9, 0.9, 0.9]]),  # of two units both in the first layer
            side_of("x°", "placebo", [[0.1, 0.9, 0.9], [0.2, 0.9, 0.9]]),  # one in each
            0.0,
        ),
        MatchedScores(
            side_of(
                "y", "grammar", [[0.4, 0.1, 0.9], [0.5, 0.5, 0.9]], [[0.4, 0.3, 0.9], [0.5, 0.1, 0.9]]
            ),  # 0.2; 0.3 before 0.4
            side_of(
                "y°", "placebo", [[0.9, 0.9, 0.9], [0.2, 0.1, 0.9]], [[0.9, 0.9, 0.9], [0.2, 0.1, 0.9]]
            ),  # both in the second
            0.0,
        ),
    ]
    found = shares_by_name(groups, 2)
    assert list(found) == ["all", "meaning", "grammar", "x", "y"]
    np.testing.assert_allclose([found["x"].share.value, found["x"].share.placebo], [[1.0, 0.0], [0.5, 0.5]])
    np.testing.assert_allclose([found["y"].share.value, found["y"].share.placebo], [[0.5, 0.5], [0.0, 1.0]])
    np.testing.assert_allclose([found["all"].share.value, found["all"].share.placebo], [[0.75, 0.25], [0.25, 0.75]])
    assert [found[name].distance for name in ("x", "y", "all")] == pytest.approx([0.5, 0.5, 0.5])
    for one in found.values():
        assert np.isnan([*one.share.low, *one.share.high, *one.share.p_value, one.distance_p]).all()
    assert "grammar" not in shares_by_name(groups[:1], 2)


@pytest.mark.parametrize("raw", [False, True])
def test_shares_are_those_of_a_plain_program_for_the_same_swaps(raw: bool) -> None:
    still = np.zeros((N_LAYERS, N_DIMS))
    still[1] = -0.04
    groups = make_groups(np.random.default_rng(2), FOUR, profiles={"meaning": still}, pairs=(1, 6))
    groups = read_once(groups) if raw else groups
    n, n_units = 59, 9
    found = shares_by_name(groups, n_units, n_resamples=n, seed=3)
    (swaps,) = draw_swaps(groups, n, np.random.default_rng(3))
    shares = np.zeros((n + 1, 2, len(groups), N_LAYERS))
    for draw, side, number in np.ndindex(n + 1, 2, len(groups)):
        mean = sum(plain_mean(groups[number], swaps[number][draw], side, reference) for reference in (0, 1)) / 2
        for unit in np.argsort(mean.ravel(), kind="stable")[:n_units]:
            shares[draw, side, number, unit // N_DIMS] += 1 / n_units
    places = {"all": [0, 1, 2, 3], "meaning": [0, 1], "grammar": [2, 3]} | {name: [i] for i, name in enumerate(FOUR)}
    assert list(found) == list(places)
    for name, chosen in places.items():
        some = shares[:, :, chosen].mean(axis=2)
        less = some[:, 0] - some[:, 1]
        one = found[name]
        np.testing.assert_allclose([one.share.value, one.share.placebo], some[0], atol=1e-6)
        # the least beyond which p is below 0.05
        drawn = np.abs(less[1:])
        p_beyond = [(1 + (drawn > some_width + 1e-9).sum(axis=0)) / (1 + n) for some_width in drawn]
        width = np.where(np.array(p_beyond) < 0.05 - 1e-12, drawn, np.inf).min(axis=0)
        np.testing.assert_allclose([one.share.low, one.share.high], [less[0] - width, less[0] + width], atol=1e-6)
        np.testing.assert_allclose(one.share.p_value, [p_of(less[:, layer].tolist()) for layer in range(N_LAYERS)])
        distance = np.abs(less).sum(axis=1) / 2
        assert one.distance == pytest.approx(distance[0], abs=1e-6)
        assert one.distance_p == pytest.approx(p_of(distance.tolist()))


def test_a_still_layer_is_found_and_the_others_give_way() -> None:
    still = np.zeros((4, 30))
    still[2] = -0.1
    groups = make_groups(np.random.default_rng(0), FOUR, profiles={"meaning": still}, n_layers=4, n_blocks=12)
    found = shares_by_name(groups, 24, n_resamples=999)
    one = found["meaning"]
    assert one.share.value.argmax() == 2
    assert one.share.value[2] > 0.6
    np.testing.assert_allclose([one.share.value.sum(), one.share.placebo.sum()], 1.0)
    assert max(one.share.p_value[2], one.distance_p) <= 2 / 1000
    assert 0 < one.share.low[2] < one.share.value[2] - one.share.placebo[2] < one.share.high[2]
    assert (one.share.value - one.share.placebo)[[0, 1, 3]].max() < 0
    assert max(found["m1"].distance_p, found["m2"].distance_p) <= 0.02
    assert found["grammar"].distance_p > 0.05
    assert found["grammar"].share.low[2] < 0 < found["grammar"].share.high[2]
    assert found["grammar"].distance < one.distance / 2
    assert found["all"].share.value[2] == pytest.approx((one.share.value[2] + found["grammar"].share.value[2]) / 2)


def test_a_layer_that_is_still_in_placebos_too_is_nothing_special() -> None:
    still = np.zeros((4, 30))
    still[1] = -0.2
    everywhere = {"meaning": still, "grammar": still, "placebo": still}
    groups = make_groups(np.random.default_rng(1), FOUR, profiles=everywhere, n_layers=4)
    one = shares_by_name(groups, 24, n_resamples=49)["all"]
    assert one.share.value[1] > 0.7
    assert one.share.placebo[1] > 0.7
    assert one.distance < 0.15
    assert one.distance_p > 0.05


def test_shares_of_refused_groups_have_no_inference() -> None:
    groups = make_groups(np.random.default_rng(3), FOUR, refused=("m1",))
    found = shares_by_name(groups, 12, n_resamples=20)
    for name, one in found.items():
        for part in (one.share.low, one.share.high, one.share.p_value, np.array(one.distance_p)):
            assert np.isnan(part).all() == (name in ("meaning", "m1"))
            assert np.isfinite(part).all() == (name not in ("meaning", "m1"))
    # what refuses is left out of all types together, where three others remain
    others = [found[name].share.value for name in ("m2", "g1", "g2")]
    np.testing.assert_allclose(found["all"].share.value, np.mean(others, axis=0))
    np.testing.assert_allclose(
        found["meaning"].share.value, np.mean([found["m1"].share.value, found["m2"].share.value], axis=0)
    )


def test_how_many_are_drawn_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = of_many_sizes(np.random.default_rng(3))
    shares, types = shares_by_name(groups, 9, n_resamples=30), specificity_of(groups, n_resamples=30)
    monkeypatch.setattr(group_scores, "_CELLS_AT_ONCE", 7 * len(groups) * N_LAYERS * N_DIMS)
    assert len(list(draw_swaps(groups, 30, np.random.default_rng(0)))) == 5
    in_pieces = shares_by_name(groups, 9, n_resamples=30)
    assert list(in_pieces) == list(shares)
    for name, one in shares.items():
        other = in_pieces[name]
        for part in ("value", "placebo", "low", "high", "p_value"):
            assert np.isfinite(getattr(one.share, part)).all()
            np.testing.assert_allclose(getattr(one.share, part), getattr(other.share, part), atol=1e-6)
        assert (one.distance, one.distance_p) == pytest.approx((other.distance, other.distance_p), abs=1e-6)
    assert np.isfinite(types.subtype_p)
    assert asdict(specificity_of(groups, n_resamples=30)) == pytest.approx(asdict(types), abs=1e-6, nan_ok=True)


def own_and_shared(seed: int, roles: dict[str, str], shape: tuple[int, int]) -> dict[str, np.ndarray]:
    """Strong profiles, each shared by a type and its placebos."""
    generator = np.random.default_rng(seed)
    found = {name: 0.12 * generator.normal(size=shape) for name in roles}
    return found | {f"{name}-placebo": profile for name, profile in found.items()}


@pytest.mark.parametrize("strong", [False, True])
def test_where_types_are_like_their_placebos_one_in_twenty_is_found(strong: bool) -> None:
    """Swapping is exact: of 39 swaps p ≤ 0.05 in 2 cases of 40, or fewer where there are ties, as of shares."""
    roles = {"x": "meaning", "y": "grammar"}
    generator = np.random.default_rng(7)
    n_runs = 100
    p: dict[str, list[float]] = {"distance": [], "subtypes": []}
    for run in range(n_runs):
        profiles = own_and_shared(run, roles, (3, 16)) if strong else {}
        groups = make_groups(generator, roles, profiles=profiles, n_blocks=6, n_layers=3, n_dims=16, pairs=(2, 6))
        p["distance"].append(shares_by_name(groups, 12, n_resamples=39, seed=run)["all"].distance_p)
        p["subtypes"].append(specificity_of(groups, n_resamples=39, seed=run, n_splits=1).subtype_p)
    at_least, at_most = stats.binom.ppf([0.002, 0.998], n_runs, 0.05)
    found = {name: int(np.sum(np.array(values) <= 0.05 + 1e-9)) for name, values in p.items()}
    assert at_least <= found["subtypes"] <= at_most
    assert found["distance"] <= at_most
    spread_out = np.array(p["subtypes"]) - generator.random(n_runs) / 40
    assert stats.kstest(spread_out, "uniform").pvalue > 0.001
    assert np.mean(p["distance"]) == pytest.approx(0.55, abs=0.15)


# subtypes and types


def own_profiles(kind: str) -> dict[str, np.ndarray]:
    shift = {name: 0.1 * np.random.default_rng(n).normal(size=(2, 30)) for n, name in enumerate([*FOUR, "meaning", "grammar"])}
    if kind == "types":
        return {name: shift[name] for name in ("meaning", "grammar")}
    subtypes = {name: shift[name] for name in FOUR}
    if kind == "placebos too":
        return subtypes | {f"{name}-placebo": shift[name] for name in FOUR}
    return subtypes if kind == "subtypes" else {}


@pytest.fixture
def any_p(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a p that no labelling can bring below 0.05."""
    monkeypatch.setattr(specificity, "LEVEL", 1.0)


@pytest.mark.usefixtures("any_p")
@pytest.mark.parametrize("raw", [False, True])
def test_specificity_is_that_of_a_plain_program_for_the_same_swaps(raw: bool) -> None:
    profiles = {name: 0.3 * profile for name, profile in own_profiles("subtypes").items()}
    groups = make_groups(np.random.default_rng(2), FOUR, profiles=profiles, pairs=(1, 6))
    groups = read_once(groups) if raw else groups
    n, n_splits = 39, 3
    found = specificity_of(groups, n_resamples=n, seed=5, n_splits=n_splits)
    generator = np.random.default_rng(5)
    splits = [halves(8, generator, n_splits=n_splits) for _ in groups]
    (swaps,) = draw_swaps(groups, n, generator)

    def correlation(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.mean([np.corrcoef(one[layer], other[layer])[0, 1] for layer in range(N_LAYERS)]))

    each = np.zeros((n + 1, 2, 2))
    for draw, side in np.ndindex(n + 1, 2):
        within, between = [], []
        for split, a, b in itertools.product(range(n_splits), range(4), range(4)):
            first = plain_mean(groups[a], swaps[a][draw], side, 0, splits[a][split])
            second = plain_mean(groups[b], swaps[b][draw], side, 1, ~splits[b][split])
            (within if a == b else between).append(correlation(first, second))
        each[draw, side] = np.mean(within), np.mean(between)
    np.testing.assert_allclose([found.within_subtype, found.between_subtypes], each[0, 0], atol=1e-5)
    np.testing.assert_allclose([found.within_placebo, found.between_placebos], each[0, 1], atol=1e-5)
    gaps = each[:, :, 0] - each[:, :, 1]
    assert found.subtype_p == pytest.approx(p_of((gaps[:, 0] - gaps[:, 1]).tolist()))
    none = np.zeros(8, dtype=bool)
    matrix = np.zeros((4, 4))
    for a, b in itertools.product(range(4), repeat=2):
        for side, sign in ((0, 1), (1, -1)):
            for one, other in ((0, 1), (1, 0)):
                means = plain_mean(groups[a], none, side, one), plain_mean(groups[b], none, side, other)
                matrix[a, b] += sign * correlation(*means) / 2
    of_type = {True: [], False: []}  # type: dict[bool, list[float]]
    for a, b in itertools.combinations(range(4), 2):
        of_type[groups[a].role == groups[b].role].append(matrix[a, b])
    assert (found.within_type, found.between_types) == pytest.approx(
        (np.mean(of_type[True]), np.mean(of_type[False])), abs=1e-5
    )
    contrasts = []
    for chosen in ((2, 3), *itertools.combinations(range(4), 2)):
        parts: dict[bool, list[float]] = {True: [], False: []}
        for a, b in itertools.combinations(range(4), 2):
            parts[(a in chosen) == (b in chosen)].append(matrix[a, b])
        contrasts.append(np.mean(parts[True]) - np.mean(parts[False]))
    assert found.labellings == 6
    assert found.type_p == pytest.approx(np.mean(np.array(contrasts[1:]) >= contrasts[0] - 1e-6))


def test_a_p_that_cannot_be_small_is_refused() -> None:
    """Of 6 labellings of two and two subtypes, and of 20 of three and three, the true one and its mirror image are alike."""
    for roles, n in ((FOUR, 6), ({**FOUR, "m3": "meaning", "g3": "grammar"}, 20)):
        found = specificity_of(make_groups(np.random.default_rng(4), roles))
        assert found.labellings == n
        assert np.isnan(found.type_p)
    roles = {**FOUR, "m3": "meaning", "g3": "grammar", "g4": "grammar"}
    assert np.isfinite(specificity_of(make_groups(np.random.default_rng(4), roles)).type_p)


@pytest.mark.usefixtures("any_p")
def test_types_subtypes_placebos_and_nothing_are_told_apart() -> None:
    of = {
        kind: specificity_of(make_groups(np.random.default_rng(4), FOUR, profiles=own_profiles(kind)), n_resamples=39)
        for kind in ("types", "subtypes", "placebos too", "nothing")
    }
    for kind in ("types", "subtypes"):
        assert of[kind].subtype_p == 1 / 40
        assert of[kind].within_subtype > 0.5
        assert of[kind].within_subtype > of[kind].between_subtypes + 0.2
        assert abs(of[kind].within_placebo - of[kind].between_placebos) < 0.2
    # of 6 labellings the true one and its mirror image are alike
    assert of["types"].type_p == pytest.approx(2 / 6)
    assert of["types"].within_type > 0.5 > 0.3 > of["types"].between_types
    assert of["subtypes"].within_type < 0.4
    # what placebos of the same sentences know as well is nothing of the edit
    assert of["placebos too"].subtype_p > 0.05
    assert of["placebos too"].within_subtype > of["placebos too"].between_subtypes + 0.2
    assert of["placebos too"].within_placebo > of["placebos too"].between_placebos + 0.2
    assert of["nothing"].subtype_p > 0.05
    assert abs(of["nothing"].within_subtype - of["nothing"].between_subtypes) < 0.1
    assert all(one.labellings == 6 for one in of.values())


def test_placebos_that_know_more_of_subtypes_are_found_too() -> None:
    """The p is two-sided."""
    placebos = {f"{name}-placebo": profile for name, profile in own_profiles("subtypes").items()}
    found = specificity_of(make_groups(np.random.default_rng(4), FOUR, profiles=placebos), n_resamples=39)
    assert found.subtype_p == 1 / 40
    assert found.within_placebo - found.between_placebos > found.within_subtype - found.between_subtypes + 0.2


@pytest.mark.usefixtures("any_p")
def test_the_labelling_p_by_hand() -> None:
    """Four one-layer profiles of three dimensions beside flat placebos, so that every correlation can be written down."""
    profiles = {"m1": [1, 2, 3], "m2": [1, 3, 2], "g1": [3, 2, 1], "g2": [2, 1, 3]}
    groups = []
    for name, ranks in profiles.items():
        scores, flat = (np.repeat(np.array([[some]], dtype=np.float32), 2, axis=0) for some in (ranks, [2, 2, 2]))
        sides = (
            GroupScores(name, "meaning" if name[0] == "m" else "grammar", (scores, scores), np.array([1, 1])),
            GroupScores(f"{name}°", "placebo", (flat, flat), np.array([1, 1])),
        )
        groups.append(MatchedScores(*sides, 0.0, refusal="too few"))
    # m1 m2: 0.5; g1 g2: 1 − 6 · (1 + 1 + 4) / 24 = −0.5; m1 g1: −1; m1 g2: 0.5; m2 g1: −0.5; m2 g2: 1 − 6 · 6 / 24 = −0.5
    found = specificity_of(groups)
    assert found.within_type == pytest.approx((0.5 - 0.5) / 2)
    assert found.between_types == pytest.approx((-1 + 0.5 - 0.5 - 0.5) / 4)
    assert found.within_subtype == pytest.approx(1.0)
    assert found.between_subtypes == pytest.approx((0.5 - 0.5 - 1 + 0.5 - 0.5 - 0.5) / 6)
    assert (found.within_placebo, found.between_placebos) == (0.0, 0.0), "what is flat agrees with nothing"
    # within less between: {m1 m2} 0 + 3/8; {m1 g1} (−1 − 0.5) / 2 − 0 = −3/4; {m1 g2} (0.5 − 0.5) / 2 + 3/8 as much as the true
    assert (found.labellings, found.type_p) == (6, pytest.approx(4 / 6))
    assert np.isnan(found.subtype_p)
    # beside placebos that agree as much nothing is left
    same = [replace(group, placebo=replace(group.own, name="°", role="placebo")) for group in groups]
    assert (specificity_of(same).within_type, specificity_of(same).between_types) == pytest.approx((0.0, 0.0))


@pytest.mark.usefixtures("any_p")
def test_too_many_labellings_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    roles = {**FOUR, "m3": "meaning", "g3": "grammar"}
    profiles = {"meaning": lowered(range(8)), "grammar": lowered(range(15, 23))}
    groups = make_groups(np.random.default_rng(5), roles, profiles=profiles)
    whole = specificity_of(groups)
    assert (whole.labellings, whole.type_p) == (20, pytest.approx(2 / 20))
    monkeypatch.setattr(permutation, "_MOST_LABELLINGS", 19)
    sampled = specificity_of(groups)
    assert sampled.labellings == 19
    assert sampled.type_p >= 1 / 19, "the true labelling is one of them"
    ps = [specificity_of(groups, seed=seed, n_splits=1).type_p for seed in range(40)]
    assert np.mean(ps) == pytest.approx((1 + 18 * 0.1) / 19, abs=0.04)
    monkeypatch.setattr(permutation, "_MOST_LABELLINGS", 20)
    assert specificity_of(groups).labellings == 20


def test_halves_of_one_subtype_are_read_on_another_reference() -> None:
    """Else its error would make all halves alike."""
    groups = make_groups(np.random.default_rng(6), FOUR, n_dims=800, reference_error=0.1)
    found = specificity_of(groups)
    np.testing.assert_allclose(
        [found.within_subtype, found.between_subtypes, found.within_type, found.between_types], 0.0, atol=0.06
    )


@pytest.mark.usefixtures("any_p")
def test_what_cannot_be_asked() -> None:
    generator = np.random.default_rng(8)
    groups = make_groups(generator, FOUR)
    assert type_specificity(groups[:1], generator=generator, n_resamples=0) is None

    def first_block(group: GroupScores) -> GroupScores:
        one, other = (scores[:1] for scores in group.scores)
        return replace(group, scores=(one, other), pairs=group.pairs[:1])

    one_block = [replace(group, own=first_block(group.own), placebo=first_block(group.placebo)) for group in groups]
    assert type_specificity([*one_block[:3], groups[3]], generator=generator, n_resamples=0) is None
    three = specificity_of(groups[:3])
    assert np.isnan(three.type_p)
    assert three.labellings == 0
    assert np.isfinite([three.within_type, three.between_types]).all()
    only_meaning = specificity_of(groups[:2])
    assert np.isnan(only_meaning.between_types)
    assert np.isnan(only_meaning.subtype_p), "nothing was swapped"
    one, same = (specificity_of(groups[:3], n_resamples=5, seed=3) for _ in range(2))
    assert repr(one) == repr(same)


def test_groups_may_have_any_number_of_blocks() -> None:
    for seed in range(4):
        groups = of_many_sizes(np.random.default_rng(seed))
        found = specificity_of(groups, n_resamples=19, n_splits=2)
        assert np.isfinite([found.within_subtype, found.between_placebos, found.subtype_p, found.within_type]).all()
        assert found.labellings == 10
        shares = shares_by_name(groups, 9, n_resamples=19)
        for number, group in enumerate(groups):
            none = np.zeros(number + 3, dtype=bool)
            mean = sum(plain_mean(group, none, 0, reference) for reference in (0, 1)) / 2
            layers = np.argsort(mean.ravel(), kind="stable")[:9] // N_DIMS
            np.testing.assert_allclose(shares[group.name].share.value, np.bincount(layers, minlength=N_LAYERS) / 9)


def test_refused_subtypes_are_left_out_where_two_others_remain() -> None:
    groups = make_groups(np.random.default_rng(8), FOUR, refused=("g2",))
    found = specificity_of(groups, n_resamples=19)
    assert repr(found) == repr(specificity_of(groups[:3], n_resamples=19))
    assert np.isfinite(found.subtype_p)
    refused = make_groups(np.random.default_rng(8), FOUR, refused=("m1", "g1", "g2"))
    all_of_them = specificity_of(refused, n_resamples=19)
    assert np.isnan(all_of_them.subtype_p)
    assert all_of_them.labellings == 6
