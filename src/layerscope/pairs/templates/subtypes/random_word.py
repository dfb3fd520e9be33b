"""Control, random word: the edited place of a made sentence holds a random word of like frequency, whatever it means."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from layerscope.pairs.pair import MinimalPair
from layerscope.pairs.subtypes import SUBTYPES
from layerscope.pairs.templates.bands import band_of, words_in
from layerscope.pairs.templates.source import FromPairs, derived

_VOWEL = tuple("aeiou")


def _change(pairs: Iterator[MinimalPair], rng: np.random.Generator) -> Iterator[MinimalPair]:
    for pair in pairs:
        start, end = pair.edit1
        before, word, after = pair.sentence1[:start], pair.sentence1[start:end], pair.sentence1[end:]
        follows_article = re.search(r"\b[Aa]n? $", before) is not None
        words = [
            other
            for other in words_in(band_of(word))
            if other not in pair.sentence1.lower().split()
            and other != pair.sentence2[pair.edit2[0] : pair.edit2[1]]
            and not (follows_article and other.startswith(_VOWEL) != word.startswith(_VOWEL))
        ]
        yield derived(SOURCE.subtype, (pair.sentence1, before + words[int(rng.integers(len(words)))] + after), base=pair)


SOURCE = FromPairs(SUBTYPES["random-word"], _change)
