"""The words of a whole run for the page: what every variant costs each of them on average, wherever it stands.

Axes: ``variant`` (the intact model first), ``form`` (a word as it is written, with its part of speech where that is known).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from layerscope.report.packing import Packing
from layerscope.report.text_data import word_starts
from layerscope.sweeps.analysis.score_arrays import ScoreArrays

CELLS = 400_000
"""Variants times forms, at most."""
_FEWEST_SCALE = 1e-6


def word_data(
    documents: pd.DataFrame,
    tokens: pd.DataFrame,
    shards: Iterable[ScoreArrays],
    *,
    n_variants: int,
    word_of: pd.DataFrame | None,
    words: pd.DataFrame | None,
    packing: Packing,
    share: float = 1.0,
) -> dict[str, Any] | None:
    """The forms that occur most, each with its mean ΔNLL; None where nothing was scored.

    A word's ΔNLL is the sum over its scored tokens, a form's the mean over its words that have one.

    Args:
        documents: documents.parquet.
        tokens: tokens.parquet.
        shards: scores of the run.
        n_variants: the intact model among them.
        word_of: token_words.parquet; None where the run was not tagged, and words are told by spaces.
        words: words.parquet, the same.
        packing: takes what is large.
        share: of the page's room for words that this run may have.
    """
    found = _words(documents, tokens, word_of, words)
    scored = found[found["scored"] & (found["text"] != "")]
    if scored.empty:
        return None
    counts = scored.drop_duplicates("number").groupby(["text", "tag"], sort=False).size().rename("items").reset_index()
    counts = counts.sort_values("items", ascending=False, kind="stable")
    kept = counts.head(max(int(CELLS * share) // n_variants, 1)).reset_index(drop=True)
    form_of = scored.merge(kept.assign(form=kept.index), on=["text", "tag"])[["document", "position", "form"]]
    totals = np.zeros((n_variants, len(kept)))
    intact = np.zeros(len(kept))
    for shard in shards:
        here = pd.DataFrame({"document": shard.document, "position": shard.position})
        here = here.assign(column=here.index).merge(form_of, on=["document", "position"])
        columns, forms = here["column"].to_numpy(), here["form"].to_numpy()
        nll = shard.nll_nats[:, columns].astype(np.float64)
        np.add.at(intact, forms, nll[0])
        for variant in range(1, n_variants):
            totals[variant] += np.bincount(forms, nll[variant] - nll[0], minlength=len(kept))
    means = totals / kept["items"].to_numpy()
    finite = means[np.isfinite(means)]
    low, high = float(finite.min(initial=0.0)), float(finite.max(initial=0.0))
    table = kept.assign(intact=intact / kept["items"].to_numpy(), tag=kept["tag"].replace("", None))
    return {
        "forms": packing.table(table),
        "of": len(counts),
        "delta": packing.fractions(means, low, max(high, low + _FEWEST_SCALE)),
    }


def _words(
    documents: pd.DataFrame, tokens: pd.DataFrame, word_of: pd.DataFrame | None, words: pd.DataFrame | None
) -> pd.DataFrame:
    """Every token with the number, the text and the tag of its word."""
    rows = tokens[tokens["scored"] | (tokens["char_end"] > tokens["char_start"])]
    rows = rows.sort_values(["document", "position"], kind="stable").reset_index(drop=True)
    if word_of is not None and words is not None:
        named = words[["word", "text", "upos"]].rename(columns={"upos": "tag"}).astype({"text": str, "tag": str})
        joined = rows[["document", "position", "scored"]].merge(word_of[["document", "position", "word"]])
        joined = joined[joined["word"].notna()].astype({"word": np.int64}).merge(named, on="word")
        return joined.rename(columns={"word": "number"})
    rows = rows.assign(number=np.cumsum(word_starts(rows, None)))
    spans = rows.groupby("number").agg({"document": "first", "char_start": "first", "char_end": "last"})
    text_of = documents.set_index("document")["text"]
    texts = [
        str(text_of[document])[start:end].strip()
        for document, start, end in zip(spans["document"], spans["char_start"], spans["char_end"], strict=True)
    ]
    return rows.assign(text=rows["number"].map(dict(zip(spans.index, texts, strict=True))), tag="")
