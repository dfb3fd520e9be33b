"""Placebos: for each pair another one in the same sentence and place that changes the model's state as much, and means nothing.

The first sentence is kept; in the place of the edit stands a word that was drawn at random among those whose change is of the
edit's size (``engine.placebo_search``). Whatever a pair and its placebo have in common is due to the sentence, the place and
the size, not to what the edit means. Placebos are found with the model, one group of pairs at a time, and stored like pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from layerscope.contrasts.engine.placebo_search import MatchedAt, can_go_on, find_matches
from layerscope.contrasts.groups import PairGroup
from layerscope.contrasts.placebo_words import N_NEAREST, Vocabulary, are_forms, candidates
from layerscope.models.encoder import TextEncoder
from layerscope.models.pair_tokenizer import pair_tokenizer
from layerscope.models.sites import SiteMap
from layerscope.pairs.checking import EncodedPair, check_pair
from layerscope.pairs.pair import MinimalPair
from layerscope.pairs.positions import place
from layerscope.pairs.tokenizer import PairTokenizer
from layerscope.progress import Advance, nobody_asks

PLACEBO = "placebo"
"""Subtype of a placebo as a pair."""
NEAR_WORD = "near-word"
"""Subtype of the reference pairs that hold a neighbour of the edit, whatever its size."""


@dataclass(frozen=True)
class Matched:
    """A group whose pairs have their placebos, as far as there are any."""

    group: PairGroup
    """Its pairs, with word of which have placebos."""
    placebos: tuple[PairGroup, ...]
    """One a placebo that was wanted; the same pairs in each."""


_TRIED = 8
"""Neighbours that are tried until one can be written in the place of the edit."""


class PlaceboMaker:
    """Finds placebos for groups of pairs, and neighbours for references.

    Args:
        sites: of the decoder, ``at.site`` among them.
        encoder: its tokenizer.
        at: where sizes are compared.
        wanted: placebos a pair.
        seed: of what is drawn. A pair gets the same in whatever batch it runs; the words at the edits of its group, which
            none of its candidates is, are all that it takes from the other pairs.
        token_budget: positions per batch.
        share: whether what stands before the edit may be run once.
    """

    def __init__(
        self,
        sites: SiteMap,
        encoder: TextEncoder,
        at: MatchedAt,
        *,
        wanted: int,
        seed: int,
        token_budget: int,
        share: bool,
    ) -> None:
        self._sites, self._encoder, self._at = sites, encoder, at
        self._wanted, self._seed, self._token_budget, self._share = wanted, seed, token_budget, share
        self._in_parts = can_go_on(sites, share=share)
        self._tokenizer = pair_tokenizer(encoder)
        self._vocabulary = Vocabulary(sites.decoder, encoder)

    def beside(self, group: PairGroup, advance: Advance = nobody_asks) -> Matched:
        """The placebos of a group's pairs.

        Args:
            group: of pairs whose sides differ in one token.
            advance: called with the pairs that are done.
        """
        tokens = [_edits(one) for one in group.checked]
        drawn = candidates(self._vocabulary, tokens, [self._generator(one.pair) for one in group.checked])
        made = _Made(self._encoder, self._tokenizer, self._vocabulary, PLACEBO)
        written = [made.of(one, some) for one, some in zip(group.checked, drawn, strict=True)]
        found = find_matches(
            self._sites,
            group.placed,
            [list(some) for some in written],
            self._at,
            wanted=self._wanted,
            token_budget=self._token_budget,
            share=self._share,
            in_parts=self._in_parts,
            advance=advance,
        )
        has = np.array([len(tokens) == self._wanted for tokens in found], dtype=bool)
        placebos = []
        for number, placeholder in enumerate(group.placebos):
            some = [written[member][found[member][number]] for member in np.flatnonzero(has)]
            placebos.append(self._group(placeholder, group, some, has))
        return Matched(replace(group, has_placebo=has), tuple(placebos))

    def with_neighbours(self, group: PairGroup) -> PairGroup:
        """A reference with as many pairs more, in which a neighbour of the edit stands for a random word.

        Random words are larger changes than most edits: without smaller ones there would be nothing of an edit's size to read
        it on.
        """
        tokens = [_edits(one)[0] for one in group.checked]
        near = self._vocabulary.neighbours(list(dict.fromkeys(tokens)))
        made = _Made(self._encoder, self._tokenizer, self._vocabulary, NEAR_WORD)
        found: list[EncodedPair] = []
        members: list[int] = []
        for member, (one, token) in enumerate(zip(group.checked, tokens, strict=True)):
            texts = self._vocabulary.texts
            others = [other for other in near[token][:N_NEAREST] if not are_forms(texts[other].strip(), texts[token].strip())]
            order = self._generator(one.pair).permutation(np.array(others, dtype=np.int64))
            some = list(made.of(one, order.tolist()[:_TRIED]).values())[:1]
            found, members = found + some, members + [member] * len(some)
        placed = (*group.placed, *(place(one, self._tokenizer) for one in found))
        blocks = np.concatenate([group.blocks, group.blocks[members]])
        return replace(group, checked=(*group.checked, *found), placed=placed, blocks=blocks)

    def _group(
        self, placeholder: PairGroup, group: PairGroup, found: Sequence[EncodedPair], has: Bool[np.ndarray, " pair"]
    ) -> PairGroup:
        return replace(
            placeholder,
            checked=tuple(found),
            placed=tuple(place(one, self._tokenizer) for one in found),
            blocks=group.blocks[has],
            blocks_of=group.blocks_of,
            n_templates=len({one.pair.template for one in found}),
            members=np.flatnonzero(has),
        )

    def _generator(self, pair: MinimalPair) -> np.random.Generator:
        return np.random.default_rng([self._seed, int(pair.id, 16)])


class _Made:
    """Pairs of a first sentence and itself with another token in the place of the edit, as far as it can be written so."""

    def __init__(self, encoder: TextEncoder, tokenizer: PairTokenizer, vocabulary: Vocabulary, subtype: str) -> None:
        self._encoder, self._tokenizer, self._vocabulary, self._subtype = encoder, tokenizer, vocabulary, subtype

    def of(self, base: EncodedPair, tokens: Iterable[int]) -> dict[int, EncodedPair]:
        """By token, those whose sentence is cut into the same tokens but for that one."""
        some = list(tokens)
        sentence = base.pair.sentence1
        start, end = (int(place) for place in self._encoder.encode(sentence).spans[base.edit])
        blank = len(sentence[start:end]) - len(sentence[start:end].lstrip())
        start += blank
        words = [self._vocabulary.texts[token].strip() for token in some]
        sentences = [sentence[:start] + word + sentence[end:] for word in words]
        found = {}
        for token, word, other, ids in zip(some, words, sentences, self._tokenizer.encode(sentences), strict=True):
            wanted = base.ids1.copy()
            wanted[base.edit] = token
            if ids == wanted.tolist():
                pair = MinimalPair(
                    "control",
                    self._subtype,
                    sentence,
                    other,
                    (start, end),
                    (start, start + len(word)),
                    None,
                    base.pair.template,
                    base.pair.source,
                )
                found[token] = check_pair(pair, base.ids1.tolist(), ids, has_prefix=bool(self._tokenizer.prefix_ids))
        return found


def _edits(one: EncodedPair) -> tuple[int, int]:
    return int(one.ids1[one.edit]), int(one.ids2[one.edit])
