"""What is said of parts of speech, read back against pos.parquet: no sentence is stronger than that."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from layerscope.sweeps.analysis.tag_findings import tag_finding

VARIANTS = ("removal-0", "removal-1")


def tags(
    contrasts: dict[str, list[float]],
    half_width: float = 0.1,
    *,
    q: dict[str, list[float]] | None = None,
    few: tuple[str, ...] = (),
    family: str = "removal",
) -> pd.DataFrame:
    rows = [
        {
            "unit": "word",
            "family": family,
            "kind": "tag",
            "tag": tag,
            "variant": variant,
            "is_few": tag in few,
            "items": 20 if tag in few else 200,
            "contrast_nats": value,
            "contrast_low_nats": value - half_width,
            "contrast_high_nats": value + half_width,
            "contrast_q_value": np.nan if q is None else q[tag][place],
        }
        for tag, values in contrasts.items()
        for place, (variant, value) in enumerate(zip(VARIANTS, values, strict=True))
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("rows", "en", "ja"),
    [
        pytest.param(
            tags({"NOUN": [0.5, 0.7], "DET": [-0.3, -0.1], "X": [0.9, 0.0]},
                 q={"NOUN": [0.01] * 2, "DET": [0.01, 0.2], "X": [0.01, 1]}, few=("X",)),
            "Breaks more than other words: X* (+0.9 nats [+0.8, +1] at removal-0), NOUN (+0.7 nats [+0.6, +0.8] at removal-1); "
            "less than other words: DET (-0.3 nats [-0.4, -0.2] at removal-0). More: 3, less: 1, not resolved: 2 of 6 "
            "contrasts of 3 parts of speech with at least 20 words (q < 0.05).",
            "他の語より大きく悪化するのは X*（removal-0 で +0.9 [+0.8, +1] nat）、NOUN（removal-1 で +0.7 [+0.6, +0.8] nat）。"
            "悪化が他の語より小さいのは DET（removal-0 で -0.3 [-0.4, -0.2] nat）。"
            "全 6 対比（20 語以上の 3 品詞）の内訳は大きい：3、小さい：1、判定できない：2（q < 0.05）。",
            id="both ways",
        ),
        pytest.param(
            tags({"NOUN": [-0.5, 0.7], "DET": [0.3, 0.1]}, q={"NOUN": [0.01, 0.06], "DET": [0.3, 0.2]}),
            "Breaks less than other words: NOUN (-0.5 nats [-0.6, -0.4] at removal-0). Less: 1, not resolved: 3 of 4 "
            "contrasts of 2 parts of speech with at least 20 words (q < 0.05).",
            None,
            id="less only, though a larger one is not resolved",
        ),
        pytest.param(
            tags({"NOUN": [0.5, -0.7], "DET": [0.3, 0.1]}, q={"NOUN": [0.05, 0.06], "DET": [0.3, 0.2]}),
            "It is not established that any part of speech breaks more or less than other words (furthest from them is NOUN "
            "(-0.7 nats [-0.8, -0.6] at removal-1)). Not resolved: 4 of 4 contrasts of 2 parts of speech with at least 20 "
            "words (q < 0.05).",
            "悪化の大きさが他の語と違うと言える品詞はない（最も離れているのは NOUN（removal-1 で -0.7 [-0.8, -0.6] nat））。"
            "全 4 対比（20 語以上の 2 品詞）の内訳は判定できない：4（q < 0.05）。",
            id="none",
        ),
        pytest.param(
            tags({"NOUN": [0.5, 0.05], "DET": [-0.3, -0.1]}),
            "Breaks more than other words: NOUN (+0.5 nats [+0.4, +0.6] at removal-0); less than other words: DET (-0.3 nats "
            "[-0.4, -0.2] at removal-0). Above 0: 1, below 0: 1, including 0: 2 of 4 intervals, not tested.",
            None,
            id="too few texts for a test",
        ),
        pytest.param(
            tags({"NOUN": [0.5, 0.05], "DET": [-0.3, -0.1]}, np.nan),
            "Compared with other words, NOUN (+0.5 nats at removal-0) breaks most and DET (-0.3 nats at removal-0) least (no "
            "intervals).",
            None,
            id="one text",
        ),
        pytest.param(
            tags({"NOUN": [np.nan, np.nan]}),
            "No part of speech with at least 20 words can be compared with other words.",
            "20 語以上で、他の語と比べられる品詞はない。",
            id="one part of speech",
        ),
    ],
)  # fmt: skip
def test_every_verdict(rows: pd.DataFrame, en: str, ja: str | None) -> None:
    said = tag_finding(rows)
    assert said.en == en
    if ja is not None:
        assert said.ja == ja


@pytest.mark.parametrize(
    ("q", "half_width", "en", "ja"),
    [
        (
            {"NOUN": [0.01, 0.2], "DET": [0.01, 0.3]},
            0.1,
            "From the whole model's prediction further than other words: NOUN (+0.5 nats [+0.4, +0.6] at removal-0); nearer "
            "than other words: DET (-0.3 nats [-0.4, -0.2] at removal-0). Further: 1, nearer: 1, not resolved: 2 of 4",
            "モデル全体の予測から他の語より遠いのは NOUN",
        ),
        (
            {"NOUN": [0.3, 0.2], "DET": [0.3, 0.3]},
            0.1,
            "It is not established that any part of speech is further from the whole model's prediction than other words, or "
            "nearer",
            "モデル全体の予測からの遠さが他の語と違うと言える品詞はない",
        ),
        (
            None,
            np.nan,
            "Compared with other words, NOUN (+0.5 nats at removal-0) is furthest from the whole model's prediction and DET "
            "(-0.3 nats at removal-0) nearest (no intervals).",
            "他の語と比べてモデル全体の予測から最も遠いのは NOUN（removal-0 で +0.5 nat）、最も近いのは DET",
        ),
    ],
)
def test_of_depths_it_is_said_how_far_they_are(q: dict[str, list[float]] | None, half_width: float, en: str, ja: str) -> None:
    found = tag_finding(tags({"NOUN": [0.5, 0.1], "DET": [-0.3, 0.0]}, half_width, q=q, family="depth"))
    assert found.en.startswith(en)
    assert found.ja.startswith(ja)


def test_classes_and_other_units_are_left_out() -> None:
    rows = tags({"NOUN": [0.5, 0.7], "DET": [-0.3, -0.1]}, q={"NOUN": [0.01] * 2, "DET": [0.01, 0.2]})
    others = [
        tags({"open": [9.0, 9.0]}, q={"open": [0.001] * 2}).assign(kind="class"),
        tags({"NOUN": [9.0, 9.0]}, q={"NOUN": [0.001] * 2}).assign(unit="token"),
    ]
    assert tag_finding(pd.concat([rows, *others], ignore_index=True)) == tag_finding(rows)


@pytest.mark.parametrize("seed", range(40))
def test_a_sentence_read_back_is_the_table(seed: int) -> None:
    generator = np.random.default_rng(seed)
    names = ["NOUN", "VERB", "DET", "ADP", "PRON", "X"][: int(generator.integers(2, 7))]
    is_tested = bool(generator.integers(2))
    rows = tags(
        {name: generator.normal(0, 0.4, 2).tolist() for name in names},
        float(generator.uniform(0.05, 0.6)),
        q={name: generator.uniform(0, 0.15, 2).tolist() for name in names} if is_tested else None,
    )
    value = rows["contrast_nats"]
    told = rows["contrast_q_value"] < 0.05 if is_tested else (rows["contrast_low_nats"] > 0) | (rows["contrast_high_nats"] < 0)
    more, less = told & (value > 0), told & (value < 0)
    said = tag_finding(rows)
    words = ("more", "less", "not resolved") if is_tested else ("above 0", "below 0", "including 0")
    counts = said.en.rsplit(". ", 1)[1].lower()
    for number, word in zip((more.sum(), less.sum(), (~told).sum()), words, strict=True):
        found = re.search(rf"{word}: (\d+)", counts)
        assert (0 if found is None else int(found[1])) == number
    named = re.findall(r"([A-Z]+) \(([+-][\d.e-]+) nats \[\S+ \S+ at (removal-\d)\)", said.en)
    assert named
    if told.any():
        for tag, number, variant in named:
            (at,) = rows.index[(rows["tag"] == tag) & (rows["variant"] == variant)]
            assert (more if number[0] == "+" else less)[at]
            assert float(number) == pytest.approx(value[at], rel=5e-3)
    else:
        assert said.en.startswith("It is not established that any part of speech")
    assert re.findall(r"(removal-\d) で", said.ja) == [variant for _, _, variant in named]
