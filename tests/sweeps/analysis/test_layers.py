"""Effect tables, from scores small enough to work by hand."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

from layerscope.paths.families import build_variants
from layerscope.sweeps.analysis.layers import layers_table, proxies_table
from layerscope.sweeps.analysis.summary import ppl_summary
from layerscope.sweeps.analysis.totals import DocumentTotals, sum_by_document
from layerscope.sweeps.tables import DOCUMENTS, SCORES, SPANS

# Two documents of 2 and 1 scored tokens, a third with none; a model of 2 layers, each removed in turn.
NLL = {
    "intact": [[1.0, 2.0], [3.0]],
    "removal-0": [[2.0, 4.0], [3.0]],
    "removal-1": [[1.0, 2.0], [6.0]],
}
VARIANTS = build_variants(["removal"], [], 2)


def documents() -> pa.Table:
    return DOCUMENTS.build(
        {
            "document": [0, 1, 2],
            "name": ["a", "b", "c"],
            "text": ["aaa", "bb", ""],
            "tokens": [3, 2, 0],
            "tokens_scored": [2, 1, 0],
            "tokens_without_context": [1, 1, 0],
            "tokens_as_context": [0, 0, 0],
            "tokens_cut": [0, 0, 0],
            "bytes_scored": [4, 2, 0],
        }
    )


def scores(document: int, nll: dict[str, list[list[float]]] = NLL) -> pa.Table:
    count = len(nll["intact"][document])
    return SCORES.build(
        {
            "variant": pa.array(np.repeat(list(nll), count)).dictionary_encode(),
            "document": np.full(len(nll) * count, document),
            "position": np.tile(np.arange(1, count + 1), len(nll)),
            "nll_nats": np.concatenate([values[document] for values in nll.values()]).astype(np.float32),
            "top1_id": np.zeros(len(nll) * count, dtype=np.int32),
            "is_top1": np.arange(len(nll) * count) < count,
            "agrees_with_intact": np.arange(len(nll) * count) < count,
            "kl_nats": np.full(len(nll) * count, 0.5, dtype=np.float32),
            "boundary_nats": pa.nulls(len(nll) * count, pa.float32()),
        }
    )


def spans() -> pa.Table:
    return SPANS.build(
        {
            "span_first": [0, 1, 0, 1],
            "span_last": [0, 1, 0, 1],
            "document": [0, 0, 1, 1],
            "tokens": [3, 3, 2, 2],
            "cosine_sum": [2.0, 3.0, 1.0, 2.0],
            "angle_sum": [0.6, 0.0, 0.9, 0.5],
        }
    )


def table(*shards: pa.Table):
    totals = sum_by_document(documents(), shards, [variant.name for variant in VARIANTS])
    return layers_table(totals, [spans()], VARIANTS, 2).to_pandas().set_index("variant")


def test_measures_worked_by_hand() -> None:
    layers = table(scores(0), scores(1))
    assert layers.loc["intact", "nll_nats"] == pytest.approx(6 / 3)
    assert layers.loc["removal-0", "nll_nats"] == pytest.approx(9 / 3)
    assert layers["ppl"].to_list() == pytest.approx([math.exp(2), math.exp(3), math.exp(3)])
    # texts: intact e^1.5 and e^3; removal-0 e^3 and e^3; removal-1 e^1.5 and e^6
    assert layers["ppl_text_mean"].to_list() == pytest.approx(
        [(math.exp(1.5) + math.exp(3)) / 2, math.exp(3), (math.exp(1.5) + math.exp(6)) / 2]
    )
    assert layers["bits_per_byte"].to_list() == pytest.approx([6 / math.log(2) / 6, 9 / math.log(2) / 6, 9 / math.log(2) / 6])
    assert layers["delta_nll_nats"].to_list() == pytest.approx([0.0, 1.0, 1.0])
    # removal-0: 3 nats over the 2 tokens of a, 0 over the one of b; without a the ratio is 0, without b 1.5, so the jackknife's
    # influences are √½ · (1, −0.5) and its error √0.625; with one degree of freedom the 97.5% point of Student's t is 12.7062
    for name, sign in (("low", -1), ("high", 1)):
        end = layers.loc["removal-0", f"delta_nll_{name}_nats"]
        assert end == pytest.approx(1 + sign * 12.7062 * math.sqrt(0.625), abs=1e-3)
    assert layers["top1_accuracy"].to_list() == pytest.approx([1.0, 0.0, 0.0])
    assert layers["kl_nats"].to_list() == pytest.approx([0.5, 0.5, 0.5])
    assert layers["documents"].to_list() == [2, 2, 2]
    assert layers["tokens_scored"].to_list() == [3, 3, 3]


def test_proxies_worked_by_hand() -> None:
    layers = table(scores(0), scores(1))
    assert layers.loc["removal-0", "block_influence"] == pytest.approx(1 - 3 / 5)
    assert layers.loc["removal-1", "block_influence"] == pytest.approx(1 - 5 / 5)
    assert layers.loc["removal-0", "angular_distance"] == pytest.approx(1.5 / 5)
    assert np.isnan(layers.loc["intact", "block_influence"])


def test_shards_in_any_order_and_any_grouping_give_the_same_table() -> None:
    one = table(scores(0), scores(1))
    other = table(scores(1), scores(0))
    together = table(pa.concat_tables([scores(1), scores(0)]).unify_dictionaries())
    assert one.equals(other)
    assert one.equals(together)


def test_two_corpora_together_give_the_token_weighted_perplexity() -> None:
    nll = {name: [values[0], values[1]] for name, values in NLL.items()}
    whole = table(scores(0, nll), scores(1, nll))
    weighted = (2 * 1.5 + 1 * 3.0) / 3
    assert whole.loc["intact", "ppl"] == pytest.approx(math.exp(weighted))


def test_nothing_is_clipped() -> None:
    nll = {"intact": [[1.0, 1.0], [1.0]], "removal-0": [[40.0, 60.0], [50.0]], "removal-1": [[np.inf, 1.0], [1.0]]}
    layers = table(scores(0, nll), scores(1, nll))
    assert layers.loc["removal-0", "ppl"] == pytest.approx(math.exp(50), rel=1e-6)
    assert layers.loc["removal-1", "ppl"] == np.inf
    assert layers["tokens_not_finite"].to_list() == [0, 0, 1]


def repeated(times: int) -> DocumentTotals:
    """The two documents that have a score, several times over."""
    totals = sum_by_document(documents(), [scores(0), scores(1)], [variant.name for variant in VARIANTS])
    return DocumentTotals(
        np.arange(times * len(totals.documents)),
        np.tile(totals.tokens, times),
        np.tile(totals.bytes_scored, times),
        {name: np.tile(sums, (1, times)) for name, sums in totals.sums.items()},
    )


def test_q_values_are_benjamini_hochberg_over_the_variants() -> None:
    layers = layers_table(repeated(4), [spans()], VARIANTS, 2).to_pandas().set_index("variant")
    p = layers["p_value"].dropna().sort_values()
    # two tests: q of the smaller is min(2 p₁, p₂), q of the larger is p₂
    expected = [min(2 * p.iloc[0], p.iloc[1]), p.iloc[1]]
    assert layers.loc[p.index, "q_value"].to_list() == pytest.approx(expected)
    assert np.isnan(layers.loc["intact", "p_value"])


def test_fewer_than_eight_texts_give_intervals_and_no_p() -> None:
    layers = layers_table(repeated(3), [spans()], VARIANTS, 2).to_pandas().set_index("variant").loc[["removal-0", "removal-1"]]
    assert np.isfinite(layers[["delta_nll_low_nats", "delta_nll_high_nats"]]).all(axis=None)
    assert layers[["p_value", "q_value"]].isna().all(axis=None)


def test_rank_correlation_of_proxies_worked_by_hand() -> None:
    variants = build_variants(["removal"], [], 3)
    frame = (layers_frame := table(scores(0), scores(1)).reset_index().iloc[[0, 1, 1, 1]].reset_index(drop=True)).assign(
        variant=[variant.name for variant in variants],
        block_influence=[np.nan, 0.1, 0.2, 0.3],
        angular_distance=[np.nan, 0.1, 0.2, 0.3],
        delta_nll_nats=[0.0, 1.0, 3.0, 2.0],
    )
    assert len(layers_frame) == 4
    proxies = proxies_table(frame).to_pandas()
    # ranks 1 2 3 against 1 3 2: ρ = 1 − 6·(0 + 1 + 1) / (3·8) = 0.5
    assert proxies["spearman"].to_list() == pytest.approx([0.5, 0.5])
    assert proxies["variants"].to_list() == [3, 3]


def test_summary_has_the_published_form() -> None:
    layers = table(scores(0), scores(1)).reset_index()
    summary = ppl_summary(layers, model_name="m", dataset="d", protocol="lines")
    assert summary["model_name"] == "m"
    assert summary["original"]["avg_ppl"] == pytest.approx((math.exp(1.5) + math.exp(3)) / 2)
    assert list(summary["removed"]) == ["layer_0", "layer_1"]
    assert summary["removed"]["layer_0"]["ppl"] == pytest.approx(math.exp(3))
    assert "exchanged" not in summary


def test_summary_names_exchanges_as_published_and_has_no_infinity() -> None:
    nll = {"intact": [[1.0, 1.0], [1.0]], "exchange-0-1": [[np.inf, 1.0], [1.0]]}
    variants = build_variants(["exchange"], [], 2)
    totals = sum_by_document(documents(), [scores(0, nll), scores(1, nll)], [variant.name for variant in variants])
    layers = layers_table(totals, [spans()], variants, 2).to_pandas()
    summary = ppl_summary(layers, model_name="m", dataset="d", protocol="lines")
    assert list(summary["exchanged"]) == ["layer_0_with_1"]
    assert summary["exchanged"]["layer_0_with_1"]["ppl"] is None
