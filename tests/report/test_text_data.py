"""Documents in a page: which are taken, how they are cut into tokens and words, and that their numbers are the run's own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from layerscope.report.packing import Packing
from layerscope.report.text_data import sampled, text_data
from layerscope.sweeps.analysis.score_arrays import ScoreArrays
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.tables import SCORES, TOKEN_WORDS, VOCABULARY
from tests.report.unpack import array_of, value_of
from tests.tiny_runs import JAPANESE, TEXTS, TinyRuns


def data_of(path, *, share: float = 1.0, with_words: bool = True) -> tuple[FinishedRun, dict, dict, Packing]:
    run, packing = FinishedRun.open(path), Packing()
    vocabulary = run.directory.read_table(VOCABULARY).to_pydict()
    has_words = with_words and (path / TOKEN_WORDS.name).is_file()
    data = text_data(
        run.documents.to_pandas(),
        run.tokens.to_pandas(),
        run.score_shards(),
        dict(zip(vocabulary["id"], vocabulary["text"], strict=True)),
        variants=run.layers["variant"].tolist(),
        word_of=run.directory.read_table(TOKEN_WORDS).to_pandas() if has_words else None,
        packing=packing,
        share=share,
    )
    assert data is not None
    return run, data, value_of(data["tokens"], packing.chunks), packing


def words_of(tokens: dict, document: int) -> list[str]:
    """As the page joins them: a gap before a word belongs to none."""
    found: list[str] = []
    for i in range(len(tokens["document"])):
        if tokens["document"][i] != document:
            continue
        if tokens["starts"][i] or not found:
            found.append(tokens["text"][i])
        else:
            found[-1] += tokens["gap"][i] + tokens["text"][i]
    return found


# which documents


def test_all_documents_where_there_is_room() -> None:
    assert sampled(np.array([5, 0, 7, 3]), 2, 30) == [0, 2, 3], "those without a scored token are not shown"


def test_documents_are_spread_evenly_and_fit() -> None:
    scored = np.full(1000, 200)
    found = sampled(scored, 59, 700_000)
    assert len(found) == 59, "700,000 // 59 tokens are 59 documents of 200"
    gaps = np.diff(found)
    assert (found[0], found[-1]) == (0, 999)
    assert gaps.max() - gaps.min() <= 1
    assert found == sorted(set(found))


def test_as_many_documents_as_fit() -> None:
    generator = np.random.default_rng(0)
    for _ in range(50):
        scored = generator.integers(0, 60, size=generator.integers(1, 40))
        n_variants, cells = int(generator.integers(1, 9)), int(generator.integers(1, 2000))
        found = sampled(scored, n_variants, cells)
        there = np.flatnonzero(scored > 0)
        assert len(found) == len(set(found)) >= min(1, len(there))
        assert (scored[found] > 0).all()
        if len(found) > 1:
            assert scored[found].sum() * n_variants <= cells
        if scored.sum() * n_variants <= cells:
            assert found == there.tolist()


def test_one_document_at_least_and_none_where_nothing_is_scored() -> None:
    assert sampled(np.array([0, 10**6, 3]), 59, 100) == [1]
    assert sampled(np.array([0, 0]), 5, 100) == []
    assert sampled(np.array([], dtype=np.int64), 5, 100) == []


def test_many_documents_are_not_tried_one_number_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of a large corpus: nearly all of 400,000 do not fit."""
    tried, spaced = [], np.linspace

    def counted(*arguments: object, **options: object) -> np.ndarray:
        tried.append(arguments)
        assert len(tried) < 200
        return spaced(*arguments, **options)

    monkeypatch.setattr(np, "linspace", counted)
    assert 380 <= len(sampled(np.full(400_000, 30), 59, 700_000)) <= 395


# pieces and words


@pytest.mark.parametrize("with_words", [True, False])
def test_pieces_together_are_the_raw_text(runs: TinyRuns, with_words: bool) -> None:
    for path in (runs.tagged, runs.plain):
        run, data, tokens, _ = data_of(path, with_words=with_words)
        texts = run.documents.to_pandas().set_index("document")["text"]
        assert not data["cut"]
        shown = [one["document"] for one in data["documents"]]
        assert shown == sorted(set(tokens["document"]))
        for document in shown:
            rows = [i for i, one in enumerate(tokens["document"]) if one == document]
            text = "".join(tokens["gap"][i] + tokens["text"][i] for i in rows)
            assert text == texts[document]
            # and so do words, with what stands before each
            assert "".join(words_of(tokens, document)).replace(" ", "") in text.replace(" ", "")
    assert {texts[one] for one in shown} == set(JAPANESE)


def test_documents_are_those_of_the_run(runs: TinyRuns) -> None:
    run, data, tokens, _ = data_of(runs.tagged)
    documents = run.documents.to_pandas()
    assert data["of"] == len(TEXTS) == len(data["documents"])
    assert {one["document"]: one["name"] for one in data["documents"]} == dict(
        zip(documents["document"], documents["name"], strict=True)
    )
    assert data["variants"] == run.layers["variant"].tolist()
    assert sum(tokens["scored"]) == documents["tokens_scored"].sum()


def test_a_word_of_several_tokens_is_one_word(runs: TinyRuns) -> None:
    _, _, tokens, _ = data_of(runs.tagged)
    words = [word.strip() for word in words_of(tokens, 0)]
    assert [word for word in words if word] == [
        "The",
        "dog",
        "chased",
        "a",
        "cat",
        "🙂",
        "quickly",
        ",",
        "and",
        "she",
        "ca",
        "n't",
        "sleep",
        ".",
    ]


