"""From final hidden states to token scores: NLL, top-1, agreement with the intact model, KL to it.

Logits are the model's own, in its dtype; everything after them is float32. They are made for some tokens and a slice of the
vocabulary at a time and reduced at once, so that memory depends on neither. Variants are scored in groups: the intact model's
logits of a slice are made once for a group, and the slice of the output matrix stays in the cache for all of it.

Everything stays on the device until ``result``: nothing here waits for it. Nothing is clipped or floored. A score that is not
finite stays so and is counted in the tables.

Axes: ``variant``, ``token`` (scored tokens of the batch).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from layerscope.engine.next_token import logits_bytes
from layerscope.models.decoder import Decoder
from layerscope.sweeps.engine.reduction import Reducer, Running, nothing_yet

_FEWEST_ROWS = 256
"""Below this, matrix products are slow."""


@dataclass(frozen=True)
class TokenScores:
    """Scores of every variant on every scored token of a batch."""

    nll_nats: Float[np.ndarray, "variant token"]
    """−ln p(token given those before it)."""
    top1_id: Int[np.ndarray, "variant token"]
    """The token that the variant finds likeliest; −1 if none of its logits is a number."""
    is_top1: Bool[np.ndarray, "variant token"]
    """True where that is the token in the text."""
    agrees_with_intact: Bool[np.ndarray, "variant token"]
    """True where that is the intact model's choice."""
    kl_nats: Float[np.ndarray, "variant token"]
    """KL(intact ‖ variant) of the two next-token distributions."""
    boundary_nats: Float[np.ndarray, "variant token"] | None
    """−ln p(a token that starts a word comes here, whichever); None where nobody asked."""


class Scorer:
    """Collects the variants' final states and scores them in groups.

    Args:
        decoder: gives the logits.
        targets: the tokens that stand in the text, ``token``.
        reducer: from ``slice_reducer``.
        n_variants: rows of the result; the intact model is 0. Variants that are added before it wait for it.
        group_size: variants held back before they are scored together.
        word_starts: which tokens start a word, ``vocab``; None if nobody asks for the probability that one comes.
        on_scored: called with the number of variants each time some are done.
    """

    def __init__(
        self,
        decoder: Decoder,
        targets: Int[Tensor, " token"],
        *,
        reducer: Reducer,
        n_variants: int,
        group_size: int,
        word_starts: Bool[np.ndarray, " vocab"] | None = None,
        on_scored: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._head = decoder.head
        device = self._head.device
        self._targets = targets.to(device)
        self._reducer, self._group_size, self._on_scored = reducer, group_size, on_scored
        self._intact: Tensor | None = None
        self._intact_log_normaliser = torch.full((len(targets),), torch.inf, device=device)
        self._waiting: list[tuple[tuple[int, ...], Tensor]] = []
        self._nll = torch.full((n_variants, len(targets)), torch.nan, device=device)
        self._kl = torch.full((n_variants, len(targets)), torch.nan, device=device)
        self._top1 = torch.full((n_variants, len(targets)), -1, dtype=torch.int32, device=device)
        self._starts = None if word_starts is None else torch.from_numpy(word_starts.astype(np.float32)).to(device)
        self._boundary = None if word_starts is None else torch.full_like(self._nll, torch.nan)
        width = self._head.slice_width
        self._places = [
            torch.arange(start, min(start + width, self._head.vocab_size), dtype=torch.float32, device=device)
            for start in range(0, self._head.vocab_size, width)
        ]

    @torch.inference_mode()
    def add(self, variants: tuple[int, ...], final: Float[Tensor, "token ..."]) -> None:
        """Hand in the state that predicts each scored token, for variants that ended with it."""
        features = self._head.features(final)
        self._waiting.append((variants, features))
        if 0 in variants:
            self._intact = features
            for chunk in self._chunks():
                (intact,) = self._run_through([features[chunk]], chunk)
                self._intact_log_normaliser[chunk] = intact.log_normaliser
        if self._intact is not None and len(self._waiting) >= self._group_size:
            self._score_waiting()

    def result(self) -> TokenScores:
        """Everything, once all variants have been added. The only place that waits for the device."""
        if self._waiting:
            self._score_waiting()
        top1 = self._top1.cpu().numpy()
        is_top1 = top1 == self._targets.cpu().numpy()[None, :]
        nll, kl = self._nll.cpu().numpy(), self._kl.cpu().numpy()
        boundary = None if self._boundary is None else self._boundary.cpu().numpy()
        return TokenScores(nll, top1, is_top1, top1 == top1[:1], kl, boundary)

    @torch.inference_mode()
    def _score_waiting(self) -> None:
        for chunk in self._chunks():
            reduced = self._run_through([features[chunk] for _, features in self._waiting], chunk)
            for (variants, _), running in zip(self._waiting, reduced, strict=True):
                log_normaliser = running.log_normaliser
                for variant in variants:
                    self._nll[variant, chunk] = log_normaliser - running.target
                    # KL = Σ p (ln p − ln q) = (ln Z_q − ln Z_p) − Σ p (z_q − z_p)
                    self._kl[variant, chunk] = log_normaliser - self._intact_log_normaliser[chunk] - running.shift
                    self._top1[variant, chunk] = running.top1.to(torch.int32)
                    if self._boundary is not None:
                        self._boundary[variant, chunk] = running.exponentials.log() - running.of_starts.log()
        self._on_scored(sum(len(variants) for variants, _ in self._waiting))
        self._waiting.clear()

    def _run_through(self, group: list[Tensor], chunk: slice) -> list[Running]:
        """The whole vocabulary, slice by slice, for one chunk of tokens of each of a group of variants."""
        assert self._intact is not None
        targets, log_normaliser, intact = self._targets[chunk], self._intact_log_normaliser[chunk], self._intact[chunk]
        # written into one array made beforehand: small arrays that live on between large ones that do not scatter the heap
        kept = torch.stack([torch.stack(tuple(nothing_yet(len(targets), targets.device)))] * len(group))
        running = [Running(*parts) for parts in kept]
        start = 0
        for places in self._places:
            stop = start + len(places)
            intact_logits = self._head.logits(intact, start, stop)
            starts = None if self._starts is None else self._starts[start:stop]
            probabilities = self._reducer.probabilities(intact_logits, log_normaliser)
            for index, features in enumerate(group):
                logits = self._head.logits(features, start, stop)
                found = self._reducer.reduce(logits, intact_logits, probabilities, targets, places, running[index], starts)
                torch.stack(tuple(found), out=kept[index])
            start = stop
        return running

    def _chunks(self) -> list[slice]:
        rows = max(_FEWEST_ROWS, logits_bytes(self._targets.device.type) // (4 * self._head.slice_width))
        return [slice(start, min(start + rows, len(self._targets))) for start in range(0, len(self._targets), rows)]
