"""Where the pairs of a subtype come from: its frames, or the pairs of all subtypes that have frames, changed.

A file in ``subtypes`` names one of these ``SOURCE``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from layerscope.pairs.pair import MinimalPair
from layerscope.pairs.subtypes import Subtype
from layerscope.pairs.templates.frame import SOURCE as NAME
from layerscope.pairs.templates.frame import Frame, frames


@dataclass(frozen=True)
class FromFrames:
    """Pairs that are written as frames."""

    subtype: Subtype
    """What is made."""
    patterns: str
    """One frame a line; see ``frame``."""

    @cached_property
    def frames(self) -> tuple[Frame, ...]:
        """The frames, in their order."""
        return frames(self.patterns)

    def pairs(self, *, rng: np.random.Generator) -> Iterator[MinimalPair]:
        """Every pair, a frame at a time in turn, so that all frames are used about equally."""
        return in_turn(frame.pairs(self.subtype, rng=rng) for frame in self.frames)


@dataclass(frozen=True)
class FromPairs:
    """Pairs that are made of the pairs of other subtypes."""

    subtype: Subtype
    """What is made."""
    change: Callable[[Iterator[MinimalPair], np.random.Generator], Iterator[MinimalPair]]
    """Made pairs, of all subtypes with frames in turn, to the pairs of this subtype."""


Source = FromFrames | FromPairs


def derived(subtype: Subtype, sentences: tuple[str, str], *, base: MinimalPair) -> MinimalPair:
    """A pair that is made of another; its template tells of which, for pairs of one frame stay dependent."""
    return MinimalPair.from_sentences(
        *sentences,
        type=subtype.type,
        subtype=subtype.name,
        right=1 if subtype.has_wrong_side and subtype.is_judgeable else None,
        template=f"{subtype.name}/{base.template.replace('/', '-')}",
        source=NAME,
    )


def in_turn(streams: Iterable[Iterator[MinimalPair]]) -> Iterator[MinimalPair]:
    """One pair of each stream after the other until all are at their end, no sentence in two pairs.

    A stream whose pair has a sentence that was there already gives its next at once.
    """
    waiting, said = list(streams), set[str]()
    while waiting:
        going: list[Iterator[MinimalPair]] = []
        for stream in waiting:
            pair = next((pair for pair in stream if said.isdisjoint((pair.sentence1, pair.sentence2))), None)
            if pair is not None:
                said.update((pair.sentence1, pair.sentence2))
                going.append(stream)
                yield pair
        waiting = going
