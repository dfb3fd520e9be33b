"""Comparing profiles: depths, units, thirds and rank correlations worked by hand; reading any ppl.json."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from layerscope.errors import DataError, PathError
from layerscope.sweeps.analysis.comparison import ComparedModel, View, curves, often_everywhere, profile, relative_depth
from layerscope.sweeps.analysis.fragility import (
    correlation_table,
    fragility_table,
    in_words,
    interpolated,
    rank_correlation,
    shares_by_third,
)
from layerscope.sweeps.analysis.published_summary import by_text_means, read_summary
from layerscope.sweeps.analysis.summary import ppl_summary

LN2 = math.log(2.0)


def model(name: str, effects: list[float], *, tokens: int = 10, n_bytes: float = 40.0, tags: dict[str, bool] | None = None):
    """A model whose intact NLL is 2 nats per token and 3 per word; without a layer words lose twice as much as tokens."""
    rows = [{"variant": "intact", "family": "intact", "nll_nats": 2.0, "delta_nll_nats": 0.0}]
    for layer, effect in enumerate(effects):
        numbers = {"nll_nats": 2.0 + effect, "delta_nll_nats": effect}
        interval = {"delta_nll_low_nats": effect - 0.5, "delta_nll_high_nats": effect + 0.5}
        names = {"variant": f"removal-{layer}", "family": "removal", "span_first": layer, "span_last": layer}
        rows.append({**names, **numbers, **interval})
    words = [
        {
            "variant": row["variant"], "family": "removal", "span_first": row["span_first"], "tag": tag, "is_few": is_few,
            "intact_nll_nats": 3.0, "nll_nats": 3.0 + 2 * row["delta_nll_nats"], "delta_nll_nats": 2 * row["delta_nll_nats"],
            "delta_nll_low_nats": math.nan, "delta_nll_high_nats": math.nan,
        }
        for row in rows[1:] for tag, is_few in (tags or {}).items()
    ]  # fmt: skip
    return ComparedModel(
        name,
        f"results/{name}",
        len(effects),
        pd.DataFrame(rows),
        tokens_scored=tokens,
        bytes_scored=n_bytes,
        words=None if tags is None else pd.DataFrame(words),
    )


def test_relative_depth_is_the_middle_of_what_is_touched_over_the_last_layer() -> None:
    layers = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    assert relative_depth(layers, layers, 5).tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    # exchanging 0 and 1 of 5 layers: 0.5 / 4; 3 and 4: 3.5 / 4
    assert relative_depth(np.array([0.0, 3.0]), np.array([1.0, 4.0]), 5).tolist() == [0.125, 0.875]
    assert relative_depth(np.array([0.0]), np.array([0.0]), 1).tolist() == [0.0]


@pytest.mark.parametrize(
    ("view", "value", "low", "intact"),
    [
        (View("delta", "nats", "layer"), 1.0, 0.5, 0.0),
        (View("ppl", "nats", "layer"), math.exp(3.0), math.exp(2.5), math.exp(2.0)),
        # 10 tokens over 40 bytes: a nat per token is 10 / (40 ln 2) bits per byte
        (View("delta", "bits", "layer"), 0.25 / LN2, 0.125 / LN2, 0.0),
        (View("ppl", "bits", "layer"), 0.75 / LN2, 0.625 / LN2, 0.5 / LN2),
    ],
)
def test_every_unit_worked_by_hand(view: View, value: float, low: float, intact: float) -> None:
    rows = curves([model("a", [1.0, 4.0])], ["removal"], view)
    assert rows["variant"].tolist() == ["removal-0", "removal-1"]
    assert rows.loc[0, ["value", "low", "intact"]].tolist() == pytest.approx([value, low, intact])


def test_parts_of_speech_are_per_word_in_nats_or_bits() -> None:
    one = model("a", [1.0, 4.0], tags={"VERB": False, "NOUN": False, "X": True})
    assert often_everywhere([one]) == ["NOUN", "VERB"]  # open classes first; X has fewer than 200 words
    assert often_everywhere([one, model("b", [1.0, 4.0], tags={"NOUN": False})]) == ["NOUN"]
    assert often_everywhere([one, model("b", [1.0, 4.0])]) == []
    nats = curves([one], ["removal"], View("delta", "nats", "layer"), tags=["NOUN"])
    assert nats.loc[nats["tag"] == "NOUN", "value"].tolist() == [2.0, 8.0]
    bits = curves([one], ["removal"], View("ppl", "bits", "layer"), tags=["NOUN"])
    assert bits.loc[bits["tag"] == "NOUN", "value"].tolist() == pytest.approx([5.0 / LN2, 11.0 / LN2])
    assert bits.loc[bits["tag"] == "NOUN", "intact"].tolist() == pytest.approx([3.0 / LN2] * 2)


def test_thirds_worked_by_hand() -> None:
    depth = np.linspace(0, 1, 4)  # 0, 1/3, 2/3, 1: both borders belong to the middle
    assert shares_by_third(depth, np.array([4.0, 1.0, 2.0, 1.0])) == pytest.approx((0.5, 0.375, 0.125))
    assert shares_by_third(depth, np.array([4.0, -1.0, 2.0, -1.0])) == pytest.approx((0.5, 0.375, 0.125))
    assert all(map(math.isnan, shares_by_third(depth, np.zeros(4))))
    assert all(map(math.isnan, shares_by_third(depth, np.array([np.inf, 1.0, 1.0, 1.0]))))


def test_interpolation_worked_by_hand() -> None:
    depth, effect = np.array([0.0, 0.25, 0.5, 0.75, 1.0]), np.array([8.0, 4.0, 0.0, 2.0, 6.0])
    # a third lies a third of the way from 0.25 to 0.5: 4 − 4/3; two thirds lie two thirds of the way from 0.5 to 0.75
    found = interpolated(depth, effect, np.array([0.0, 1 / 3, 2 / 3, 1.0]))
    assert found.tolist() == pytest.approx([8.0, 4.0 - 4.0 / 3.0, 4.0 / 3.0, 6.0])


def test_rank_correlation_worked_by_hand() -> None:
    # ranks 1 2 3 against 1 3 2: ρ = 1 − 6·(0 + 1 + 1) / (3·8) = 0.5
    assert rank_correlation(np.array([0.1, 0.2, 9.0]), np.array([1.0, 30.0, 2.0])) == pytest.approx(0.5)
    assert math.isnan(rank_correlation(np.array([1.0, 2.0]), np.array([1.0, 2.0])))
    assert math.isnan(rank_correlation(np.ones(3), np.array([1.0, 2.0, 3.0])))
    # an effect without end is still the largest
    assert rank_correlation(np.array([np.inf, 2.0, 1.0]), np.array([3.0, 2.0, 1.0])) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("rho", "words"),
    [(0.8, "much the same"), (0.79, "partly the same"), (0.0, "different"), (-0.5, "the other is not"), (math.nan, "too few")],
)
def test_correlation_in_words(rho: float, words: str) -> None:
    assert words in in_words(rho)


def test_profiles_with_as_many_layers_are_ranked_layer_by_layer() -> None:
    table = correlation_table([model("a", [5.0, 1.0, 2.0]), model("b", [50.0, 20.0, 10.0])], ["removal"]).to_pandas()
    (row,) = table.to_dict("records")
    assert (row["alignment"], row["layers_compared"]) == ("layer by layer", 3)
    assert row["spearman"] == pytest.approx(0.5)
    assert pd.isna(row["compared_anyway"])


def test_profiles_with_other_numbers_of_layers_meet_at_the_depths_of_the_shorter() -> None:
    longer = model("long", [8.0, 4.0, 0.0, 2.0, 6.0])
    shorter = model("short", [1.0, 5.0, 3.0])
    # the longer one at depths 0, 0.5, 1 is 8, 0, 6: ranks 3 1 2 against 1 3 2: ρ = 1 − 6·(4 + 4 + 0) / 24 = −1
    for pair in ([longer, shorter], [shorter, longer]):
        (row,) = correlation_table(pair, ["removal"]).to_pandas().to_dict("records")
        assert row["spearman"] == pytest.approx(-1.0)
        assert (row["layers_compared"], row["alignment"]) == (3, "interpolated onto the relative depths of short")
        assert row["statement"] == "on these texts fragile where the other is not"


def test_every_pair_and_part_of_speech_has_a_row() -> None:
    models = [model(name, [5.0, 1.0, 2.0], tags={"NOUN": False}) for name in "abc"]
    table = correlation_table(models, ["removal"], tags=["NOUN"], anyway="the texts differ").to_pandas()
    assert list(zip(table["tag"], table["model_a"], table["model_b"], strict=True)) == [
        (tag, *pair) for tag in ("all", "NOUN") for pair in (("a", "b"), ("a", "c"), ("b", "c"))
    ]
    assert table["unit"].tolist() == ["token"] * 3 + ["word"] * 3
    assert set(table["compared_anyway"]) == {"the texts differ"}


def test_where_a_model_is_fragile() -> None:
    one = model("a", [4.0, 1.0, -0.5, 2.5], tags={"NOUN": False})
    table = fragility_table([one], ["removal"], View("delta", "nats", "layer"), tags=["NOUN"]).to_pandas()
    overall, noun = table.to_dict("records")
    assert (overall["most_variant"], overall["most_depth"], overall["most_delta_nll_nats"]) == ("removal-0", 0.0, 4.0)
    assert (overall["least_variant"], overall["least_delta_nll_nats"]) == ("removal-2", -0.5)
    assert overall["least_depth"] == pytest.approx(2 / 3)
    assert overall["most_delta_bits"] == pytest.approx(4.0 * 10 / LN2 / 40)
    assert overall["share_first_third"] == pytest.approx(4.0 / 8.0)
    assert (noun["unit"], noun["most_delta_nll_nats"]) == ("word", 8.0)
    assert noun["most_delta_bits"] == pytest.approx(8.0 / LN2)


def test_an_unknown_effect_is_left_out_and_counted() -> None:
    table = fragility_table([model("a", [4.0, math.nan, 1.0])], ["removal"], View("delta", "nats", "layer")).to_pandas()
    assert (table.loc[0, "variants"], table.loc[0, "least_variant"]) == (2, "removal-2")


def foreign(**changed: object) -> dict[str, object]:
    """A ppl.json of a published run, with nothing but what is published."""
    removed = {"layer_1": {"avg_ppl": 40.0}, "layer_0": {"avg_ppl": 80.0}, "layer_2": {"avg_ppl": 20.0}}
    return {"original": {"avg_ppl": 10.0}, "removed": removed, **changed}


def test_a_published_ppl_json_needs_nothing_but_avg_ppl() -> None:
    summary = read_summary(foreign(), family="removal", source="x.json")
    assert (summary.n_layers, summary.facts, summary.has_corpus_measures, summary.bytes_scored) == (3, {}, False, None)
    one = ComparedModel("x", "x.json", 3, by_text_means(summary.layers))
    rows = profile(one, "removal")
    assert rows["layer"].tolist() == [0, 1, 2]
    assert rows["delta_nll_nats"].tolist() == pytest.approx([math.log(8), math.log(4), math.log(2)])
    shown = curves([one], ["removal"], View("ppl", "nats", "layer", of_text_means=True))
    assert shown["value"].tolist() == pytest.approx([80.0, 40.0, 20.0])
    assert shown["intact"].tolist() == pytest.approx([10.0] * 3)
    assert shown["low"].isna().all()


def test_exchanges_name_both_layers() -> None:
    content = {
        "original": {"avg_ppl": 10.0},
        "exchanged": {"layer_0_with_1": {"avg_ppl": 20}, "layer_1_with_2": {"avg_ppl": None}},
    }
    summary = read_summary(content, family="exchange", source="x.json")
    assert summary.layers["variant"].tolist() == ["intact", "exchange-0-1", "exchange-1-2"]
    assert (summary.layers["span_last"].iloc[1], summary.n_layers) == (1, 3)
    assert math.isnan(summary.layers["ppl_text_mean"].iloc[2])  # JSON has no infinity


def test_our_own_summary_comes_back_with_its_bytes() -> None:
    written = ["0-2", "1-2", "0,2", "0-1"]
    layers = model("a", [4.0, 1.0, 2.0]).layers.assign(
        path=written, ppl=1.0, ppl_text_mean=9.0, top1_accuracy=0.5, agreement=0.5, kl_nats=0.1, documents=2, tokens_scored=10
    )
    layers["bits_per_byte"] = layers["nll_nats"] * 10 / LN2 / 40
    layers["span_first"] = layers["span_first"].fillna(-1)
    content = ppl_summary(layers, model_name="org/a", dataset="lee", protocol="lines")
    summary = read_summary(content, family="removal", source="ppl.json")
    assert summary.has_corpus_measures
    assert summary.bytes_scored == pytest.approx(40.0)
    assert summary.facts == {"model_name": "org/a", "dataset": "lee", "protocol": "lines", "documents": 2, "tokens_scored": 10}
    assert summary.layers["delta_nll_high_nats"].tolist()[1:] == [4.5, 1.5, 2.5]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "A ppl.json holds 'original' and 'removed'; 'x.json' has no 'original'"),
        ({"perplexity": 3}, "'x.json' has no 'original': name a run's ppl.json."),
        (foreign(removed={}), "A comparison of removal needs 'removed' in every ppl.json; 'x.json' has none"),
        (foreign(removed={"block_1": {"avg_ppl": 2}}), "named such as layer_3; 'x.json' has 'block_1'"),
        (foreign(removed={f"layer_{'1' * 5000}": {"avg_ppl": 2}}), "named such as layer_3; 'x.json' has 'layer_1111"),
        (foreign(removed={"layer_1": {"ppl": 2}}), "has 'avg_ppl'; 'x.json' has none in 'removed.layer_1'"),
        (foreign(removed={"layer_1": 2.0}), "has 'avg_ppl'; 'x.json' has none in 'removed.layer_1'"),
        (foreign(original={"avg_ppl": "low"}), "'avg_ppl' is a number; 'x.json' has 'low' in 'original'"),
        (foreign(original={"avg_ppl": None}), "held against the intact model; 'x.json' has no number in 'original'"),
        (foreign(original={"avg_ppl": -1}), "A perplexity is above 0; 'x.json' has -1 in 'original'"),
        (foreign(tokens_scored="many"), "'tokens_scored' is a whole number; 'x.json' has 'many'"),
    ],
)
def test_a_file_that_is_no_ppl_json_is_refused(content: object, message: str) -> None:
    with pytest.raises(DataError) as refused:
        read_summary(content, family="removal", source="x.json")
    assert message in str(refused.value)


def test_a_path_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(PathError, match="A layer is written '10'"):
        read_summary(foreign(original={"avg_ppl": 1.0, "path": "a-b"}), family="removal", source="x.json")
