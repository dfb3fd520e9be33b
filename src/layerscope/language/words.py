"""Word: a stretch of a raw text with its part of speech. Pure values; no tagger, no tokens.

Universal parts of speech: universaldependencies.org/u/pos, 17 tags; the three classes are those of the same page.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

OPEN_TAGS = ("ADJ", "ADV", "INTJ", "NOUN", "PROPN", "VERB")
"""Classes that take new members."""
CLOSED_TAGS = ("ADP", "AUX", "CCONJ", "DET", "NUM", "PART", "PRON", "SCONJ")
"""Function words and numerals."""
OTHER_TAGS = ("PUNCT", "SYM", "X")
UPOS_TAGS = (*OPEN_TAGS, *CLOSED_TAGS, *OTHER_TAGS)
"""Universal parts of speech, open classes first."""


def is_word_character(character: str) -> bool:
    """Whether a character is a letter, a digit or a mark that belongs to one."""
    return unicodedata.category(character)[0] in "LNM"


@dataclass(frozen=True)
class Word:
    """A word of a text."""

    start: int
    """First character in the raw text."""
    end: int
    """One past the last character."""
    upos: str
    """Universal part of speech; X where the tagger gives none."""
    tag: str
    """The tagger's or treebank's own, finer tag; empty where there is none."""
    sentence: int
    """Number of the sentence in its text, from 0."""

    def __post_init__(self) -> None:
        assert self.end > self.start, f"a word covers a character; got {self}"
        assert self.upos in UPOS_TAGS, f"'{self.upos}' is no universal part of speech"
