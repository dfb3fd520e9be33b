"""What is said of a search: no more than its tables, in both languages, whatever is missing."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from layerscope.bilingual import Bilingual
from layerscope.searches.analysis.finding import search_findings
from layerscope.searches.analysis.gains_finding import over_one_shot, over_random
from layerscope.searches.analysis.layers_that_go import layers_that_go
from layerscope.searches.analysis.ties import ties
from layerscope.searches.analysis.wording import at_sizes, ranges
from layerscope.searches.tables import CANDIDATES, FRONTIER, GAINS, LEFT_OUT
from tests.made_up_searches import made_up_search

WHOLE = 8.0


def frontier(*rows: dict[str, object]) -> pd.DataFrame:
    """The intact model, and the rows given; each is the best of its size unless it says otherwise."""
    first = {"way": "intact", "layers": float(WHOLE), "path": "0-7", "delta_nll_nats": 0.0}
    filled = {"draw": 0, "moves": "", "is_best": True, "delta_nll_low_nats": np.nan, "delta_nll_high_nats": np.nan}
    frame = pd.DataFrame([{**filled, "way": "search", **row} for row in (first, *rows)])
    return frame.reindex(columns=[column.name for column in FRONTIER.columns]).astype({"layers": float})


def found(layers: float, delta: float, low: float, high: float, **more: object) -> dict[str, object]:
    ends = {"delta_nll_nats": delta, "delta_nll_low_nats": low, "delta_nll_high_nats": high}
    return {"layers": layers, "path": f"path of {layers:g}", **ends, **more}


def gains(*rows: tuple[float, float, float, float, float], against: str = "one-shot", **more: object) -> pd.DataFrame:
    """Of (layers, gain, low, high, q)."""
    names = ("layers", "gain_nats", "gain_low_nats", "gain_high_nats", "q_value")
    filled = {"against": against, "draw": 0, "same_path": False, "random_paths": 0, "random_as_good": 0, **more}
    frame = pd.DataFrame([{**filled, **dict(zip(names, row, strict=True))} for row in rows])
    return frame.reindex(columns=[column.name for column in GAINS.columns]).astype({"layers": float})


def left_out(layers: float, draws: int, without: dict[int, tuple[int, int, int]]) -> pd.DataFrame:
    """Of layer: draws without it, without its attention, without its MLP."""
    rows = [(layers, layer, draws, *without.get(layer, (0, 0, 0))) for layer in range(int(WHOLE))]
    return pd.DataFrame(rows, columns=[column.name for column in LEFT_OUT.columns]).astype({"layers": float})


def candidates(*steps: tuple[int, int, list[bool]], way: str = "greedy") -> pd.DataFrame:
    """Of (draw, step, whether each candidate is tied with the first, which was taken)."""
    rows = [
        {"draw": draw, "way": way, "step": step, "layers": WHOLE - step, "path": str(place), "distance_nats": 0.1 * place,
         "is_best": place == 0, "is_tied": tied, "is_dropped": False}
        for draw, step, all_tied in steps
        for place, tied in enumerate(all_tied)
    ]  # fmt: skip
    return pd.DataFrame(rows).reindex(columns=[column.name for column in CANDIDATES.columns])


def test_one_draw_from_end_to_end() -> None:
    of_size = frontier(found(7, 0.1, -0.02, 0.2), found(6, 0.41, 0.35, 0.48))
    rivals = pd.concat(
        [
            gains((7, 0.01, -0.02, 0.04, 0.4), (6, 0.05, 0.02, 0.09, 0.01)),
            gains((7, 2, 1, 3, 0.001), (6, 3, 2, 4, 0.0001), against="random", random_paths=5),
        ]
    )
    said = search_findings(
        of_size, rivals, left_out(6, 1, {2: (1, 1, 1), 5: (1, 1, 1)}), candidates((0, 1, [True, True]), (0, 2, [True, False]))
    )
    assert [one.en for one in said] == [
        "With 6 instead of 8 layers, the held-out NLL changes by +0.41 nats [+0.35, +0.48] per token (path path of 6).",
        "The path of 6 layers leaves out layers 2 and 5; with one draw of calibration texts, how far that depends on the texts "
        "is not known.",
        "Against one-shot: better at 6 layers (6: +0.05 nats [+0.02, +0.09], q = 0.01); no gain or loss is established at 7 "
        "layers (q ≥ 0.05).",
        "At 1 of 2 steps, the calibration texts do not distinguish the choice from other candidates (median number: 1): it is "
        "one of several.",
        "Of 5 random paths per size, none has as low a held-out NLL as the search; at 6 layers the mean of random paths is "
        "+3 nats [+2, +4] above the search's, q < 0.001.",
        "Taking each interval separately, no change is established at 7 layers (the interval includes 0).",
    ]
    assert said[2].ja == (
        "一括（one-shot）との比較：6 層では優れる（6 層：+0.05 [+0.02, +0.09] nat、q = 0.01）。"
        "7 層では差があるとは言えない（q ≥ 0.05）。"
    )


def test_several_draws_are_told_by_their_mean() -> None:
    of_size = frontier(*(found(6, 0.4, 0.3, 0.5, draw=draw, is_best=draw == 1) for draw in range(3)))
    rows = [gains((6, 0.5, 0.4, 0.6, 0.001), draw=draw) for draw in range(3)]
    rows.append(gains((6, 0.01, -0.1, 0.1, 0.8), draw=-1))
    assert over_one_shot(of_size, pd.concat(rows)).en == (
        "Against one-shot (mean over 3 draws): no gain or loss is established at 6 layers (q ≥ 0.05)."
    )


def test_a_loss_is_said_to_be_one() -> None:
    said = over_one_shot(frontier(found(6, 0.4, 0.3, 0.5)), gains((6, -0.2, -0.3, -0.1, 0.004)))
    assert said.en == "Against one-shot: worse at 6 layers (6: -0.2 nats [-0.3, -0.1], q = 0.004)."
    assert "劣る" in said.ja


def test_a_difference_with_a_large_q_is_none_however_its_interval_lies() -> None:
    said = over_one_shot(frontier(found(6, 0.4, 0.3, 0.5)), gains((6, 0.2, 0.1, 0.3, 0.06)))
    assert said.en == "Against one-shot: no gain or loss is established at 6 layers (q ≥ 0.05)."


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.1, 0.3, "better at 6 layers (6: +0.2 nats [+0.1, +0.3])"),
        (-0.1, 0.3, "no gain or loss is established at 6 layers (intervals include 0)"),
        (np.nan, np.nan, "no gain or loss is established at 6 layers (no interval)"),
    ],
)
def test_without_a_test_intervals_decide(low: float, high: float, expected: str) -> None:
    said = over_one_shot(frontier(found(6, 0.4, 0.3, 0.5)), gains((6, 0.2, low, high, np.nan)))
    assert said.en == f"Against one-shot: {expected}."


def test_the_same_path_gaps_and_no_rival() -> None:
    sizes = [found(size, 0.1, 0.05, 0.2) for size in (7, 6, 5)]
    same = gains((7, 0.0, 0.0, 0.0, np.nan), same_path=True)
    said = over_one_shot(frontier(*sizes), pd.concat([same, gains((6, np.nan, np.nan, np.nan, np.nan))]))
    assert said.en == (
        "Against one-shot: the same path at 7 layers; no finite NLL to compare at 6 layers; no comparison at 5 layers, where "
        "one-shot has no path."
    )


def test_growth_without_rivals_and_without_random_paths() -> None:
    made = made_up_search(moves=("block-repeat",), n_draws=1, has_one_shot=False, n_random=0)
    tables = [one.to_pandas() for one in (made.frontier, made.gains, made.left_out, made.candidates)]
    said = [one.en for one in search_findings(*tables)]
    size = float(made.left_out["layers"].to_pylist()[0])
    assert size > 12
    assert said[0].startswith(f"With {size:g} instead of 12 layers, the held-out NLL changes by ")
    assert "Against one-shot: no comparison at any size, where one-shot has no path." in said
    assert not [one for one in said if "random" in one or "leaves out" in one]


def test_the_baseline_is_not_compared_with_itself() -> None:
    said = search_findings(
        frontier(found(7, 0.1, 0.05, 0.2)),
        gains((7, 0.0, 0.0, 0.0, np.nan), same_path=True),
        left_out(7, 1, {2: (1, 1, 1)}),
        candidates((0, 1, [True, True]), way="one-shot"),
    )
    assert [one.en for one in said][1:] == [
        "The path of 7 layers leaves out layer 2; with one draw of calibration texts, how far that depends on the texts is not "
        "known.",
        "The method is one-shot itself, so there is no gain over it to report.",
    ]


def test_random_paths_that_are_as_good() -> None:
    of_size = frontier(found(7, 0.1, 0.05, 0.2), found(6, 0.2, 0.1, 0.3))
    some = [
        gains((7, 0.1, -0.1, 0.2, 0.3), against="random", random_paths=5, random_as_good=2),
        gains((6, 0.2, -0.1, 0.4, 0.2), against="random", random_paths=4),
    ]
    said = over_random(of_size, pd.concat(some))
    assert said is not None
    assert said.en == (
        "Some random paths have as low a held-out NLL as the search: 2 of 5 at 7 layers; at 6 layers the mean of random paths "
        "is +0.2 nats [-0.1, +0.4] above the search's, q = 0.2, which cannot be distinguished from 0."
    )
    assert "5 本中 2 本" in said.ja


def test_layers_by_how_often_they_go() -> None:
    rows = left_out(5.5, 3, {2: (3, 3, 3), 3: (1, 3, 1), 4: (0, 0, 1), 5: (2, 2, 2), 6: (2, 2, 2), 7: (2, 2, 2)})
    said = layers_that_go(rows, WHOLE)
    assert said == Bilingual(
        "At 5.5 layers, over 3 draws of calibration texts, layer 2 is left out in every draw; layers 5-7 and the attention of "
        "layer 3 in 2 of 3; layer 3 and the MLP of layer 4 in 1 of 3.",
        "較正用テキスト 3 組での 5.5 層のパス：層 2 はすべての組で、層 5-7、層 3 のアテンションは 3 組中 2 組で、"
        "層 3、層 4 の MLP は 3 組中 1 組で除去される。",
    )
    assert layers_that_go(left_out(8, 1, {}), WHOLE) is None


def test_ties_by_step() -> None:
    assert ties(candidates((0, 1, [True, False, False]), (0, 2, [True, False]))) == Bilingual(
        "At each of 2 steps, the choice could be told apart from every other candidate.",
        "全 2 ステップで、選んだ候補は他のどの候補とも区別できた。",
    )
    said = ties(candidates((0, 1, [True, True, True]), (0, 2, [True, False]), (1, 1, [True, True, False]), (1, 2, [True])))
    assert said is not None
    assert said.en.startswith("At 2 of 3 steps over 2 draws, the calibration texts do not distinguish the choice from other")
    assert "(median number: 1.5)" in said.en
    assert ties(candidates((0, 1, [True]))) is None


def test_ties_do_not_count_what_a_beam_took_too() -> None:
    rows = candidates((0, 1, [True, True, True]))
    rows.loc[1, "is_best"] = True
    said = ties(rows)
    assert said is not None
    assert "(median number: 1)" in said.en


def test_a_path_whose_nll_is_no_number() -> None:
    said = search_findings(
        frontier(found(6, np.nan, np.nan, np.nan)),
        gains((6, np.nan, np.nan, np.nan, np.nan)),
        left_out(6, 1, {}),
        candidates((0, 1, [True])),
    )
    assert [one.en for one in said] == [
        "With 6 instead of 8 layers, the held-out NLL is not finite (path path of 6).",
        "Against one-shot: no finite NLL to compare at 6 layers.",
    ]


@pytest.mark.parametrize("moves", [("removal",), ("attention-removal", "mlp-removal"), ("removal", "exchange")])
@pytest.mark.parametrize("n_draws", [1, 2])
def test_both_languages_say_the_same_numbers(moves: tuple[str, ...], n_draws: int) -> None:
    made = made_up_search(moves=moves, n_draws=n_draws, n_layers=9, steps=3)
    tables = [one.to_pandas() for one in (made.frontier, made.gains, made.left_out, made.candidates)]
    said = search_findings(*tables)
    assert len(said) >= 5
    for one in said:
        assert one.en.endswith(".")
        assert one.ja.endswith("。")
        assert not re.search(r"\bnan\b|None|\{|  ", one.en + one.ja)
        effects = [re.findall(r"[+-]\d[\d.e-]*", text) for text in one]
        assert effects[0] == effects[1]


def test_clauses_of_sizes() -> None:
    assert at_sizes([9.0, 8.5], 4) == Bilingual("at 9 and 8.5 layers", "9、8.5 層では")
    assert at_sizes([float(n) for n in range(20, 10, -1)], 30).en == "at 10 of 30 sizes between 20 and 11 layers"
    assert at_sizes([3.0, 2.0], 2, word="any").en == "at any size"
    assert ranges([9, 1, 2, 3, 5, 6]) == ["1-3", "5", "6", "9"]
