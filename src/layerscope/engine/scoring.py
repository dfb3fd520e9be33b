"""From final hidden states to token scores: NLL, top-1, agreement with the intact model, KL to it.

Logits are the model's own, in its dtype; everything after them is float32. They are made a chunk of tokens at a time, so that
memory does not depend on how many tokens a batch has. Variants are scored in groups: within a chunk the intact distribution is
computed once and serves the whole group.

Nothing is clipped or floored. A score that is not finite stays so and is counted in the tables.

Axes: ``variant``, ``token`` (scored tokens of the batch), ``vocab``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from layerscope.models import Decoder

CHUNK_BYTES = 32 * 2**20
"""Float32 logits of one chunk: large enough for an efficient matrix product, small enough to be reused by the allocator."""


@dataclass(frozen=True)
class TokenScores:
    """Scores of every variant on every scored token of a batch."""

    nll_nats: Float[np.ndarray, "variant token"]
    """−ln p(token given those before it)."""
    top1_id: Int[np.ndarray, "variant token"]
    """The token that the variant finds likeliest."""
    is_top1: Bool[np.ndarray, "variant token"]
    """True where that is the token in the text."""
    agrees_with_intact: Bool[np.ndarray, "variant token"]
    """True where that is the intact model's choice."""
    kl_nats: Float[np.ndarray, "variant token"]
    """KL(intact ‖ variant) of the two next-token distributions."""


@dataclass(frozen=True)
class _IntactChunk:
    """The intact model's distribution over one chunk."""

    logits: Float[Tensor, "token vocab"]
    probabilities: Float[Tensor, "token vocab"]
    log_normaliser: Float[Tensor, " token"]
    top1: Int[Tensor, " token"]


class Scorer:
    """Collects the variants' final states and scores them in groups.

    Args:
        decoder: gives the logits.
        targets: the tokens that stand in the text, ``token``.
        n_variants: rows of the result; the intact model is 0. Variants that are added before it wait for it.
        group_size: variants held back before they are scored together.
        on_scored: called with the number of variants each time some are done.
    """

    def __init__(
        self,
        decoder: Decoder,
        targets: Int[Tensor, " token"],
        *,
        n_variants: int,
        group_size: int,
        on_scored: Callable[[int], None] = lambda _: None,
    ) -> None:
        n_tokens = len(targets)
        self._decoder, self._targets, self._on_scored = decoder, targets, on_scored
        self._group_size = group_size
        self._intact: Tensor | None = None
        self._waiting: list[tuple[tuple[int, ...], Tensor]] = []
        self._nll = torch.full((n_variants, n_tokens), torch.nan)
        self._kl = torch.full((n_variants, n_tokens), torch.nan)
        self._top1 = torch.full((n_variants, n_tokens), -1, dtype=torch.int32)
        self._agrees = torch.zeros((n_variants, n_tokens), dtype=torch.bool)

    def add(self, variants: tuple[int, ...], final: Float[Tensor, "token ..."]) -> None:
        """Hand in the state that predicts each scored token, for variants that ended with it."""
        if 0 in variants:
            self._intact = final
        self._waiting.append((variants, final))
        if self._intact is not None and len(self._waiting) >= self._group_size:
            self._score_waiting()

    def result(self) -> TokenScores:
        """Everything, once all variants have been added."""
        self._score_waiting()
        top1 = self._top1.numpy()
        return TokenScores(
            self._nll.numpy(), top1, top1 == self._targets.cpu().numpy()[None, :], self._agrees.numpy(), self._kl.numpy()
        )

    @torch.inference_mode()
    def _score_waiting(self) -> None:
        if not self._waiting or self._intact is None:
            return
        rows = chunk_rows(self._decoder)
        for start in range(0, len(self._targets), rows):
            chunk = slice(start, min(start + rows, len(self._targets)))
            intact = self._intact_chunk(chunk)
            for variants, final in self._waiting:
                self._score_chunk(variants, final[chunk], intact, chunk)
        self._on_scored(sum(len(variants) for variants, _ in self._waiting))
        self._waiting.clear()

    def _intact_chunk(self, chunk: slice) -> _IntactChunk:
        assert self._intact is not None
        logits = self._logits(self._intact[chunk])
        log_normaliser, top1 = _normalise_(logits.clone())
        return _IntactChunk(logits, (logits - log_normaliser[:, None]).exp_(), log_normaliser, top1)

    def _score_chunk(self, variants: tuple[int, ...], final: Tensor, intact: _IntactChunk, chunk: slice) -> None:
        logits = self._logits(final)
        target_logit = logits.gather(1, self._targets[chunk, None])[:, 0]
        # KL = Σ p (ln p − ln q) = (ln Z_q − ln Z_p) − Σ p (z_q − z_p); differences first, so that equal logits give exactly 0.
        shift = torch.linalg.vecdot(intact.probabilities, logits - intact.logits)
        log_normaliser, top1 = _normalise_(logits)
        nll, kl = log_normaliser - target_logit, log_normaliser - intact.log_normaliser - shift
        for variant in variants:
            self._nll[variant, chunk] = nll.cpu()
            self._kl[variant, chunk] = kl.cpu()
            self._top1[variant, chunk] = top1.to(torch.int32).cpu()
            self._agrees[variant, chunk] = (top1 == intact.top1).cpu()

    def _logits(self, final: Tensor) -> Tensor:
        return self._decoder.unembed(final.unsqueeze(1)).squeeze(1).to(self._targets.device, torch.float32)


def _normalise_(logits: Float[Tensor, "token vocab"]) -> tuple[Float[Tensor, " token"], Int[Tensor, " token"]]:
    """Log of Σ exp of each row, and its argmax; the logits are used up."""
    highest, top1 = logits.max(dim=-1)
    return logits.sub_(highest[:, None]).exp_().sum(dim=-1).log_().add_(highest), top1


def chunk_rows(decoder: Decoder) -> int:
    """Tokens whose logits are made at a time."""
    return max(1, CHUNK_BYTES // (4 * decoder.vocab_size))
