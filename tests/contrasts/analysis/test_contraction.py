"""Contraction and direction: orientation by hand, pairs of equal size, planted correction, levels without an effect."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from layerscope.contrasts.analysis.contraction import (
    AT_EQUAL_SIZE,
    N_STRATA,
    LayerEffect,
    Moves,
    divergences,
    layer_effects,
    moves,
    pair_sets,
    strata_of,
)
from layerscope.contrasts.enough import FEWEST_BLOCKS

NAN = float("nan")


def pairs_table(rows: list[tuple[str, str, int | None, int]]) -> pd.DataFrame:
    """Of type, subtype, right side and block; the group is the subtype."""
    frame = pd.DataFrame(rows, columns=["type", "subtype", "right", "block"])
    return frame.assign(pair=np.arange(len(rows)), group=frame["subtype"], right=frame["right"].astype(float))


def movement_table(rows: list[tuple[int, int, float, float, float, float]], position: str = "edit+1") -> pd.DataFrame:
    columns = ["pair", "layer", "size_before", "size_after", "toward_first", "toward_second"]
    return pd.DataFrame(rows, columns=columns).assign(position=position)


HAND = pairs_table(
    [
        ("meaning", "subject", None, 0),
        ("grammar", "tense", 1, 0),
        ("grammar", "tense", 2, 1),
        ("grammar", "voice", None, 0),  # no side is wrong: of no set
        ("control", "random-word", None, 0),
        ("control", "identical", None, 0),
        ("grammar", "tense", 1, 1),  # has not got the position
    ]
)


def test_sets_of_pairs() -> None:
    assert pair_sets(HAND).tolist() == ["meaning", "error", "error", "", "control", "", "error"]


def test_moves_are_oriented_by_the_right_side() -> None:
    table = pd.concat(
        [
            movement_table([(pair, layer, 1.0, 0.5 + layer, 0.3 + pair, 0.1) for pair in range(6) for layer in (0, 1)]),
            movement_table([(6, 0, 1.0, 1.0, 1.0, 1.0)], position="last"),
        ]
    )
    found = moves(table, HAND, position="edit+1", n_layers=2)
    assert found.sets.tolist() == ["meaning", "error", "error", "control"]
    # toward_first is pair + 0.3, toward_second 0.1; the wrong side of pair 1 is the second, which moves toward the first
    np.testing.assert_allclose(found.values["toward_right"][:, 0], [0.2, 1.3, 0.1, 2.2])
    np.testing.assert_allclose(found.values["asymmetry"][:, 1], [NAN, 1.2, 0.1 - 2.3, NAN])
    np.testing.assert_allclose(found.values["contraction"][0], [np.log(0.5), np.log(1.5)])
    np.testing.assert_allclose(found.values["size"], 1.0)
    assert len(set(found.cluster.tolist())) == 4, "blocks of different groups are different clusters"


def test_rows_may_come_in_any_order_and_a_layer_may_lack() -> None:
    table = movement_table([(2, 1, 0.4, 0.2, 0.0, 0.7), (1, 0, 0.8, 0.4, 0.5, 0.0), (1, 1, 0.4, 0.1, 0.6, 0.0)])
    found = moves(table, HAND, position="edit+1", n_layers=2)
    np.testing.assert_allclose(found.values["size"], [[0.8, 0.4], [NAN, 0.4]])
    np.testing.assert_allclose(found.values["toward_right"], [[0.5, 0.6], [NAN, 0.7]])
    np.testing.assert_allclose(found.values["contraction"], [[np.log(0.5), np.log(0.25)], [NAN, np.log(0.5)]])


def test_identical_sides_have_no_contraction_and_warn_of_nothing() -> None:
    table = movement_table([(0, 0, 0.0, 0.0, NAN, NAN), (1, 0, 0.0, 0.5, NAN, NAN), (2, 0, 0.5, 0.0, 0.1, 0.1)])
    found = moves(table, HAND, position="edit+1", n_layers=1)
    assert np.isnan(found.values["contraction"]).all()
    np.testing.assert_allclose(found.values["toward_right"][:, 0], [NAN, NAN, 0.1])
    effects = list(layer_effects(found, generator=np.random.default_rng(0), n_resamples=9))
    assert {(one.set, one.quantity) for one in effects} == {
        ("meaning", "size"), ("error", "size"), ("error", "toward_right"), ("error", "asymmetry"),
        ("tense", "asymmetry"),
        (AT_EQUAL_SIZE, "contraction"), (AT_EQUAL_SIZE, "toward_right"),
    }  # fmt: skip
    assert all(np.isnan(one.value).all() for one in effects if one.set == AT_EQUAL_SIZE)


# effects


def simulate(
    generator: np.random.Generator,
    *,
    n_pairs: int = 200,
    n_blocks: int = 20,
    size_shift: float = 0.0,
    correction: float = 0.0,
    slope: float = -0.5,
    cluster_sd: float = 0.0,
    n_subtypes: int = 5,
    subtype_sd: float = 0.0,
) -> Moves:
    """Meaning, errors and controls in blocks of subtypes; contraction depends on size, and on what is planted in errors."""
    sets = np.repeat(["meaning", "error", "control"], n_pairs)
    cluster = np.arange(len(sets)) // (n_pairs // n_blocks)
    subtype = np.arange(len(sets)) * n_subtypes // n_pairs
    group = np.array([f"{name}-{number}" for name, number in zip(sets, subtype, strict=True)])
    is_error = (sets == "error")[:, None]
    size = np.exp(0.5 * generator.normal(size=(len(sets), 2)) + size_shift * is_error)
    noise = 0.1 * generator.normal(size=size.shape) + cluster_sd * generator.normal(size=(cluster.max() + 1, 2))[cluster]
    noise += subtype_sd * generator.normal(size=(3 * n_subtypes, 2))[subtype]
    contraction = slope * np.log(size) + noise - correction * is_error
    toward = 0.2 + 0.1 * generator.normal(size=size.shape) + correction * is_error
    asymmetry = np.where(is_error, correction + 0.1 * generator.normal(size=size.shape), NAN)
    values = {"size": size, "contraction": contraction, "toward_right": toward, "asymmetry": asymmetry}
    return Moves(sets, cluster, group, values)


def effects_of(found: Moves, *, n_resamples: int = 0, seed: int = 0) -> dict[tuple[str, str], LayerEffect]:
    effects = layer_effects(found, generator=np.random.default_rng(seed), n_resamples=n_resamples)
    return {(one.set, one.quantity): one for one in effects}


def test_means_by_hand() -> None:
    values = np.array([[1.0], [3.0], [NAN], [10.0], [2.0], [4.0]])
    found = Moves(
        np.array(["meaning", "meaning", "meaning", "control", "error", "error"]),
        np.array([0, 1, 1, 2, 3, 4]),
        np.array(["m", "m", "m", "c", "e", "e"]),
        {"size": np.abs(values), "contraction": values, "toward_right": -values, "asymmetry": np.full((6, 1), NAN)},
    )
    effects = effects_of(found, n_resamples=5)
    assert effects["meaning", "contraction"].value.tolist() == [2.0]
    assert effects["meaning", "contraction"].median.tolist() == [2.0]
    assert effects["meaning", "contraction"].pairs == 2
    assert effects["control", "size"].value.tolist() == [10.0]
    assert effects["error", "toward_right"].value.tolist() == [-3.0]
    assert not [key for key in effects if key[1] == "asymmetry"]
    assert all(np.isnan([one.low, one.high, one.p_value]).all() for one in effects.values()), "too few clusters"


def test_fifths_of_size_by_hand() -> None:
    size = np.stack([np.arange(10.0), np.array([5.0, NAN, 1.0, 2.0, 3.0, 4.0, NAN, NAN, NAN, NAN])], axis=1)
    strata = strata_of(size)
    assert strata[:, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert strata[:, 1].tolist() == [4, -1, 0, 1, 2, 3, -1, -1, -1, -1]
    assert set(strata_of(np.ones((6, 1))).ravel()) == {0}
    assert N_STRATA == 5


def test_the_difference_at_equal_size_by_hand() -> None:
    """Fifths {0, 1, 2} … {12, 13, 14}; errors: two in the first, all of the second (no meaning there) and one in the fifth."""
    is_error = np.isin(np.arange(15), [1, 2, 3, 4, 5, 12])
    contraction = np.array([1.0, 4.0, 6.0, 50.0, 60.0, 70.0, *[2.0] * 6, 7.0, 5.0, 5.0])[:, None]
    nothing = np.full((15, 1), NAN)
    found = Moves(
        np.where(is_error, "error", "meaning"),
        np.arange(15),
        np.where(is_error, "e", "m"),
        {"size": np.exp(np.arange(15.0))[:, None], "contraction": contraction, "toward_right": nothing, "asymmetry": nothing},
    )
    # first fifth: 5 at ln R = 1.5, slope 2 (4 at 1, 6 at 2), so 5 − 2 × 1.5 = 2 where meaning has 1: 1 for two errors; the
    # fifth one: 7, slope 0, where meaning has 5: 2 for one error
    assert effects_of(found)[AT_EQUAL_SIZE, "contraction"].value.tolist() == [pytest.approx(4 / 3)]


def test_errors_that_are_only_larger_are_told_from_correction() -> None:
    generator = np.random.default_rng(1)
    effects = effects_of(simulate(generator, n_pairs=2000, size_shift=0.3))
    naive = effects["error", "contraction"].value - effects["meaning", "contraction"].value
    np.testing.assert_allclose(naive, -0.15, atol=0.03)
    matched = effects[AT_EQUAL_SIZE, "contraction"].value
    # five strata take nine tenths of it away, not all: Cochran 1968
    assert (np.abs(matched) < 0.03).all()
    assert (np.abs(matched) < np.abs(naive) / 4).all()


def test_planted_correction_is_found_with_its_sign_at_its_size() -> None:
    generator = np.random.default_rng(2)
    found = effects_of(simulate(generator, size_shift=0.3, correction=0.2), n_resamples=99)
    for quantity, sign in (("contraction", -1), ("toward_right", 1)):
        one = found[AT_EQUAL_SIZE, quantity]
        np.testing.assert_allclose(one.value, sign * 0.2, atol=0.05)
        np.testing.assert_allclose(one.median, sign * 0.2, atol=0.05)
        # ten subtypes, half of them errors: of 252 labellings the true one, and perhaps its mirror, are as far
        assert (one.p_value <= 2 / 252 + 1e-12).all()
        assert np.isnan([one.low, one.high]).all(), "the sample is ten subtypes: there is no interval over pairs"
        assert one.pairs == 400
    asymmetry = found["error", "asymmetry"]
    np.testing.assert_allclose(asymmetry.value, 0.2, atol=0.03)
    np.testing.assert_allclose(asymmetry.p_value, 1 / 100)
    assert found["error", "contraction"].pairs == 200
    for number in range(5, 10):
        np.testing.assert_allclose(found[f"error-{number}", "asymmetry"].median, 0.2, atol=0.05)
        assert found[f"error-{number}", "asymmetry"].pairs == 40


@pytest.mark.parametrize("subtype_sd", [0.0, 0.3])
def test_subtypes_that_differ_without_a_type_are_found_as_often_as_the_level_says(subtype_sd: float) -> None:
    """Every subtype contracts in its own way; errors and meaning are names.

    With pairs as the sample, p ≤ .05 was found in 37% of the cases where subtypes differ.
    """
    generator = np.random.default_rng(3)
    p = []
    for n in range(100):
        found = simulate(generator, n_pairs=60, n_blocks=20, cluster_sd=0.1, subtype_sd=subtype_sd)
        p += effects_of(found, n_resamples=1, seed=n)[AT_EQUAL_SIZE, "contraction"].p_value.tolist()
    # 200 of them, two layers of a run with one size
    assert np.mean(np.array(p) <= 0.05) <= 0.10
    assert 0.03 <= np.mean(np.array(p) <= 0.1) <= 0.17
    assert np.mean(p) == pytest.approx(0.5, abs=0.07)


@pytest.mark.parametrize(("n_subtypes", "has_p"), [(1, False), (2, False), (3, False), (4, True)])
def test_too_few_subtypes_have_no_p(n_subtypes: int, has_p: bool) -> None:
    # of three and three subtypes 20 labellings, 10 up to the names: no p below 0.1
    found = simulate(np.random.default_rng(0), n_subtypes=n_subtypes, correction=1.0)
    one = effects_of(found, n_resamples=9)[AT_EQUAL_SIZE, "contraction"]
    assert np.isfinite(one.value).all()
    assert np.isfinite(one.p_value).all() == has_p
    assert np.isnan(effects_of(found)[AT_EQUAL_SIZE, "contraction"].p_value).all(), "none was asked for"


def test_labellings_against_a_plain_program() -> None:
    """Each labelling in turn as if it were the true one."""
    found = simulate(np.random.default_rng(7), n_pairs=80, n_subtypes=4, subtype_sd=0.2, size_shift=0.2)
    both = np.isin(found.sets, ("meaning", "error"))
    values = {name: one[both] for name, one in found.values.items()}
    groups = sorted(set(found.group[both]))
    effects = []
    for chosen in itertools.combinations(groups, 4):
        sets = np.where(np.isin(found.group[both], chosen), "error", "meaning")
        relabelled = Moves(sets, found.cluster[both], found.group[both], values)
        effects.append(effects_of(relabelled)[AT_EQUAL_SIZE, "contraction"].value)
    one = effects_of(found, n_resamples=1)[AT_EQUAL_SIZE, "contraction"]
    np.testing.assert_allclose(one.p_value, (np.abs(effects) >= np.abs(one.value) - 1e-12).mean(axis=0))


def test_few_clusters_have_values_alone() -> None:
    generator = np.random.default_rng(4)
    for n_blocks in (FEWEST_BLOCKS - 1, FEWEST_BLOCKS):
        one = effects_of(simulate(generator, n_pairs=90, n_blocks=n_blocks), n_resamples=9)["meaning", "size"]
        assert np.isfinite(one.value).all()
        assert np.isnan([one.low, one.high, one.p_value]).all() == (n_blocks < FEWEST_BLOCKS)
    alone = effects_of(simulate(generator))["meaning", "size"]
    assert np.isnan([alone.low, alone.high, alone.p_value]).all()


def test_the_same_seed_gives_the_same_numbers() -> None:
    found = simulate(np.random.default_rng(5))
    one, same, other = (effects_of(found, n_resamples=19, seed=seed)["error", "contraction"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.low, same.low)
    assert (one.low != other.low).all()


# KL by distance


def test_divergences_by_hand() -> None:
    pairs = pairs_table(
        [("meaning", "subject", None, 0), ("grammar", "tense", 1, 0), ("grammar", "tense", 2, 1), ("grammar", "typo", 1, 0)]
    )
    rows = [(0, 0, 1.0), (1, 0, 2.0), (2, 0, 4.0), (3, 0, 6.0), (1, 2, 3.0), (2, 2, NAN), (3, 9, 77.0), (0, 1, 0.5)]
    predictions = pd.DataFrame(rows, columns=["pair", "distance", "kl_nats"])
    found = {
        one.set: one for one in divergences(predictions, pairs, generator=np.random.default_rng(0), n_resamples=9, longest=3)
    }
    assert list(found) == ["meaning", "error", "subject", "tense", "typo"]
    np.testing.assert_allclose(found["error"].kl_nats, [4.0, NAN, 3.0, NAN])
    np.testing.assert_allclose(found["error"].median_nats, [4.0, NAN, 3.0, NAN])
    assert found["error"].pairs.tolist() == [3, 0, 1, 0]
    np.testing.assert_allclose(found["tense"].kl_nats, [3.0, NAN, 3.0, NAN])
    np.testing.assert_allclose(found["meaning"].kl_nats, [1.0, 0.5, NAN, NAN])
    np.testing.assert_allclose(found["typo"].kl_nats, [6.0, NAN, NAN, NAN])
    assert np.isnan([found["error"].low, found["error"].high]).all()


def test_intervals_of_divergences_leave_distances_out_that_no_pair_has() -> None:
    pairs = pairs_table([("meaning", "subject", None, n % 12) for n in range(48)])
    values = np.random.default_rng(6).gamma(2.0, size=48)
    predictions = pd.DataFrame({"pair": np.arange(48), "distance": 0, "kl_nats": values})
    (both, group) = divergences(predictions, pairs, generator=np.random.default_rng(0), n_resamples=99, longest=1)
    assert both.kl_nats[0] == pytest.approx(values.mean())
    assert both.low[0] < values.mean() < both.high[0]
    assert np.isnan([both.kl_nats[1], both.low[1], both.high[1]]).all()
    assert group.set == "subject"


@pytest.mark.parametrize(("n_pairs", "is_enough"), [(40, True), (39, False)])
def test_inference_needs_forty_pairs_of_each_side(n_pairs: int, is_enough: bool) -> None:
    found = simulate(np.random.default_rng(0), n_pairs=n_pairs, n_blocks=13)
    assert np.isfinite(effects_of(found, n_resamples=9)[AT_EQUAL_SIZE, "contraction"].p_value).all() == is_enough
    for key in (("error", "contraction"), ("control", "size")):
        one = effects_of(found, n_resamples=99)[key]
        assert np.isfinite(one.value).all()
        assert np.isfinite([one.low, one.high, one.p_value]).all() == is_enough, key
        assert np.isnan([one.low, one.high, one.p_value]).all() != is_enough, key


def test_distances_that_fewer_than_forty_pairs_reach_have_no_interval() -> None:
    pairs = pairs_table([("meaning", "subject", None, n % 12) for n in range(60)])
    near, far = np.arange(60), np.arange(39)
    predictions = pd.DataFrame(
        {"pair": [*near, *far], "distance": [0] * 60 + [1] * 39, "kl_nats": np.random.default_rng(6).gamma(2.0, size=99)}
    )
    both, _ = divergences(predictions, pairs, generator=np.random.default_rng(0), n_resamples=99, longest=1)
    assert np.isfinite(both.kl_nats).all()
    assert np.isfinite(both.low).tolist() == [True, False]
