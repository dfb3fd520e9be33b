"""Parts of speech from scores: sums that add up, means worked by hand, and tags that mean nothing find nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import stats

from layerscope.language.words import Word
from layerscope.sweeps.analysis.broken_words import frequency_bands
from layerscope.sweeps.analysis.item_sums import corrected, pairs_of_tags, sum_items, words_of_shard
from layerscope.sweeps.analysis.parts_of_speech import pos_table, published_word, transitions_table
from layerscope.sweeps.analysis.score_arrays import ScoreArrays, score_arrays
from layerscope.sweeps.analysis.words import WordCounts, WordIndex, words_tables
from layerscope.sweeps.tables import DOCUMENTS, SCORES, TOKENS
from tests.made_up_runs import made_up_run

TEXTS = ["The cats can run.", "A can ran \n off"]
SPANS = [
    [(0, 3), (3, 8), (8, 12), (12, 16), (16, 17)],
    [(0, 1), (1, 3), (3, 5), (5, 9), (9, 12), (12, 14), (14, 15)],
]
WORDS = [
    [Word(0, 3, "DET", "DT", 0), Word(4, 8, "NOUN", "NNS", 0), Word(9, 12, "AUX", "MD", 0), Word(13, 16, "VERB", "VB", 0),
     Word(16, 17, "PUNCT", ".", 0)],
    [Word(0, 1, "DET", "DT", 0), Word(2, 5, "NOUN", "NN", 0), Word(6, 9, "VERB", "VBD", 0), Word(12, 15, "ADP", "RP", 0)],
]  # fmt: skip
"""The second noun has two tokens and so has the particle; white space stands between the verb and the particle."""
LAYERS = pd.DataFrame(
    {"variant": ["intact", "removal-0"], "family": ["intact", "removal"], "span_first": pd.array([None, 0], dtype="Int32")}
)


def small_run() -> tuple[WordIndex, ScoreArrays, list[tuple[str, str]], np.ndarray]:
    """Two texts; the first token of each has no context. NLLs are 1, 2, 3, … intact and twice that without layer 0."""
    lengths = [len(spans) for spans in SPANS]
    document, position = np.repeat([0, 1], lengths), np.concatenate([np.arange(n) for n in lengths])
    documents, tokens = tables_of(TEXTS, [0, 0], [np.array(spans) for spans in SPANS], position > 0)
    words, token_words = words_tables(documents, tokens, WORDS)
    index = WordIndex.from_tables(words, token_words, 2)
    scored = np.flatnonzero(position > 0)
    nll = np.arange(1.0, len(scored) + 1)
    likeliest = np.ones((2, len(scored)), dtype=bool)
    likeliest[1, [0, 5]] = False  # without layer 0 "cats" and the second token of the second "can" are lost
    block = ScoreArrays(
        document[scored], position[scored], np.stack([nll, 2 * nll]), np.stack([0 * nll, nll / 10]), likeliest, likeliest,
        np.zeros((2, len(scored)), dtype=int),
    )  # fmt: skip
    return index, block, *pairs_of_tags(index)


def test_words_have_the_sum_of_their_tokens_and_are_right_if_all_are() -> None:
    index, block, _, _ = small_run()
    # tokens scored: cats 1, can 2, run 3, "." 4 | ·c 5, an 6, ran 7, " \n" 8, ·o 9, ff 10
    units = words_of_shard(block, index)
    assert [index.upos[word] for word in units.index] == ["NOUN", "AUX", "VERB", "PUNCT", "NOUN", "VERB", "ADP"]
    assert units.nll_nats[0].tolist() == [1, 2, 3, 4, 5 + 6, 7, 9 + 10]
    assert units.is_correct[1].tolist() == [False, True, True, True, False, True, True]


def test_every_token_is_counted_once_and_the_nlls_add_up() -> None:
    index, block, pairs, pair_of_word = small_run()
    _, _, counts = sum_items([block], index, 2, pair_of_word)
    assert (counts.in_words, counts.in_partial_words, counts.space, counts.lost) == (9, 0, 1, 0)
    np.testing.assert_array_equal(sum(counts.nll_nats.values()), block.nll_nats.sum(axis=1))
    assert counts.nll_nats["space"].tolist() == [8, 16]
    # the first words of both texts have no context: they are words and do not count
    assert [index.upos[word] for word in np.flatnonzero(~index.is_whole)] == ["DET", "DET"]
    assert sorted(pairs) == sorted(
        [("DET", "NOUN"), ("NOUN", "AUX"), ("AUX", "VERB"), ("VERB", "PUNCT"), ("NOUN", "VERB"), ("VERB", "ADP")]
    )


@pytest.mark.parametrize("n_prefix", [0, 1, 2])
def test_what_stands_before_a_text_is_no_part_of_its_first_word(n_prefix: int) -> None:
    """The same text with nothing, a BOS, or two tokens before it; the span of a BOS is (0, 0), where word 0 begins."""
    text, words = TEXTS[1], [WORDS[1]]
    spans = np.array([(0, 0)] * n_prefix + SPANS[1])
    position = np.arange(len(spans))
    documents, tokens = tables_of([text], [n_prefix], [spans], position >= max(n_prefix, 1))
    words_of_run, token_words = words_tables(documents, tokens, words)
    own = token_words.to_pandas()[n_prefix:]
    assert token_words["role"].to_pylist()[:n_prefix] == ["prefix"] * n_prefix
    assert own["word"].tolist()[:3] == [0, 1, 1]
    assert own["role"].tolist() == ["first", "first", "continuation", "first", "space", "first", "continuation"]
    assert words_of_run["tokens"].to_pylist() == [1, 2, 1, 2]
    counts = WordCounts.of(words_of_run, token_words, documents)
    assert (counts.counted, counts.without_context, counts.words) == ((4, 0, 4) if n_prefix else (3, 1, 4))
    index = WordIndex.from_tables(words_of_run, token_words, 1)
    at = np.flatnonzero(position >= max(n_prefix, 1))
    nll = np.arange(1.0, len(at) + 1)[None]
    shard = ScoreArrays(np.zeros(len(at), dtype=int), at, nll, nll, nll > 0, nll > 0, np.zeros((1, len(at)), dtype=int))
    units = words_of_shard(shard, index)
    # A 1 | ·c 2, an 3 | ran 4 | white space 5 | ·o 6, ff 7; without a BOS "A" is not scored and all are one less
    assert units.nll_nats[0].tolist() == ([1, 2 + 3, 4, 6 + 7] if n_prefix else [1 + 2, 3, 5 + 6])


def test_words_that_do_not_count_are_told_apart_by_reason() -> None:
    """A full stop and a quotation mark in one token, a text past the context, and one whose beginning another window scored."""
    texts = ['He said "no."', "One two three", "One two three"]
    spans = [
        np.array([(0, 2), (2, 7), (7, 9), (9, 11), (11, 13)]),
        np.array([(0, 0), (0, 3), (3, 7), (7, 13)]),
        np.array([(0, 0), (0, 3), (3, 7), (7, 13)]),
    ]
    words = [
        [Word(a, b, "X", "X", 0) for a, b in ((0, 2), (3, 7), (8, 9), (9, 11), (11, 12), (12, 13))],
        *([[Word(a, b, "X", "X", 0) for a, b in ((0, 3), (4, 7), (8, 13))]] * 2),
    ]
    scored = [[False, *[True] * 4], [False, True, True, False], [False, False, True, True]]
    documents, tokens = tables_of(texts, [0, 1, 1], spans, np.concatenate(scored), cut=[0, 1, 0])
    words_of_run, token_words = words_tables(documents, tokens, words)
    counts = WordCounts.of(words_of_run, token_words, documents)
    assert counts == WordCounts(counted=8, without_token=1, without_context=1, past_context=1, as_context=1)
    assert counts.words == sum(map(len, words))
    assert int(WordIndex.from_tables(words_of_run, token_words, 3).is_whole.sum()) == counts.counted


def tables_of(
    texts: list[str], n_prefix: list[int], spans: list[np.ndarray], scored: np.ndarray, cut: list[int] | None = None
) -> tuple[pa.Table, pa.Table]:
    """documents.parquet and tokens.parquet of some texts, by hand."""
    n = len(texts)
    lengths = [len(some) for some in spans]
    flat = np.concatenate(spans)
    zeros = [0] * n
    documents = DOCUMENTS.build(
        {
            "document": range(n), "name": [str(i) for i in range(n)], "text": texts,
            "tokens": [length - prefix for length, prefix in zip(lengths, n_prefix, strict=True)], "tokens_scored": zeros,
            "tokens_without_context": zeros, "tokens_as_context": zeros, "tokens_cut": cut or zeros, "bytes_scored": zeros,
        }
    )  # fmt: skip
    document, position = np.repeat(np.arange(n), lengths), np.concatenate([np.arange(length) for length in lengths])
    tokens = TOKENS.build(
        {
            "document": document, "position": position, "id": position, "text": ["x"] * len(flat), "char_start": flat[:, 0],
            "char_end": flat[:, 1], "scored": scored,
            "starts_word": [not texts[row][a:b][:1].isalpha() for row, (a, b) in zip(document, flat, strict=True)],
        }
    )  # fmt: skip
    return documents, tokens


def test_a_words_end_is_moved_to_the_word_that_it_ends() -> None:
    """Worked by hand: b is −ln p(a word starts here), at every token 0.1, 0.2, … in the intact model."""
    index, block, _, _ = small_run()
    # The·cats·can·run. | A·can·ran␣⏎·off: after "run" the full stop shows the end; "an" goes on with "·c"; the line feed
    # shows the end of "ran", and the token after it shows nothing, for it follows no word
    assert index.is_boundary.tolist() == [False, True, True, True, True, False, True, False, True, True, False, False]
    b = np.arange(1, 11) / 10
    found = corrected(replace(block, boundary_nats=np.stack([b, 2 * b])), index)
    words = words_of_shard(found, index)
    expected = [
        1 - 0.1 + 0.2,  # "cats" comes once "The" has ended, and "·can" shows that it has ended itself
        2 - 0.2 + 0.3,
        3 - 0.3 + 0.4,
        4 - 0.4,  # the full stop is complete by itself and comes last
        5 - 0.5 + 6 + 0.7,
        7 - 0.7 + 0.8,
        9 + 10,
    ]
    np.testing.assert_allclose(words.nll_nats[0], expected)
    # the first tokens, which are not scored, are what "The" and "A" ended with
    np.testing.assert_allclose(found.nll_nats.sum(axis=1), block.nll_nats.sum(axis=1) - [0.1 + 0.5, 0.2 + 1.0])


def test_effects_by_hand() -> None:
    index, block, pairs, pair_of_word = small_run()
    by_item, by_pair, _ = sum_items([block], index, 2, pair_of_word)
    table = pos_table(by_item, LAYERS, 0.95).to_pandas().set_index(["unit", "tag", "variant"])
    noun = table.loc[("word", "NOUN", "removal-0")]
    assert (noun["items"], noun["documents"], bool(noun["is_few"])) == (2, 2, True)
    assert (noun["intact_nll_nats"], noun["nll_nats"], noun["delta_nll_nats"]) == (6.0, 12.0, 6.0)  # (1 + 11) / 2
    assert (noun["intact_accuracy"], noun["accuracy"], noun["agreement"]) == (1.0, 0.0, 0.0)
    assert noun["kl_nats"] == pytest.approx(0.6)
    # of the other words the effect is 2, 3, 4, 7, 19: 7 in the mean
    assert noun["contrast_nats"] == pytest.approx(6.0 - 7.0)
    assert (noun["relative_change"], noun["change"]) == (1.0, "largely degraded")
    assert noun["delta_nll_low_nats"] < 6.0 < noun["delta_nll_high_nats"]
    assert np.isnan(noun["p_value"])  # two texts are too few for a test
    assert np.isnan(noun["contrast_p_value"])
    assert table.loc[("first", "NOUN", "removal-0"), "nll_nats"] == 2 * (1 + 5) / 2
    assert table.loc[("continuation", "NOUN", "removal-0"), "nll_nats"] == 2 * 6
    assert table.loc[("word", "open", "removal-0"), "items"] == 4
    assert table.loc[("word", "all", "removal-0"), "delta_nll_nats"] == pytest.approx((12 + 2 + 3 + 4 + 7 + 19) / 7)
    transitions = transitions_table(pairs, by_pair, LAYERS, 0.95).to_pandas().set_index(["tag", "next_tag", "variant"])
    assert transitions.loc[("DET", "NOUN", "removal-0"), "delta_nll_nats"] == 6.0
    assert transitions.loc[("VERB", "ADP", "intact"), "nll_nats"] == 19.0


@pytest.mark.parametrize(
    ("change", "word"),
    [(0.1, "unchanged"), (0.11, "degraded"), (0.51, "largely degraded"), (-0.2, "improved"), (-0.6, "largely improved"),
     (float("nan"), "unchanged")],
)  # fmt: skip
def test_the_published_words_for_a_change(change: float, word: str) -> None:
    assert published_word(change) == word


def test_blocks_follow_the_variants_asked_for() -> None:
    columns = {
        "variant": ["b", "b", "a", "a"], "document": [0, 0, 0, 0], "position": [1, 2, 1, 2], "nll_nats": [1.0, 2.0, 3.0, 4.0],
        "top1_id": [1, 2, 3, 4], "is_top1": [True] * 4, "agrees_with_intact": [True] * 4, "kl_nats": [0.0] * 4,
        "boundary_nats": [None] * 4,
    }  # fmt: skip
    (block,) = score_arrays([SCORES.build(columns)], ["a", "b"])
    assert block.nll_nats.tolist() == [[3.0, 4.0], [1.0, 2.0]]
    assert block.position.tolist() == [1, 2]


def test_a_planted_tag_is_found_and_its_effect_is_the_planted_one() -> None:
    run = made_up_run(n_documents=80, planted={"VERB": 0.5}, seed=1)
    table = run.pos().set_index(["unit", "tag", "variant"])
    verb = table.loc[("word", "VERB", "removal-1")]
    assert verb["contrast_low_nats"] <= 0.5 <= verb["contrast_high_nats"]
    assert verb["contrast_q_value"] < 0.01
    assert table.loc[("word", "NOUN", "removal-1"), "contrast_q_value"] < 0.05  # less than the others


def test_shuffled_tags_find_nothing() -> None:
    """p-values of the contrasts are uniform, and no tag passes after false-discovery control."""
    found = []
    for seed in range(12):
        table = made_up_run(n_documents=60, planted={"VERB": 0.5}, shuffled=True, seed=seed).pos()
        rows = table[(table["unit"] == "word") & (table["kind"] == "tag") & (table["variant"] == "removal-1")]
        found.append(rows["contrast_p_value"].dropna().to_numpy())
        assert not (rows["contrast_q_value"] < 0.01).any()
    p_values = np.concatenate(found)
    assert len(p_values) >= 50
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_frequency_bands_by_hand() -> None:
    words = pd.DataFrame(
        {
            "frequency": [1, 2, 3, 3, 4],
            "intact_nll_nats": [5.0, 1.0, 2.0, 3.0, 4.0],
            "delta_nll_nats": [1.0, 0.0, 1.0, 5.0, 2.0],
            "intact_correct": [False, True, True, True, True],
            "correct": [True, True, False, False, True],
        }
    )
    bands = frequency_bands(words).set_index("frequency")
    assert bands.index.tolist() == ["1", "2 to 3", "4 to 7"]
    assert bands.loc["2 to 3"].tolist() == [3, 2.0, 2.0, 1.0, 2 / 3]  # words, NLL, mean and median ΔNLL, two of three lost
    # of the word that stands once the intact model predicts nothing: nothing could be lost, which is not 0
    np.testing.assert_array_equal(bands["broke"], [np.nan, 2 / 3, 0.0])
