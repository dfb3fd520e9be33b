"""Minimal pairs in a sweep: NLLs against whole passes, the judge's numbers, batches, resuming, what is left out."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from layerscope.draw import draw_figures
from layerscope.errors import DataError, PairError, RunError
from layerscope.judging import judge_pairs
from layerscope.models.loading import load_decoder
from layerscope.pairs.format import read_pairs, write_pairs
from layerscope.pairs.judging_protocol import JudgingProtocol
from layerscope.pairs.pair import MinimalPair
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.pair_tables import PAIR_DEPTH, PAIR_EFFECTS, PAIR_SCORES, PAIRS, PREFERENCE, PREFERENCE_DEPTH
from layerscope.sweeps.preference import find_preference
from layerscope.sweeps.prepare import PreparedSweep, SweepRequest, prepare_sweep
from layerscope.sweeps.run import run_sweep
from layerscope.sweeps.tables import SCORES
from tests.checkpoints import has_bos
from tests.letter_pairs import pairs_of_names
from tests.naive import naive_scores, rearranged

TEXTS = [f"Number {n} of the dogs saw {n + 3} old cats near the river." for n in range(40)]


def pair(right: str, wrong: str, *, first_is_right: bool = True, template: str = "t") -> MinimalPair:
    one, other = (right, wrong) if first_is_right else (wrong, right)
    return MinimalPair.from_sentences(
        one, other, type="grammar", subtype="tense", right=1 if first_is_right else 2, template=template, source="test"
    )


MIXED = [
    pair("Now ann sits.", "Now ann sith."),
    pair("Now ann sits here.", "Now ann sitting here.", first_is_right=False),  # of unequal length
    pair("A cat", "A cat s"),  # a word that one side lacks, and nothing after it
    pair("We go on.", "He go on."),  # from the first letter on
    pair("So the old pond lay on.", "So the odd pool lay on."),  # in two places
    MinimalPair.from_sentences("My cat.", "My dog.", type="meaning", subtype="subject", right=None, template="m", source="t"),
    pair("Same.", "Same."),
]
KEPT = MIXED[:5]


def prepared(model: Path, folder: Path, some: list[MinimalPair], **changes: object) -> PreparedSweep:
    folder.mkdir(exist_ok=True)
    path, file = folder / "texts.jsonl", folder / "pairs.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS), encoding="utf-8")
    write_pairs(some, file)
    request = {"experiments": ("removal", "depth"), "max_samples": None, "batch_tokens": 150, "pairs": file}
    return prepare_sweep(SweepRequest(str(model), str(path), output_dir=folder / "results", **{**request, **changes}))


def swept(model: Path, folder: Path, some: list[MinimalPair], **changes: object) -> FinishedRun:
    ready = prepared(model, folder, some, **changes)
    run_sweep(ready)
    return FinishedRun.open(ready.directory.path)


def effects(run: FinishedRun) -> pd.DataFrame:
    return run.directory.read_table(PAIR_EFFECTS).to_pandas().set_index(["variant", "pair"])


def test_parts_of_sentences_are_those_of_whole_passes(either_checkpoint: Path, tmp_path: Path) -> None:
    run = swept(either_checkpoint, tmp_path / "run", MIXED, experiments=("removal",))
    decoder = load_decoder(str(either_checkpoint))
    found, table = effects(run), run.directory.read_table(PAIRS).to_pandas()
    assert table["right"].tolist() == [one.sentence1 if one.right == 1 else one.sentence2 for one in KEPT]
    assert run.record.pairs is not None
    assert run.record.pairs.left_out == {"neither side is wrong": 1, "both sides have the same tokens": 1}
    prefix = list(decoder.encoder.prefix_ids)
    assert bool(prefix) == has_bos(either_checkpoint)
    for removed in (None, 2):
        layers = [layer for layer in range(4) if layer != removed]
        model = rearranged(decoder.model, layers)
        name = "intact" if removed is None else f"removal-{removed}"
        for number, row in table.iterrows():
            before, after = row["tokens_before"], row["tokens_after"]
            for side in ("right", "wrong"):
                ids = prefix + decoder.encoder.encode(row[side]).ids.tolist()
                nll = np.concatenate([[0.0], naive_scores(model, ids).nll])  # of each token; the first has none
                end = len(ids) - after
                assert end - before == row[f"tokens_{side}"]
                expected = {"sentence": nll.sum(), "edit": nll[before:end].sum(), "continuation": nll[end:].sum()}
                if before == 0 or before == end:
                    expected["edit"] = np.nan
                if after == 0:
                    expected["continuation"] = np.nan
                for part, value in expected.items():
                    got = found.loc[(name, number), f"{part}_{side}_nats"]
                    assert got == pytest.approx(value, abs=1e-4, nan_ok=True), (name, row[side], part)
            for part in ("edit", "continuation", "sentence"):
                right, wrong, margin = (found.loc[(name, number), f"{part}_{end}_nats"] for end in ("right", "wrong", "margin"))
                assert margin == pytest.approx(wrong - right, nan_ok=True)


@pytest.mark.parametrize("protocol", ["plain", "lm-eval"])
def test_the_judge_says_the_same(either_checkpoint: Path, tmp_path: Path, protocol: str) -> None:
    run = swept(either_checkpoint, tmp_path / "run", MIXED, experiments=("removal",), pair_protocol=protocol)
    judged = list(judge_pairs(load_decoder(str(either_checkpoint)), KEPT, protocol=JudgingProtocol.parse(protocol)))
    found = effects(run).loc["intact"]
    expected = [one.nll_nats if one.pair.right == 1 else one.nll_nats[::-1] for one in judged]
    np.testing.assert_allclose(found[["sentence_right_nats", "sentence_wrong_nats"]].to_numpy(), expected, rtol=1e-5)
    rows = run.directory.read_table(PREFERENCE).to_pandas().set_index(["variant", "unit", "group"])
    assert rows.loc[("intact", "sentence", "all"), "accuracy"] == np.mean([one.agrees for one in judged])
    assert run.record.pairs.start == (("<bos>",) if protocol == "lm-eval" or has_bos(either_checkpoint) else ())


def test_the_texts_of_a_run_have_the_same_numbers_with_pairs_and_without(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with_pairs, without = (
        swept(tiny_checkpoint, tmp_path / "a", MIXED),
        swept(tiny_checkpoint, tmp_path / "b", MIXED, pairs=None),
    )
    pd.testing.assert_frame_equal(with_pairs.layers, without.layers)
    for one, other in zip(with_pairs.directory.parts(SCORES), without.directory.parts(SCORES), strict=True):
        assert one.equals(other)
    assert not without.directory.has_table(PREFERENCE)


def test_both_sides_share_a_batch(tiny_checkpoint: Path, tmp_path: Path) -> None:
    ready = prepared(tiny_checkpoint, tmp_path / "run", [*MIXED, *pairs_of_names()])
    assert ready.pairs is not None
    assert len(ready.pairs.shards) > 3
    seen = [document for shard in ready.pairs.shards for document in shard.documents]
    assert sorted(seen) == list(range(2 * len(ready.pairs.pairs)))
    for shard in ready.pairs.shards:
        numbers = np.unique(np.array(shard.documents) // 2, return_counts=True)[1]
        assert (numbers == 2).all()


def test_what_both_sides_begin_with_is_scored_once(either_checkpoint: Path, tmp_path: Path) -> None:
    ready = prepared(either_checkpoint, tmp_path / "run", MIXED)
    assert ready.pairs is not None
    n_start = int(has_bos(either_checkpoint))
    for one in ready.pairs.pairs:
        right, wrong = one.sides
        n_before = int(np.argmin([*(right.ids[: len(wrong.ids)] == wrong.ids[: len(right.ids)]), False]))
        assert right.n_scored == len(right.ids) - 1, "all of the right side but the first token"
        is_shared = n_start < n_before < len(wrong.ids)
        assert wrong.n_scored == len(wrong.ids) - (n_before if is_shared else 1)
        assert one.is_start_shared == is_shared
    assert [one.is_start_shared for one in ready.pairs.pairs].count(True) >= 2


def test_the_last_depth_has_the_models_margins_and_streaming_the_same(tiny_checkpoint: Path, tmp_path: Path) -> None:
    plain, streamed = (swept(tiny_checkpoint, tmp_path / name, MIXED, stream=name == "b") for name in ("a", "b"))
    pd.testing.assert_frame_equal(effects(plain), effects(streamed))
    pd.testing.assert_frame_equal(effects(plain).loc["depth-3"], effects(plain).loc["intact"])
    depths = plain.directory.read_table(PAIR_DEPTH).to_pandas()
    of_sentence = depths[depths["unit"] == "sentence"].set_index("pair")
    margins = np.stack([effects(plain).loc[f"depth-{k}", "sentence_margin_nats"].to_numpy() for k in range(-1, 4)])
    for number, column in enumerate((margins > 0).T):
        assert of_sentence.loc[number, "is_right"] == column[-1]
        stays = [k for k in range(5) if (column[k:] == column[-1]).all()]
        assert of_sentence.loc[number, "depth"] == stays[0] - 1
    groups = plain.directory.read_table(PREFERENCE_DEPTH).to_pandas()
    row = groups[(groups["unit"] == "sentence") & (groups["kind"] == "all")].iloc[0]
    assert (row["pairs"], row["pairs_right"]) == (len(KEPT), int((margins[-1] > 0).sum()))


def test_with_a_precision_pairs_are_scored_once(tiny_checkpoint: Path, tmp_path: Path) -> None:
    run = swept(tiny_checkpoint, tmp_path / "run", MIXED, until_ci=5.0)
    assert run.record.precision is not None
    assert run.documents.num_rows < len(TEXTS)
    assert len(effects(run)) == len(run.layers) * len(KEPT)


def test_what_is_there_is_not_run_again_and_what_is_not_is(
    tiny_checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ready = prepared(tiny_checkpoint, tmp_path / "run", pairs_of_names())
    run_sweep(ready)
    first = effects(FinishedRun.open(ready.directory.path))
    (ready.directory.path / PAIR_SCORES.name / "shard-00001.parquet").unlink()
    with caplog.at_level(logging.WARNING):
        assert run_sweep(ready)
    again = FinishedRun.open(ready.directory.path)
    assert again.record.shards_resumed == len(ready.shards) - 1
    pd.testing.assert_frame_equal(effects(again), first)


def test_another_file_of_pairs_is_another_run(tiny_checkpoint: Path, tmp_path: Path) -> None:
    swept(tiny_checkpoint, tmp_path / "run", MIXED)
    other = prepared(tiny_checkpoint, tmp_path / "run", MIXED[:2])
    with pytest.raises(Exception, match="holds another run .*pairs_sha256"):
        run_sweep(other)


@pytest.mark.parametrize("change", ["template", "subtype", "term", "source"])
def test_pairs_under_other_names_are_another_run(tiny_checkpoint: Path, tmp_path: Path, change: str) -> None:
    """Templates are what intervals are over, and names what pairs are grouped by."""
    first = prepared(tiny_checkpoint, tmp_path / "run", MIXED)
    other = [replace(one, **{change: "typo"}) if one is MIXED[0] else one for one in MIXED]
    second = prepared(tiny_checkpoint, tmp_path / "run", other)
    assert first.record.pairs_sha256 != second.record.pairs_sha256


def test_a_unit_that_no_pair_has_is_refused_before_anything_is_written(tiny_checkpoint: Path, tmp_path: Path) -> None:
    ends = [pair("Now ann sits", "Now ann sith"), pair("Now bob runs", "Now bob runt")]
    run = swept(tiny_checkpoint, tmp_path / "run", ends, experiments=("removal",))
    with pytest.raises(RunError, match="none of .* has a scored continuation: take --unit edit or sentence"):
        find_preference(run, unit="continuation")
    assert not (run.directory.path / "preference.json").exists()
    assert find_preference(run, unit="edit").findings == {}, "four layers are too few for a relation"


def test_names_of_pairs_are_no_formulas(tiny_checkpoint: Path, tmp_path: Path) -> None:
    named = [replace(one, term=term) for one, term in zip(KEPT, ["cost $x_{$ more", r"a$\frac$b", "c", "c", "c"], strict=True)]
    run = swept(tiny_checkpoint, tmp_path / "run", named)
    find_preference(run)
    drawn = draw_figures(run.directory.path, languages=("en",), of=("preference",))
    assert {"preference_removal_en.png", "preference_depth_en.png"} <= {path.name for path in drawn}


@pytest.mark.parametrize(
    ("pairs", "changes", "message"),
    [
        ([MIXED[5]], {}, r"has none that can be scored \(1: neither side is wrong\)"),
        ([], {}, "it holds none"),
        (MIXED, {"pair_protocol": "blimp"}, "protocol of judging is plain or lm-eval; got 'blimp'"),
        (MIXED, {"pairs": Path("nowhere.jsonl")}, "nowhere.jsonl"),
    ],
)
def test_what_is_refused(
    tiny_checkpoint: Path, tmp_path: Path, pairs: list[MinimalPair], changes: dict[str, object], message: str
) -> None:
    with pytest.raises((PairError, DataError), match=message):
        prepared(tiny_checkpoint, tmp_path / "run", pairs, **changes)
    assert not (tmp_path / "run" / "results").exists()


def test_pairs_too_long_for_the_model_are_left_out(tiny_checkpoint: Path, tmp_path: Path) -> None:
    long, late = pair("ab " * 200, "ac " + "ab " * 199), pair("ab " * 200 + "cat.", "ab " * 200 + "dog.")
    ready = prepared(tiny_checkpoint, tmp_path / "run", [*KEPT, long, late])
    assert ready.pairs is not None
    assert ready.pairs.left_out == {"a side is longer than the model's context": 2}
    assert len(ready.pairs.pairs) == len(KEPT) == len(list(read_pairs(tmp_path / "run" / "pairs.jsonl"))) - 2


@pytest.mark.slow
def test_without_any_fast_path_the_numbers_are_the_same(either_checkpoint: Path, tmp_path: Path) -> None:
    fast, plain = (swept(either_checkpoint, tmp_path / name, MIXED, plain=name == "b") for name in ("a", "b"))
    pd.testing.assert_frame_equal(effects(fast), effects(plain), rtol=1e-4, atol=1e-4)
