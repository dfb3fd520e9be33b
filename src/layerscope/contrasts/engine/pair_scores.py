"""What a model predicts on both sides of pairs: NLL of what both go on with, of the edit itself, and KL between the sides.

Axes: ``pair`` (of the batch), ``side`` (2), ``distance`` (tokens from the edit: the state at distance 0 has read the edit and
predicts the first token after it).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from layerscope.contrasts.engine.pair_batches import PairBatch
from layerscope.engine.next_token import nll_and_kl, nll_of
from layerscope.models.decoder import Decoder


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
    def continuation_nats(self) -> Float[np.ndarray, "side pair"]:
        """−ln p of all that follows the edit, summed; 0 where nothing does."""
        return np.asarray(np.nansum(self.nll_nats, axis=2))

    @property
    def sentence_nats(self) -> Float[np.ndarray, "side pair"]:
        """−ln p of the edit and all that follows: the sentence's, less what both sides share before the edit."""
        return np.asarray(self.edit_nll_nats + self.continuation_nats)

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
    nll = np.full((2, len(batch.pairs)), np.nan)
    places = [
        (side, row, token)
        for row, pair in enumerate(batch.pairs)
        for side in (0, 1)
        if pair.n_before
        for token in range(pair.n_before, pair.after[side])
    ]
    if not places:
        return nll
    side, row, token = (np.array(column) for column in zip(*places, strict=True))
    targets = np.array([batch.pairs[r].ids[s][t] for s, r, t in places])
    columns = torch.from_numpy(token - 1 - _first_column(batch))
    found = nll_of(decoder, final[torch.from_numpy(2 * row + side), columns], torch.from_numpy(targets))
    sums = np.zeros((2, len(batch.pairs)))
    np.add.at(sums, (side, row), found)
    nll[side, row] = sums[side, row]
    return nll
