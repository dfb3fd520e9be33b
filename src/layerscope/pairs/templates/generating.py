"""Pairs of a subtype from a seed: the same seed gives the same pairs, and the first of many are the few.

A subtype is a file in ``subtypes``; there is no list of them elsewhere.
"""

from __future__ import annotations

import importlib
import itertools
import pkgutil
from collections.abc import Iterator, Sequence

import numpy as np

from layerscope.errors import PairError, check_text, did_you_mean
from layerscope.pairs.pair import MinimalPair
from layerscope.pairs.subtypes import PUBLISHED_SUBTYPES
from layerscope.pairs.templates import subtypes
from layerscope.pairs.templates.frame import SOURCE
from layerscope.pairs.templates.source import FromFrames, FromPairs, Source, in_turn

_ROUNDS = 50
PUBLISHED, EXAMPLE = "published", "example"
"""Template of a subtype's example, which comes first: of the published subtypes, and of the others."""


def find_sources() -> dict[str, Source]:
    """Every subtype that can be made, by name."""
    found: list[Source] = [
        importlib.import_module(f"{subtypes.__name__}.{module.name}").SOURCE
        for module in pkgutil.iter_modules(subtypes.__path__)
    ]
    return {source.subtype.name: source for source in found}


def generate(subtype: str, n: int, *, seed: int) -> Iterator[MinimalPair]:
    """Pairs of a subtype: its example, then what its templates make; no sentence is in two of them.

    Args:
        subtype: a name from ``find_sources``.
        n: how many; from 0.
        seed: from 0. Pairs of other subtypes that are made of frames' pairs (controls, typos) are made of those of this seed.

    Raises:
        PairError: no such subtype, a number below 0, or fewer can be made than are asked for (then after the last of them).
    """
    sources = find_sources()
    check_text(subtype, "A subtype", sources, PairError)
    if subtype not in sources:
        raise PairError(f"Templates make {', '.join(sources)}; got '{subtype}'.{did_you_mean(subtype, sources)}")
    if n < 0 or seed < 0:
        raise PairError(f"The number of pairs and the seed are whole numbers from 0; got n = {n} and seed = {seed}.")
    return _counted(_all_pairs(sources, subtype, seed), subtype, n)


def random_words_for(pairs: Sequence[MinimalPair], n: int, *, seed: int) -> Iterator[MinimalPair]:
    """Random-word controls made of any pairs, in turn and again with other words, until there are ``n``; fewer if words end.

    Args:
        pairs: with an edit that is a word.
        n: at most.
        seed: from 0.
    """
    source = find_sources()["random-word"]
    assert isinstance(source, FromPairs), "controls are made of other pairs"
    rounds = (source.change(iter(pairs), np.random.default_rng([seed, number])) for number in range(_ROUNDS))
    made = dict[str, None]()
    for pair in itertools.chain.from_iterable(rounds):
        if len(made) == n:
            return
        if pair.sentence2 not in made:
            made[pair.sentence2] = None
            yield pair


def _counted(pairs: Iterator[MinimalPair], subtype: str, n: int) -> Iterator[MinimalPair]:
    n_made = 0
    for pair in itertools.islice(pairs, n):
        n_made += 1
        yield pair
    if n_made < n:
        raise PairError(f"The templates make {n_made} pairs of '{subtype}'; got n = {n}: ask for fewer, or write more frames.")


def _all_pairs(sources: dict[str, Source], name: str, seed: int) -> Iterator[MinimalPair]:
    source = sources[name]
    made = source.pairs(rng=_rng(seed, name)) if isinstance(source, FromFrames) else _changed(source, sources, seed)
    return _after(_example(source), made)


def _changed(source: FromPairs, sources: dict[str, Source], seed: int) -> Iterator[MinimalPair]:
    written = [other for other in sources.values() if isinstance(other, FromFrames)]
    bases = in_turn(other.pairs(rng=_rng(seed, other.subtype.name)) for other in written)
    return source.change(bases, _rng(seed, source.subtype.name))


def _after(first: MinimalPair, pairs: Iterator[MinimalPair]) -> Iterator[MinimalPair]:
    """A pair and those that repeat neither its sentences nor one another's."""
    return in_turn([itertools.chain([first], pairs)])


def _example(source: Source) -> MinimalPair:
    subtype = source.subtype
    return MinimalPair.from_sentences(
        *subtype.example,
        type=subtype.type,
        subtype=subtype.name,
        right=1 if subtype.has_wrong_side and subtype.is_judgeable else None,
        template=PUBLISHED if subtype.name in PUBLISHED_SUBTYPES else EXAMPLE,
        source=SOURCE,
    )


def _rng(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence([seed, int.from_bytes(name.encode("utf-8"), "big")]))
