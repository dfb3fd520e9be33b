"""Layer, subtype and type specificity: by hand, planted, and without an effect."""

from __future__ import annotations

import numpy as np
import pytest

from layerscope.contrasts.analysis import specificity
from layerscope.contrasts.analysis.group_scores import GroupScores
from layerscope.contrasts.analysis.specificity import LayerShares, TypeSpecificity, layer_shares, type_specificity
from layerscope.stats import permutation
from tests.made_up_groups import lowered, make_groups

FOUR = {"control-a": "control", "control-b": "control", "m1": "meaning", "m2": "meaning", "g1": "grammar", "g2": "grammar"}


def group_of(name: str, role: str, first: list[list[float]], second: list[list[float]] | None = None) -> GroupScores:
    """One block, ``layer dim``."""
    one = np.array([first], dtype=np.float32)
    return GroupScores(name, role, (one, one if second is None else np.array([second], np.float32)), np.array([1]), True)


def shares_by_name(groups: list[GroupScores], n_units: int, *, n_resamples: int = 0, seed: int = 0) -> dict[str, LayerShares]:
    found = layer_shares(groups, n_units, generator=np.random.default_rng(seed), n_resamples=n_resamples)
    return {one.members: one for one in found}


def specificity_of(groups: list[GroupScores], *, n_resamples: int = 0, seed: int = 0, n_splits: int = 4) -> TypeSpecificity:
    found = type_specificity(groups, generator=np.random.default_rng(seed), n_resamples=n_resamples, n_splits=n_splits)
    assert found is not None
    return found


# layers


def test_shares_and_distance_by_hand() -> None:
    groups = [
        group_of("a", "control", [[0.1, 0.9, 0.9], [0.2, 0.9, 0.9]]),  # of two units one in each layer
        group_of("b", "control", [[0.9, 0.9, 0.9], [0.2, 0.1, 0.9]]),  # both in the second
        group_of("x", "meaning", [[0.1, 0.1, 0.9], [0.9, 0.9, 0.9]]),  # both in the first
        group_of("y", "grammar", [[0.4, 0.1, 0.9], [0.5, 0.5, 0.9]], [[0.4, 0.3, 0.9], [0.5, 0.1, 0.9]]),  # 0.2; 0.3 before 0.4
    ]
    found = shares_by_name(groups, 2)
    assert list(found) == ["all", "meaning", "grammar", "x", "y"]
    np.testing.assert_allclose(found["all"].control, [0.25, 0.75])
    np.testing.assert_allclose(found["x"].share, [1.0, 0.0])
    np.testing.assert_allclose(found["y"].share, [0.5, 0.5])
    np.testing.assert_allclose(found["all"].share, [0.75, 0.25])
    assert found["x"].distance == pytest.approx((0.75 + 0.75) / 2)
    assert found["y"].distance == pytest.approx((0.25 + 0.25) / 2)
    assert found["all"].distance == pytest.approx((0.5 + 0.5) / 2)
    for one in found.values():
        assert np.isnan([*one.low, *one.high, *one.p_value, one.distance_p]).all()
    assert "grammar" not in shares_by_name(groups[:3], 2)


def test_a_still_layer_is_found_and_the_others_give_way() -> None:
    still = np.zeros((4, 30))
    still[2] = -0.1
    groups = make_groups(np.random.default_rng(0), FOUR, profiles={"meaning": still}, n_layers=4)
    found = shares_by_name(groups, 24, n_resamples=49)
    one = found["meaning"]
    assert one.share.argmax() == 2
    assert one.share[2] > 0.6
    np.testing.assert_allclose(one.share.sum(), 1.0)
    assert one.p_value[2] == one.distance_p == 1 / 50
    assert 0 < one.low[2] < one.share[2] - one.control[2] < one.high[2]
    assert one.high[[0, 1, 3]].max() < one.low[2]
    assert found["m1"].distance_p == 1 / 50
    assert found["grammar"].distance_p > 0.05
    assert found["grammar"].low[2] < 0 < found["grammar"].high[2]
    assert found["grammar"].distance < one.distance / 2
    assert found["all"].share[2] == pytest.approx((one.share[2] + found["grammar"].share[2]) / 2)


