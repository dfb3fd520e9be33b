"""Scores of runs that never ran, of any size, for statistics and for measuring time: words of one or two tokens with tags."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from layerscope.sweeps.analysis.item_sums import sum_items
from layerscope.sweeps.analysis.parts_of_speech import pos_table
from layerscope.sweeps.analysis.score_arrays import ScoreArrays
from layerscope.sweeps.analysis.words import WordIndex

TAGS = ("NOUN", "VERB", "ADP", "DET", "PUNCT", "ADJ")


@dataclass(frozen=True)
class MadeUpRun:
    """Words and scores of a run."""

    index: WordIndex
    blocks: list[ScoreArrays]
    layers: pd.DataFrame

    def pos(self) -> pd.DataFrame:
        """pos.parquet of the run."""
        by_item, _, _ = sum_items(iter(self.blocks), self.index, len(self.layers), np.full(len(self.index.upos), -1))
        return pos_table(by_item, self.layers, 0.95).to_pandas()


def made_up_run(
    *, n_documents: int, planted: dict[str, float], seed: int, n_variants: int = 2, shuffled: bool = False, words: int = 60
) -> MadeUpRun:
    """Effects of 0.3 nats a word, more or less by document and word, and more by ``planted`` for words of a tag."""
    generator = np.random.default_rng(seed)
    n_words = generator.integers(words // 2, words * 3 // 2, size=n_documents)
    document = np.repeat(np.arange(n_documents), n_words)
    tag = generator.choice(len(TAGS), size=len(document), p=[0.3, 0.2, 0.15, 0.15, 0.1, 0.1])
    n_tokens = 1 + (generator.random(len(document)) < 0.3)
    word = np.repeat(np.arange(len(document)), n_tokens)
    first = np.diff(word, prepend=-1) > 0
    extra = np.array([planted.get(name, 0.0) for name in TAGS])[tag] / n_tokens
    shown = generator.permutation(tag) if shuffled else tag
    tokens_of = np.bincount(document[word], minlength=n_documents)
    starts = np.concatenate([[0], np.cumsum(tokens_of)])
    index = WordIndex(
        starts, word, np.where(first, 0, 1), first, document, [TAGS[one] for one in shown], np.ones(len(document), dtype=bool)
    )
    layers = pd.DataFrame(
        {
            "variant": ["intact", *(f"removal-{i}" for i in range(1, n_variants))],
            "family": ["intact", *["removal"] * (n_variants - 1)],
            "span_first": pd.array([None, *range(1, n_variants)], dtype="Int32"),
        }
    )
    return MadeUpRun(index, list(_blocks(generator, index, extra, n_variants)), layers)


def _blocks(generator: np.random.Generator, index: WordIndex, extra: np.ndarray, n_variants: int) -> Iterator[ScoreArrays]:
    """Ten documents a block."""
    n_documents = len(index.start_of_document) - 1
    of_document = generator.normal(0.3, 0.3, size=n_documents)
    for start in range(0, n_documents, 10):
        stop = min(start + 10, n_documents)
        rows = np.arange(index.start_of_document[start], index.start_of_document[stop])
        document = np.repeat(np.arange(start, stop), np.diff(index.start_of_document[start : stop + 1]))
        intact = generator.gamma(2.0, 2.0, size=len(rows))
        word = index.word_of_token[rows]
        effect = of_document[document] + extra[word] + generator.standard_t(4, size=(n_variants - 1, len(rows))) * 0.5
        nll = np.concatenate([intact[None], intact + effect]).astype(np.float32)
        right = nll < 1.0
        yield ScoreArrays(
            document,
            rows - index.start_of_document[document],
            nll,
            np.abs(nll - nll[:1]),
            right,
            right == right[:1],
            right.astype(np.int32),
        )
