"""A received pair to a MinimalPair, or to the reason why it is none. Words are what white space parts."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from layerscope.pairs.chat.answers import Received, read_answer
from layerscope.pairs.chat.prompts import Prompt
from layerscope.pairs.pair import MinimalPair
from layerscope.pairs.subtypes import SUBTYPES

CLOSED_CLASSES = {
    "article": frozenset(("a", "an", "the")),
    "pronoun-gender": frozenset(("he", "she", "him", "her", "his", "hers", "himself", "herself")),
    "preposition": frozenset((
        "about", "above", "across", "after", "against", "along", "alongside", "amid", "among", "amongst", "around",
        "as", "at", "atop", "before", "behind", "below", "beneath", "beside", "besides", "between", "beyond", "by",
        "concerning", "despite", "down", "during", "except", "for", "from", "in", "inside", "into", "like", "minus",
        "near", "of", "off", "on", "onto", "opposite", "out", "outside", "over", "past", "per", "plus", "regarding",
        "round", "since", "than", "through", "throughout", "till", "to", "toward", "towards", "under", "underneath",
        "unlike", "until", "up", "upon", "versus", "via", "with", "within", "without",
    )),
}  # fmt: skip
"""Subtypes of which both words are among a few, in lower case."""
_CORE = re.compile(r"\w(?:.*\w)?", re.DOTALL)

Key = frozenset[str]


def key_of(sentence1: str, sentence2: str) -> Key:
    """The same for a pair and the pair turned round, whatever the white space and the case of letters."""
    return frozenset(_spaced(sentence).casefold() for sentence in (sentence1, sentence2))


def judge(received: Received, prompt: Prompt, *, seen: set[Key], known: set[Key]) -> MinimalPair | str:
    """The pair, or why it is none.

    Args:
        received: a piece of the answer to ``prompt``.
        prompt: what was asked.
        seen: pairs that this run has.
        known: pairs that were there before.
    """
    if received.sides is None:
        return received.reason
    first, second = (_spaced(side) for side in received.sides)
    reason = _what_is_wrong(first, second, prompt.subtype)
    if reason:
        return reason
    if key_of(first, second) in _examples(prompt.text, prompt.fields):
        return "it is the example of the prompt"
    if key_of(first, second) in seen:
        return "it was there already"
    if key_of(first, second) in known:
        return "it is among the pairs that were given"
    subtype = SUBTYPES[prompt.subtype]
    return MinimalPair.from_sentences(
        first,
        second,
        type=subtype.type,
        subtype=subtype.name,
        right=1 if subtype.is_judgeable else None,
        template=prompt.template,
        source=prompt.source(),
    )


@lru_cache
def _examples(text: str, fields: tuple[str, str]) -> frozenset[Key]:
    """The pairs of a prompt."""
    return frozenset(key_of(*piece.sides) for piece in read_answer(text, fields) if piece.sides)


def _what_is_wrong(first: str, second: str, subtype: str) -> str:
    """A reason, or an empty string."""
    words1, words2 = first.split(), second.split()
    if not words1 or not words2:
        return "a sentence is empty"
    kinds = {unicodedata.category(character) for character in set(first + second)}
    if "Cs" in kinds:
        return "it holds half a character"
    if "Cc" in kinds:
        return "it holds a control character"
    if first == second:
        return "the sentences are the same"
    if len(words1) != len(words2):
        return f"the sentences have {len(words1)} and {len(words2)} words"
    places = [place for place, (one, other) in enumerate(zip(words1, words2, strict=True)) if one != other]
    if len(places) > 1:
        return f"{len(places)} words differ"
    if places == [0]:
        return "the first word differs"
    before1, word1, after1 = _parts(words1[places[0]])
    before2, word2, after2 = _parts(words2[places[0]])
    if word1.casefold() == word2.casefold():
        return "the words differ in case or punctuation only"
    if (before1, after1) != (before2, after2):
        return "the punctuation differs, too"
    allowed = CLOSED_CLASSES.get(subtype)
    if allowed is not None and not {word1.casefold(), word2.casefold()} <= allowed:
        return f"'{word1}' and '{word2}' are not both words of the kind {subtype}"
    return ""


def _parts(word: str) -> tuple[str, str, str]:
    """Punctuation before, the word, punctuation after."""
    core = _CORE.search(word)
    return (word, "", "") if core is None else (word[: core.start()], core[0], word[core.end() :])


def _spaced(sentence: str) -> str:
    """With single spaces, and none at the ends."""
    return " ".join(sentence.split())