def test_a_layer_that_is_still_in_controls_too_is_nothing_special() -> None:
    still = np.zeros((4, 30))
    still[1] = -0.2
    everywhere = {"meaning": still, "grammar": still, "control": still}
    one = shares_by_name(make_groups(np.random.default_rng(1), FOUR, profiles=everywhere, n_layers=4), 24, n_resamples=49)[
        "all"
    ]
    assert one.share[1] > 0.7
    assert one.control[1] > 0.7
    assert one.distance < 0.15
    assert one.distance_p > 0.05


def test_without_an_effect_shares_have_uniform_p_values() -> None:
    roles = {"a": "control", "b": "control", "x": "meaning"}
    generator = np.random.default_rng(2)
    p = []
    for n in range(40):
        groups = make_groups(generator, roles, n_blocks=4, n_layers=3, n_dims=20)
        one = shares_by_name(groups, 9, n_resamples=19, seed=n)["x"]
        p.append([one.p_value[0], one.distance_p])
    # 0.1 of 40: at most 10 with a probability of 0.998; ties make p larger
    assert ((np.array(p) <= 0.1).sum(axis=0) <= 10).all()
    assert (np.abs(np.mean(p, axis=0) - 0.55) < 0.15).all()


def test_shares_of_a_small_group_have_no_inference() -> None:
    groups = make_groups(np.random.default_rng(3), FOUR, refused=("m1",))
    found = shares_by_name(groups, 12, n_resamples=5)
    for name, one in found.items():
        assert np.isnan(one.distance_p) == np.isnan(one.p_value).all() == (name in ("all", "meaning", "m1"))
    small_control = shares_by_name(make_groups(np.random.default_rng(3), FOUR, refused=("control-a",)), 12, n_resamples=5)
    assert all(np.isnan(one.distance_p) for one in small_control.values())


# subtypes and types


def own_profiles(kind: str) -> dict[str, np.ndarray]:
    shift = {name: 0.1 * np.random.default_rng(n).normal(size=(2, 30)) for n, name in enumerate([*FOUR, "meaning", "grammar"])}
    if kind == "types":
        return {name: shift[name] for name in ("meaning", "grammar")}
    return {name: shift[name] for name in ("m1", "m2", "g1", "g2")} if kind == "subtypes" else {}


