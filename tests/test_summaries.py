"""The sentences of a summary, read back against the tables that they are made of."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.errors import RunError
from layerscope.finding import FILES, MOST, Finding
from layerscope.results.directory import RunDirectory
from layerscope.summaries import summarise, write_summary
from layerscope.sweeps.analysis.headlines import NAMED, family_headline, tag_headline
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.tables import POS
from tests.tiny_runs import TinyRuns

NUMBER = r"[+−-]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?"


def layers_of(family: str, effects: list[float], q: list[float] | None, half_width: float = 0.1) -> pd.DataFrame:
    """Rows of layers.parquet."""
    effect = np.array(effects)
    names = [f"{family}-{n}-{n + 1}" if family == "exchange" else f"{family}-{n}" for n in range(len(effects))]
    return pd.DataFrame(
        {
            "variant": names,
            "family": family,
            "delta_nll_nats": effect,
            "delta_nll_low_nats": effect - half_width,
            "delta_nll_high_nats": effect + half_width,
            "q_value": np.full(len(effects), np.nan) if q is None else q,
        }
    )


def numbers(text: str) -> list[str]:
    return re.findall(NUMBER, text)


def said_most(finding: Finding) -> list[tuple[str, str]]:
    """Layers and effects that the English sentence names, in its order."""
    start = r"(?:R|Among effects that can be distinguished from 0, r)emoving layer (\d+) raises the loss most, by (\S+) nats"
    first = re.match(start, finding.said.en)
    assert first is not None, finding.said.en
    rest = finding.said.en.split("next ")[1].split(". ")[0] if "; next " in finding.said.en else ""
    return [(first[1], first[2]), *re.findall(r"(\d+) \(([^)]+)\)", rest)]


@given(
    effects=st.lists(st.floats(-3, 9, allow_subnormal=False), min_size=2, max_size=12, unique=True),
    data=st.data(),
)
def test_layers_are_named_in_the_order_of_their_resolved_effects(effects: list[float], data: st.DataObject) -> None:
    q = data.draw(st.lists(st.sampled_from([0.001, 0.049, 0.05, 0.4]), min_size=len(effects), max_size=len(effects)))
    rows = layers_of("removal", effects, q)
    finding = family_headline(rows)
    resolved = rows[(rows["q_value"] < 0.05) & (rows["delta_nll_nats"] > 0)].sort_values("delta_nll_nats", ascending=False)
    n_open = int((rows["q_value"] >= 0.05).sum() + ((rows["q_value"] < 0.05) & (rows["delta_nll_nats"] == 0)).sum())
    if resolved.empty:
        assert finding.said.en.startswith("No variant of removal is known to raise the loss")
    else:
        expected = [
            (row["variant"].removeprefix("removal-"), f"{row['delta_nll_nats']:+.3g}")
            for _, row in resolved.head(NAMED).iterrows()
        ]
        assert said_most(finding) == expected
        assert finding.where == {"family": "removal", "variant": resolved["variant"].iloc[0], "layer": expected[0][0]}
        assert (
            f"[{resolved['delta_nll_low_nats'].iloc[0]:+.3g}, {resolved['delta_nll_high_nats'].iloc[0]:+.3g}]"
            in finding.said.en
        )
    said_open = re.search(r"(\d+) of (\d+) effects? cannot be distinguished from 0 \(q ≥ 0\.05\)", finding.said.en)
    assert (said_open is None) == (n_open == 0)
    if said_open is not None:
        assert (int(said_open[1]), int(said_open[2])) == (n_open, len(rows))


def test_without_a_test_intervals_decide_and_the_sentence_says_so() -> None:
    finding = family_headline(layers_of("exchange", [2.0, 0.05, -0.5, 0.3], None))
    assert finding.said.en == (
        "Exchanging layers 0 and 1 raises the loss most, by +2 nats per token [+1.9, +2.1]; next comes 3↔4 (+0.3). "
        "1 of 4 effects cannot be distinguished from 0 (the 95% interval includes 0). 1 of 4 lowers the loss."
    )
    assert finding.said.ja == (
        "損失が最も増えるのは層 0 と 1 を交換する場合（1 トークンあたり +2 nat [+1.9, +2.1]）、続いて 3↔4（+0.3）。"
        "効果 4 件のうち 1 件は 0 と区別できない（95% 信頼区間が 0 を含む）。4 件のうち 1 件は損失を減らす。"
    )


def test_one_text_has_no_interval() -> None:
    rows = layers_of("removal", [2.0, 0.05], None)
    rows[["delta_nll_low_nats", "delta_nll_high_nats"]] = np.nan
    assert family_headline(rows).said.en == (
        "Removing layer 0 raises the loss most (+2 nats per token) and removing layer 1 least (+0.05 nats per token), "
        "without intervals."
    )


def test_what_is_not_finite_is_not_ranked() -> None:
    rows = layers_of("removal", [2.0, np.inf, np.nan, 1.0], [0.01, 0.01, 0.01, 0.01])
    assert said_most(family_headline(rows)) == [("0", "+2"), ("3", "+1")]
    rows["delta_nll_nats"] = np.nan
    assert family_headline(rows).said.en == "No variant of removal has a finite loss."


def tags_of(contrast: list[float], q: list[float], items: list[int]) -> pd.DataFrame:
    """Rows of pos.parquet."""
    n = len(contrast)
    return pd.DataFrame(
        {
            "unit": "word",
            "kind": "tag",
            "family": "removal",
            "variant": [f"removal-{number}" for number in range(n)],
            "tag": [f"TAG{number}" for number in range(n)],
            "items": items,
            "contrast_nats": contrast,
            "contrast_low_nats": np.array(contrast) - 0.1,
            "contrast_high_nats": np.array(contrast) + 0.1,
            "contrast_q_value": q,
        }
    )


def test_a_rare_part_of_speech_is_not_named() -> None:
    found = tag_headline(tags_of([5.0, 1.0, -1.0, 0.2], [0.001, 0.01, 0.01, 0.5], [19, 20, 300, 400]))
    assert found is not None
    assert found.said.en == (
        "By part of speech, the largest contrast that can be distinguished from 0 is that of TAG1: removing layer 1 costs it "
        "+1 nats [+0.9, +1.1] per word more than other words (20 words). 1 of 3 such contrasts cannot be distinguished from 0 "
        "(q ≥ 0.05)."
    )
    assert found.where == {"family": "removal", "tag": "TAG1", "variant": "removal-1", "layer": "1"}
    none = tag_headline(tags_of([5.0, 0.3], [0.001, 0.2], [19, 20]))
    assert none is not None
    assert none.said.en.startswith("No part of speech is known to suffer more")
    assert none.where == {"family": "removal", "section": "pos"}, "its evidence is the map of parts of speech"
    assert tag_headline(tags_of([5.0], [0.001], [19])) is None


@pytest.mark.parametrize("name", ["tagged", "plain", "bare", "contrast"])
def test_a_run_has_five_sentences_at_most_in_both_languages(name: str, runs: TinyRuns, tmp_path: Path) -> None:
    run = Path(shutil.copytree(getattr(runs, name), tmp_path / "run"))
    found = write_summary(run)
    assert 1 <= len(found) <= MOST
    for language, file in FILES.items():
        lines = (run / file).read_text(encoding="utf-8").splitlines()
        assert lines == [f"- {finding.said.of(language)}" for finding in found]
        assert RunDirectory(run).digests.fault(file) is None
    for finding in found:  # small counts are words in one language and digits in the other; measured numbers are the same
        in_both = [{one for one in numbers(finding.said.of(language)) if not one.isdecimal()} for language in FILES]
        assert in_both[0] == in_both[1], finding.said
    assert summarise(run) == found


def test_the_sentences_of_a_real_run_hold_what_its_tables_hold(runs: TinyRuns) -> None:
    run = FinishedRun.open(runs.tagged)
    found = summarise(runs.tagged)
    for family in ("removal", "exchange"):
        finding = next(one for one in found if one.where.get("family") == family)
        rows = run.layers[run.layers["family"] == family]
        assert finding.said == family_headline(rows).said
        if "variant" in finding.where:
            row = rows.set_index("variant").loc[finding.where["variant"]]
            assert f"{row['delta_nll_nats']:+.3g}" in finding.said.en
    assert run.directory.has_table(POS)


def test_what_is_no_finished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"has none: name the folder"):
        write_summary(tmp_path)
