"""Documents for the text view: a sample, each word with its ΔNLL at every variant and what was predicted before and after.

Axes: ``variant`` (the intact model first), ``token`` (scored tokens of the sample).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from layerscope.report.packing import Packing
from layerscope.sweeps.analysis.score_arrays import ScoreArrays
from layerscope.sweeps.analysis.text_pieces import text_pieces

CELLS = 700_000
"""Variants times scored tokens of a sample, at most."""
_WITH_SPACES = 0.2
"""Where at least this share of tokens begin a word, words are told by spaces."""


def sampled(tokens_scored: Int[np.ndarray, " document"], n_variants: int, cells: int = CELLS) -> list[int]:
    """Documents spread evenly over all, as many as the page has room for; at least one.

    Args:
        tokens_scored: of each document.
        n_variants: the intact model among them.
        cells: variants times tokens to stay within.
    """
    there = np.flatnonzero(tokens_scored > 0)
    room = max(cells // n_variants, 1)

    def spread_evenly(n_taken: int) -> np.ndarray:
        chosen: np.ndarray = there[np.linspace(0, len(there) - 1, n_taken).round().astype(int)]
        return chosen

    if not len(there):
        return []
    fits, too_many = 1, len(there) + 1
    if tokens_scored[there].sum() <= room:
        fits = len(there)
    while too_many - fits > 1 and fits < len(there):
        middle = (fits + too_many) // 2
        if tokens_scored[spread_evenly(middle)].sum() <= room:
            fits = middle
        else:
            too_many = middle
    return [int(one) for one in spread_evenly(fits)]


def text_data(
    documents: pd.DataFrame,
    tokens: pd.DataFrame,
    shards: Iterable[ScoreArrays],
    vocabulary: dict[int, str],
    *,
    variants: list[str],
    word_of: pd.DataFrame | None,
    packing: Packing,
    share: float = 1.0,
) -> dict[str, Any] | None:
    """The sample as the page reads it; None where nothing was scored.

    Args:
        documents: documents.parquet.
        tokens: tokens.parquet.
        shards: scores of the run.
        vocabulary: characters of every token that was predicted.
        variants: names, the intact model first.
        word_of: token_words.parquet; None where the run was not tagged, and words are told by spaces.
        packing: takes what is large.
        share: of the page's room for texts that this run may have.
    """
    cells = int(CELLS * share)
    chosen = sampled(documents["tokens_scored"].to_numpy(), len(variants), cells)
    if not chosen:
        return None
    room = max(cells // len(variants), 1)
    of_sample = tokens[tokens["document"].isin(chosen)].sort_values(["document", "position"], kind="stable")
    # a BOS stands for no part of the text and is not scored
    of_sample = of_sample[of_sample["scored"] | (of_sample["char_end"] > of_sample["char_start"])].reset_index(drop=True)
    n_tokens = len(of_sample)
    of_sample = of_sample[of_sample["scored"].cumsum() <= room]
    scored = of_sample["scored"].to_numpy()
    nll, top1 = _scores(of_sample[scored], shards, len(variants))
    ids, codes = np.unique(top1, return_inverse=True)
    gap, added = text_pieces(documents, of_sample)
    # a token that covers the rest of a character adds nothing that could be pointed at: it goes with the one before
    starts = word_starts(of_sample, word_of) & np.array([text != "" for text in added])
    kept = {
        "document": of_sample["document"].tolist(),
        "gap": gap,
        "text": added,
        "scored": scored.astype(int).tolist(),
        "starts": starts.astype(int).tolist(),
        "vocabulary": [vocabulary.get(int(one), f"[{int(one)}]") for one in ids],
    }
    names = documents.set_index("document")["name"]
    return {
        "documents": [{"document": one, "name": str(names[one])} for one in chosen if one in set(kept["document"])],
        "of": int((documents["tokens_scored"] > 0).sum()),
        "cut": len(of_sample) < n_tokens,
        "tokens": packing.value(kept),
        "nll": packing.sizes(nll),
        "top1": packing.integers(codes.reshape(top1.shape)),
        "variants": variants,
    }


def _scores(wanted: pd.DataFrame, shards: Iterable[ScoreArrays], n_variants: int) -> tuple[np.ndarray, np.ndarray]:
    """NLL and likeliest token of the wanted scored tokens, ``variant token``."""
    place = {(int(d), int(p)): i for i, (d, p) in enumerate(zip(wanted["document"], wanted["position"], strict=True))}
    nll = np.full((n_variants, len(wanted)), np.nan, dtype=np.float32)
    top1 = np.full((n_variants, len(wanted)), -1, dtype=np.int64)
    documents = set(wanted["document"])
    for shard in shards:
        for column in np.flatnonzero(np.isin(shard.document, list(documents))):
            row = place.get((int(shard.document[column]), int(shard.position[column])))
            if row is not None:
                nll[:, row], top1[:, row] = shard.nll_nats[:, column], shard.top1_id[:, column]
    return nll, top1


def word_starts(tokens: pd.DataFrame, word_of: pd.DataFrame | None) -> Bool[np.ndarray, " token"]:
    """Whether a token begins a word: as the tagger cut the text, or else as spaces do; each by itself where there are none."""
    new_document = tokens["document"].ne(tokens["document"].shift()).to_numpy()
    if word_of is not None:
        word = tokens.merge(word_of, on=["document", "position"], how="left")["word"]
        known = word.notna().to_numpy()
        same = known & word.eq(word.shift()).fillna(False).to_numpy(dtype=bool)
        return np.asarray(new_document | ~same)
    starts = tokens["starts_word"].to_numpy(dtype=bool)
    return np.asarray(new_document | starts) if starts.mean() >= _WITH_SPACES else np.ones(len(tokens), dtype=bool)
