"""Tokens to words by character offsets, on the cases that break other aligners."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from layerscope.language.alignment import Alignment, align
from layerscope.language.words import Word


def words_at(*spans: tuple[int, int]) -> list[Word]:
    return [Word(start, end, "NOUN", "", 0) for start, end in spans]


def aligned(text: str, spans: list[tuple[int, int]], words: list[Word]) -> list[int]:
    return align(text, np.array(spans).reshape(-1, 2), words).word.tolist()


def lost(found: Alignment) -> np.ndarray:
    """Tokens that should have a word and do not."""
    return (found.word < 0) & ~found.is_space


def test_a_leading_space_belongs_to_the_word_after_it() -> None:
    assert aligned("I can fish", [(0, 1), (1, 5), (5, 10)], words_at((0, 1), (2, 5), (6, 10))) == [0, 1, 2]


def test_pieces_of_a_word_and_punctuation_of_its_own() -> None:
    # un|believ|able|!
    found = align("unbelievable!", np.array([(0, 2), (2, 8), (8, 12), (12, 13)]), words_at((0, 12), (12, 13)))
    assert found.word.tolist() == [0, 0, 0, 1]
    assert found.is_first.tolist() == [True, False, False, True]


def test_a_token_across_a_border_goes_to_the_word_with_most_of_it() -> None:
    # do|n't in the treebank, don|'t in the vocabulary: "don" has two characters of "do" and one of "n't"
    assert aligned("don't", [(0, 3), (3, 5)], words_at((0, 2), (2, 5))) == [0, 1]
    # of equal shares the first: "a.m" over "a" "." "m"
    assert aligned("a.m", [(0, 3)], words_at((0, 1), (1, 2), (2, 3))) == [0]


def test_several_byte_tokens_share_one_character() -> None:
    found = align("🙂 é", np.array([(0, 1), (0, 1), (0, 1), (0, 1), (1, 3), (2, 3)]), words_at((0, 1), (2, 3)))
    assert found.word.tolist() == [0, 0, 0, 0, 1, 1]
    assert found.is_first.tolist() == [True, False, False, False, True, False]


def test_a_combining_character_is_part_of_its_word() -> None:
    assert aligned("e\u0301te\u0301", [(0, 1), (1, 2), (2, 3), (3, 5)], words_at((0, 5))) == [0, 0, 0, 0]


def test_white_space_is_no_word_and_is_not_lost() -> None:
    found = align("a \n\n b", np.array([(0, 1), (1, 4), (4, 6)]), words_at((0, 1), (5, 6)))
    assert found.word.tolist() == [0, -1, 1]
    assert found.is_space.tolist() == [False, True, False]
    assert not lost(found).any()


def test_an_empty_span_inside_a_word_is_part_of_it_and_elsewhere_is_lost() -> None:
    found = align("ab c", np.array([(0, 1), (1, 1), (2, 2), (4, 4), (3, 4)]), words_at((0, 2), (3, 4)))
    assert found.word.tolist() == [0, 0, -1, -1, 1]
    assert lost(found).tolist() == [False, False, True, True, False]


def test_a_space_that_a_tokenizer_reads_before_a_text_is_white_space() -> None:
    # sentencepiece's lone ▁ before an emoji, then the emoji's bytes
    found = align("🦥 a", np.array([(0, 0), (0, 1), (0, 1), (1, 3)]), words_at((0, 1), (2, 3)))
    assert found.word.tolist() == [-1, 0, 0, 1]
    assert found.is_first.tolist() == [False, True, False, True]
    assert found.is_space.tolist() == [True, False, False, False]


def test_text_that_no_word_covers_is_lost() -> None:
    assert lost(align("a § b", np.array([(0, 1), (1, 3), (3, 5)]), words_at((0, 1), (4, 5)))).tolist() == [False, True, False]


def test_nothing_aligns_with_nothing() -> None:
    assert align("", np.zeros((0, 2), dtype=int), []).word.shape == (0,)
    assert align("a", np.zeros((0, 2), dtype=int), words_at((0, 1))).word.shape == (0,)


@given(st.data())
def test_it_is_the_naive_alignment(data: st.DataObject) -> None:
    """Against counting shared characters of every token with every word."""
    text = data.draw(st.text(alphabet="ab \n🙂é", min_size=1, max_size=12))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)) | {0, len(text)})
    spans = [(a, b) for a, b in itertools.pairwise(cuts) if a < b]
    borders = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    solid = [(a, b) for a, b in itertools.pairwise(borders) if a < b and text[a:b].strip() == text[a:b]]
    words = words_at(*solid)
    expected = []
    for start, end in spans:
        inside = [i for i in range(start, end) if not text[i].isspace()]
        outer = range(inside[0], inside[-1] + 1) if inside else []
        shared = [sum(word.start <= i < word.end for i in outer) for word in words]
        expected.append(int(np.argmax(shared)) if shared and max(shared) else -1)
    assert aligned(text, spans, words) == expected
