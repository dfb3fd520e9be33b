"""Depths of preferences by hand and against a loop, what flips back, groups and their intervals, and what is said of them."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from layerscope.stats.ratio import ratio_interval
from layerscope.sweeps.analysis.preference_depth import pair_depth_table, preference_depth_table
from layerscope.sweeps.analysis.preference_depth_finding import preference_depth_finding
from layerscope.sweeps.pair_tables import PARTS

MARGINS = np.array(
    [  # by depth, from the embeddings to the whole model; one column per pair
        [1.0, -1.0, -1.0, 1.0, 0.0, 1.0],
        [1.0, -1.0, 1.0, -1.0, 0.0, np.nan],
        [1.0, -1.0, -1.0, -1.0, 0.0, 1.0],
        [1.0, 1.0, 1.0, -1.0, 0.0, 1.0],
    ]
)


FALLING = np.array([0.7, 0.6, 0.4])
"""Accuracies of a model that is below chance in the end: nothing is said of them."""


def tables(margins: np.ndarray, *, is_tie_right: bool = False) -> pd.DataFrame:
    """pair_depth.parquet of some margins, the same of each part of the sentence."""
    n_depths, n_pairs = margins.shape
    # the intact model and another family stand before the depths
    every = np.concatenate([margins[-1:], np.full((2, n_pairs), 9.0), margins])
    effects = pd.DataFrame({f"{part}_margin_nats": every.ravel() for part in PARTS})
    layers = pd.DataFrame({"family": ["intact", "removal", "removal", *["depth"] * n_depths]})
    return pair_depth_table(effects, layers, n_pairs, is_tie_right=is_tie_right).to_pandas()


def of_sentence(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["unit"] == "sentence"].set_index("pair")


def test_by_hand() -> None:
    found = of_sentence(tables(MARGINS))
    assert found.index.tolist() == [0, 1, 2, 3, 4], "a pair without a number at some depth is left out"
    assert found["is_right"].tolist() == [True, True, True, False, False]
    assert found["depth"].tolist() == [-1, 2, 2, 0, -1]
    assert found["changes"].tolist() == [0, 1, 3, 1, 0]
    assert found["flips_back"].tolist() == [False, False, True, True, False]
    assert of_sentence(tables(MARGINS, is_tie_right=True)).loc[4, "is_right"]


def test_each_family_of_depths_has_its_own() -> None:
    n_depths, n_pairs = MARGINS.shape
    every = np.concatenate([MARGINS[-1:], MARGINS, -MARGINS])
    effects = pd.DataFrame({f"{part}_margin_nats": every.ravel() for part in PARTS})
    layers = pd.DataFrame({"family": ["intact", *["depth"] * n_depths, *["tuned-depth"] * n_depths]})
    table = pair_depth_table(effects, layers, n_pairs, is_tie_right=False).to_pandas()
    plain, tuned = (of_sentence(table[table["family"] == family]) for family in ("depth", "tuned-depth"))
    assert plain.loc[:3, "is_right"].tolist() == [True, True, True, False]
    assert tuned.loc[:3, "is_right"].tolist() == [False, False, False, True]
    assert plain.loc[:3, "depth"].tolist() == tuned.loc[:3, "depth"].tolist()
    groups = preference_depth_table(table, described(n_pairs, 2), n_depths - 2).to_pandas()
    everything = groups[(groups["kind"] == "all") & (groups["unit"] == "edit")].set_index("family")
    assert everything["pairs_right"].to_dict() == {"depth": 3, "tuned-depth": 1}
    assert preference_depth_finding(groups[groups["family"] == "tuned-depth"], FALLING, 2).en.startswith(
        "The whole model finds the right side likelier in 1 of 5 pairs; read through the tuned lens, this"
    )


def naive(is_right: list[bool]) -> tuple[int, bool]:
    depth = next(k for k in range(len(is_right)) if all(one == is_right[-1] for one in is_right[k:])) - 1
    return depth, any(one and not other for one, other in itertools.combinations(is_right, 2))


@pytest.mark.parametrize("n_layers", [1, 5, 30])
def test_against_a_loop(n_layers: int) -> None:
    margins = np.random.default_rng(n_layers).normal(0.3, 1.0, (n_layers + 1, 100))
    found = of_sentence(tables(margins))
    expected = [naive((column > 0).tolist()) for column in margins.T]
    assert list(zip(found["depth"], found["flips_back"], strict=True)) == expected


def groups(margins: np.ndarray, pairs: pd.DataFrame) -> pd.DataFrame:
    found = preference_depth_table(tables(margins), pairs, len(margins) - 2).to_pandas()
    return found[found["unit"] == "sentence"].astype({"group": str, "clusters_of": str, "kind": str}).set_index("group")


def described(n_pairs: int, n_templates: int) -> pd.DataFrame:
    numbers = np.arange(n_pairs)
    return pd.DataFrame(
        {
            "template": [f"t{number % n_templates}" for number in numbers],
            "subtype": np.where(numbers % 2, "tense", "article"),
            "term": np.where(numbers % 3 == 0, "mine", ""),
        }
    )


def test_groups_are_means_over_the_pairs_that_end_right_with_intervals_over_templates() -> None:
    margins = np.random.default_rng(0).normal(0.5, 1.0, (9, 120))
    pairs = described(120, 12)
    by_pair = of_sentence(tables(margins))
    found = groups(margins, pairs)
    assert found.index.tolist() == ["all", "article", "tense", "mine"]
    for name, chosen in (
        ("all", np.full(120, True)),
        ("tense", pairs["subtype"] == "tense"),
        ("mine", pairs["term"] == "mine"),
    ):
        rows = by_pair[np.asarray(chosen)]
        right = rows[rows["is_right"]]
        assert found.loc[name, "pairs"] == len(rows)
        assert found.loc[name, "pairs_right"] == len(right)
        assert found.loc[name, "mean_depth"] == pytest.approx(right["depth"].mean())
        assert found.loc[name, "median_depth"] == right["depth"].median()
        assert found.loc[name, "flips_back"] == pytest.approx(rows["flips_back"].mean())
        assert found.loc[name, "is_few"] == (len(right) < 40)
    assert found.loc["all", "clusters_of"] == "template"
    right = by_pair[by_pair["is_right"]]
    sums, counts = (np.bincount(right.index % 12, weights=w, minlength=12) for w in (right["depth"].to_numpy(float), None))
    interval = ratio_interval(sums[None], counts)
    assert found.loc["all", "mean_depth_low"] == pytest.approx(interval.low[0])
    assert found.loc["all", "mean_depth_high"] == pytest.approx(interval.high[0])
    assert groups(margins, described(120, 3)).loc["all", "clusters_of"] == "pair", "too few templates to count"


def test_nothing_right_has_no_depth() -> None:
    margins = -np.ones((4, 12))
    found = groups(margins, described(12, 12))
    assert np.isnan(found.loc["all", "mean_depth"])
    assert found.loc["all", "flips_back"] == 0.0
    assert found.loc["all", "flips_back_low"] == 0.0
    # with a share of s a sample of 12 has none in (1 − s)¹² of all cases
    assert (1.0 - found.loc["all", "flips_back_high"]) ** 12 == pytest.approx(0.025)
    said = preference_depth_finding(found.reset_index(), FALLING, 2)
    assert "in none of 12 pairs" in said.en
    assert "12" in said.ja


def test_few_templates_with_a_right_pair_have_no_interval() -> None:
    """Twelve templates, of which two have a pair that ends right; and one alone."""
    margins = -np.ones((4, 48))
    margins[:, [0, 1, 12, 13]] = 1.0
    pairs = described(48, 12)
    row = groups(margins, pairs).loc["all"]
    assert (row["clusters"], row["clusters_right"], row["pairs_right"]) == (12, 2, 4)
    said = preference_depth_finding(groups(margins, pairs).reset_index(), FALLING, 2).en
    assert "holds for them from layer -1.0 on, on average" in said, "no interval of two templates"
    margins[:, [1, 13]] = -1.0
    row = groups(margins, pairs).loc["all"]
    assert row["clusters_right"] == 1
    assert np.isnan(row["mean_depth_low"])
    assert np.isnan(row["mean_depth_high"])


def test_no_pair_that_is_finite_everywhere_gives_empty_tables() -> None:
    margins = np.full((4, 12), np.nan)
    assert len(tables(margins)) == 0
    assert preference_depth_table(tables(margins), described(12, 12), 2).num_rows == 0


def test_intervals_stay_within_what_can_be_and_few_pairs_have_none_that_is_said() -> None:
    margins = np.array([[1.0, -1.0], [-1.0, -1.0], [1.0, 1.0], [1.0, 1.0]])
    found = groups(margins, described(2, 2))
    # two pairs of one depth say little of others: a share of 1 − √0.025 of them could lie at either end
    others = 1.0 - 0.025**0.5
    assert found.loc["all", ["mean_depth", "mean_depth_low", "mean_depth_high"]].tolist() == pytest.approx(
        [1.0, 1.0 - 2.0 * others, 1.0 + others]
    )
    margins = np.array([[1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [1.0, 1.0]])
    found = groups(margins, described(2, 2))
    assert found.loc["all", ["mean_depth", "mean_depth_low", "mean_depth_high"]].tolist() == [0.0, -1.0, 2.0]
    assert "[" not in preference_depth_finding(found.reset_index(), FALLING, 2).en


def test_the_interval_of_the_mean_holds_it_about_as_often_as_it_says() -> None:
    """Templates differ in how deep their pairs lie; pairs of one are alike."""
    generator = np.random.default_rng(5)
    n_templates, n_each, n_depths = 24, 5, 21
    pairs = described(n_templates * n_each, n_templates)
    held = []
    for _ in range(200):
        of_template = generator.integers(2, 19, n_templates)
        own = np.clip(of_template[np.arange(len(pairs)) % n_templates] + generator.integers(-1, 2, len(pairs)), 0, 19)
        margins = np.where(np.arange(n_depths)[:, None] - 1 >= own, 1.0, -1.0)
        row = groups(margins, pairs).loc["all"]
        held.append(row["mean_depth_low"] <= 10.0 <= row["mean_depth_high"])
    assert 0.9 <= np.mean(held) <= 0.99


def test_what_is_said_is_what_the_table_holds() -> None:
    margins = np.random.default_rng(1).normal(0.8, 1.0, (13, 300))
    found = groups(margins, described(300, 20))
    said = preference_depth_finding(found.reset_index(), FALLING, 11)
    row = found.loc["all"]
    assert f"in {row['pairs_right']} of 300 pairs" in said.en
    interval = f"{row['mean_depth']:.1f} [{row['mean_depth_low']:.1f}, {row['mean_depth_high']:.1f}]"
    assert f"from layer {interval} on, on average (-1: embeddings; last layer: 11)" in said.en
    assert f"{row['flips_back']:.0%} [{row['flips_back_low']:.0%}, {row['flips_back_high']:.0%}] of all pairs" in said.en
    first, last = found[found["kind"] == "subtype"].sort_values("mean_depth").index
    assert f"({first}) and " in said.en, "the source's own names are not of all pairs: subtypes"
    assert said.en.endswith(f"({last}).")
    for number in (f"{row['mean_depth']:.1f}", f"{row['flips_back']:.0%}", "300", "11"):
        assert number in said.ja
    alone = preference_depth_finding(found[found["kind"] == "all"].reset_index(), FALLING, 11)
    assert "By group" not in alone.en


@pytest.mark.parametrize(
    ("accuracy", "said"),
    [
        ([0.4, 0.6, 0.8, 0.6, 0.75, 0.9], "From layer 3 on, at least 70% of pairs are right"),
        ([0.9, 0.8, 0.9], "From the embeddings on, at least 70% of pairs are right"),
        ([0.5, 0.5, 1.0], "From layer 1 on, at least 75% of pairs are right"),
    ],
)
def test_where_it_rises_above_chance(accuracy: list[float], said: str) -> None:
    margins = np.random.default_rng(1).normal(0.8, 1.0, (len(accuracy), 60))
    found = groups(margins, described(60, 20)).reset_index()
    text = preference_depth_finding(found, np.array(accuracy), len(accuracy) - 2)
    assert said in text.en
    assert f"midway between chance and the whole model's {accuracy[-1]:.0%}" in text.en
    assert f"{accuracy[-1]:.0%}" in text.ja


@pytest.mark.parametrize("whole", [0.5, 0.6, 0.7])
def test_of_a_model_that_is_not_told_from_chance_nothing_is_said(whole: float) -> None:
    margins = np.random.default_rng(1).normal(0.8, 1.0, (4, 60))
    found = groups(margins, described(60, 20)).reset_index()
    assert "chance" not in preference_depth_finding(found, np.array([0.4, 0.5, 0.5, whole]), 2).en
