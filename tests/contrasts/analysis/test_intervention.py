"""Effects of interventions worked by hand, p-values without an effect, and every verdict."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from layerscope.contrasts.analysis.intervention import (
    DamageExcess,
    InterventionEffects,
    Measured,
    Placed,
    intervention_effects,
    is_settled,
)
from layerscope.contrasts.analysis.intervention_verdict import conclusion, joint_conclusion, joint_verdict, verdict
from layerscope.contrasts.enough import FEWEST_SETS
from layerscope.stats.permutation import permutation_p
from layerscope.stats.ratio import ratio_interval

SPREAD = np.linspace(-0.1, 0.1, 200)


def effects_of(continuation: Measured, sentence: Measured | None = None, **changes) -> InterventionEffects:
    n_pairs, n_sets = continuation.intact.shape[1], len(continuation.random)
    text = Measured(np.full(3, 10.0), np.full(3, 11.0), np.tile([[10.5, 10.5, 11.0]], (n_sets, 1)))
    arguments = {
        "text": text,
        "n_tokens": np.array([5, 5, 10]),
        "right": np.ones(n_pairs, dtype=np.int64),
        "templates": np.arange(n_pairs),
        "is_matched": True,
        "damage_margin": 0.02,
    }
    return intervention_effects(continuation, sentence or continuation, **{**arguments, **changes})


def by_hand() -> Measured:
    """Three pairs: first sides in the first row; the second pair's right side is the second; the third has none."""
    intact = np.array([[1.0, 3.0, 2.0], [2.0, 1.0, 2.5]])
    stable = np.array([[1.5, 4.0, 3.0], [4.0, 1.0, 2.0]])
    random = np.stack([intact, intact + np.array([[0.0, 0.2, 0.0], [0.4, 0.0, 0.0]]), stable, intact + 9.0])
    return Measured(intact, stable, random)


def test_effects_by_hand() -> None:
    found = effects_of(by_hand(), right=np.array([1, 2, 0]))
    # wrong − right: intact 2 − 1 and 3 − 1; without the set 4 − 1.5 and 4 − 1; so 1.5 and 1 more
    assert found.did.effect == pytest.approx(1.25)
    # the first set changes nothing, the second 0.4 and 0.2, the third is the stable one, the fourth the same on both sides
    np.testing.assert_allclose(found.did.random_effects, [0.0, 0.3, 1.25, 0.0])
    assert (found.did.n_items, found.did.n_groups) == (2, 2)
    assert found.did.p_greater == pytest.approx(2 / 5)
    assert found.did.p_less == 1.0
    assert found.did.random_mean == pytest.approx(1.55 / 4)
    assert found.did.z == pytest.approx((1.25 - 1.55 / 4) / np.std([0.0, 0.3, 1.25, 0.0], ddof=1))
    # |second − first|: 1, 2, 0.5 and then 2.5, 3, 1
    assert found.gap.effect == pytest.approx((1.5 + 1.0 + 0.5) / 3)
    # first sides 0.5 + 1 + 1, second sides 2 + 0 − 0.5
    assert found.change.effect == pytest.approx((2.5 + 1.5) / 6)
    assert found.change.random_effects[3] == pytest.approx(9.0)
    # three texts, 3 nats over 20 tokens; sets 2 nats
    assert found.damage.effect == pytest.approx(3 / 20)
    np.testing.assert_allclose(found.damage.random_effects, 2 / 20)
    assert (found.damage.n_items, found.damage.n_groups) == (20, 3)
    assert found.accuracy_intact == 1.0
    assert found.accuracy.effect == 0.0


def test_accuracy_by_hand_leaves_gaps_out() -> None:
    intact = np.array([[1.0, 3.0, np.nan, 2.0], [2.0, 2.0, np.nan, 4.0]])
    stable = np.array([[3.0, 3.0, np.nan, 5.0], [2.0, 2.0, np.nan, 4.0]])
    sentence = Measured(intact, stable, np.stack([intact, stable]))
    found = effects_of(sentence)
    assert found.accuracy_intact == pytest.approx(2 / 3)
    assert found.accuracy.effect == pytest.approx(-2 / 3)
    np.testing.assert_allclose(found.accuracy.random_effects, [0.0, -2 / 3])
    assert found.did.n_items == found.accuracy.n_items == 3


