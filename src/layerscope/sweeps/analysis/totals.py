"""Per-document sums of the token scores: all that perplexity, effects and their intervals need, and small enough for memory.

A document lies in one shard, so the sums do not depend on the order in which shards are read.

Axes: ``variant``, ``document`` (those with a scored token).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float, Int

_SUMS = ("nll_nats", "is_top1", "agrees_with_intact", "kl_nats", "not_finite")


@dataclass(frozen=True)
class DocumentTotals:
    """Sums over each document's scored tokens."""

    documents: Int[np.ndarray, " document"]
    """Rows of documents.parquet."""
    tokens: Int[np.ndarray, " document"]
    """Scored tokens."""
    bytes_scored: Int[np.ndarray, " document"]
    """UTF-8 bytes that they cover."""
    sums: dict[str, Float[np.ndarray, "variant document"]]
    """Σ nll_nats, is_top1, agrees_with_intact and kl_nats, and the number of scores that are not finite."""


def sum_by_document(documents: pa.Table, shards: Iterable[pa.Table], variants: Sequence[str]) -> DocumentTotals:
    """Add up token scores.

    Args:
        documents: documents.parquet.
        shards: tables of scores, in any order.
        variants: names, in the order that the result shall have.
    """
    scored = documents.filter(pc.greater(documents["tokens_scored"], 0))
    rows = scored["document"].to_numpy()
    place = {int(document): column for column, document in enumerate(rows)}
    row_of = {name: row for row, name in enumerate(variants)}
    sums = {name: np.full((len(variants), len(rows)), np.nan) for name in _SUMS}
    for shard in shards:
        with_flag = shard.append_column("not_finite", pc.invert(pc.is_finite(shard["nll_nats"])))
        grouped = with_flag.group_by(["variant", "document"], use_threads=False).aggregate([(name, "sum") for name in _SUMS])
        at_row = np.array([row_of[name] for name in grouped["variant"].to_pylist()])
        at_column = np.array([place[document] for document in grouped["document"].to_pylist()])
        for name in _SUMS:
            sums[name][at_row, at_column] = grouped[f"{name}_sum"].to_numpy()
    return DocumentTotals(rows, scored["tokens_scored"].to_numpy(), scored["bytes_scored"].to_numpy(), sums)
