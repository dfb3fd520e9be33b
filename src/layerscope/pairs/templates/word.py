"""Word: an entry of the lexicon with its inflected forms, and the rules and exceptions of English inflection.

Only what the lexicon needs is here: regular endings and a list of exceptions. A form that a word has is asked for by name:

| of | forms |
|---|---|
| nouns | ``pl`` |
| verbs | ``3sg``, ``past``, ``part``, ``ing`` (the word itself is the base) |
| persons | ``he``, ``him``, ``his``, ``himself`` and, of the other gender, ``wrong-he`` and so on |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from layerscope.errors import PairError

PLURALS = {
    "man": "men", "woman": "women", "child": "children", "mouse": "mice", "person": "people", "fish": "fish",
    "knife": "knives", "shelf": "shelves", "wife": "wives", "wolf": "wolves", "leaf": "leaves", "scarf": "scarves",
    "potato": "potatoes", "tomato": "tomatoes", "hero": "heroes", "gentleman": "gentlemen",
    "businessman": "businessmen", "fisherman": "fishermen", "deer": "deer",
    "sheep": "sheep",
}  # fmt: skip
"""Nouns whose plural no rule makes."""

VERBS = {
    "be": "was been", "begin": "began begun", "bite": "bit bitten", "break": "broke broken", "bring": "brought brought",
    "build": "built built", "buy": "bought bought", "catch": "caught caught", "choose": "chose chosen", "come": "came come",
    "cut": "cut cut", "do": "did done", "draw": "drew drawn", "drink": "drank drunk", "drive": "drove driven",
    "eat": "ate eaten", "fall": "fell fallen", "feed": "fed fed", "feel": "felt felt", "find": "found found",
    "fly": "flew flown", "forget": "forgot forgotten", "get": "got got", "give": "gave given", "go": "went gone",
    "grow": "grew grown", "hear": "heard heard", "hide": "hid hidden", "hold": "held held", "keep": "kept kept",
    "know": "knew known", "learn": "learned learned", "leave": "left left", "lend": "lent lent", "lose": "lost lost",
    "make": "made made", "meet": "met met", "pay": "paid paid", "put": "put put", "read": "read read", "ride": "rode ridden",
    "run": "ran run", "say": "said said", "see": "saw seen", "sell": "sold sold", "send": "sent sent", "sing": "sang sung",
    "sit": "sat sat", "sleep": "slept slept", "speak": "spoke spoken", "spend": "spent spent", "stand": "stood stood",
    "steal": "stole stolen", "sweep": "swept swept", "swim": "swam swum", "take": "took taken", "teach": "taught taught",
    "tell": "told told", "think": "thought thought", "throw": "threw thrown", "wear": "wore worn", "win": "won won",
    "write": "wrote written", "hurt": "hurt hurt", "ring": "rang rung", "shine": "shone shone",
}  # fmt: skip
"""Verbs whose past and participle no rule makes."""

DOUBLED = ("begin", "cut", "drop", "forget", "get", "plan", "prefer", "put", "run", "shop", "sit", "stop", "swim", "win")
"""Verbs that double their last letter before ``-ed`` and ``-ing``."""

PRONOUNS = {
    "m": {"he": "he", "him": "him", "his": "his", "himself": "himself"},
    "f": {"he": "she", "him": "her", "his": "her", "himself": "herself"},
}
"""Forms of the pronoun that stands for a person, by gender; named after the masculine ones."""


@dataclass(frozen=True)
class Word:
    """A word, or a short phrase that stands in the place of one."""

    text: str
    """As it stands where no form is asked for: singular, base form."""
    forms: Mapping[str, str] = field(default_factory=dict)
    """Inflected forms by name."""
    objects: tuple[str, ...] = ()
    """Of a verb: classes from which its object may be taken; empty otherwise."""

    def form(self, name: str) -> str:
        """The word in a form; the empty name is the word itself.

        Raises:
            PairError: it has no such form.
        """
        if name and name not in self.forms:
            known = ", ".join(self.forms) or "no forms"
            raise PairError(
                f"A form is one that the word has ({known}); '{self.text}' has no '{name}': correct the frame or the lexicon."
            )
        return self.forms[name] if name else self.text


def noun(text: str) -> Word:
    """A noun and its plural."""
    return Word(text, {"pl": PLURALS.get(text) or _with_s(text)})


def verb(text: str, *, objects: tuple[str, ...] = ()) -> Word:
    """A verb, its forms, and the classes of its objects."""
    past, participle = VERBS[text].split() if text in VERBS else (_past(text), _past(text))
    singular = {"be": "is", "have": "has"}.get(text) or _with_s(text)
    return Word(text, {"3sg": singular, "past": past, "part": participle, "ing": _gerund(text)}, objects)


def person(text: str, *, gender: str) -> Word:
    """A person of a gender with the pronouns that stand for him or her."""
    other = PRONOUNS["f" if gender == "m" else "m"]
    return Word(text, {**PRONOUNS[gender], **{f"wrong-{name}": pronoun for name, pronoun in other.items()}})


def _with_s(text: str) -> str:
    """Third person or regular plural."""
    if text.endswith(("s", "x", "z", "ch", "sh")) or text in ("go", "do"):
        return text + "es"
    return text[:-1] + "ies" if _ends_in_consonant_y(text) else text + "s"


def _past(text: str) -> str:
    if text.endswith("e"):
        return text + "d"
    return text[:-1] + "ied" if _ends_in_consonant_y(text) else _doubled(text) + "ed"


def _gerund(text: str) -> str:
    drops_e = text.endswith("e") and not text.endswith(("ee", "be"))
    return text[:-1] + "ing" if drops_e else _doubled(text) + "ing"


def _doubled(text: str) -> str:
    return text + text[-1] if text in DOUBLED else text


def _ends_in_consonant_y(text: str) -> bool:
    return text.endswith("y") and text[-2] not in "aeiou"
