"""One pass over a slice of logits that gives everything a score is made of. Compiled, it is a single loop over memory.

The sum of exponentials is kept relative to the highest logit so far and rescaled when a higher one comes (Milakov & Gimelshein
2018, arXiv 1805.02867). Everything is float32, whatever the logits are.

Axes: ``token``, ``slice`` (neighbouring entries of the vocabulary).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

_ROWS_AT_ONCE = 64
"""Without a compiler, on a CPU: rows whose float32 copies stay in its caches."""
_LOWEST_EXPONENT = -80.0
"""exp of less is no normal float32, which takes a processor a hundred times as long, and adds nothing that float32 can hold."""
_NOWHERE = 1e9
"""Above every place in a vocabulary."""


class Running(NamedTuple):
    """What is known of each token's distribution after some slices."""

    highest: Float[Tensor, " token"]
    """Highest logit."""
    exponentials: Float[Tensor, " token"]
    """Σ exp(logit − highest)."""
    top1: Float[Tensor, " token"]
    """Where the highest logit is, the first of equals; −1 if every logit is not a number. Exact below 2²⁴."""
    target: Float[Tensor, " token"]
    """Logit of the token in the text, once its slice has passed."""
    shift: Float[Tensor, " token"]
    """Σ p (logit − the intact model's logit), with p the intact model's probability."""
    of_starts: Float[Tensor, " token"]
    """Σ exp(logit − highest) over tokens that start a word; 0 where those are not asked for."""

    @property
    def log_normaliser(self) -> Float[Tensor, " token"]:
        """Ln Σ exp(logit), once all slices have passed."""
        return self.exponentials.log() + self.highest


class Reducer(NamedTuple):
    """The two passes over a slice, made for a device."""

    probabilities: Callable[[Tensor, Tensor], Tensor]
    """``intact_probabilities``."""
    reduce: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Running, Tensor | None], Running]
    """``reduce_slice``."""


def nothing_yet(n_tokens: int, device: torch.device) -> Running:
    """Before the first slice."""
    zeros = torch.zeros(n_tokens, device=device)
    return Running(zeros + torch.finfo(torch.float32).min, zeros, zeros - 1.0, zeros, zeros, zeros)


def intact_probabilities(
    intact_logits: Float[Tensor, "token slice"], intact_log_normaliser: Float[Tensor, " token"]
) -> Float[Tensor, "token slice"]:
    """The intact model's distribution over a slice, made once for all variants of a group.

    Args:
        intact_logits: its logits.
        intact_log_normaliser: ln Σ exp of its logits over the whole vocabulary; +inf while it is not known.
    """
    return _exp(intact_logits.float() - intact_log_normaliser[:, None])


def reduce_slice(
    logits: Float[Tensor, "token slice"],
    intact_logits: Float[Tensor, "token slice"],
    probabilities: Float[Tensor, "token slice"],
    targets: Int[Tensor, " token"],
    places: Float[Tensor, " slice"],
    running: Running,
    starts: Float[Tensor, " slice"] | None,
) -> Running:
    """Take in one slice.

    Args:
        logits: of a variant.
        intact_logits: of the intact model, for the same tokens and entries.
        probabilities: of the intact model, for the same.
        targets: the tokens in the text.
        places: the slice's entries of the vocabulary, as numbers.
        running: what is known so far.
        starts: 1 for the slice's entries that start a word, 0 for the others; None if nobody asks.
    """
    z = logits.float()
    if torch.compiler.is_compiling():  # a comparison and a minimum run as vectors where an argmax does not
        highest = z.amax(dim=-1)
        top1 = torch.where(z == highest[:, None], places[None, :], _NOWHERE).amin(dim=-1)
    else:
        highest, at = z.max(dim=-1)
        top1 = places[at]
    reference = torch.maximum(running.highest, highest)
    rescaling = (running.highest - reference).exp()
    exponentials = _exp(z - reference[:, None])
    if starts is None:
        of_starts = torch.zeros_like(reference)  # what is returned shares no memory with what was given
    else:
        of_starts = running.of_starts * rescaling + (exponentials * starts).sum(dim=-1)
    column = targets - places[0].long()
    is_here = (column >= 0) & (column < places.shape[0])
    target = z.gather(1, column.clamp(0, places.shape[0] - 1)[:, None])[:, 0]
    # differences first, so that equal logits give exactly 0
    shift = (probabilities * (z - intact_logits.float())).sum(dim=-1)
    return Running(
        reference,
        running.exponentials * rescaling + exponentials.sum(dim=-1),
        torch.where(highest > running.highest, top1, running.top1),
        torch.where(is_here, target, running.target),
        running.shift + shift,
        of_starts,
    )


def _exp(exponents: Tensor) -> Tensor:
    return exponents.clamp(min=_LOWEST_EXPONENT).exp()


def slice_reducer(*, compiled: bool) -> Reducer:
    """Both passes, compiled or in chunks of rows."""
    if not compiled:
        return Reducer(intact_probabilities, _reduce_by_chunks)
    # without the shape checks that tests wrap around them
    passes = (torch.compile(inspect.unwrap(one), dynamic=True) for one in (intact_probabilities, reduce_slice))
    return Reducer(*passes)


def _reduce_by_chunks(
    logits: Tensor,
    intact_logits: Tensor,
    probabilities: Tensor,
    targets: Tensor,
    places: Tensor,
    running: Running,
    starts: Tensor | None,
) -> Running:
    if logits.device.type != "cpu":
        return reduce_slice(logits, intact_logits, probabilities, targets, places, running, starts)
    chunks = []
    for start in range(0, len(logits), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        so_far = Running(*(part[rows] for part in running))
        parts = (logits[rows], intact_logits[rows], probabilities[rows], targets[rows])
        chunks.append(reduce_slice(*parts, places, so_far, starts))
    return Running(*(torch.cat(of_chunks) for of_chunks in zip(*chunks, strict=True)))
