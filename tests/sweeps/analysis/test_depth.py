"""Prediction depths by hand and against a loop; where depths stand on an axis; what is said of them, read off their table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from layerscope.sweeps.analysis.headlines import family_headline
from layerscope.sweeps.analysis.places import stands_at
from layerscope.sweeps.analysis.prediction_depth import prediction_depth_table, prediction_depths
from layerscope.sweeps.analysis.score_arrays import ScoreArrays


def test_by_hand() -> None:
    agrees = np.array(
        [
            [1, 0, 1, 0],  # embeddings
            [1, 0, 0, 1],
            [1, 0, 1, 0],
            [1, 1, 1, 1],  # the model
        ],
        dtype=bool,
    )
    assert prediction_depths(agrees).tolist() == [-1, 2, 1, 2]


def naive(agrees: list[bool]) -> int:
    for first in range(len(agrees)):
        if all(agrees[first:]):
            return first - 1
    raise AssertionError("the last one agrees with itself")


@pytest.mark.parametrize("n_layers", [1, 2, 7, 30])
def test_against_a_loop(n_layers: int) -> None:
    agrees = np.random.default_rng(n_layers).random((n_layers + 1, 200)) < 0.7
    agrees[-1] = True
    assert prediction_depths(agrees).tolist() == [naive(column.tolist()) for column in agrees.T]


def test_the_table_has_the_tokens_of_all_shards_in_the_order_of_the_texts_and_takes_no_other_family() -> None:
    families = ["intact", "removal", "depth", "depth", "depth"]
    ids = np.array([[7, 7], [5, 5], [1, 7], [2, 3], [7, 7]])
    expected = [[0, 4, 1, 2], [1, 1, 1, 2], [2, 1, 1, 2], [2, 2, 1, 2]]
    shards = [
        ScoreArrays(np.array([2, 2]), np.array([1, 2]), *[np.zeros((5, 2))] * 2, *[ids == 7] * 2, ids),
        ScoreArrays(np.array([0, 1]), np.array([4, 1]), *[np.zeros((5, 2))] * 2, *[ids[:, ::-1] == 7] * 2, ids[:, ::-1]),
    ]
    table = prediction_depth_table(iter(shards), families).to_pandas()
    assert table.to_numpy().tolist() == [["depth", *row] for row in expected]
    # the rows of a tuned lens stand for themselves, after those of the logit lens
    both = [*families, "tuned-depth", "tuned-depth", "tuned-depth"]
    tuned = np.array([[7, 7], [1, 7], [7, 7]])
    shards = [
        ScoreArrays(one.document, one.position, *[np.zeros((8, 2))] * 2, *[more == 7] * 2, more)
        for one in shards
        for more in [np.concatenate([one.top1_id, tuned])]
    ]
    table = prediction_depth_table(iter(shards), both).to_pandas()
    assert table.to_numpy().tolist() == [
        *(["depth", *row] for row in expected),
        *(
            ["tuned-depth", *at, *found]
            for at, found in [((0, 4), (1, 2)), ((1, 1), (-1, 0)), ((2, 1), (1, 2)), ((2, 2), (-1, 0))]
        ),
    ]


def depths(agreement: list[float], delta: list[float], family: str = "depth") -> pd.DataFrame:
    n_layers = len(agreement) - 1
    return pd.DataFrame(
        {
            "variant": [f"{family}-{k}" for k in range(-1, n_layers)],
            "family": family,
            "span_first": pd.array([*range(n_layers), None], dtype="Int32"),
            "span_last": pd.array([*[n_layers - 1] * n_layers, None], dtype="Int32"),
            "agreement": agreement,
            "delta_nll_nats": delta,
        }
    )


def test_depths_stand_at_the_last_layer_that_runs_and_others_where_they_change_something() -> None:
    rows = depths([0.1, 0.5, 1.0], [3.0, 1.0, 0.0])
    tuned = depths([0.1, 0.5, 1.0], [3.0, 1.0, 0.0], "tuned-depth")
    assert stands_at(pd.concat([rows, tuned]), "span_last").tolist() == [-1.0, 0.0, 1.0] * 2
    for some in (rows, tuned):
        assert stands_at(some, "span_first").tolist() == stands_at(some, "span_last").tolist() == [-1.0, 0.0, 1.0]
    other = pd.DataFrame({"variant": ["intact", "removal-3"], "family": ["intact", "removal"], "span_last": [np.nan, 3.0]})
    np.testing.assert_array_equal(stands_at(other, "span_last"), [np.nan, 3.0])


@pytest.mark.parametrize(
    ("family", "lens"), [("depth", ("logit lens", "ロジットレンズ")), ("tuned-depth", ("tuned lens", "チューンドレンズ"))]
)
@pytest.mark.parametrize(
    ("agreement", "delta", "half", "most", "near"),
    [
        ([0.1, 0.4, 0.6, 0.95, 1.0], [9.0, 5.0, 0.4, 0.6, 0.0], "from layer 1 on", "from layer 2 on", "from layer 3 on"),
        # half of them agree at layer 0, and no longer at layer 1
        ([0.0, 0.6, 0.4, 0.5, 1.0], [1.0, 0.5, -0.5, 0.2, 0.0], "from layer 2 on", "from layer 3 on", "from layer 0 on"),
        ([0.9, 0.9, 1.0], [0.1, 0.2, 0.0], "from the embeddings on", "from the embeddings on", "from the embeddings on"),
        ([0.0, 0.0, 1.0], [np.nan, np.nan, np.nan], "from layer 1 on", "from layer 1 on", "at no depth"),
    ],
)
def test_what_is_said(
    agreement: list[float], delta: list[float], half: str, most: str, near: str, family: str, lens: tuple[str, str]
) -> None:
    said = family_headline(depths(agreement, delta, family)).said
    last = len(agreement) - 2
    assert said.en == (
        f"Read through the {lens[0]}, the likeliest token is the whole model's for half of the tokens {half} and for 90% "
        f"{most}; the NLL is within 0.5 nats of the whole model's {near} (last layer: {last}). Straight from the embeddings, "
        f"{agreement[0]:.1%} of tokens agree."
    )
    japanese = {"from the embeddings on": "埋め込みから", "at no depth": "どの深さでもない"}
    assert said.ja.startswith(f"{lens[1]}による読み取り：")
    for words in (half, most, near):
        assert japanese.get(words, f"層 {words.split()[-2]} から") in said.ja
