"""What is said of a family of variants, read back against its table: no sentence is stronger than that."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from layerscope.sweeps.analysis.findings import family_finding, with_warning


def family(deltas: list[float], half_width: float | list[float] = 0.1, *, q: list[float] | None = None) -> pd.DataFrame:
    delta = np.array(deltas)
    return pd.DataFrame(
        {
            "variant": [f"exchange-{i}-{i + 1}" for i in range(len(deltas))],
            "family": "exchange",
            "delta_nll_nats": delta,
            "delta_nll_low_nats": delta - half_width,
            "delta_nll_high_nats": delta + half_width,
            "q_value": pd.array([None] * len(delta) if q is None else q, dtype="Float64"),
        }
    )


@pytest.mark.parametrize(
    ("rows", "en", "ja"),
    [
        pytest.param(
            family([0.5, 2.0, 1.0], q=[0.01, 0.01, 0.01]),
            "exchange-1-2 (+2 nats [+1.9, +2.1]), exchange-2-3 (+1 nats [+0.9, +1.1]), exchange-0-1 (+0.5 nats [+0.4, +0.6]) "
            "hurt most; harmful: 3 of 3 variants (q < 0.05).",
            "最も悪化させるのは exchange-1-2（+2 [+1.9, +2.1] nat）、exchange-2-3（+1 [+0.9, +1.1] nat）、"
            "exchange-0-1（+0.5 [+0.4, +0.6] nat）。全 3 変種の内訳は悪化：3（q < 0.05）。",
            id="all hurt",
        ),
        pytest.param(
            family([0.05, -0.5, 0.09], q=[0.3, 0.01, 0.2]),
            "None hurts as far as can be told (the largest is exchange-2-3 (+0.09 nats [-0.01, +0.19])); helpful: 1, "
            "not resolved: 2 of 3 variants (q < 0.05).",
            "悪化させると言える変種はない（最大は exchange-2-3（+0.09 [-0.01, +0.19] nat））。"
            "全 3 変種の内訳は改善：1、判定できない：2（q < 0.05）。",
            id="none hurts",
        ),
        pytest.param(
            family([0.5, 0.9, 0.0], [0.1, 1.0, 0.1], q=[0.01, 0.2, 1.0]),
            "exchange-0-1 (+0.5 nats [+0.4, +0.6]) hurts most; harmful: 1, not resolved: 2 of 3 variants (q < 0.05).",
            None,
            id="the largest is not resolved, a smaller one is",
        ),
        pytest.param(
            family([0.5, 0.0, -1.0, 2.0]),
            "exchange-3-4 (+2 nats [+1.9, +2.1]), exchange-0-1 (+0.5 nats [+0.4, +0.6]) hurt most; above 0: 2, "
            "below 0: 1, holding 0: 1 of 4 intervals, and no test.",
            None,
            id="too few texts for a test",
        ),
        pytest.param(
            family([0.15, 0.0], q=[0.051, 0.9]),
            "None hurts as far as can be told (the largest is exchange-0-1 (+0.15 nats [+0.05, +0.25])); not resolved: 2 "
            "of 2 variants (q < 0.05).",
            None,
            id="an interval above 0 among several is no finding",
        ),
        pytest.param(family([np.nan, np.inf]), "No variant has a finite ΔNLL.", "ΔNLL が有限な変種はない。", id="overflow"),
        pytest.param(
            family([1.0, 0.5], np.nan),
            "ΔNLL is largest for exchange-0-1 (+1 nats) and smallest for exchange-1-2 (+0.5 nats), without intervals.",
            "ΔNLL が最大なのは exchange-0-1（+1 nat）、最小なのは exchange-1-2（+0.5 nat）（区間なし）。",
            id="one text",
        ),
    ],
)
def test_every_verdict(rows: pd.DataFrame, en: str, ja: str | None) -> None:
    said = family_finding(rows)
    assert said.en == en
    if ja is not None:
        assert said.ja == ja


@pytest.mark.parametrize("seed", range(40))
def test_a_sentence_read_back_is_the_table(seed: int) -> None:
    generator = np.random.default_rng(seed)
    n = int(generator.integers(2, 12))
    deltas = generator.normal(0.1, 0.4, n)
    is_tested = bool(generator.integers(2))
    rows = family(
        deltas.tolist(),
        generator.uniform(0.01, 0.6, n).tolist(),
        q=generator.uniform(0, 0.2, n).tolist() if is_tested else None,
    )
    hurts = (rows["q_value"] < 0.05) & (rows["delta_nll_nats"] > 0) if is_tested else rows["delta_nll_low_nats"] > 0
    helps = (rows["q_value"] < 0.05) & (rows["delta_nll_nats"] < 0) if is_tested else rows["delta_nll_high_nats"] < 0
    hurts, helps = hurts.fillna(value=False).to_numpy(bool), helps.fillna(value=False).to_numpy(bool)
    said = family_finding(rows)
    words = ("harmful", "helpful", "not resolved") if is_tested else ("above 0", "below 0", "holding 0")
    counts = said.en.split("; ")[1]
    for number, word in zip((hurts.sum(), helps.sum(), n - hurts.sum() - helps.sum()), words, strict=True):
        found = re.search(rf"{word}: (\d+)", counts)
        assert (0 if found is None else int(found[1])) == number
    named = re.findall(r"exchange-\d+-\d+", said.en)
    for name in named if hurts.any() else []:
        assert hurts[rows["variant"].tolist().index(name)]
    assert re.findall(r"exchange-\d+-\d+", said.ja) == named
    numbers = [re.findall(r"[+-]\d[\d.e-]*", text) for text in (said.en, said.ja)]
    assert numbers[0] == numbers[1]


def test_the_warning_stands_beside_it() -> None:
    said = family_finding(family([1.0, 0.5], q=[0.01, 0.01]))
    assert with_warning(said, 12).en.startswith(f"{said.en} Only 12 texts: ")
    assert with_warning(said, 12).ja.startswith(f"{said.ja}テキストが 12 本のみ")
    assert with_warning(said, 60) == said
