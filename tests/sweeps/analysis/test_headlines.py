"""What is said of a family of variants, read back against its table: no sentence is stronger than that."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from layerscope.sweeps.analysis.few_texts import with_warning
from layerscope.sweeps.analysis.headlines import NAMED, family_headline
from layerscope.sweeps.analysis.variant_words import variant_words


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
            "Exchanging layers 1 and 2 raises the loss most, by +2 nats per token [+1.9, +2.1]; next come 2↔3 (+1) and 0↔1 "
            "(+0.5).",
            "損失が最も増えるのは層 1 と 2 を交換する場合（1 トークンあたり +2 nat [+1.9, +2.1]）、"
            "続いて 2↔3（+1）、0↔1（+0.5）。",
            id="all hurt",
        ),
        pytest.param(
            family([0.05, -0.5, 0.09], q=[0.3, 0.01, 0.2]),
            "No variant of exchange is known to raise the loss; the largest change is +0.09 nats per token [-0.01, +0.19], "
            "from exchanging layers 2 and 3. 2 of 3 effects cannot be distinguished from 0 (q ≥ 0.05). 1 of 3 lowers the loss.",
            "exchange に損失を増やすと言える変種はない。最大の変化は層 2 と 3 を交換する場合の 1 トークンあたり "
            "+0.09 nat [-0.01, +0.19]。効果 3 件のうち 2 件は 0 と区別できない（q ≥ 0.05）。3 件のうち 1 件は損失を減らす。",
            id="none hurts",
        ),
        pytest.param(
            family([0.5, 0.9, 0.0], [0.1, 1.0, 0.1], q=[0.01, 0.2, 1.0]),
            "Among effects that can be distinguished from 0, exchanging layers 0 and 1 raises the loss most, by +0.5 nats per "
            "token [+0.4, +0.6]. 2 of 3 effects cannot be distinguished from 0 (q ≥ 0.05). Large but not distinguished from 0: "
            "1↔2 (+0.9).",
            None,
            id="the largest is not resolved, a smaller one is",
        ),
        pytest.param(
            family([0.5, 0.0, -1.0, 2.0]),
            "Exchanging layers 3 and 4 raises the loss most, by +2 nats per token [+1.9, +2.1]; next comes 0↔1 (+0.5). 1 of 4 "
            "effects cannot be distinguished from 0 (the 95% interval includes 0). 1 of 4 lowers the loss.",
            None,
            id="too few texts for a test",
        ),
        pytest.param(
            family([0.15, 0.0], q=[0.051, 0.9]),
            "No variant of exchange is known to raise the loss; the largest change is +0.15 nats per token [+0.05, +0.25], "
            "from exchanging layers 0 and 1. 2 of 2 effects cannot be distinguished from 0 (q ≥ 0.05).",
            None,
            id="an interval above 0 among several is no finding",
        ),
        pytest.param(
            family([np.nan, np.inf]),
            "No variant of exchange has a finite loss.",
            "exchange には損失が有限な変種がない。",
            id="overflow",
        ),
        pytest.param(
            family([1.0, 0.5], np.nan),
            "Exchanging layers 0 and 1 raises the loss most (+1 nats per token) and exchanging layers 1 and 2 least (+0.5 nats "
            "per token), without intervals.",
            "損失が最も増えるのは層 0 と 1 を交換する場合（1 トークンあたり +1 nat）、"
            "最も増えないのは層 1 と 2 を交換する場合（1 トークンあたり +0.5 nat）、信頼区間なし。",
            id="one text",
        ),
        pytest.param(
            family([1.0], q=[0.01]),
            "Exchanging layers 0 and 1 changes the loss by +1 nats per token [+0.9, +1.1].",
            "層 0 と 1 を交換すると、損失は 1 トークンあたり +1 nat [+0.9, +1.1] 変化する。",
            id="one variant",
        ),
        pytest.param(
            family([0.05]),
            "Exchanging layers 0 and 1 changes the loss by +0.05 nats per token [-0.05, +0.15], which cannot be distinguished "
            "from 0 (the 95% interval includes 0).",
            None,
            id="one variant, not resolved",
        ),
        pytest.param(
            family([-1.0], np.nan),
            "Exchanging layers 0 and 1 changes the loss by -1 nats per token, without an interval.",
            None,
            id="one variant, one text",
        ),
    ],
)
def test_every_verdict(rows: pd.DataFrame, en: str, ja: str | None) -> None:
    said = family_headline(rows).said
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
    said = family_headline(rows).said
    for pattern, number in (
        (
            rf"(\d+) of {n} effects cannot be distinguished from 0 \({'q ≥' if is_tested else 'the 95%'}",
            n - hurts.sum() - helps.sum(),
        ),
        (rf"(\d+) of {n} lowers? the loss", helps.sum()),
    ):
        found = re.search(pattern, said.en)
        assert (0 if found is None else int(found[1])) == number
    if hurts.any():
        told, _, large = said.en.partition(" Large but not distinguished from 0: ")
        first = re.match(r"(Among effects that can be distinguished from 0, e|E)xchanging layers (\d+) and", told)
        assert first is not None
        named = [first[2], *re.findall(r"(\d+)↔", told)]
        by_size = rows[hurts].sort_values("delta_nll_nats", ascending=False)["variant"].head(NAMED)
        assert [f"exchange-{one}-{int(one) + 1}" for one in named] == by_size.tolist()
        effects = rows.set_index("variant")["delta_nll_nats"]
        open_ = effects[(~hurts & ~helps) & (effects > effects[by_size.iloc[-1]]).to_numpy()].sort_values(ascending=False)
        assert [f"exchange-{one}-{int(one) + 1}" for one in re.findall(r"(\d+)↔", large)] == open_.index[:3].tolist()
        assert (first[1] == "E") == (not len(open_) or open_.iloc[0] <= effects[by_size.iloc[0]])
    numbers = [re.findall(r"[+-]\d[\d.e-]*", text) for text in said]
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize(
    ("variant", "done", "short", "layer"),
    [
        ("removal-11", "removing layer 11", "11", "11"),
        ("exchange-3-4", "exchanging layers 3 and 4", "3↔4", "3"),
        ("block-removal-3-5", "removing layers 3 to 5", "3–5", "3"),
        ("attention-removal-2", "silencing the attention of layer 2", "2", "2"),
        ("mlp-removal-2", "silencing the MLP of layer 2", "2", "2"),
        ("repetition-0", "running layer 0 twice", "0", "0"),
        ("reversal-8-20", "running layers 8 to 20 in reverse", "8–20", "8"),
        ("parallel-2-3", "running layers 2 to 3 side by side", "2–3", "2"),
        ("head-removal-10-3", "removing head 3 of layer 10", "10.h3", "10"),
        ("shuffle-0-4-25", "shuffling the layers (shuffle-0-4-25)", "shuffle-0-4-25", None),
        ("0-9,12-29", "the path 0-9,12-29", "0-9,12-29", None),
        ("0-2", "the path 0-2", "0-2", None),
    ],
)
def test_what_a_variant_does(variant: str, done: str, short: str, layer: str | None) -> None:
    words = variant_words(variant)
    assert (words.done.en, words.short, words.layer) == (done, short, layer)
    assert all(number in words.done.ja for number in re.findall(r"\d+", variant))


def test_the_warning_stands_beside_it() -> None:
    said = family_headline(family([1.0, 0.5], q=[0.01, 0.01])).said
    assert with_warning(said, 12).en.startswith(f"{said.en} Only 12 texts: ")
    assert with_warning(said, 12).ja.startswith(f"{said.ja}テキストが 12 本のみ")
    assert with_warning(said, 60) == said
