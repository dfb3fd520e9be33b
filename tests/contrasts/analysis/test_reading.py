"""The written reading: its numbers are those of the tables, in both languages, and it claims no more than they allow."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from layerscope.bilingual import Bilingual
from layerscope.contrasts.analysis.reading import read_stability

NAN = float("nan")
PLACE = {"site": "resid_post", "position": "edit+1"}
ELSEWHERE = {"site": "mlp_out", "position": "edit"}
GROUPS = pd.DataFrame(
    {
        "group": ["random-word-reference-1", "random-word", "identical", "subject", "subject-placebo", "number", "tense"],
        "role": ["reference", "control", "bound", "meaning", "placebo", "meaning", "grammar"],
        "pairs": [999, 500, 50, 1200, 1199, 34, 60],
        "blocks_of": ["template"] * 7,
    }
)
FACTS = {
    "model": "tiny",
    "pairs": "templates",
    "k": 4,
    "width": 32,
    "layers": 3,
    **PLACE,
    "n_resamples": 99,
    "groups": GROUPS,
    "refused": (),
}
LEVEL = 0.05


def agreement_rows(
    name: str, *, value: float, placebo: float, p: float, q: Sequence[float], subtypes: int = 5
) -> list[dict[str, Any]]:
    excess = value - placebo
    ends = {"low": excess - 0.0123, "high": excess + 0.0345} if not np.isnan(p) else {"low": NAN, "high": NAN}
    shared = {"set": name, "subtypes": subtypes, "measure": "jaccard", "placebo": placebo, "chance": 0.0667}
    mean = {
        **shared, **ends, "value": value, "excess": excess, "scale": "percentile", "layer": None, "p_value": p, "q_value": p,
    }  # fmt: skip
    raw = {**mean, "scale": "raw", "value": 0.512, "placebo": 0.634, "excess": -0.122, "p_value": NAN, "q_value": NAN}
    w = {**mean, "measure": "kendall_w", "value": 0.345, "placebo": 0.456, "chance": 0.2}
    return [mean, raw, w, *({**mean, "layer": layer, "p_value": one, "q_value": one} for layer, one in enumerate(q))]


def contraction_rows(
    quantity: str, values: list[float], q: list[float], members: str = "error-meaning"
) -> list[dict[str, Any]]:
    shared = {"set": members, "quantity": quantity, "position": "edit+1"}
    return [
        {**shared, "layer": layer, "value": value, "median": value / 2, "p_value": one, "q_value": one}
        for layer, (value, one) in enumerate(zip(values, q, strict=True))
    ]


def tables(
    *,
    value: float = 0.321,
    placebo: float = 0.123,
    p: float = 0.013,
    q: tuple[float, ...] = (0.01, 0.2, 0.049),
    distance_p: float = 0.007,
    subtype_p: float = 0.011,
    type_p: float = 0.333,
    own: tuple[float, float] = (0.812, 0.345),
    check_p: float = 0.47,
    has_check: bool = True,
    effects_q: tuple[float, ...] = (0.01, 0.02, 0.3),
) -> dict[str, pd.DataFrame]:
    """All that a reading is made of; with every table rows of another place, whose numbers belong nowhere."""
    shares = [
        {"set": "all", "scale": "percentile", "layer": layer, "share": share, "placebo": beside, "excess": share - beside,
         "p_value": distance_p * 2, "q_value": distance_p * 2, "distance": 0.27, "distance_p": distance_p}
        for layer, (share, beside) in enumerate([(0.611, 0.2), (0.222, 0.3), (0.167, 0.5)])
    ]  # fmt: skip
    types = {
        "scale": "percentile", "within_subtype": own[0], "between_subtypes": own[1], "within_placebo": 0.55,
        "between_placebos": 0.31, "subtype_p": subtype_p, "within_type": 0.456, "between_types": 0.234, "type_p": type_p,
        "labellings": 1716,
    }  # fmt: skip
    ranking = [
        {"set": "all", "scope": "all", "scale": scale, "layer": layer, "dim": dim}
        for scale, units in {"percentile": [(0, 1), (0, 2), (1, 5), (2, 9)], "raw": [(0, 1), (2, 2), (1, 5), (1, 9)]}.items()
        for layer, dim in units
    ]
    spread = [
        {"set": "all", "scale": scale, "layer": layer, "spearman": rho - (0.0 if layer is None else 0.3)}
        for scale, rho in {"raw": 0.97, "percentile": -0.12}.items()
        for layer in (None, 0)
    ]
    agreement = [
        *agreement_rows("all", value=value, placebo=placebo, p=p, q=q),
        *agreement_rows("meaning", value=0.111, placebo=placebo, p=0.777, q=[0.9, 0.9, 0.9], subtypes=3),
    ]
    check = agreement_rows("all", value=0.432, placebo=0.421, p=check_p, q=[0.9, 0.9, 0.9]) if has_check else []
    placed = {
        "spread.parquet": spread,
        "ranking.parquet": ranking,
        "layer_agreement.parquet": agreement,
        **({"placebo_check.parquet": check} if check else {}),
        "layer_specificity.parquet": shares,
        "type_specificity.parquet": [types],
        "dimensions.parquet": [{"set": name, "layer": 0, "dim": dim} for name, dim in (("all", 1), ("all", 2), ("meaning", 1))],
    }
    frames = {}
    for name, rows in placed.items():
        other = [{key: 7.77 if isinstance(one, float) else one for key, one in row.items()} for row in rows]
        frames[name] = pd.DataFrame([*({**row, **ELSEWHERE} for row in other), *({**row, **PLACE} for row in rows)])
    effects = contraction_rows("contraction", [-0.2, 0.1, -0.05], list(effects_q))
    effects += contraction_rows("toward_right", [0.3, 0.2, 0.1], list(effects_q))
    effects += contraction_rows("asymmetry", [0.5, -0.3, 0.1], list(effects_q), "error")
    effects += contraction_rows("asymmetry", [0.5, 0.2, 0.1], [NAN] * 3, "tense")
    effects += contraction_rows("asymmetry", [-0.5, -0.2, 0.1], [NAN] * 3, "typo")
    frames["contraction.parquet"] = pd.DataFrame([{**row, "position": "edit", "value": 7.77} for row in effects] + effects)
    frames["divergence.parquet"] = pd.DataFrame(
        [(name, distance, kl, kl / 2)
         for name, both in {"error": (2.34, 0.56), "meaning": (1.23, 0.78), "subject": (9.0, 9.0)}.items()
         for distance, kl in zip((0, 3), both, strict=True)],
        columns=["set", "distance", "kl_nats", "median_nats"],
    )  # fmt: skip
    frames["preferences.parquet"] = pd.DataFrame(
        {"group": ["tense", "typo"], "pairs": [60, 40], "disagreeing": [np.array([3, 5]), np.array([9])]}
    )
    return frames


def reading(frames: dict[str, pd.DataFrame] | None = None, **changes) -> Bilingual:
    return read_stability({**FACTS, **changes}, tables() if frames is None else frames)


def sentences(text: str, start: str) -> str:
    (found,) = [line for line in text.splitlines() if start in line]
    return found


def numbers(text: str) -> list[str]:
    return sorted(re.findall(r"[-+]?\d+(?:,\d{3})*(?:\.\d+)?%?", text))


def test_every_number_is_that_of_the_table() -> None:
    en = reading().en
    assert "1,294 pairs of 3 subtypes" in en
    assert "the 4 of 32 dimensions per layer" in en
    assert "ρ = 0.97, the ranking by percentile among changes of similar size at ρ = -0.12" in en
    assert "Of the 4 units with the smallest raw difference, 2 are among the 4" in en
    assert "(chance: 0.17)" in en  # 4² of 96
    # of two sets of 4 with a Jaccard index of J 8 J / (1 + J) are in both
    assert sentences(en, "two subtypes") == (
        "- Of the 4 dimensions per layer that change least, two subtypes share 1.9 on average (5 compared) and their placebos "
        "0.9 (chance: 0.5), a difference of +1.1 in 4. They are more alike than placebos (Jaccard +0.198 [+0.186, +0.233], p = "
        "0.013). Tested one by one, 2 of 3 layers are above their placebos and 0 below (q < 0.05)."
    )
    assert sentences(en, "two meaning subtypes") == (
        "- Of the 4 dimensions per layer that change least, two meaning subtypes share 0.8 on average (3 compared) and their "
        "placebos 0.9 (chance: 0.5), a difference of -0.1 in 4. The difference is not significant (Jaccard -0.012 [-0.024, "
        "+0.023], p = 0.78). Tested one by one, 0 of 3 layers are above their placebos and 0 below (q < 0.05)."
    )
    assert sentences(en, "Kendall") == (
        "- On the raw scale, where dimensions that are always small rank first, they share 2.7 and their placebos 3.1. "
        "Kendall's W over all dimensions is 0.345 (placebos 0.456, chance 0.200)."
    )
    assert sentences(en, "second placebos") == (
        "- The same test of placebos against second placebos, which should find no difference: Jaccard +0.011 [-0.001, "
        "+0.046], p = 0.47."
    )
    assert sentences(en, "total variation").startswith(
        "- The distribution over layers of the 12 units that change least differs from that of placebos by 27% (total "
        "variation). That is more than swapping pairs with their placebos gives (p = 0.007). Tested one by one, 1 of 3 layers "
        "are above their placebos and 2 below (q < 0.05). The layers farthest above their placebos are 0 (61.1%, placebos "
        "20.0%)"
    )
    assert sentences(en, "total variation").endswith(". An even spread would put 33.3% in each layer.")
    assert sentences(en, "Halves of one subtype") == (
        "- Halves of one subtype agree by 0.467 more than halves of different subtypes (r = 0.812 versus 0.345); for placebos "
        "of the same sentences this is 0.240. Subtypes have profiles of their own, beyond what their sentences explain (p = "
        "0.011)."
    )
    assert sentences(en, "subtypes of one type") == (
        "- Beyond their placebos, agreement between subtypes of one type minus that between subtypes of different types is "
        "+0.222: meaning and grammar do not differ significantly as types (p = 0.33 over 1,716 labellings)."
    )
    assert sentences(en, "toward the right one more than").endswith(
        "The difference is +0.0500 of the way per layer (median over pairs, then layers; mean +0.1000); the mean is above 0 in "
        "1 of 3 layers and below it in 1 (q < 0.05). By subtype, its median is above 0 in 1 of 2 that have a wrong side."
    )
    assert en.index("toward the right one more than") < en.index("of equal size"), "what compares no types comes first"
    assert "so in 1 of 3 layers and the reverse in 1 (q < 0.05, over all ways to call 2 of 4 subtypes errors)" in en
    assert "the difference of ln(R out / R in) has the median -0.050 and the mean -0.050" in en
    assert "so in 2 of 3 layers and the reverse in 0 (q < 0.05" in sentences(en, "move the wrong side farther")
    assert "the difference has the median +0.2000 of the way per layer and the mean +0.2000" in en
    assert "(nats): error 1.17 → 0.28 (mean 2.34 → 0.56); meaning 0.61 → 0.39 (mean 1.23 → 0.78)." in en
    assert "2 single dimensions stand out" in en
    assert "In 3 of 100 pairs with a wrong side" in en
    assert "7.77" not in "".join(reading()), "another place's"


UNTESTED = {"p": NAN, "q": (NAN,) * 3, "subtype_p": NAN, "type_p": NAN, "distance_p": NAN, "check_p": NAN}
FEW_SWAPS = {"p": 0.1, "q": (0.3,) * 3, "subtype_p": 0.1, "type_p": 0.3, "distance_p": 0.1}
IN_WORDS = r"2 つの下位分類（|の 2 つの間|3 トークン|1 層(?= \d|あたり|ずつ)|第 2 の|(?<=--resamples )\d+"
"""Numbers of Japanese that English says in words (two of a set, three tokens, a layer)."""


@pytest.mark.parametrize(
    ("given", "n_resamples"),
    [
        ({}, 99),
        ({"p": 0.2, "subtype_p": 0.3, "type_p": 0.01, "distance_p": 0.4}, 999),
        ({**UNTESTED, "effects_q": (NAN,) * 3}, 0),
        ({"value": 0.01}, 99),
        ({"q": (0.9,) * 3}, 30),
        (FEW_SWAPS, 9),
        ({"own": (0.4, 0.39), "has_check": False}, 99),
    ],
)
def test_japanese_has_the_numbers_of_english(given: dict[str, Any], n_resamples: int) -> None:
    said = reading(tables(**given), refused=("number: 34 pairs in 5 blocks",), n_resamples=n_resamples)
    en, ja = (text.splitlines() for text in said)
    assert len(en) == len(ja)
    for one, other in zip(en, ja, strict=True):
        one = re.sub(r"(?<=--resamples )\d+", "", one)
        assert numbers(one) == numbers(re.sub(IN_WORDS, "", other)), (one, other)
    assert [line.startswith("- ") for line in en] == [line.startswith("- ") for line in ja]
    asked_for = [re.findall(r"--resamples (\d+)", text) for text in said]
    assert asked_for[0] == asked_for[1]


# what may be said of a set of subtypes

MORE, LESS, NEITHER, TOO_FEW, UNSAID = "more", "less", "neither", "too few swaps", "not tested"
VERDICTS = {
    MORE: ("They are more alike than placebos", "プラセボどうしより互いに似ている"),
    LESS: ("They are less alike than placebos", "プラセボどうしほど似ていない"),
    NEITHER: ("The difference is not significant (Jaccard", "差があるとは言えない"),
    TOO_FEW: ("too few for any test", "何も判定できない"),
    UNSAID: ("Not tested", "検定なし"),
}


def allowed(value: float, placebo: float, p: float, n_resamples: int) -> str:
    """All that a row allows to be said, written down once more."""
    if np.isnan(p):
        return UNSAID
    if not any((1 + n_as_large) / (1 + n_resamples) < LEVEL for n_as_large in range(n_resamples + 1)):
        return TOO_FEW
    if p < LEVEL and value != placebo:
        return MORE if value > placebo else LESS
    return NEITHER


def check_the_verdict(value: float, placebo: float, p: float, n_resamples: int) -> None:
    expected = allowed(value, placebo, p, n_resamples)
    said = reading(tables(value=value, placebo=placebo, p=p), n_resamples=n_resamples)
    lines = sentences(said.en, "two subtypes"), sentences(said.ja, "、任意の 2 つの下位分類（")
    for verdict, both in VERDICTS.items():
        for phrase, line in zip(both, lines, strict=True):
            assert (phrase in line) is (verdict == expected), (phrase, line)
    shares = [8 * one / (1 + one) for one in (value, placebo)]
    size = f"{shares[0] - shares[1]:+.1f}"
    for line, phrase in zip(lines, VERDICTS[expected], strict=True):
        # how large comes first, and is that of the table; the verdict comes after it
        at = [line.index(size), line.index(phrase)]
        assert at == sorted(at)
        assert {f"{shares[0]:.1f}", f"{shares[1]:.1f}"} <= set(numbers(line[: at[1]]))
        if expected in (MORE, LESS, NEITHER):
            excess = value - placebo
            assert f"{excess:+.3f} [{excess - 0.0123:+.3f}, {excess + 0.0345:+.3f}], p = {p:.2g}" in line[at[1] :]
        else:
            assert "[" not in line
            assert "p = " not in line
    if expected == TOO_FEW:
        assert f"{n_resamples} swaps are too few for any test" in lines[0]
        assert f"{n_resamples} 回の入れ替えでは何も判定できない" in lines[1]


def possible_rows() -> list[tuple[float, float, float, int]]:
    """Value, placebo, p and swaps; no p is below one over the swaps and one, and nothing is rarer than nothing."""
    found = {(value, placebo, NAN, 0): None for value, placebo in ((0.321, 0.123), (0.123, 0.321))}
    for value, placebo in ((0.321, 0.123), (0.123, 0.321), (0.2, 0.2), (0.0, 0.05), (1.0, 0.9)):
        for n_resamples in (1, 18, 20, 999):
            for p in (0.001, 0.0499, 0.05, 0.0501, 0.3):
                least = 1.0 if value == placebo else 1 / (1 + n_resamples)
                found[value, placebo, max(p, least), n_resamples] = None
            found[value, placebo, NAN, n_resamples] = None
    return list(found)


@pytest.mark.parametrize(("value", "placebo", "p", "n_resamples"), possible_rows())
def test_no_more_is_said_of_a_set_than_its_row_allows(value: float, placebo: float, p: float, n_resamples: int) -> None:
    check_the_verdict(value, placebo, p, n_resamples)


def test_nineteen_swaps_cannot_resolve_anything_either() -> None:
    """Their smallest p is 0.05, which is not below it."""
    check_the_verdict(0.321, 0.123, 0.05, 19)


@pytest.mark.parametrize(
    ("q", "excess", "above", "below"),
    [
        ((0.01, 0.2, 0.049), 0.1, 2, 0),
        ((0.01, 0.2, 0.049), -0.1, 0, 2),
        ((0.05, 0.05, 0.05), 0.1, 0, 0),
        ((0.0499, 0.9, NAN), 0.1, 1, 0),
    ],
)
def test_layers_are_counted_on_the_side_that_they_are_on(q: tuple[float, ...], excess: float, above: int, below: int) -> None:
    said = reading(tables(value=0.3 + excess, placebo=0.3, q=q), n_resamples=99)
    assert f"one by one, {above} of 3 layers are above their placebos and {below} below (q < 0.05)" in sentences(
        said.en, "two subtypes"
    )
    expected = f"単独の層でプラセボを上回るのは 3 層中 {above} 層、下回るのは {below} 層（q < 0.05）"
    assert expected in sentences(said.ja, "、任意の 2 つの下位分類（")


@pytest.mark.parametrize("n_resamples", [25, 58])
def test_too_few_swaps_for_a_single_layer_are_said_instead_of_a_count(n_resamples: int) -> None:
    """Of three layers none can have a q below 0.05 alone if no p can be below 0.05 / 3."""
    nothing = tables(p=0.9, q=(0.9,) * 3, effects_q=(0.9,) * 3)
    said = reading(nothing, n_resamples=n_resamples)
    line = sentences(said.en, "two subtypes")
    assert f"{n_resamples} swaps are too few to test each of 3 layers by itself (--resamples" in line
    assert "0 of 3" not in line
    assert f"{n_resamples} 回の入れ替えでは 3 層を 1 層ずつ判定することはできない" in sentences(
        said.ja, "、任意の 2 つの下位分類（"
    )
    line = sentences(said.en, "toward the right one more than")
    assert f"but {n_resamples} draws are too few to test single layers" in line
    assert "単独の層を判定できない" in said.ja
    found = reading(tables(q=(0.01, 0.02, 0.03)), n_resamples=n_resamples)
    assert "too few to test" not in sentences(found.en, "two subtypes"), "several together were found"
    enough = reading(nothing, n_resamples=60)
    assert "are too few to test" not in enough.en
    assert "判定できない" not in enough.ja


@pytest.mark.parametrize("start", ["two subtypes", "toward the right one more than"])
def test_as_many_resamples_as_are_asked_for_could_resolve_a_layer_and_one_fewer_could_not(start: str) -> None:
    said = reading(tables(q=(0.9,) * 3, effects_q=(0.9,) * 3), n_resamples=58)
    (wanted,) = re.findall(r"--resamples (\d+) would be enough", sentences(said.en, start))
    assert 3 / (1 + int(wanted)) < LEVEL <= 3 / int(wanted)


def test_nothing_is_more_alike_in_another_set() -> None:
    """What holds of all says nothing of meaning."""
    line = sentences(reading().en, "two meaning subtypes")
    assert "The difference is not significant" in line
    assert "more alike" not in line


# what may be said of layers


@pytest.mark.parametrize(
    ("distance_p", "is_more"), [(0.001, True), (0.0499, True), (0.05, False), (0.0501, False), (0.9, False)]
)
def test_layers_turn_at_the_level(distance_p: float, is_more: bool) -> None:
    said = reading(tables(distance_p=distance_p), n_resamples=999)
    en, ja = sentences(said.en, "total variation"), sentences(said.ja, "全変動距離")
    assert en.startswith(
        "- The distribution over layers of the 12 units that change least differs from that of placebos by 27%"
    )
    assert ja.startswith("- 全層で最も変化しない 12 ユニットの層への分布は、プラセボの分布と 27% ずれている")
    assert (f"That is more than swapping pairs with their placebos gives (p = {distance_p:.2g})" in en) is is_more
    assert (f"gives as much, so the difference is not significant (p = {distance_p:.2g})" in en) is not is_more
    assert (f"入れ替えで生じる以上の差である（p = {distance_p:.2g}）" in ja) is is_more
    assert (f"同程度は生じる（p = {distance_p:.2g}）ので、差があるとは言えない" in ja) is not is_more


def test_layers_that_are_below_their_placebos_are_not_named_as_above_them() -> None:
    for text, start in zip(reading(), ("The layers farthest above their placebos", "プラセボを最も上回るのは"), strict=True):
        line = sentences(text, start)
        named = re.findall(r"(\d+) ?層?[(（]([\d.]+)%[,、] ?(?:placebos|プラセボ) ([\d.]+)%", line[line.index(start) :])
        assert ("0", "61.1", "20.0") in named
        assert all(float(share) > float(placebo) for _, share, placebo in named), named


# what may be said of types


@pytest.mark.parametrize("subtype_p", [0.001, 0.0499, 0.05, 0.0501, NAN])
@pytest.mark.parametrize("own", [(0.812, 0.345), (0.4, 0.39), (0.3, 0.4)])
def test_subtypes_have_profiles_only_beyond_their_placebos(own: tuple[float, float], subtype_p: float) -> None:
    """Halves of placebos agree by 0.24 more than halves of different ones."""
    said = reading(tables(own=own, subtype_p=subtype_p), n_resamples=999)
    en, ja = sentences(said.en, "Halves of one subtype"), sentences(said.ja, "同じ下位分類の半分どうし")
    assert en.startswith(f"- Halves of one subtype agree by {own[0] - own[1]:.3f} more than")
    assert f"r = {own[0]:.3f} versus {own[1]:.3f}); for placebos of the same sentences this is 0.240." in en
    is_found = subtype_p < LEVEL
    is_more = own[0] - own[1] > 0.24
    phrases = {
        ("Subtypes have profiles of their own, beyond", "文の性質を超える、下位分類ごとに固有のプロファイルがある"): is_found
        and is_more,
        ("less distinct from each other than their placebos are", "プラセボどうしの区別より弱い"): is_found and not is_more,
        ("The two do not differ significantly", "両者の差は確認できない"): subtype_p >= LEVEL,
        ("no profile of a subtype's own", "下位分類に固有のプロファイルは示されていない"): subtype_p >= LEVEL,
        ("Not tested.", "検定なし。"): np.isnan(subtype_p),
    }
    for (one, other), is_said in phrases.items():
        assert (one in en) is bool(is_said), (one, en)
        assert (other in ja) is bool(is_said), (other, ja)
    if not np.isnan(subtype_p):
        assert f"(p = {subtype_p:.2g})" in en
        assert f"（p = {subtype_p:.2g}）" in ja


@pytest.mark.parametrize(("type_p", "is_apart"), [(0.001, True), (0.049, True), (0.05, False), (0.051, False), (NAN, None)])
def test_types_turn_at_the_level(type_p: float, is_apart: bool | None) -> None:
    said = reading(tables(type_p=type_p), n_resamples=999)
    en, ja = sentences(said.en, "subtypes of one type"), sentences(said.ja, "プラセボを差し引いた一致度の差")
    assert en.startswith(
        "- Beyond their placebos, agreement between subtypes of one type minus that between subtypes of different types is "
        "+0.222: "
    )
    assert ja.startswith("- プラセボを差し引いた一致度の差（同じ分類の下位分類どうし − 異なる分類の下位分類どうし）は +0.222：")
    assert (": meaning and grammar differ as types (p" in en) is (is_apart is True)
    assert ("意味と文法は分類として異なる" in ja) is (is_apart is True)
    assert ("meaning and grammar do not differ significantly as types" in en) is (is_apart is False)
    assert ("意味と文法は分類として区別されない" in ja) is (is_apart is False)
    assert ("too few subtypes to test" in en) is (is_apart is None)
    assert ("分類として異なるかを検定するには下位分類の数が足りない" in ja) is (is_apart is None)
    assert (f"(p = {type_p:.2g} over 1,716 labellings)" in en) is (is_apart is not None)
    assert (f"（p = {type_p:.2g}、1,716 通りの割り当て）" in ja) is (is_apart is not None)


def test_of_one_type_alone_nothing_is_said_of_types() -> None:
    frames = tables()
    frames["type_specificity.parquet"][["between_types", "type_p"]] = NAN
    said = reading(frames)
    assert "Halves of one subtype" in said.en
    assert "同じ下位分類の半分どうし" in said.ja
    for of_types in ("subtypes of one type", "as types", "labellings"):
        assert of_types in reading().en
        assert of_types not in said.en
    for of_types in ("分類として", "通りの割り当て"):
        assert of_types in reading().ja
        assert of_types not in said.ja
    assert "nan" not in "".join(said)


# what swaps cannot show


@pytest.mark.parametrize("start", ["total variation", "Halves of one subtype"])
@pytest.mark.parametrize("n_resamples", [9, 18, 19])
def test_too_few_swaps_are_said_of_layers_and_types_too(start: str, n_resamples: int) -> None:
    """With nine no p can be below 0.05, however rare what is found would be: it is no finding that swapping gives as much."""
    smallest = 1 / (1 + n_resamples)
    given = {"p": smallest, "q": (smallest,) * 3, "distance_p": smallest, "subtype_p": smallest}
    line = sentences(reading(tables(**given), n_resamples=n_resamples).en, start)
    assert "gives as much" not in line
    assert f"{n_resamples} swaps are too few" in line


def test_the_check_of_placebos_has_its_numbers_and_no_verdict() -> None:
    said = reading(tables(check_p=0.01), n_resamples=999)
    en, ja = sentences(said.en, "second placebos"), sentences(said.ja, "第 2 のプラセボ")
    for line, measure in ((en, "Jaccard"), (ja, "Jaccard 係数")):
        assert f"{measure} +0.011 [-0.001, +0.046], p = 0.01" in line
        assert "alike" not in line
        assert "似て" not in line
    untested = sentences(reading(tables(check_p=NAN)).en, "second placebos")
    assert untested.endswith("Jaccard +0.011.")
    assert "second placebos" not in reading(tables(has_check=False)).en
    assert "第 2 のプラセボ" not in reading(tables(has_check=False)).ja


def test_a_check_of_few_swaps_has_no_interval() -> None:
    """Fewer than twenty have a p and no interval."""
    frames = tables(check_p=0.1)
    rows = frames["placebo_check.parquet"]
    rows.loc[rows["site"] == PLACE["site"], ["low", "high"]] = NAN
    said = reading(frames, n_resamples=9)
    assert "+0.011" in sentences(said.en, "second placebos")
    assert "nan" not in "".join(said)


def test_every_statement_begins_with_how_large() -> None:
    beginnings = (
        r"Of the 4 dimensions per layer that change least, two (\w+ )?subtypes share \d",
        r"On the raw scale, .*, they share \d",
        r"The distribution over layers of the 12 units that change least differs from that of placebos by \d+%",
        r"Halves of one subtype agree by \d",
        r"Beyond their placebos, agreement between subtypes of one type minus that between .* of different types is [-+]\d",
        r"The same test of placebos against second placebos, which should find no difference: Jaccard [-+]\d",
    )
    for given, n_resamples in (({}, 99), (UNTESTED, 0), (FEW_SWAPS, 9), ({"value": 0.01, "own": (0.4, 0.39)}, 999)):
        en = reading(tables(**given), n_resamples=n_resamples).en
        questions = en[en.index("## Is it the same") : en.index("## Do the layers correct")]
        lines = [line for line in questions.splitlines() if line.startswith("- ")]
        assert len(lines) == len(beginnings) + 1, "all and meaning"
        for line in lines:
            assert any(re.match(f"- {one}", line) for one in beginnings), line


def test_nothing_is_counted_where_nothing_was_tested() -> None:
    """No layer of none tested is not a null."""
    said = reading(tables(**UNTESTED, effects_q=(NAN,) * 3))
    line = sentences(said.en, "two subtypes")
    assert line.endswith("+1.1 in 4. Not tested: see below.")
    assert "(total variation). Not tested. The layers farthest above" in said.en
    assert "one by one" not in sentences(said.en, "total variation")
    assert sentences(said.en, "Halves of one subtype").endswith("this is 0.240. Not tested.")
    assert sentences(said.en, "subtypes of one type").endswith(
        "too few subtypes to test whether meaning and grammar differ as types."
    )
    assert "(mean +0.1000)" not in said.en
    assert "; mean +0.1000); inference refused." in sentences(said.en, "toward the right one more than")
    for start in ("bring the two sides of an error together", "move the wrong side farther"):
        assert "not tested, because 2 error subtypes and 2 meaning subtypes are too few" in sentences(said.en, start)
        assert "q < 0.05" not in sentences(said.en, start)
    assert "p = nan" not in "".join(said)
    assert "nan" not in "".join(said)
    assert said.ja.count("検定なし") == 6


def test_every_refused_group_is_named() -> None:
    lines = ("number: 34 pairs in 20 blocks; inference needs 40", "tense: 60 pairs in 5 blocks; inference needs 10 blocks")
    said = reading(refused=lines)
    for line in lines:
        assert f"- Inference refused: {line}." in said.en
        assert f"- 検定なし：{line}。" in said.ja
    assert "Inference refused" not in reading().en


def test_pairs_drawn_in_the_place_of_templates_are_said() -> None:
    said = reading(groups=GROUPS.assign(blocks_of=["template"] * 5 + ["pair"] * 2))
    assert "Too few templates to resample in number, tense, so pairs were resampled" in said.en
    assert "ペアを単位に再標本化した下位分類：number, tense。" in said.ja
    assert "Too few templates" not in reading().en


def test_no_resampling_is_said() -> None:
    assert "No resampling was requested: values only." in reading(n_resamples=0).en
    assert "No resampling" not in reading().en


def test_what_there_is_no_table_of_is_left_out() -> None:
    frames = tables()
    for name in ("layer_agreement", "layer_specificity", "type_specificity", "dimensions"):
        del frames[f"{name}.parquet"]
    frames["contraction.parquet"] = frames["contraction.parquet"].iloc[:0]
    frames["divergence.parquet"] = frames["divergence.parquet"].iloc[2:]
    frames["preferences.parquet"] = frames["preferences.parquet"].iloc[:0]
    said = reading(frames)
    assert "Consistency needs at least two subtypes with placebos at this position; there are fewer." in said.en
    assert "この位置でプラセボをもつ下位分類が 2 つ以上必要だが、足りない。" in said.ja
    for heading in ("specific to some layers", "specific to some types", "correct errors", "stand out", "wrong side"):
        assert heading not in said.en
    assert said.en.count("## ") == said.ja.count("## ") == 3


def test_placebos_at_other_places_alone_are_none_here() -> None:
    """The tables are there, with rows of another position."""
    frames = tables()
    for name in ("layer_agreement", "layer_specificity", "type_specificity", "placebo_check"):
        rows = frames[f"{name}.parquet"]
        frames[f"{name}.parquet"] = rows[rows["position"] == ELSEWHERE["position"]]
    said = reading(frames)
    assert "Consistency needs at least two subtypes with placebos at this position; there are fewer." in said.en
    for other in ("alike", "share", "special to some", "second placebos", "7.77"):
        assert other not in said.en
