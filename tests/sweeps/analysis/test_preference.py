"""Accuracy and margin of variants by group of pairs, by hand, against a naive loop, and where nothing happens at all."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from layerscope.stats.ratio import ratio_interval
from layerscope.sweeps.analysis.preference import clusters_of, preference_table

VARIANTS = ["intact", "removal-0", "removal-1"]


def layers(n_variants: int = 3) -> pd.DataFrame:
    names = ["intact", *(f"removal-{i}" for i in range(n_variants - 1))]
    span = pd.array([None, *range(n_variants - 1)], dtype="Int32")
    return pd.DataFrame(
        {
            "variant": names,
            "family": ["intact", *["removal"] * (n_variants - 1)],
            "span_first": span,
            "span_last": span,
            "delta_nll_nats": np.arange(n_variants, dtype=float),
        }
    )


def effects(margin: np.ndarray, *, edit: np.ndarray | None = None) -> pd.DataFrame:
    n_variants, n_pairs = margin.shape
    edit = margin if edit is None else edit
    found: dict[str, object] = {"variant": np.repeat(layers(n_variants)["variant"], n_pairs)}
    for part, values in (("edit", edit), ("continuation", margin), ("sentence", margin)):
        found |= {f"{part}_right_nats": 1.0, f"{part}_wrong_nats": 1.0 + values.ravel(), f"{part}_margin_nats": values.ravel()}
    return pd.DataFrame(found)


def pairs(templates: list[str], *, subtypes: list[str] | None = None, terms: list[str] | None = None) -> pd.DataFrame:
    n = len(templates)
    return pd.DataFrame({"template": templates, "subtype": subtypes or ["tense"] * n, "term": terms or [""] * n})


def table(margin: np.ndarray, of: pd.DataFrame, *, is_tie_right: bool = False, **more: np.ndarray) -> pd.DataFrame:
    found = preference_table(effects(margin, **more), of, layers(len(margin)), is_tie_right=is_tie_right)
    return found.to_pandas().astype({"variant": str, "unit": str, "kind": str, "group": str})


def row(found: pd.DataFrame, variant: str, group: str = "all", unit: str = "sentence") -> pd.Series:
    (one,) = found[(found["variant"] == variant) & (found["group"] == group) & (found["unit"] == unit)].index
    return found.loc[one]


def test_by_hand() -> None:
    margin = np.array([[1.0, 2.0, -1.0, 3.0], [0.5, -2.0, -3.0, 1.0], [1.0, 2.0, -1.0, 3.0]])
    found = table(margin, pairs(["a", "a", "b", "b"], subtypes=["tense", "tense", "typo", "typo"]))
    one = row(found, "removal-0")
    assert (one["pairs"], one["clusters"], one["clusters_of"], one["is_few"]) == (4, 4, "pair", True)
    assert (one["intact_accuracy"], one["accuracy"], one["delta_accuracy"]) == (0.75, 0.5, -0.25)
    assert (one["intact_margin_nats"], one["margin_nats"], one["delta_margin_nats"]) == (1.25, -0.875, -2.125)
    assert one["damage_nats"] == 1.0
    assert one["delta_margin_low_nats"] < -2.125 < one["delta_margin_high_nats"]
    assert np.isnan(one["p_value"]), "four clusters"
    assert row(found, "removal-0", "typo")["delta_margin_nats"] == -2.0
    same = row(found, "removal-1")
    assert (
        same[["delta_accuracy", "delta_margin_nats", "delta_margin_low_nats", "delta_margin_high_nats"]].tolist() == [0.0] * 4
    )
    intact = row(found, "intact")
    assert intact[["delta_margin_low_nats", "delta_accuracy_low", "p_value"]].isna().all()


def test_a_tie_counts_as_the_protocol_says() -> None:
    margin = np.array([[0.0, 1.0], [0.0, 0.0]])
    of = pairs(["a", "b"])
    assert row(table(margin, of), "removal-0")[["intact_accuracy", "accuracy"]].tolist() == [0.5, 0.0]
    assert row(table(margin, of, is_tie_right=True), "removal-0")[["intact_accuracy", "accuracy"]].tolist() == [1.0, 1.0]


def test_a_pair_without_the_unit_is_in_none_of_its_rows_and_one_that_overflowed_is_counted() -> None:
    margin = np.array([[1.0, 2.0, 3.0], [1.0, np.nan, 2.0]])
    edit = np.array([[np.nan, 2.0, 3.0], [np.nan, np.nan, 2.0]])
    found = table(margin, pairs(["a", "b", "c"]), edit=edit)
    assert row(found, "removal-0", unit="edit")["pairs"] == 2
    assert row(found, "intact", unit="edit")["intact_margin_nats"] == 2.5
    broken = row(found, "removal-0")
    assert (broken["pairs"], broken["not_finite"]) == (3, 1)
    assert np.isnan(broken["delta_margin_nats"])
    assert np.isnan(broken["p_value"])


def test_groups_are_subtypes_and_the_sources_own_names() -> None:
    found = table(np.ones((2, 4)), pairs(list("abcd"), subtypes=["x", "x", "y", "y"], terms=["", "p", "p", "q"]))
    assert found[["kind", "group", "pairs"]].drop_duplicates().to_numpy().tolist() == [
        ["all", "all", 4],
        ["subtype", "x", 2],
        ["subtype", "y", 2],
        ["term", "p", 2],
        ["term", "q", 1],
    ]


def test_templates_are_the_clusters_where_there_are_ten() -> None:
    few, many = (np.repeat([f"t{i}" for i in range(n)], 3) for n in (9, 10))
    assert clusters_of(few)[0] == "pair"
    kind, cluster = clusters_of(many)
    assert (kind, np.bincount(cluster).tolist()) == ("template", [3] * 10)
    margin = np.random.default_rng(0).normal(size=(2, 30))
    one = row(table(margin, pairs(many.tolist())), "removal-0")
    sums = np.array([(margin[1] - margin[0])[cluster == number].sum() for number in range(10)])
    expected = ratio_interval(sums[None], np.full(10, 3))
    assert one["delta_margin_low_nats"] == pytest.approx(expected.low[0])
    assert one["p_value"] == pytest.approx(expected.p_value[0])


@pytest.mark.slow
def test_nothing_is_found_where_only_templates_differ() -> None:
    """Pairs of a template share what a variant does to them; on average it does nothing."""
    generator = np.random.default_rng(1)
    n_templates, n_each, rejected, any_q = 20, 5, [], []
    of = pairs([f"t{i}" for i in range(n_templates) for _ in range(n_each)])
    for _ in range(300):
        shared = generator.normal(size=(10, n_templates)).repeat(n_each, axis=1)
        delta = shared + generator.normal(size=(10, n_templates * n_each))
        margin = np.concatenate([np.ones((1, delta.shape[1])), 1.0 + delta])
        found = table(margin, of)
        rows = found[(found["unit"] == "sentence") & (found["kind"] == "all") & (found["variant"] != "intact")]
        rejected.append((rows["p_value"] <= 0.05).mean())
        any_q.append((rows["q_value"] < 0.05).any())
    assert 0.03 <= np.mean(rejected) <= 0.07
    assert np.mean(any_q) <= 0.09
