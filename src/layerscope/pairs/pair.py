"""MinimalPair: two sentences that differ in one place, with what kind of difference it is. Pure values; no tokenizer, no disk.

Characters are counted in the sentences as they stand. Whether the difference is one *token* depends on a tokenizer and is told
by ``checking``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from layerscope.errors import PairError

PairType = Literal["meaning", "grammar", "control"]
TYPES: tuple[PairType, ...] = ("meaning", "grammar", "control")


@dataclass(frozen=True)
class MinimalPair:
    """Two sentences of a known difference."""

    type: str
    """``meaning`` (both sentences are right), ``grammar`` (one is wrong) or ``control`` (what differences are held against)."""
    subtype: str
    """What differs, such as ``tense``; see ``SUBTYPES``."""
    sentence1: str
    """First sentence; of a grammar pair with a wrong side, the right one."""
    sentence2: str
    """Second sentence."""
    edit1: tuple[int, int]
    """First character of ``sentence1`` that differs and one past the last; empty where a word is missing there."""
    edit2: tuple[int, int]
    """The same in ``sentence2``."""
    right: int | None
    """Which sentence is right where the other is wrong; None where both are (meaning, controls, articles)."""
    template: str
    """Pairs of one template are not independent: the unit of the bootstrap."""
    source: str
    """Where it comes from, such as ``templates`` or ``openai:gpt-4o-mini``."""
    term: str = ""
    """The source's own name for the phenomenon, such as BLiMP's linguistics term; may be empty."""

    def __post_init__(self) -> None:
        if self.type not in TYPES:
            raise PairError(f"The type of a pair is {', '.join(TYPES)}; got '{self.type}'.")
        if not self.subtype or not self.subtype.replace("-", "").isalnum():
            raise PairError(f"A subtype is a word of letters, digits and hyphens; got '{self.subtype}'.")
        if self.right not in (1, 2, None) or isinstance(self.right, bool | float):
            raise PairError(f"The right side of a pair is 1, 2 or none; got {self.right!r}.")
        for name, sentence, (start, end) in (("1", self.sentence1, self.edit1), ("2", self.sentence2, self.edit2)):
            if not sentence.strip():
                raise PairError(f"A sentence holds a character that is no white space; sentence{name} is '{sentence}'.")
            if not 0 <= start <= end <= len(sentence):
                raise PairError(
                    f"An edit lies in its sentence; got {start}-{end} in sentence{name}, which ends at {len(sentence)}."
                )
        shared = self.sentence1[: self.edit1[0]], self.sentence2[: self.edit2[0]]
        if shared[0] != shared[1] and self.subtype != "unrelated":
            raise PairError(f"The sentences of a pair are the same before the edit; got '{shared[0]}' and '{shared[1]}'.")

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits that depend on type, subtype and both sentences, and on nothing else."""
        content = "\x1f".join((self.type, self.subtype, self.sentence1, self.sentence2))
        return hashlib.sha256(content.encode("utf-8")).hexdigest()[:12]

    @classmethod
    def from_sentences(
        cls,
        sentence1: str,
        sentence2: str,
        *,
        type: str,  # noqa: A002 - the field's name
        subtype: str,
        right: int | None,
        template: str,
        source: str,
        term: str = "",
    ) -> MinimalPair:
        """A pair whose edit is found by comparing its sentences word by word."""
        edit1, edit2 = find_edit(sentence1, sentence2)
        return cls(type, subtype, sentence1, sentence2, edit1, edit2, right, template, source, term)


def find_edit(sentence1: str, sentence2: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """Where two sentences differ: the characters between the words that they share at both ends.

    Words are cut at white space; punctuation stays with its word unless it is shared, too.

    Returns:
        Start and end in each sentence; empty spans at the end where they are equal.

    Examples:
        >>> find_edit("She is tired.", "She was tired.")
        ((4, 6), (4, 7))
    """
    n_before = _shared(sentence1, sentence2)
    rest1, rest2 = sentence1[n_before:], sentence2[n_before:]
    n_after = _shared(rest1[::-1], rest2[::-1])
    # a shared letter or two at either side belongs to a word that is not shared
    while n_before and _inside_word(sentence1, n_before, sentence2):
        n_before -= 1
    end1, end2 = len(sentence1) - n_after, len(sentence2) - n_after
    while (
        n_after and _is_word(sentence1[end1]) and (_is_word(sentence1[end1 - 1 : end1]) or _is_word(sentence2[end2 - 1 : end2]))
    ):
        n_after, end1, end2 = n_after - 1, end1 + 1, end2 + 1
    return (n_before, max(end1, n_before)), (n_before, max(end2, n_before))


def _shared(first: str, second: str) -> int:
    """How many characters two strings share from the start."""
    n_same = 0
    for a, b in zip(first, second, strict=False):
        if a != b:
            break
        n_same += 1
    return n_same


def _inside_word(sentence1: str, place: int, sentence2: str) -> bool:
    """Whether a cut before ``place`` would part a word of either sentence."""
    before = sentence1[place - 1]
    return _is_word(before) and (_is_word(sentence1[place : place + 1]) or _is_word(sentence2[place : place + 1]))


def _is_word(character: str) -> bool:
    return bool(character) and (character.isalnum() or character in "'’-")
