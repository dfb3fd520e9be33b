"""Which word each token of a run belongs to: the tables words.parquet and token_words.parquet, and a quick view of them.

A word counts if all of its tokens are scored; the first word of a text without BOS does not, nor one that a window cuts. Every
scored token is of exactly one kind, so that words, white space and lost tokens add up to the run's total. What stands before a
text, such as a BOS, is no part of it: it has no word, and the text begins after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int

from layerscope.language.alignment import align
from layerscope.language.words import Word, is_word_character
from layerscope.sweeps.tables import TOKEN_WORDS, WORDS

TOKEN_KINDS = ("first", "continuation", "space", "lost", "prefix")
"""First token of a word; another one of it; white space only; a token that should have a word and has none; a token that
stands before the text, such as a BOS."""


def words_tables(documents: pa.Table, tokens: pa.Table, words: Sequence[Sequence[Word]]) -> tuple[pa.Table, pa.Table]:
    """words.parquet and token_words.parquet of a run.

    Args:
        documents: documents.parquet.
        tokens: tokens.parquet.
        words: of each text, in the order of the documents.
    """
    texts = documents["text"].to_pylist()
    document = tokens["document"].to_numpy()
    spans = np.stack([tokens["char_start"].to_numpy(), tokens["char_end"].to_numpy()], axis=1).astype(np.int64)
    scored = tokens["scored"].to_numpy()
    bounds = np.searchsorted(document, np.arange(len(texts) + 1))
    n_prefix = np.diff(bounds) - documents["tokens"].to_numpy()
    n_before = np.cumsum([0, *map(len, words)])
    word, kind = np.full(len(document), -1), np.full(len(document), TOKEN_KINDS.index("prefix"))
    for index, text in enumerate(texts):
        rows = slice(int(bounds[index] + n_prefix[index]), int(bounds[index + 1]))
        found = align(text, spans[rows], words[index])
        has_word = found.word >= 0
        word[rows] = np.where(has_word, found.word + n_before[index], -1)
        kind[rows] = np.select([found.is_first, has_word, found.is_space], [0, 1, 2], 3)
    everything = [one for some in words for one in some]
    has_word = word >= 0
    texts_of_words = [text[one.start : one.end] for text, some in zip(texts, words, strict=True) for one in some]
    # the token after a word that ends in a letter, if it begins with a space or punctuation, shows that the word has ended
    ends_in_letter = np.array([*(is_word_character(one[-1]) for one in texts_of_words), False])
    before = np.append(-1, word[:-1])
    follows = np.diff(document, prepend=-1) == 0
    is_boundary = ends_in_letter[before] & (before != word) & tokens["starts_word"].to_numpy() & follows
    return (
        WORDS.build(
            {
                "word": np.arange(len(everything)),
                "document": np.repeat(np.arange(len(texts)), [len(some) for some in words]),
                "sentence": [one.sentence for one in everything],
                "char_start": [one.start for one in everything],
                "char_end": [one.end for one in everything],
                "text": pa.array(texts_of_words, pa.string()).dictionary_encode(),
                "upos": pa.array([one.upos for one in everything], pa.string()).dictionary_encode(),
                "tag": pa.array([one.tag for one in everything], pa.string()).dictionary_encode(),
                "tokens": np.bincount(word[has_word], minlength=len(everything)),
                "tokens_scored": np.bincount(word[has_word & scored], minlength=len(everything)),
            }
        ),
        TOKEN_WORDS.build(
            {
                "document": document,
                "position": tokens["position"].to_numpy(),
                "word": pa.array(word, mask=~has_word),
                "role": pa.DictionaryArray.from_arrays(kind.astype(np.int32), pa.array(TOKEN_KINDS, pa.string())),
                "scored": scored,
                "is_boundary": is_boundary,
            }
        ),
    )


@dataclass(frozen=True)
class WordIndex:
    """The two tables as arrays: from (document, position) to a word, and from a word to its text and tag."""

    start_of_document: Int[np.ndarray, " document_plus_one"]
    """Row of each text's first token among all tokens."""
    word_of_token: Int[np.ndarray, " token"]
    """Word of each token of the run; −1 for none."""
    kind_of_token: Int[np.ndarray, " token"]
    """Index into ``TOKEN_KINDS``."""
    is_boundary: Bool[np.ndarray, " token"]
    """Whether each token shows that the word before it has ended."""
    document: Int[np.ndarray, " word"]
    """Text of each word."""
    upos: list[str]
    """Part of speech of each word."""
    is_whole: Bool[np.ndarray, " word"]
    """Whether all of a word's tokens are scored, and there is one."""

    @classmethod
    def from_tables(cls, words: pa.Table, token_words: pa.Table, n_documents: int) -> WordIndex:
        """From words.parquet and token_words.parquet."""
        kind = token_words["role"].combine_chunks()
        place = np.array([TOKEN_KINDS.index(name) for name in kind.dictionary.to_pylist()])
        n_tokens = words["tokens"].to_numpy()
        return cls(
            np.searchsorted(token_words["document"].to_numpy(), np.arange(n_documents + 1)),
            token_words["word"].fill_null(-1).to_numpy(),
            place[kind.indices.to_numpy()],
            token_words["is_boundary"].to_numpy(),
            words["document"].to_numpy(),
            words["upos"].to_pylist(),
            (n_tokens > 0) & (words["tokens_scored"].to_numpy() == n_tokens),
        )

    def rows(self, document: Int[np.ndarray, " some"], position: Int[np.ndarray, " some"]) -> Int[np.ndarray, " some"]:
        """Rows of some tokens among all."""
        rows: np.ndarray = self.start_of_document[document] + position
        return rows


@dataclass(frozen=True)
class WordCounts:
    """Words by whether they count, and the reason where they do not; the numbers add up to all words."""

    counted: int
    """Every token is scored."""
    without_token: int
    """No token of their own: the only one that covers them went to a neighbour, as where ``,"`` is one token."""
    without_context: int
    """First in a text without BOS: nothing stands before their first token."""
    past_context: int
    """A token past the model's context length."""
    as_context: int
    """A token that an earlier window scores."""

    @classmethod
    def of(cls, words: pa.Table, token_words: pa.Table, documents: pa.Table) -> WordCounts:
        """Count the words of words.parquet.

        Args:
            words: words.parquet.
            token_words: token_words.parquet.
            documents: documents.parquet.
        """
        document, position = token_words["document"].to_numpy(), token_words["position"].to_numpy()
        word = token_words["word"].fill_null(-1).to_numpy()
        n_run = np.bincount(document, minlength=documents.num_rows) - documents["tokens_cut"].to_numpy()
        is_cut = position >= n_run[document]
        missed = (word >= 0) & ~token_words["scored"].to_numpy()
        reason = np.zeros(words.num_rows, dtype=np.int64)
        # from the last reason to the first: a word with several has the first
        for code, chosen in ((3, missed & ~is_cut & (position > 0)), (2, missed & is_cut), (1, missed & (position == 0))):
            reason[word[chosen]] = code
        n_tokens = words["tokens"].to_numpy()
        without_context, past_context, as_context = (int((reason == code).sum()) for code in (1, 2, 3))
        counted = int(((reason == 0) & (n_tokens > 0)).sum())
        return cls(counted, int((n_tokens == 0).sum()), without_context, past_context, as_context)

    @property
    def words(self) -> int:
        """All of them."""
        return self.counted + self.without_token + self.without_context + self.past_context + self.as_context
