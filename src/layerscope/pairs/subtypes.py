"""The kinds of pairs that are known by name, with what they are for. Other names may be imported; these are what we make.

The first six are the published ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from layerscope.pairs.pair import PairType


@dataclass(frozen=True)
class Subtype:
    """A kind of difference."""

    name: str
    """As it stands in a pair."""
    type: PairType
    """What it belongs to."""
    has_wrong_side: bool
    """True where a speaker would call one of the sides an error."""
    is_judgeable: bool
    """True where a model that sees no more than the sentence can tell which side is right."""
    meaning: str
    """One line for lists and help texts."""
    example: tuple[str, str]
    """The right side (or the first) and the other; for the published ones, the published example."""


SUBTYPES = {
    subtype.name: subtype
    for subtype in (
        Subtype("subject", "meaning", False, False, "another subject", ("She loves coffee.", "He loves coffee.")),
        Subtype("location", "meaning", False, False, "another place", ("The cat sat on the mat.", "The cat sat on the hat.")),
        Subtype(
            "adjective",
            "meaning",
            False,
            False,
            "another adjective",
            ("This is absolutely amazing.", "This is absolutely terrible."),
        ),
        Subtype(
            "tense",
            "grammar",
            True,
            True,
            "a tense that does not fit",
            ("She was very tired yesterday.", "She is very tired yesterday."),
        ),
        Subtype(
            "article",
            "grammar",
            True,
            False,
            "another article; both are grammatical by themselves",
            ("He adopted a dog from the shelter.", "He adopted the dog from the shelter."),
        ),
        Subtype(
            "preposition",
            "grammar",
            True,
            True,
            "a preposition that does not fit",
            ("She is good at math.", "She is good in math."),
        ),
        Subtype(
            "subject-verb-agreement",
            "grammar",
            True,
            True,
            "a verb of the wrong number",
            ("The keys to the cabinet are on the table.", "The keys to the cabinet is on the table."),
        ),
        Subtype(
            "determiner-noun-agreement",
            "grammar",
            True,
            True,
            "a determiner of the wrong number",
            ("She bought these books last week.", "She bought this books last week."),
        ),
        Subtype(
            "pronoun-gender",
            "grammar",
            True,
            True,
            "a pronoun of the wrong gender",
            ("The queen said that she was tired.", "The queen said that he was tired."),
        ),
        Subtype(
            "negation", "meaning", False, False, "affirmed and denied", ("He has always liked tea.", "He has never liked tea.")
        ),
        Subtype(
            "number", "meaning", False, False, "another number", ("We waited for three hours.", "We waited for five hours.")
        ),
        Subtype("typo", "grammar", True, True, "one character off", ("The house is on the hill.", "The hause is on the hill.")),
        Subtype("identical", "control", False, False, "the same sentence twice", ("The door was open.", "The door was open.")),
        Subtype(
            "random-word",
            "control",
            False,
            False,
            "a random word of like frequency in the same place",
            ("The cat sat on the mat.", "The cat sat on the tax."),
        ),
        Subtype(
            "unrelated",
            "control",
            False,
            False,
            "another sentence of the same length",
            ("The cat sat on the mat.", "My sister reads very long books."),
        ),
    )
}
"""By name, in the order in which they are listed."""
PUBLISHED_SUBTYPES = ("subject", "location", "adjective", "tense", "article", "preposition")
"""Those of the method as published."""