def test_intervals_are_over_templates() -> None:
    # two templates whose pairs agree: effects 0 and 1, one degree of freedom, 0.5 ± 12.706 · 0.5
    intact = np.zeros((2, 40))
    stable = np.stack([np.zeros(40), np.repeat([0.0, 1.0], 20)])
    found = effects_of(Measured(intact, stable, np.zeros((3, 2, 40))), templates=np.repeat([4, 9], 20))
    assert (found.did.low, found.did.high) == pytest.approx((0.5 - 6.353, 0.5 + 6.353), abs=1e-3)
    assert found.did.n_groups == 2


def test_without_an_effect_p_is_uniform() -> None:
    generator = np.random.default_rng(1)
    p_values = []
    for _ in range(150):
        intact = generator.normal(size=(2, 12))
        sets = intact + generator.normal(size=(40, 1, 1)) + generator.normal(size=(40, 2, 12))
        text = np.full(3, 10.0) + generator.normal(size=(40, 3))
        found = effects_of(
            Measured(intact, sets[0], sets[1:]),
            text=Measured(np.full(3, 10.0), text[0], text[1:]),
            right=generator.integers(1, 3, size=12),
        )
        p_values.append([found.did.p_greater, found.did.p_two_sided, found.did_p_given_damage, found.damage.p_greater])
    p = np.array(p_values)
    np.testing.assert_allclose(p.mean(axis=0), 0.5, atol=0.08)
    assert ((p <= 0.1).mean(axis=0) < 0.18).all()
    assert ((p <= 0.1).mean(axis=0) > 0.03).all()


def test_damage_that_explains_the_effect_leaves_none() -> None:
    generator = np.random.default_rng(2)
    harm = np.append(generator.random(200), 1.5)  # the last is the stable set: more harm than any, and as much more effect
    nats = np.zeros((201, 2, 30))
    nats[:, 1] = (2.0 * harm + 0.01 * generator.normal(size=201))[:, None]
    text = 10.0 + harm[:, None] * np.ones(3)
    found = effects_of(Measured(np.zeros((2, 30)), nats[-1], nats[:-1]), text=Measured(np.full(3, 10.0), text[-1], text[:-1]))
    assert found.did.p_greater == found.damage.p_greater == 1 / 201
    assert found.did_p_given_damage > 0.05
    assert conclusion(found) == "general damage"


def placed(effect: float, p: float, *, low: float = 0.01, n_items: int = 40, n_groups: int = 8, n_sets: int = 200) -> Placed:
    p_two_sided = 2 * min(p, 1 - p)
    return Placed(effect, low, effect + 0.1, SPREAD[:n_sets], n_items, n_groups, p, 1 - p, p_two_sided)


def effects_with(
    did: Placed, *, damage_p: float = 0.4, p_given: float = 0.004, most_damage: float = 0.0123, is_matched: bool = True
) -> InterventionEffects:
    any_effect = placed(0.0, 0.5)
    excess = DamageExcess(0.0012, -0.0044, most_damage)
    damage = placed(0.002, damage_p)
    return InterventionEffects(did, p_given, any_effect, any_effect, any_effect, 0.9, damage, excess, 0.02, is_matched)


