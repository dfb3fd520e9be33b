"""Which words broke or improved most at one variant: every word with its sentence and what was predicted before and after.

Rank by ΔNLL of the word (its tokens summed). The prediction shown is that of the word's first token that the two models do not
agree on, or else its first: what the model would have written there, given everything before it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import pyarrow as pa

from layerscope.sweeps.analysis.item_sums import words_of_shard
from layerscope.sweeps.analysis.score_arrays import ScoreArrays
from layerscope.sweeps.analysis.words import WordIndex


def words_of_variant(
    shards: Iterable[ScoreArrays], words: pa.Table, index: WordIndex, variant: int, vocabulary: pa.Table
) -> pd.DataFrame:
    """Every word that counts, with its NLL before and after.

    Args:
        shards: scores of the run; the intact model is row 0.
        words: words.parquet.
        index: from words.parquet and token_words.parquet.
        variant: row of the variant in the shards.
        vocabulary: vocabulary.parquet.

    Returns:
        One row per word: ``word``, ``document``, ``sentence``, ``text``, ``upos``, ``tag``, ``char_start``, ``char_end``,
        ``intact_nll_nats``, ``nll_nats``, ``delta_nll_nats``, ``intact_correct``, ``correct``, ``tokens``, ``predicted_before``
        and ``predicted_after`` (the likeliest token of each model), ``frequency`` (how often the word, whatever its case,
        stands among the run's words).
    """
    text_of = dict(zip(vocabulary["id"].to_pylist(), vocabulary["text"].to_pylist(), strict=True))
    frames = []
    for shard in shards:
        both = shard.of_variants([0, variant])
        items = words_of_shard(both, index)
        before, after = _shown_predictions(both, index, items.index)
        frames.append(
            pd.DataFrame(
                {
                    "word": items.index,
                    "intact_nll_nats": items.nll_nats[0],
                    "nll_nats": items.nll_nats[1],
                    "delta_nll_nats": items.nll_nats[1] - items.nll_nats[0],
                    "kl_nats": items.kl_nats[1],
                    "intact_correct": items.is_correct[0],
                    "correct": items.is_correct[1],
                    "predicted_before": [text_of.get(int(token), "") for token in before],
                    "predicted_after": [text_of.get(int(token), "") for token in after],
                }
            )
        )
    scores = pd.concat(frames, ignore_index=True)
    table = words.drop_columns(["tokens_scored"]).to_pandas()
    table["frequency"] = table.groupby(table["text"].astype(str).str.lower())["word"].transform("size")
    merged: pd.DataFrame = table.merge(scores, on="word", how="inner")
    return merged


def frequency_bands(words: pd.DataFrame) -> pd.DataFrame:
    """ΔNLL by how often a word stands in the run's texts: 1, 2 to 3, 4 to 7 and so on.

    Args:
        words: from ``words_of_variant``.

    Returns:
        One row per band: ``frequency``, ``words``, ``intact_nll_nats``, ``delta_nll_nats``, ``median_delta_nll_nats`` and
        ``broke`` (of the words that the intact model predicts, the share that the variant does not; missing if there is none).
    """
    band = np.floor(np.log2(words["frequency"])).astype(int)
    rows = []
    for power, some in words.groupby(band):
        low, high = 2**power, 2 ** (power + 1) - 1
        known = int(some["intact_correct"].sum())
        broke = (some["intact_correct"] & ~some["correct"]).sum() / known if known else np.nan
        rows.append(
            {
                "frequency": f"{low}" if low == high else f"{low} to {high}",
                "words": len(some),
                "intact_nll_nats": some["intact_nll_nats"].mean(),
                "delta_nll_nats": some["delta_nll_nats"].mean(),
                "median_delta_nll_nats": some["delta_nll_nats"].median(),
                "broke": broke,
            }
        )
    return pd.DataFrame(rows)


def _shown_predictions(shard: ScoreArrays, index: WordIndex, words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two models' likeliest tokens at the first token of each word where they differ, or else at its first token."""
    word = index.word_of_token[index.rows(shard.document, shard.position)]
    places = np.searchsorted(words, word)
    places[places == len(words)] = 0
    tokens = np.flatnonzero(words[places] == word) if len(words) else np.zeros(0, dtype=int)
    agree = shard.top1_id[0, tokens] == shard.top1_id[1, tokens]
    order = tokens[np.lexsort((shard.position[tokens], agree, word[tokens]))]
    _, first = np.unique(word[order], return_index=True)
    shown = order[first]
    return shard.top1_id[0, shown], shard.top1_id[1, shown]
