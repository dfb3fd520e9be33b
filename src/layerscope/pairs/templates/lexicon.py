"""The lexicon: every class of words by name, put together from the lists beside it. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from layerscope.errors import PairError, did_you_mean
from layerscope.pairs.templates import modifiers, persons
from layerscope.pairs.templates.nouns import NOUNS, UNCOUNTED
from layerscope.pairs.templates.verbs import INTRANSITIVE, TRANSITIVE
from layerscope.pairs.templates.word import Word, noun, person, verb


def words_of(name: str) -> tuple[Word, ...]:
    """The words of a class.

    Raises:
        PairError: there is no such class.
    """
    if name not in CLASSES:
        raise PairError(f"A slot is a class of the lexicon ({', '.join(CLASSES)}); got '{name}'.{did_you_mean(name, CLASSES)}")
    return CLASSES[name]


def _persons() -> dict[str, tuple[Word, ...]]:
    male, female, male_relatives, female_relatives, male_names, female_names = (
        tuple(person(text, gender=gender) for text in texts.split())
        for texts, gender in (
            (persons.MALE, "m"),
            (persons.FEMALE, "f"),
            (persons.RELATIVES_MALE, "m"),
            (persons.RELATIVES_FEMALE, "f"),
            (persons.NAMES_MALE, "m"),
            (persons.NAMES_FEMALE, "f"),
        )
    )
    relatives, names = male_relatives + female_relatives, male_names + female_names
    workers = tuple(noun(text) for text in persons.WORKERS.split())
    someone = names + tuple(Word("my " + word.text, word.forms) for word in relatives)
    return {
        "male": male,
        "female": female,
        "gendered": male + female,
        "male_relative": male_relatives,
        "female_relative": female_relatives,
        "relative": relatives,
        "male_name": male_names,
        "female_name": female_names,
        "name": names,
        "worker": workers,
        "someone": someone,
        "person": someone + tuple(Word("the " + word.text) for word in workers),
        "people": tuple(Word(text) for text in persons.PEOPLE.split(",")),
    }


def _classes() -> Mapping[str, tuple[Word, ...]]:
    classes = {name: tuple(noun(text) for text in texts.split()) for name, texts in NOUNS.items()}
    classes |= {name: tuple(Word(text) for text in texts.split()) for name, texts in UNCOUNTED.items()}
    classes |= _persons()
    classes |= {name: tuple(verb(text) for text in texts.split()) for name, texts in INTRANSITIVE.items()}
    for name, taken in TRANSITIVE.items():
        classes[name] = tuple(verb(text, objects=tuple(objects.split())) for text, objects in taken.items())
    classes |= {name: tuple(Word(text) for text in texts.split()) for name, texts in modifiers.ADJECTIVES.items()}
    numbers = {"number": modifiers.NUMBERS, "small_number": modifiers.SMALL_NUMBERS, "hour": modifiers.HOURS}
    classes |= {name: tuple(Word(text) for text in texts.split()) for name, texts in numbers.items()}
    classes |= {name: tuple(Word(text) for text in texts.split(",")) for name, texts in modifiers.ADVERBIALS.items()}
    return MappingProxyType(classes)


CLASSES = _classes()
"""Class to its words. Classes of persons: ``someone`` has a pronoun, ``person`` may have none, ``people`` are several."""
