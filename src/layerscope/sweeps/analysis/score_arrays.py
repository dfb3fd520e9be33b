"""Shards of scores as arrays, one row per variant: scanned one after the other, never all in memory.

Axes: ``variant``, ``token`` (scored tokens of one shard).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Bool, Float, Int


@dataclass(frozen=True)
class ScoreArrays:
    """The scores of one shard."""

    document: Int[np.ndarray, " token"]
    """Row of documents.parquet."""
    position: Int[np.ndarray, " token"]
    """Place in its text's row of tokens."""
    nll_nats: Float[np.ndarray, "variant token"]
    """−ln p(token given those before it)."""
    kl_nats: Float[np.ndarray, "variant token"]
    """KL(intact ‖ variant)."""
    is_top1: Bool[np.ndarray, "variant token"]
    """Whether the likeliest token is the one in the text."""
    agrees_with_intact: Bool[np.ndarray, "variant token"]
    """Whether it is the intact model's."""
    top1_id: Int[np.ndarray, "variant token"]
    """The likeliest token."""
    boundary_nats: Float[np.ndarray, "variant token"] | None = None
    """−ln p(a token that starts a word comes here, whichever); None where it was not recorded."""

    def of_variants(self, rows: list[int]) -> ScoreArrays:
        """The same tokens with only some of the variants."""
        by_variant = ("nll_nats", "kl_nats", "is_top1", "agrees_with_intact", "top1_id")
        return replace(self, **{name: getattr(self, name)[rows] for name in by_variant})


def scores_frame(shards: Iterable[pa.Table]) -> pd.DataFrame:
    """All shards as one data frame, one row per variant and scored token."""
    frame: pd.DataFrame = pa.concat_tables(list(shards)).unify_dictionaries().to_pandas()
    return frame


def score_arrays(shards: Iterable[pa.Table], variants: Sequence[str]) -> Iterator[ScoreArrays]:
    """Each shard with its variants in the order given.

    Args:
        shards: tables of scores; all of a variant's rows stand together, tokens in the same order for each.
        variants: names, in the order that the rows of the result shall have.
    """
    for shard in shards:
        names = shard["variant"].combine_chunks()
        n_tokens = shard.num_rows // len(variants)
        there = names.dictionary.to_pylist()
        codes = names.indices.to_numpy().reshape(len(variants), n_tokens)
        assert (codes == codes[:, :1]).all(), "a variant's rows stand together"
        row_of = {there[code]: row for row, code in enumerate(codes[:, 0])}
        order = np.array([row_of[name] for name in variants])

        def rows(column: str, shard: pa.Table = shard, order: np.ndarray = order, n_tokens: int = n_tokens) -> np.ndarray:
            values: np.ndarray = shard[column].to_numpy()
            in_rows: np.ndarray = values.reshape(len(order), n_tokens)[order]
            return in_rows

        yield ScoreArrays(
            document=shard["document"].to_numpy()[:n_tokens],
            position=shard["position"].to_numpy()[:n_tokens],
            nll_nats=rows("nll_nats"),
            kl_nats=rows("kl_nats"),
            is_top1=rows("is_top1"),
            agrees_with_intact=rows("agrees_with_intact"),
            top1_id=rows("top1_id"),
            boundary_nats=None if shard["boundary_nats"].null_count else rows("boundary_nats"),
        )