def test_without_tags_words_are_told_by_spaces(runs: TinyRuns) -> None:
    """Of a tokenizer of bytes few tokens begin a word; with larger tokens ``starts_word`` decides."""
    documents = pd.DataFrame({"document": [0], "name": ["a"], "text": ["So un do, it"], "tokens": [5], "tokens_scored": [4]})
    tokens = pd.DataFrame(
        {
            "document": 0,
            "position": range(5),
            "char_start": [0, 2, 5, 8, 9],
            "char_end": [2, 5, 8, 9, 12],
            "scored": [False, True, True, True, True],
            "starts_word": [True, True, False, True, True],
        }
    )
    nll = np.arange(8, dtype=np.float32).reshape(2, 4)
    zeros = np.zeros((2, 4))
    block = ScoreArrays(np.zeros(4, int), np.arange(1, 5), nll, zeros, zeros > 0, zeros > 0, np.full((2, 4), 7, np.int64))
    packing = Packing()
    data = text_data(documents, tokens, [block], {7: "!"}, variants=["intact", "removal-0"], word_of=None, packing=packing)
    found = value_of(data["tokens"], packing.chunks)
    assert words_of(found, 0) == ["So", " un do", ",", " it"]
    assert found["scored"] == [0, 1, 1, 1, 1]
    assert found["vocabulary"] == ["!"]
    np.testing.assert_allclose(array_of(data["nll"], packing.chunks), nll, rtol=1e-4)


@pytest.mark.parametrize("with_words", [True, False])
def test_every_word_can_be_seen(runs: TinyRuns, with_words: bool) -> None:
    """Tokens that add nothing to a character are no words of their own: nobody could point at them."""
    for path in (runs.tagged, runs.plain):
        _, data, tokens, _ = data_of(path, with_words=with_words)
        for one in data["documents"]:
            assert all(words_of(tokens, one["document"])), one


# numbers


def test_numbers_are_those_of_the_score_tables(runs: TinyRuns) -> None:
    for path in (runs.tagged, runs.plain):
        run, data, tokens, packing = data_of(path)
        nll, top1 = (array_of(data[name], packing.chunks) for name in ("nll", "top1"))
        scores = pd.concat(shard.to_pandas() for shard in run.directory.parts(SCORES)).astype({"variant": str})
        scores = scores.set_index(["variant", "document", "position"]).sort_index()
        vocabulary = run.directory.read_table(VOCABULARY).to_pandas().set_index("id")["text"]
        scored = run.tokens.to_pandas().query("scored").sort_values(["document", "position"])
        shown = [one for one, counts in zip(tokens["document"], tokens["scored"], strict=True) if counts]
        assert shown == scored["document"].tolist()
        for column, place in enumerate(zip(scored["document"], scored["position"], strict=True)):
            for row, variant in enumerate(data["variants"]):
                expected = scores.loc[(variant, *place)]
                assert nll[row, column] == pytest.approx(expected["nll_nats"], rel=1e-4, abs=1e-12)
                assert tokens["vocabulary"][int(top1[row, column])] == vocabulary[expected["top1_id"]]
        assert nll.shape == top1.shape == (len(data["variants"]), len(scored))


def test_sums_over_the_page_are_the_runs_own(runs: TinyRuns) -> None:
    run, data, _, packing = data_of(runs.tagged)
    nll = array_of(data["nll"], packing.chunks)
    np.testing.assert_allclose(nll.mean(axis=1), run.layers["nll_nats"], rtol=1e-4)
    np.testing.assert_allclose((nll - nll[:1]).mean(axis=1), run.layers["delta_nll_nats"], atol=1e-4)


# room


def test_what_is_left_out_is_said(runs: TinyRuns) -> None:
    run, data, tokens, packing = data_of(runs.tagged, share=0.004)
    documents = run.documents.to_pandas().set_index("document")
    assert 1 <= len(data["documents"]) < data["of"] == len(TEXTS)
    assert not data["cut"], "whole documents, fewer of them"
    for one in data["documents"]:
        assert tokens["document"].count(one["document"]) == documents.loc[one["document"], "tokens"]
    assert array_of(data["nll"], packing.chunks).size <= 700_000 * 0.004


def test_a_document_that_is_too_long_is_cut_and_that_is_said(runs: TinyRuns) -> None:
    for path in (runs.tagged, runs.plain):
        run, data, tokens, packing = data_of(path, share=0.0001)
        (only,) = data["documents"]
        text = run.documents.to_pandas().set_index("document")["text"][only["document"]]
        shown = "".join(gap + one for gap, one in zip(tokens["gap"], tokens["text"], strict=True))
        assert data["cut"]
        assert text.startswith(shown)
        assert 0 < len(shown) < len(text)
        room = int(700_000 * 0.0001) // len(data["variants"])
        assert array_of(data["nll"], packing.chunks).shape == (len(data["variants"]), room)
        assert sum(tokens["scored"]) == room


def test_one_missing_token_is_a_cut_where_a_bos_stands_before_the_text(runs: TinyRuns) -> None:
    """documents.parquet counts tokens without the BOS, tokens.parquet has it."""
    run = FinishedRun.open(runs.plain)
    scored = int(run.documents.to_pandas()["tokens_scored"][0])
    n_variants = len(run.layers)
    share = (scored - 1) * n_variants / 700_000
    _, data, tokens, _ = data_of(runs.plain, share=share + 1e-9)
    assert sum(tokens["scored"]) == scored - 1
    assert data["cut"]


def test_nothing_scored_is_no_view() -> None:
    documents = pd.DataFrame({"document": [0], "name": ["a"], "text": ["a"], "tokens": [1], "tokens_scored": [0]})
    assert text_data(documents, pd.DataFrame(), [], {}, variants=["intact"], word_of=None, packing=Packing()) is None
