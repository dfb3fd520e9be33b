"""The written reading: its numbers are those of the tables, in both languages, and it claims no more than they allow."""

from __future__ import annotations

import re
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
        "group": ["random-word-reference-1", "random-word-a", "random-word-b", "identical", "subject", "number", "tense"],
        "role": ["reference", "control", "control", "bound", "meaning", "meaning", "grammar"],
        "pairs": [999, 500, 501, 50, 1200, 34, 60],
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
    "below_control": None,
}


def agreement_rows(name: str, *, value: float, control: float, p: float, q: list[float]) -> list[dict[str, Any]]:
    excess = value - control
    ends = {"low": excess - 0.0123, "high": excess + 0.0345} if not np.isnan(p) else {"low": NAN, "high": NAN}
    shared = {"set": name, "measure": "jaccard", "control": control, "chance": 0.0667, "value": value, "excess": excess}
    mean = {**shared, **ends, "scale": "percentile", "layer": None, "p_value": p, "q_value": p}
    raw = {**mean, "scale": "raw", "value": 0.512, "control": 0.534, "excess": -0.022, "p_value": NAN, "q_value": NAN}
    w = {**mean, "measure": "kendall_w", "value": 0.345, "control": 0.333, "chance": 1 / 3}
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
    control: float = 0.123,
    p: float = 0.013,
    q: tuple[float, ...] = (0.01, 0.2, 0.049),
    distance_p: float = 0.007,
    subtype_p: float = 0.011,
    type_p: float = 0.333,
    effects_q: tuple[float, ...] = (0.01, 0.02, 0.3),
) -> dict[str, pd.DataFrame]:
    """All that a reading is made of; with every table rows of another place, whose numbers belong nowhere."""
    shares = [
        {"set": "all", "scale": "percentile", "layer": layer, "share": share, "control": control, "excess": share - control,
         "q_value": distance_p * 2, "distance": 0.27, "distance_p": distance_p}
        for layer, (share, control) in enumerate([(0.611, 0.2), (0.222, 0.3), (0.167, 0.4)])
    ]  # fmt: skip
    types = {
        "scale": "percentile", "within_subtype": 0.812, "between_subtypes": 0.345, "subtype_p": subtype_p, "within_type": 0.456,
        "between_types": 0.234, "type_p": type_p, "labellings": 1716,
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
        *agreement_rows("all", value=value, control=control, p=p, q=list(q)),
        *agreement_rows("meaning", value=0.111, control=control, p=0.777, q=[0.9, 0.9, 0.9]),
    ]
    placed = {
        "spread.parquet": spread,
        "ranking.parquet": ranking,
        "layer_agreement.parquet": agreement,
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
    assert "the 4 dimensions of 32 a layer" in en
    assert "ρ = 0.97; the ranking by control percentile with ρ = -0.12" in en
    assert "Of the 4 units with the smallest raw difference 2 are among the 4" in en
    assert "(chance: 0.17)" in en  # 4² of 96
    assert sentences(en, "subtypes of any type") == (
        "- Two subtypes of any type share a Jaccard of 0.321 of their stillest dimensions a layer, where chance gives 0.067 "
        "and two control groups 0.123; excess over controls +0.198 [+0.186, +0.233], p = 0.013: more alike than controls, in "
        "2 of 3 layers by themselves (q < 0.05). Kendall's W is 0.345 (chance 0.333, controls 0.333)."
    )
    assert "raw scale the same Jaccard is 0.512, and that of two control groups 0.534: shared scale alone makes that much" in en
    assert "The 12 stillest units of all layers together lie 27% otherwise" in en
    assert "p = 0.007); most above controls are layer 0 (61.1% against 20.0%), layer 1 (22.2% against 30.0%), layer 2" in en
    assert "3 of 3 layers differ (q < 0.05). An even spread would be 33.3% a layer." in en
    assert "ρ = 0.812, halves of different subtypes with ρ = 0.345 (p = 0.011: subtypes have profiles of their own)" in en
    assert "ρ = 0.456, subtypes of different types with ρ = 0.234 (p = 0.333: meaning and grammar are not told apart" in en
    assert "1,716 labellings" in en
    assert sentences(en, "toward the right one more than").endswith(
        "The difference is +0.0500 of the way a layer (median over pairs, then layers; mean +0.1000); the mean is above 0 in 1 "
        "of 3 layers and below it in 1 (q < 0.05). Taken by itself it is above 0 in 1 of 2 subtypes with a wrong side."
    )
    assert en.index("toward the right one more than") < en.index("of equal size"), "what compares no types comes first"
    assert "so in 1 of 3 layers and the reverse in 1 (q < 0.05, over the ways to call 2 of 4 subtypes errors)" in en
    assert "ln(R out / R in) is -0.050 in the median over layers, -0.050 in the mean" in en
    assert "so in 2 of 3 layers and the reverse in 0 (q < 0.05" in sentences(en, "move the wrong side farther")
    assert "difference is +0.2000 of the way a layer in the median over layers, +0.2000 in the mean" in en
    assert "(nats): error 1.17 → 0.28 (mean 2.34 → 0.56); meaning 0.61 → 0.39 (mean 1.23 → 0.78)." in en
    assert "2 single dimensions stand out" in en
    assert "In 3 of 100 pairs with a wrong side" in en
    assert "7.77" not in "".join(reading()), "another place's"


@pytest.mark.parametrize(
    "frames",
    [
        tables(),
        tables(p=0.2, subtype_p=0.3, type_p=0.01, distance_p=0.4),
        tables(p=NAN, q=(NAN,) * 3, subtype_p=NAN, type_p=NAN, distance_p=NAN, effects_q=(NAN,) * 3),
        tables(value=0.01),
    ],
)
def test_japanese_has_the_numbers_of_english(frames: dict[str, pd.DataFrame]) -> None:
    said = reading(frames, refused=("number: 34 pairs in 5 blocks",), n_resamples=0)
    en, ja = (text.splitlines() for text in said)
    assert len(en) == len(ja)
    for one, other in zip(en, ja, strict=True):
        if "two subtypes and the random" in one:
            continue
        # what English says in words: two of a set, three tokens, a layer
        assert numbers(one) == numbers(re.sub(r"(の 2 つの間|3 トークン|1 層(?= \d|あたり))", "", other)), (one, other)
    assert [line.startswith("- ") for line in en] == [line.startswith("- ") for line in ja]


@pytest.mark.parametrize(("p", "is_more"), [(0.0499, True), (0.05, False), (0.0501, False), (0.9, False)])
def test_the_verdict_turns_at_the_level(p: float, is_more: bool) -> None:
    said = reading(tables(p=p))
    assert (": more alike than controls" in sentences(said.en, "subtypes of any type")) is is_more
    assert (": no more alike than controls" in sentences(said.en, "subtypes of any type")) is not is_more
    assert ("対照より似ている。" in said.ja) is is_more
    assert ("no more alike than controls" in sentences(said.en, "Two meaning subtypes")) is True


@pytest.mark.parametrize(
    ("p", "en"), [(0.049, "subtypes have profiles of their own"), (0.051, "no profile of a subtype's own is seen")]
)
def test_subtypes_turn_at_the_level(p: float, en: str) -> None:
    assert f"(p = {p:.3f}: {en})" in reading(tables(subtype_p=p)).en
    types = {0.049: "meaning and grammar differ as types", 0.051: "meaning and grammar are not told apart as types"}[p]
    assert f"(p = {p:.3f}: {types}; " in reading(tables(type_p=p)).en


@pytest.mark.parametrize(("value", "control"), [(0.1, 0.1), (0.05, 0.1)])
def test_nothing_is_more_alike_without_an_excess(value: float, control: float) -> None:
    """However small p is."""
    said = reading(tables(value=value, control=control, p=0.001))
    assert "no more alike than controls" in sentences(said.en, "subtypes of any type")
    assert "more alike than controls" not in said.en.replace("no more alike than controls", "")
    assert "対照より似ている。" not in said.ja


def test_raw_overlap_beyond_that_of_controls_is_not_put_down_to_scale() -> None:
    frames = tables()
    layers = frames["layer_agreement.parquet"]
    layers.loc[(layers["scale"] == "raw") & (layers["site"] == "resid_post"), "value"] = 0.6
    assert "0.600, and that of two control groups 0.534: more than that of the controls" in reading(frames).en


def test_nothing_is_counted_where_nothing_was_tested() -> None:
    """No layer of none tested is not a null."""
    untested = tables(p=NAN, q=(NAN,) * 3, subtype_p=NAN, type_p=NAN, distance_p=NAN, effects_q=(NAN,) * 3)
    said = reading(untested)
    line = sentences(said.en, "subtypes of any type")
    assert "excess over controls +0.198: inference refused. Kendall" in line
    assert "total variation; inference refused" in said.en
    assert "layers differ" not in said.en
    assert "(mean +0.1000)" not in said.en
    assert "; mean +0.1000); inference refused." in sentences(said.en, "toward the right one more than")
    for start in ("bring the sides of an error together", "move the wrong side farther"):
        assert "no test, as 2 subtypes of errors and 2 of meaning are too few" in sentences(said.en, start)
        assert "q < 0.05" not in sentences(said.en, start)
    assert "(inference refused)" in sentences(said.en, "Halves of one subtype")
    assert "(inference refused; 1,716 labellings)" in sentences(said.en, "Different subtypes of one type")
    assert "p = nan" not in "".join(said)
    assert "nan" not in "".join(said)
    assert said.ja.count("検定なし") == 7


def test_what_too_few_draws_cannot_resolve_is_said() -> None:
    """Of three layers none can have a q below 0.05 alone if no p can be below 0.05 / 3."""
    nothing = (0.9, 0.9, 0.9)
    line = sentences(reading(tables(effects_q=nothing), n_resamples=58).en, "toward the right one more than")
    assert "but 58 draws cannot resolve a layer by itself (--resamples 59 could)" in line
    assert "単独の層を判定できない" in reading(tables(effects_q=nothing), n_resamples=58).ja
    for said in (reading(tables(effects_q=nothing), n_resamples=59), reading(n_resamples=58)):
        assert "cannot resolve" not in said.en, "there are draws enough, or something was found"


def test_every_refused_group_is_named() -> None:
    lines = ("number: 34 pairs in 20 blocks; inference needs 40", "tense: 60 pairs in 5 blocks; inference needs 10 blocks")
    said = reading(refused=lines)
    for line in lines:
        assert f"- Inference refused: {line}." in said.en
        assert f"- 検定なし：{line}。" in said.ja
    assert "Inference refused" not in reading().en


def test_pairs_drawn_in_the_place_of_templates_are_said() -> None:
    said = reading(groups=GROUPS.assign(blocks_of=["template"] * 5 + ["pair"] * 2))
    assert "Too few templates to draw again in number, tense: pairs were drawn" in said.en
    assert "ペアを単位に再標本化した種類：number, tense。" in said.ja
    assert "Too few templates" not in reading().en


def test_no_resampling_is_said() -> None:
    assert "No resampling was asked for: values only." in reading(n_resamples=0).en
    assert "No resampling" not in reading().en


def test_what_there_is_no_table_of_is_left_out() -> None:
    frames = tables()
    for name in ("layer_agreement", "layer_specificity", "type_specificity", "dimensions"):
        del frames[f"{name}.parquet"]
    frames["contraction.parquet"] = frames["contraction.parquet"].iloc[:0]
    frames["divergence.parquet"] = frames["divergence.parquet"].iloc[2:]
    frames["preferences.parquet"] = frames["preferences.parquet"].iloc[:0]
    said = reading(frames)
    assert "needs two subtypes and the random-word controls at this position; there are fewer" in said.en
    for heading in ("special to some layers", "special to some types", "correct errors", "stand out", "wrong side"):
        assert heading not in said.en
    assert said.en.count("## ") == said.ja.count("## ") == 3


def test_where_a_random_word_is_the_larger_change_the_reading_says_what_follows() -> None:
    said = reading(below_control=0.9994)
    assert "99.9% of all units change less than under it. Controls are not matched for size" in said.en
    assert "全ユニットの 99.9% は無作為語より変化が小さい" in said.ja
    assert "matched for size" not in reading(below_control=0.55).en
