"""Scores added up by part of speech: what every table of parts of speech is made from, gathered in one scan of the scores.

Items: whole words (NLL summed over a word's tokens, correct if every token is), first tokens (choosing the word) and
continuations (spelling it); where boundaries were recorded, also words with their ends counted in (see ``corrected``).

Axes: ``variant``, ``group`` (a tag, or a pair of them), ``document``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from layerscope.language.words import UPOS_TAGS
from layerscope.sweeps.analysis.score_arrays import ScoreArrays
from layerscope.sweeps.analysis.words import TOKEN_KINDS, WordIndex

ITEMS = ("word", "first", "continuation")
CORRECTED = "corrected"
START = "START"
"""In the place of a tag, before the first word of a text."""


@dataclass(frozen=True)
class ItemSums:
    """Sums over the items of each group."""

    nll_nats: Float[np.ndarray, "group variant document"]
    """Σ NLL by document, for intervals."""
    counts: Int[np.ndarray, "group document"]
    """Items."""
    correct: Float[np.ndarray, "group variant"]
    """Items whose every token is the argmax."""
    agreeing: Float[np.ndarray, "group variant"]
    """Items whose every argmax is the intact model's."""
    kl_nats: Float[np.ndarray, "group variant"]
    """Σ KL(intact ‖ variant)."""
    not_finite: Int[np.ndarray, "group variant"]
    """Items whose NLL is not a finite number."""

    @classmethod
    def zeros(cls, n_groups: int, n_variants: int, n_documents: int) -> ItemSums:
        """Before the first shard."""
        by_variant = (n_groups, n_variants)
        return cls(
            np.zeros((n_groups, n_variants, n_documents)),
            np.zeros((n_groups, n_documents), dtype=np.int64),
            np.zeros(by_variant),
            np.zeros(by_variant),
            np.zeros(by_variant),
            np.zeros(by_variant, dtype=np.int64),
        )

    def add(self, items: Items, group: Int[np.ndarray, " item"]) -> None:
        """Add some items of one shard; those of group −1 are in none."""
        there = np.flatnonzero(group >= 0)
        n_documents = self.counts.shape[1]
        cell = group[there] * n_documents + items.document[there]
        order = np.argsort(cell, kind="stable")
        there, cells = there[order], cell[order]
        if len(there) == 0:
            return
        starts = np.flatnonzero(np.diff(cells, prepend=-1))
        at_group, at_document = np.divmod(cells[starts], n_documents)
        # a text lies in one shard, so each cell is written once
        self.nll_nats[at_group, :, at_document] = np.add.reduceat(items.nll_nats[:, there], starts, axis=1).T
        self.counts[at_group, at_document] = np.diff(np.append(starts, len(cells)))
        groups, first = np.unique(group[there], return_index=True)
        for sums, values in (
            (self.correct, items.is_correct),
            (self.agreeing, items.agrees),
            (self.kl_nats, items.kl_nats),
            (self.not_finite, ~np.isfinite(items.nll_nats)),
        ):
            sums[groups] += np.add.reduceat(values[:, there], first, axis=1, dtype=sums.dtype).T

    def pooled(self, members: list[list[int]]) -> ItemSums:
        """The same over unions of groups, one for each list of members."""

        def pool(values: np.ndarray) -> np.ndarray:
            return np.stack([values[some].sum(axis=0) for some in members])

        return ItemSums(*(pool(getattr(self, name)) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Items:
    """Words or tokens of one shard with what was measured on them."""

    index: Int[np.ndarray, " item"]
    """The word that each is, or belongs to."""
    document: Int[np.ndarray, " item"]
    """Text of each."""
    nll_nats: Float[np.ndarray, "variant item"]
    """Summed over a word's tokens."""
    kl_nats: Float[np.ndarray, "variant item"]
    """Summed over a word's tokens."""
    is_correct: Bool[np.ndarray, "variant item"]
    """Whether every token is the argmax."""
    agrees: Bool[np.ndarray, "variant item"]
    """Whether every argmax is the intact model's."""


@dataclass
class TokenCounts:
    """Where the scored tokens of a run went; the four numbers add up to all of them."""

    in_words: int = 0
    """Tokens of words that count."""
    in_partial_words: int = 0
    """Tokens of words of which some token is not scored."""
    space: int = 0
    """Tokens of white space only."""
    lost: int = 0
    """Tokens that should have a word and have none."""
    nll_nats: dict[str, Float[np.ndarray, " variant"]] = field(default_factory=dict)
    """Σ NLL of each of the four, by their names."""


def corrected(shard: ScoreArrays, index: WordIndex) -> ScoreArrays:
    """The shard with each word's end counted to the word itself.

    A leading-space token says two things at once: that the word before has ended, and which word comes. The first of them,
    −ln p(a token that starts a word), is moved from the token to the one before it. The total stays, but for what is moved to
    a first token that is not scored itself; the last word of a text keeps no end, for nothing comes after it.

    Source: Pimentel & Meister 2024 (arXiv 2406.14561), Oh & Schuler 2024 (arXiv 2406.10851).
    """
    assert shard.boundary_nats is not None
    of_end = np.where(index.is_boundary[index.rows(shard.document, shard.position)], shard.boundary_nats, 0.0)
    follows = (np.diff(shard.document) == 0) & (np.diff(shard.position) == 1)
    nll = shard.nll_nats - of_end
    nll[:, :-1] += of_end[:, 1:] * follows
    return replace(shard, nll_nats=nll)


def words_of_shard(shard: ScoreArrays, index: WordIndex) -> Items:
    """The words that count, each with the sum of its tokens."""
    word = index.word_of_token[index.rows(shard.document, shard.position)]
    counted = np.flatnonzero((word >= 0) & index.is_whole[word])
    order = counted[np.argsort(word[counted], kind="stable")]
    starts = np.flatnonzero(np.diff(word[order], prepend=-1))
    n_variants = len(shard.nll_nats)
    if len(order) == 0:
        none = np.zeros((n_variants, 0))
        return Items(order, order, none, none, none > 0, none > 0)
    words = word[order][starts]

    def summed(values: np.ndarray) -> np.ndarray:
        result: np.ndarray = np.add.reduceat(values[:, order], starts, axis=1, dtype=np.float64)
        return result

    def every(values: np.ndarray) -> np.ndarray:
        result: np.ndarray = np.logical_and.reduceat(values[:, order], starts, axis=1)
        return result

    return Items(
        words,
        index.document[words],
        summed(shard.nll_nats),
        summed(shard.kl_nats),
        every(shard.is_top1),
        every(shard.agrees_with_intact),
    )


def tokens_of_shard(shard: ScoreArrays, index: WordIndex, kind: str) -> Items:
    """The tokens of words that count, of one kind, ``first`` or ``continuation``."""
    rows = index.rows(shard.document, shard.position)
    word = index.word_of_token[rows]
    chosen = np.flatnonzero((index.kind_of_token[rows] == TOKEN_KINDS.index(kind)) & index.is_whole[word])
    return Items(
        word[chosen],
        shard.document[chosen].astype(np.int64),
        shard.nll_nats[:, chosen].astype(np.float64),
        shard.kl_nats[:, chosen].astype(np.float64),
        shard.is_top1[:, chosen],
        shard.agrees_with_intact[:, chosen],
    )


def sum_items(
    shards: Iterable[ScoreArrays], index: WordIndex, n_variants: int, pair_of_word: Int[np.ndarray, " word"]
) -> tuple[dict[str, ItemSums], ItemSums, TokenCounts]:
    """One scan over the scores.

    Args:
        shards: of the whole run.
        index: from words.parquet and token_words.parquet.
        n_variants: rows of each shard.
        pair_of_word: group of each word among the pairs of tags; −1 for none.

    Returns:
        Sums by part of speech for each kind of item, in the order of ``UPOS_TAGS``; sums of words by pair of tags; where tokens
        went.
    """
    n_documents = len(index.start_of_document) - 1
    tag_of_word = np.array([UPOS_TAGS.index(tag) for tag in index.upos], dtype=np.int64)
    by_item = {item: ItemSums.zeros(len(UPOS_TAGS), n_variants, n_documents) for item in ITEMS}
    by_pair = ItemSums.zeros(int(pair_of_word.max(initial=-1)) + 1, n_variants, n_documents)
    counts = TokenCounts(nll_nats={name: np.zeros(n_variants) for name in ("in_words", "in_partial_words", "space", "lost")})
    for shard in shards:
        if shard.boundary_nats is not None:
            if CORRECTED not in by_item:
                by_item[CORRECTED] = ItemSums.zeros(len(UPOS_TAGS), n_variants, n_documents)
            whole = words_of_shard(corrected(shard, index), index)
            by_item[CORRECTED].add(whole, tag_of_word[whole.index])
        words = words_of_shard(shard, index)
        by_item["word"].add(words, tag_of_word[words.index])
        by_pair.add(words, pair_of_word[words.index])
        for kind in ITEMS[1:]:
            tokens = tokens_of_shard(shard, index, kind)
            by_item[kind].add(tokens, tag_of_word[tokens.index])
        _count(shard, index, counts)
    return by_item, by_pair, counts


def pairs_of_tags(index: WordIndex, *, fewest: int = 1) -> tuple[list[tuple[str, str]], Int[np.ndarray, " word"]]:
    """The pairs (tag of the word before, tag of the word) that occur, most frequent first, and the pair of each word.

    Args:
        index: the run's words.
        fewest: words of a pair below which it is left out.

    Returns:
        The pairs, and for each word the place of its pair; −1 for words that do not count and pairs left out.
    """
    tags = (*UPOS_TAGS, START)
    own = np.array([tags.index(tag) for tag in index.upos], dtype=np.int64)
    before = np.append(len(UPOS_TAGS), own[:-1])[: len(own)]
    before[np.flatnonzero(np.diff(index.document, prepend=-1))] = len(UPOS_TAGS)
    code = np.where(index.is_whole, before * len(tags) + own, -1)
    codes, sizes = np.unique(code[code >= 0], return_counts=True)
    kept = np.argsort(-sizes, kind="stable")[: int((sizes >= fewest).sum())]
    place = np.full(len(tags) ** 2 + 1, -1)
    place[codes[kept]] = np.arange(len(kept))
    return [(tags[code // len(tags)], tags[code % len(tags)]) for code in codes[kept]], place[code]


def _count(shard: ScoreArrays, index: WordIndex, counts: TokenCounts) -> None:
    rows = index.rows(shard.document, shard.position)
    word, kind = index.word_of_token[rows], index.kind_of_token[rows]
    is_whole = (word >= 0) & index.is_whole[word]
    for name, chosen in (
        ("in_words", is_whole),
        ("in_partial_words", (word >= 0) & ~is_whole),
        ("space", kind == TOKEN_KINDS.index("space")),
        ("lost", kind == TOKEN_KINDS.index("lost")),
    ):
        setattr(counts, name, getattr(counts, name) + int(chosen.sum()))
        counts.nll_nats[name] += shard.nll_nats[:, chosen].sum(axis=1, dtype=np.float64)
