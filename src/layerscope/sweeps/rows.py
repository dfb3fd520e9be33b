"""What the engine returns, as the tables that are written: pure conversion, no disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from layerscope.corpora.windows import Window
from layerscope.paths.variants import Variant
from layerscope.sweeps.engine.walk import ShardScores
from layerscope.sweeps.tables import DOCUMENTS, SCORES, SPANS, TOKENS, VOCABULARY


def documents_table(windows: Sequence[Window]) -> pa.Table:
    """One row per text, the unscorable included."""
    return DOCUMENTS.build(
        {
            "document": np.arange(len(windows)),
            "name": [window.name for window in windows],
            "text": [window.text for window in windows],
            "tokens": [window.n_tokens for window in windows],
            "tokens_scored": [window.n_scored for window in windows],
            "tokens_without_context": [window.n_without_context for window in windows],
            "tokens_as_context": [window.n_context for window in windows],
            "tokens_cut": [window.n_cut for window in windows],
            "bytes_scored": [window.scored_bytes for window in windows],
        }
    )


def tokens_table(windows: Sequence[Window], token_name: Callable[[int], str], starts_word: Callable[[int], bool]) -> pa.Table:
    """One row per token of every text.

    Args:
        windows: in the order of the documents.
        token_name: the vocabulary's word for a token that stands in no text.
        starts_word: whether a token cannot go on with a word.
    """
    lengths = [len(window.ids) for window in windows]
    texts: list[str] = []
    for window in windows:
        texts += [token_name(int(token_id)) for token_id in window.ids[: window.n_prefix]]
        texts += [window.text[start:end] for start, end in window.spans[window.n_prefix :].tolist()]
    spans = np.concatenate([window.spans for window in windows]) if windows else np.zeros((0, 2), dtype=np.int64)
    ids = np.concatenate([window.ids for window in windows])
    kinds, kind = np.unique(ids, return_inverse=True)
    return TOKENS.build(
        {
            "document": np.repeat(np.arange(len(windows)), lengths),
            "position": np.concatenate([np.arange(length) for length in lengths]),
            "id": ids,
            "text": pa.array(texts, pa.string()).dictionary_encode(),
            "char_start": spans[:, 0],
            "char_end": spans[:, 1],
            "scored": np.concatenate([window.scored for window in windows]),
            "starts_word": np.array([starts_word(token_id) for token_id in kinds.tolist()])[kind],
        }
    )


def vocabulary_table(
    windows: Sequence[Window], likeliest: Iterable[Int[np.ndarray, " row"]], token_text: Callable[[int], str]
) -> pa.Table:
    """One row per token that stands in a text or that some variant found likeliest.

    Args:
        windows: the run's texts.
        likeliest: token ids from the shards; −1 stands for none.
        token_text: the characters of a token.
    """
    seen = [np.unique(window.ids) for window in windows] + [np.unique(ids) for ids in likeliest]
    ids = np.unique(np.concatenate(seen))
    ids = ids[ids >= 0]
    return VOCABULARY.build({"id": ids, "text": [token_text(token_id) for token_id in ids.tolist()]})


def scores_table(result: ShardScores, variants: Sequence[Variant]) -> pa.Table:
    """One row per (variant, scored token) of a shard, variants in the plan's order."""
    n_variants, n_tokens = result.scores.nll_nats.shape
    documents = np.asarray(result.shard.documents)[result.tokens.row]
    names = pa.array([variant.name for variant in variants], pa.string())
    boundary = result.scores.boundary_nats
    return SCORES.build(
        {
            "variant": pa.DictionaryArray.from_arrays(np.repeat(np.arange(n_variants, dtype=np.int32), n_tokens), names),
            "document": np.tile(documents, n_variants),
            "position": np.tile(result.tokens.position, n_variants),
            "nll_nats": result.scores.nll_nats.ravel(),
            "top1_id": result.scores.top1_id.ravel(),
            "is_top1": result.scores.is_top1.ravel(),
            "agrees_with_intact": result.scores.agrees_with_intact.ravel(),
            "kl_nats": result.scores.kl_nats.ravel(),
            "boundary_nats": pa.nulls(documents.size * n_variants, pa.float32()) if boundary is None else boundary.ravel(),
        }
    )


def spans_table(result: ShardScores) -> pa.Table:
    """One row per (span, text) of a shard."""
    spans, documents = result.proxies.spans, np.asarray(result.shard.documents)
    return SPANS.build(
        {
            "span_first": np.repeat([span.first for span in spans], len(documents)),
            "span_last": np.repeat([span.last for span in spans], len(documents)),
            "document": np.tile(documents, len(spans)),
            "tokens": np.tile(result.proxies.tokens, len(spans)),
            "cosine_sum": result.proxies.cosine_sum.ravel(),
            "angle_sum": result.proxies.angle_sum.ravel(),
        }
    )