CASES = {
    "supports": effects_with(placed(0.3125, 0.005)),
    "not established": effects_with(placed(0.3125, 0.005, low=-0.02)),
    "general damage": effects_with(placed(0.3125, 0.005), damage_p=0.03),
    "damage not excluded": effects_with(placed(0.3125, 0.005), most_damage=0.0321),
    "not matched": effects_with(placed(0.3125, float("nan")), is_matched=False),
    "null": effects_with(placed(0.3125, 0.3)),
    "below": effects_with(placed(-0.3125, 0.999)),
    "too few": effects_with(placed(0.3125, 0.005, n_items=19)),
    "not finite": effects_with(placed(float("nan"), float("nan"))),
}
SAID = {
    "supports": (
        r"hypothesis is supported: .*\+0\.3125 .*\+0\.0100 to \+0\.4125.*200 matched.*p = 0\.005.*p = 0\.4\).*most \+0\.0123",
        "支持される",
    ),
    "not established": (r"Not established: .*-0\.0200 to .*does not lie above 0", "確立されていない"),
    "general damage": (r"cannot be distinguished from general damage: .*p = 0\.03\).*p-value is 0\.004", "区別できない"),
    "damage not excluded": (
        r"Damage is not excluded: .*known only to be below \+0\.0321 \(margin 0\.02\)",
        "損傷を除外できない",
    ),
    "not matched": (r"Not matched: .*there is no p-value; ablating", "対応する集合なし"),
    "null": (r"No effect beyond .*p = 0\.3\).*does not prove that there is none", "自己修復"),
    "below": (r"opposite of the hypothesis: .*-0\.3125.*two-sided p = 0\.002", "逆"),
    "too few": (
        r"needs at least 20 pairs .* 5 templates and 200 random sets.*are 19 pairs from 8 templates and 200 sets",
        "19 ペア",
    ),
    "not finite": (r"not finite numbers", "有限でない"),
}


@pytest.mark.parametrize("name", CASES)
def test_every_verdict_is_one_sentence_with_its_numbers(name: str) -> None:
    effects = CASES[name]
    assert conclusion(effects) == name
    english, japanese = verdict(effects)
    assert re.search(SAID[name][0], english)
    assert SAID[name][1] in japanese
    assert english.endswith(".")
    assert english.count(". ") == 0
    assert japanese.count("。") == 1
    assert japanese.endswith("。")
    # both languages give the same numbers, but for the order of clauses
    numbers = [sorted(re.findall(r"[-+]?\d+\.\d+", text)) for text in (english, japanese)]
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize("few", [{"n_groups": 4}, {"n_sets": FEWEST_SETS - 1}, {"n_items": 0}])
def test_inference_is_refused_on_too_little(few: dict[str, int]) -> None:
    assert conclusion(effects_with(placed(0.3, 0.005, **few))) == "too few"


@pytest.mark.parametrize("most_damage", [0.02, 0.5, float("nan")])
def test_damage_must_be_shown_to_be_below_the_margin(most_damage: float) -> None:
    assert conclusion(effects_with(placed(0.3, 0.005), most_damage=most_damage)) == "damage not excluded"


def test_the_excess_of_damage_by_hand() -> None:
    """Three texts of 5, 5 and 10 tokens: 11 nats each without the stable set, 10.5, 10.5 and 11 without random ones."""
    found = effects_of(by_hand()).damage_excess
    assert found.effect == pytest.approx((0.5 + 0.5 + 0.0) / 20)
    expected = ratio_interval(np.array([[0.5, 0.5, 0.0]]), np.array([5, 5, 10]), level=0.90)
    assert (found.low, found.high) == (pytest.approx(expected.low[0]), pytest.approx(expected.high[0]))


def test_sets_that_are_not_alike_give_no_p() -> None:
    found = effects_of(by_hand(), is_matched=False)
    for one in (found.did, found.damage, found.gap, found.change, found.accuracy):
        assert np.isfinite(one.effect)
        assert np.isnan([one.p_greater, one.p_less, one.p_two_sided]).all()
    assert np.isnan(found.did_p_given_damage)


@pytest.mark.parametrize(
    ("mean", "resample", "joint"),
    [
        ("supports", "supports", "supports"),
        ("null", "null", "null"),
        ("supports", "null", "mixed"),
        ("supports", "not established", "mixed"),
        ("supports", "not matched", "not matched"),
        ("too few", "supports", "too few"),
        ("below", "supports", "mixed"),
    ],
)
def test_both_replacements_together(mean: str, resample: str, joint: str) -> None:
    both = {"mean": CASES[mean], "resample": CASES[resample]}
    assert joint_conclusion(both) == joint
    said = joint_verdict(both)
    assert said.en.startswith("Together: ")
    assert said.ja.startswith("総合：")
    assert ("nothing is claimed" in said.en) == ("何も主張しない" in said.ja) == (joint == "mixed")
    assert ("the hypothesis is supported." in said.en) == ("仮説は支持される。" in said.ja) == (joint == "supports")


