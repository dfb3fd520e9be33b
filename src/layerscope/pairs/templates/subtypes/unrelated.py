"""Control, unrelated: two made sentences of different frames and as many words. Their tokens are counted by ``check_pairs``."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerscope.pairs.pair import MinimalPair
from layerscope.pairs.subtypes import SUBTYPES
from layerscope.pairs.templates.source import FromPairs, derived


def _change(pairs: Iterator[MinimalPair], _: np.random.Generator) -> Iterator[MinimalPair]:
    waiting: dict[int, MinimalPair] = {}
    for pair in pairs:
        n_words = len(pair.sentence1.split())
        other = waiting.pop(n_words, pair)
        if other.template == pair.template:
            waiting[n_words] = pair
        else:
            yield derived(SOURCE.subtype, (other.sentence1, pair.sentence1), base=other)


SOURCE = FromPairs(SUBTYPES["unrelated"], _change)
