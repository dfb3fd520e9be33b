"""What a model predicts on both sides of pairs: NLL of what both go on with, of the edit itself, and KL between the sides.

Axes: ``pair`` (of the batch), ``side`` (2), ``distance`` (tokens from the edit: the state at distance 0 has read the edit and
predicts the first token after it).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from layerscope.contrasts.engine.pair_batches import PairBatch
from layerscope.engine.next_token import nll_and_kl, nll_of
from layerscope.models.decoder import Decoder
from layerscope.pairs.positions import PlacedPair


@dataclass(frozen=True)
class PairTokens:
    """The tokens whose NLLs make up a pair's: of each side the edit and what follows it, up to the first final mark.

    What both sides share before the edit costs both the same and is left out. The first token of all has no NLL.
    """

    pairs: tuple[PlacedPair, ...]
    """Of the batch."""
    row: Int[np.ndarray, " token"]
    """Row of the final states; sides of the first pair, then of the second and so on."""
    column: Int[np.ndarray, " token"]
    """Column of the state that predicts the token."""
    token_id: Int[np.ndarray, " token"]
    """What stands there."""
    is_edit: Bool[np.ndarray, " token"]
    """Whether it belongs to the edit."""

    @property
    def has_context(self) -> Bool[np.ndarray, " row"]:
        """For each row, whether anything stands before its edit."""
        return np.repeat([pair.n_before > 0 for pair in self.pairs], 2)

    def sums(self, nll: Float[np.ndarray, " token"]) -> tuple[np.ndarray, np.ndarray]:
        """Sums over the continuation and over the sentence, ``side pair``; NaN where they have no token, or no first one."""
        n_rows = 2 * len(self.pairs)
        of_edit, of_rest = (np.bincount(self.row[some], nll[some], minlength=n_rows) for some in (self.is_edit, ~self.is_edit))
        n_rest = np.bincount(self.row[~self.is_edit], minlength=n_rows)
        continuation, sentence = np.where(n_rest > 0, of_rest, np.nan), np.where(self.has_context, of_edit + of_rest, np.nan)
        return continuation.reshape(-1, 2).T, sentence.reshape(-1, 2).T


def pair_tokens(batch: PairBatch) -> PairTokens:
    """Those of every pair of a batch."""
    first_column = max(batch.start - 1, 0)
    places = [
        (2 * index + side, token - 1 - first_column, pair.ids[side][token], token < pair.after[side])
        for index, pair in enumerate(batch.pairs)
        for side in (0, 1)
        # what is run ends with the last token before the punctuation, which still predicts the one after it
        for token in range(max(pair.n_before, 1), min(pair.last[side] + 2, len(pair.ids[side])))
    ]
    row, column, token_id, is_edit = np.array(places, dtype=np.int64).reshape(-1, 4).T
    return PairTokens(batch.pairs, row, column, token_id, is_edit.astype(bool))


@dataclass(frozen=True)
class PairScores:
    """Predictions on both sides of a batch's pairs; NaN past the end of a sentence."""

    nll_nats: Float[np.ndarray, "side pair distance"]
    """−ln p of the token that follows, which is the same on both sides."""
    kl_nats: Float[np.ndarray, "pair distance"]
    """KL(first ‖ second) of the next-token distributions."""
    edit_nll_nats: Float[np.ndarray, "side pair"]
    """−ln p of the edit, summed over its tokens; NaN where nothing stands before it."""

    @property
    def sentence_nats(self) -> Float[np.ndarray, "side pair"]:
        """−ln p of the edit and all that both sides go on with: the sum over ``PairTokens``, less what only one side says."""
        return np.asarray(self.edit_nll_nats + np.nansum(self.nll_nats, axis=2))

    def detection(self, pairs: PairBatch) -> list[int | None]:
        """For each pair, which token after the edit, from 0, its edit makes more or less probable than any other does."""
        found: list[int | None] = []
        for row, pair in enumerate(pairs.pairs):
            n = pair.n_compared
            changes = np.abs(self.nll_nats[1, row, :n] - self.nll_nats[0, row, :n])
            found.append(int(np.nanargmax(changes)) if np.isfinite(changes).any() else None)
        return found


def score_pairs(decoder: Decoder, batch: PairBatch, final: Float[Tensor, "row width d_model"]) -> PairScores:
    """Score the states that left the last layer.

    Args:
        decoder: gives the logits.
        batch: what was run.
        final: ``BatchRun.final``, or its like from a changed pass.
    """
    nll, kl = _score_shared(decoder, batch, final)
    return PairScores(nll, kl, _score_edits(decoder, batch, final))


def _score_shared(decoder: Decoder, batch: PairBatch, final: Tensor) -> tuple[np.ndarray, np.ndarray]:
    n_distances = max(pair.n_compared for pair in batch.pairs) + 1
    nll = np.full((2, len(batch.pairs), n_distances), np.nan, dtype=np.float32)
    kl = np.full((len(batch.pairs), n_distances), np.nan, dtype=np.float32)
    places = [(row, distance) for row, pair in enumerate(batch.pairs) for distance in range(pair.n_compared + 1)]
    targets = [_token_after(batch, row, distance) for row, distance in places]
    rows = torch.tensor([row for row, _ in places], device=final.device)
    states = []
    for side in (0, 1):
        columns = [batch.pairs[row].after[side] - 1 + distance - _first_column(batch) for row, distance in places]
        states.append(final[2 * rows + side, torch.tensor(columns, device=final.device)])
    found, divergence = nll_and_kl(decoder, states[0], states[1], torch.tensor([max(target, 0) for target in targets]))
    at = tuple(np.array(places).T)
    nll[:, *at] = np.where(np.array(targets) >= 0, found, np.nan)
    kl[at] = divergence
    return nll, kl


def _first_column(batch: PairBatch) -> int:
    """The token that the first column of final states belongs to."""
    return max(batch.start - 1, 0)


def _token_after(batch: PairBatch, row: int, distance: int) -> int:
    """The token that both sides go on with; −1 where they differ, as unrelated sentences do, or end."""
    pair = batch.pairs[row]
    first, second = (ids[after + distance : after + distance + 1] for ids, after in zip(pair.ids, pair.after, strict=True))
    return int(first[0]) if len(first) and np.array_equal(first, second) else -1


def _score_edits(decoder: Decoder, batch: PairBatch, final: Tensor) -> np.ndarray:
    tokens = pair_tokens(batch)
    edit = np.flatnonzero(tokens.is_edit & tokens.has_context[tokens.row])
    nll = np.full(2 * len(batch.pairs), np.nan)
    if len(edit):
        states = final[torch.from_numpy(tokens.row[edit]), torch.from_numpy(tokens.column[edit])]
        found = nll_of(decoder, states, torch.from_numpy(tokens.token_id[edit]))
        sums = np.bincount(tokens.row[edit], found, minlength=len(nll))
        there = np.unique(tokens.row[edit])
        nll[there] = sums[there]
    return nll.reshape(-1, 2).T