def test_damage_that_would_explain_it_is_enough_to_doubt() -> None:
    assert conclusion(effects_with(placed(0.3, 0.005), damage_p=0.2, p_given=0.2)) == "general damage"


def test_pairs_without_a_right_side_have_no_difference_in_differences() -> None:
    found = effects_of(by_hand(), right=np.zeros(3, dtype=np.int64))
    assert found.did.n_items == found.did.n_groups == 0
    assert np.isnan([found.did.effect, found.did.z, found.did.low, found.accuracy_intact, found.did_p_given_damage]).all()
    assert found.change.n_items == 3
    assert conclusion(found) == "too few"
    assert "there are 0 pairs" in verdict(found).en


def test_an_infinite_loss_is_not_hidden() -> None:
    generator = np.random.default_rng(3)
    intact, random = generator.normal(size=(2, 30)), generator.normal(size=(200, 2, 30))
    stable = intact.copy()
    stable[:, 4] = np.inf
    found = effects_of(Measured(intact, stable, random))
    assert conclusion(found) == "not finite"
    assert np.isnan(found.did.p_greater)


def test_sizes_that_do_not_fit_are_named() -> None:
    fine = by_hand()
    with pytest.raises(ValueError, match=r"With 4 sets, 2 pairs and 3 texts, continuation has arrays of \(2, 2\)"):
        effects_of(fine, right=np.array([1, 1]), templates=np.array([1, 1]))
    with pytest.raises(ValueError, match=r"1 or 2, or 0 .* got \[1, 3\]"):
        effects_of(fine, right=np.array([1, 1, 3]))
    with pytest.raises(ValueError, match="sentence has arrays"):
        effects_of(fine, dataclasses.replace(fine, random=fine.random[:2]))


# sets one after another, until a null is clear


def test_a_null_is_clear_with_twenty_sets_on_either_side() -> None:
    for larger, smaller, expected in ((20, 20, True), (19, 200, False), (200, 19, False), (30, 41, True)):
        random = np.concatenate([np.full(larger, 1.0), np.full(smaller, -1.0)])
        did = dataclasses.replace(placed(0.0, 0.5), random_effects=random)
        assert is_settled(did, 200, is_matched=True) is expected
    assert is_settled(placed(5.0, 0.005), 200, is_matched=False), "without a p no set is needed"


def test_a_clear_null_is_one_with_fewer_sets_than_any_finding_needs() -> None:
    random = np.repeat([1.0, -1.0], 20)
    assert conclusion(effects_with(dataclasses.replace(placed(0.0, 0.5), random_effects=random))) == "null"
    assert conclusion(effects_with(dataclasses.replace(placed(0.0, 0.5), random_effects=random[:39]))) == "too few"


@pytest.mark.parametrize("n_sets", [200, 2000])
@pytest.mark.parametrize("shift", [0.0, 1.0, 1.8, 2.5])
def test_who_stops_early_says_what_who_goes_on_says(shift: float, n_sets: int) -> None:
    generator, early = np.random.default_rng(8), 0
    for _ in range(60):
        effect, random = generator.normal(shift), generator.normal(size=n_sets)
        for n in range(40, n_sets, 10):
            some = dataclasses.replace(placed(effect, 0.5), random_effects=random[:n])
            if is_settled(some, n_sets, is_matched=True):
                early += 1
                assert permutation_p(effect, random, alternative="greater") > 0.05
                assert permutation_p(effect, random, alternative="less") > 0.05
                assert permutation_p(effect, random, alternative="two-sided") > 0.05
                break
    assert early > 30 or shift > 0.0