@pytest.fixture
def any_p(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a p that no labelling can bring below 0.05."""
    monkeypatch.setattr(specificity, "LEVEL", 1.0)


def test_a_p_that_cannot_be_small_is_refused() -> None:
    """Of 6 labellings of two and two subtypes, and of 20 of three and three, the true one and its mirror image are alike."""
    for roles, n in ((FOUR, 6), ({**FOUR, "m3": "meaning", "g3": "grammar"}, 20)):
        found = specificity_of(make_groups(np.random.default_rng(4), roles))
        assert found.labellings == n
        assert np.isnan(found.type_p)
    roles = {**FOUR, "m3": "meaning", "g3": "grammar", "g4": "grammar"}
    assert np.isfinite(specificity_of(make_groups(np.random.default_rng(4), roles)).type_p)


@pytest.mark.usefixtures("any_p")
def test_types_subtypes_and_nothing_are_told_apart() -> None:
    of = {
        kind: specificity_of(make_groups(np.random.default_rng(4), FOUR, profiles=own_profiles(kind)), n_resamples=19)
        for kind in ("types", "subtypes", "nothing")
    }
    for kind in ("types", "subtypes"):
        assert of[kind].subtype_p == 1 / 20
        assert of[kind].within_subtype > 0.5
        assert of[kind].within_subtype > of[kind].between_subtypes + 0.2
    # of 6 labellings the true one and its mirror image are alike
    assert of["types"].type_p == pytest.approx(2 / 6)
    assert of["types"].within_type > 0.5 > 0.3 > of["types"].between_types
    assert of["subtypes"].within_type < 0.4
    assert of["nothing"].subtype_p > 0.05
    assert abs(of["nothing"].within_subtype - of["nothing"].between_subtypes) < 0.1
    assert all(one.labellings == 6 for one in of.values())


@pytest.mark.usefixtures("any_p")
def test_the_labelling_p_by_hand() -> None:
    """Four one-layer profiles of three dimensions, so that every correlation can be written down."""
    profiles = {"m1": [1, 2, 3], "m2": [1, 3, 2], "g1": [3, 2, 1], "g2": [2, 1, 3]}
    groups = []
    for name, ranks in profiles.items():
        scores = np.repeat(np.array([[ranks]], dtype=np.float32), 2, axis=0)
        groups.append(GroupScores(name, "meaning" if name[0] == "m" else "grammar", (scores, scores), np.array([1, 1]), False))
    # m1 m2: 0.5; g1 g2: 1 − 6 · (1 + 1 + 4) / 24 = −0.5; m1 g1: −1; m1 g2: 0.5; m2 g1: −0.5; m2 g2: 1 − 6 · 6 / 24 = −0.5
    found = specificity_of(groups)
    assert found.within_type == pytest.approx((0.5 - 0.5) / 2)
    assert found.between_types == pytest.approx((-1 + 0.5 - 0.5 - 0.5) / 4)
    assert found.within_subtype == pytest.approx(1.0)
    assert found.between_subtypes == pytest.approx((0.5 - 0.5 - 1 + 0.5 - 0.5 - 0.5) / 6)
    # within less between: {m1 m2} 0 + 3/8; {m1 g1} (−1 − 0.5) / 2 − 0 = −3/4; {m1 g2} (0.5 − 0.5) / 2 + 3/8 as much as the true
    assert (found.labellings, found.type_p) == (6, pytest.approx(4 / 6))
    assert np.isnan(found.subtype_p)


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


def test_without_an_effect_the_subtype_p_is_not_too_small() -> None:
    """What is observed is a mean over splits, what is permuted a single one: p keeps its level and is near 1/2 too often."""
    roles = {"x": "meaning", "y": "grammar", "z": "grammar"}
    generator = np.random.default_rng(7)
    p = []
    for n in range(50):
        groups = make_groups(generator, roles, n_blocks=5, n_layers=1, n_dims=24)
        p.append(specificity_of(groups, n_resamples=19, seed=n, n_splits=3).subtype_p)
    assert (np.array(p) <= 0.1).sum() <= 12  # of a binomial with 0.1: with a probability of 0.998
    assert np.mean(p) == pytest.approx(0.525, abs=0.12)


@pytest.mark.usefixtures("any_p")
def test_what_cannot_be_asked() -> None:
    generator = np.random.default_rng(8)
    groups = make_groups(generator, FOUR)
    assert type_specificity(groups[:3], generator=generator, n_resamples=0) is None
    one_block = [GroupScores(g.name, g.role, tuple(s[:1] for s in g.scores), g.pairs[:1], False) for g in groups]
    assert type_specificity([*one_block[:5], groups[5]], generator=generator, n_resamples=0) is None
    three = specificity_of(groups[:5])
    assert np.isnan(three.type_p)
    assert three.labellings == 0
    assert np.isfinite([three.within_type, three.between_types]).all()
    only_meaning = specificity_of(groups[:4])
    assert np.isnan(only_meaning.between_types)
    assert np.isnan(specificity_of(make_groups(generator, FOUR, refused=("g2",)), n_resamples=3).subtype_p)
    one, same = (specificity_of(groups, n_resamples=5, seed=3) for _ in range(2))
    assert one == same
