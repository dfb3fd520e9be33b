"""Frame: a sentence pattern with slots and one edit, and its fillings. Pure values; words come from the lexicon.

The pattern language, by example: ``Yesterday {person} [was|is] very tired after the long {trip}.``

| written | means |
|---|---|
| ``{person}`` | a word of this class, always the same one in a sentence |
| ``{person2}`` | another word of the class |
| ``{go:past}`` | the word in a form (see ``word``) |
| ``{do.object}``, ``{do.object:pl}`` | something that may be the object of the verb in ``{do}`` |
| ``[was|is]`` | the edit: one word of the first sentence, one of the second; slots may stand in it |
| ``a`` | becomes ``an`` before a vowel |

The first letter becomes a capital. A filling that says a word twice, or in which more than one word differs, is skipped.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from layerscope.errors import PairError
from layerscope.pairs.pair import MinimalPair
from layerscope.pairs.subtypes import Subtype
from layerscope.pairs.templates.lexicon import words_of
from layerscope.pairs.templates.shuffling import shuffled
from layerscope.pairs.templates.word import Word

SOURCE = "templates"
"""What the pairs made here name as their source."""
Choice = tuple[Word, Word | None]
"""What fills a slot: a word and, where the frame asks for one, its object."""

_EDIT = re.compile(r"\[([^|\[\]]+)\|([^|\[\]]+)\]")
_SLOT = re.compile(r"\{(?P<name>(?P<words>[a-z_]+)\d?)(?P<object>\.object)?(?::(?P<form>[a-z0-9-]+))?\}")
_BEFORE_VOWEL = re.compile(r"\b([Aa])(?= (?!uni|one|use|eu)(?:[aeiou]|hour|honest))", re.IGNORECASE)


@dataclass(frozen=True)
class Frame:
    """A sentence pattern with one edit."""

    number: int
    """Its place among the frames of its subtype, from 1; new frames go to the end, so that it keeps."""
    pattern: str
    """What is written; see the module."""

    def __post_init__(self) -> None:
        edits = _EDIT.findall(self.pattern)
        if len(edits) != 1 or re.search(r"[\[\]|{}]", _SLOT.sub("", _EDIT.sub("", self.pattern))):
            raise PairError(
                f"A frame has one edit [first|second] and slots {{class}}; got '{self.pattern}': correct its brackets."
            )
        if not self.pattern[: self.pattern.index("[")].strip():
            raise PairError(f"The edit of a frame is not its first word; got '{self.pattern}': let another word lead in.")
        for slot in _SLOT.finditer(self.pattern):
            for choice in self.slots[slot["name"]]:
                _written(slot, choice)

    @cached_property
    def slots(self) -> dict[str, tuple[Choice, ...]]:
        """Name of a slot to what may fill it.

        Raises:
            PairError: a class is not in the lexicon, or an object is asked for of a word that takes none.
        """
        with_object = {slot["name"] for slot in _SLOT.finditer(self.pattern) if slot["object"]}
        slots: dict[str, tuple[Choice, ...]] = {}
        for slot in _SLOT.finditer(self.pattern):
            words = words_of(slot["words"])
            if slot["name"] in with_object:
                slots[slot["name"]] = tuple(choice for word in words for choice in _objects_of(word, self.pattern))
            else:
                slots[slot["name"]] = tuple((word, None) for word in words)
        return slots

    @property
    def n_fillings(self) -> int:
        """How many ways there are to fill the slots; not all of them are sentences."""
        return math.prod(len(choices) for choices in self.slots.values())

    def pairs(self, subtype: Subtype, *, rng: np.random.Generator) -> Iterator[MinimalPair]:
        """Every pair that the frame makes, each once, in random order."""
        for number in shuffled(self.n_fillings, rng=rng):
            sentences = self._sentences(self._choices(number))
            if sentences is None:
                continue
            yield MinimalPair.from_sentences(
                *sentences,
                type=subtype.type,
                subtype=subtype.name,
                right=1 if subtype.has_wrong_side and subtype.is_judgeable else None,
                template=f"{subtype.name}/{self.number:02d}",
                source=SOURCE,
            )

    def _choices(self, number: int) -> dict[str, Choice]:
        """The filling of a number, read as digits, one per slot."""
        choices: dict[str, Choice] = {}
        for name, options in self.slots.items():
            number, digit = divmod(number, len(options))
            choices[name] = options[digit]
        return choices

    def _sentences(self, choices: dict[str, Choice]) -> tuple[str, str] | None:
        """Both sentences of a filling; None where they are no minimal pair or say a word twice."""
        first, second = (_sentence(_EDIT.sub(rf"\{side}", self.pattern), choices) for side in (1, 2))
        if first is None or second is None:
            return None
        words = list(zip(first.split(), second.split(), strict=False))
        is_pair = len(first.split()) == len(second.split()) and sum(one != other for one, other in words) == 1
        return (first, second) if is_pair else None


def frames(patterns: str) -> tuple[Frame, ...]:
    """Frames of a text, one per line, numbered in their order."""
    return tuple(Frame(number, pattern.strip()) for number, pattern in enumerate(patterns.strip().splitlines(), start=1))


def _objects_of(word: Word, pattern: str) -> Iterator[Choice]:
    if not word.objects:
        raise PairError(f"Only a transitive verb has an object; '{word.text}' has none: correct '{pattern}'.")
    for name in word.objects:
        for thing in words_of(name):
            yield word, thing


def _sentence(pattern: str, choices: dict[str, Choice]) -> str | None:
    """A pattern without its edit, filled; None where a word that fills a slot comes twice."""
    text = _BEFORE_VOWEL.sub(r"\1n", _SLOT.sub(lambda slot: _written(slot, choices[slot["name"]]), pattern))
    said = re.findall(r"[\w'-]+", text)
    filled = {_written(slot, choices[slot["name"]]).split()[-1] for slot in _SLOT.finditer(pattern)}
    if any(len(word) > 2 and said.count(word) > 1 for word in filled):
        return None
    return text[0].upper() + text[1:]


def _written(slot: re.Match[str], choice: Choice) -> str:
    word, thing = choice
    chosen = thing if slot["object"] and thing is not None else word
    return chosen.form(slot["form"] or "")
