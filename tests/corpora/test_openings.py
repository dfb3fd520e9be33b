"""Openings of texts: whole sentences, none of a few words, nothing changed inside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.corpora.catalogue import load_documents
from layerscope.corpora.openings import FEWEST_WORDS, opening


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One two three four five six seven eight. Nine ten.", "One two three four five six seven eight."),
        ("Mr. Smith said so on Monday to a small crowd. Nobody heard.", "Mr. Smith said so on Monday to a small crowd."),
        ("Is it late? Yes, it is very late by now, my friend! Go.", "Is it late? Yes, it is very late by now, my friend!"),
        (
            'He said: "we shall see what becomes of this today." She left.',
            'He said: "we shall see what becomes of this today."',
        ),
        ("Its price rose by 3.5 per cent in the year. Then it fell.", "Its price rose by 3.5 per cent in the year."),
        ("no end here", "no end here"),
        ("  \n ", ""),
    ],
)
def test_an_opening_is_the_first_sentence_of_eight_words_or_more(text: str, expected: str) -> None:
    assert opening(text) == expected


@given(st.text())
def test_an_opening_is_a_start_of_the_text(text: str) -> None:
    assert text.strip().startswith(opening(text))


def test_the_data_set_has_one_opening_for_each_article() -> None:
    articles, openings = load_documents("lee", "lines"), load_documents("lee-openings", "lines")
    assert len(openings) == len(articles)
    for article, start in zip(articles, openings, strict=True):
        assert article.text.strip().startswith(start.text)
        assert FEWEST_WORDS <= len(start.text.split()) <= len(article.text.split())
    words = sorted(len(start.text.split()) for start in openings)
    assert words[len(words) // 2] < 40
