"""Control, identical: a made sentence twice. Whatever differs between its sides is noise."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerscope.pairs.pair import MinimalPair
from layerscope.pairs.subtypes import SUBTYPES
from layerscope.pairs.templates.source import FromPairs, derived


def _change(pairs: Iterator[MinimalPair], _: np.random.Generator) -> Iterator[MinimalPair]:
    for pair in pairs:
        yield derived(SOURCE.subtype, (pair.sentence1, pair.sentence1), base=pair)


SOURCE = FromPairs(SUBTYPES["identical"], _change)
