"""Next-token predictions of states from anywhere, by slices of the vocabulary: NLL alone, or two models of a text compared.

What a sweep needs, many variants against one, is its own ``scoring``; this is for one state a token, or two.

Axes: ``token`` (rows from anywhere).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from layerscope.engine.batching import ScoredTokens, Shard, padded_ids, scored_tokens
from layerscope.models.decoder import Decoder
from layerscope.paths.steps import LayerStep

_FEWEST_ROWS, _ROWS_STEP = 64, 32
_ROWS_SHARE = 4
"""Several arrays of logits are at hand at once: each gets this part of what one would."""


def logits_bytes(device_type: str) -> int:
    """Logits of one chunk of tokens and one slice of the vocabulary, in float32: on a CPU, what its caches hold."""
    return (16 if device_type == "cpu" else 256) * 2**20


@torch.inference_mode()
def nll_of(
    decoder: Decoder, final: Float[Tensor, "token d_model"], targets: Int[Tensor, " token"]
) -> Float[np.ndarray, " token"]:
    """−ln p of some tokens.

    Args:
        decoder: gives the logits.
        final: the state that predicts each token.
        targets: the tokens.
    """
    (found,) = nll_of_several(decoder, [final], targets)
    return np.asarray(found)


@torch.inference_mode()
def nll_of_several(
    decoder: Decoder, finals: Sequence[Float[Tensor, "token ..."]], targets: Int[Tensor, " token"]
) -> Float[np.ndarray, "state token"]:
    """−ln p of some tokens by several states each; a slice of the output matrix serves all of them.

    Args:
        decoder: gives the logits.
        finals: the states that predict each token, one array of them a row of the result.
        targets: the tokens.
    """
    n_tokens = len(targets)
    features, filled = [decoder.head.features(_filled(final)) for final in finals], _filled(targets)
    found = torch.full((len(features), len(filled)), torch.nan)
    for rows in _chunks(decoder, len(filled)):
        wanted = filled[rows].to(decoder.head.device)
        normalisers: list[list[Tensor]] = [[] for _ in features]
        target_logit = [torch.zeros(len(wanted), device=decoder.head.device)] * len(features)
        for start, stop in _slices(decoder):
            for index, some in enumerate(features):
                logits = decoder.head.logits(some[rows], start, stop).float()
                normalisers[index].append(logits.logsumexp(dim=1))
                target_logit[index] = _taken(target_logit[index], logits, wanted, start)
        for index, of_slices in enumerate(normalisers):
            found[index, rows] = (torch.stack(of_slices).logsumexp(dim=0) - target_logit[index]).cpu()
    return found[:, :n_tokens].numpy()


@torch.inference_mode()
def shard_nll(decoder: Decoder, shard: Shard) -> tuple[ScoredTokens, Float[np.ndarray, " token"]]:
    """−ln p of the scored tokens of a shard by the intact model, and which tokens they are."""
    tokens, ids = scored_tokens(shard), padded_ids(shard)
    recording = decoder.record(ids)
    hidden = recording.embedded
    for layer in range(decoder.n_layers):
        hidden = decoder.run_step(LayerStep(layer), hidden, recording)
    final = hidden[torch.from_numpy(tokens.row), torch.from_numpy(tokens.position - 1)]
    return tokens, nll_of(decoder, final, torch.from_numpy(tokens.token_id))


@torch.inference_mode()
def nll_and_kl(
    decoder: Decoder,
    first: Float[Tensor, "token d_model"],
    second: Float[Tensor, "token d_model"],
    targets: Int[Tensor, " token"],
) -> tuple[Float[np.ndarray, "two token"], Float[np.ndarray, " token"]]:
    """−ln p of some tokens by two states each, and the divergence of their predictions.

    Args:
        decoder: gives the logits.
        first: a state that predicts each token.
        second: another.
        targets: the tokens.

    Returns:
        NLL by both; and KL(first ‖ second) = Σ p (z₁ − z₂) + ln Z₂ − ln Z₁ with logits z, which is exactly 0 for equal states.
    """
    nll, kl, n_tokens = [torch.zeros(2, 0)], [torch.zeros(0)], len(targets)
    features, targets = [decoder.head.features(_filled(final)) for final in (first, second)], _filled(targets)
    for rows in _chunks(decoder, len(targets)):
        wanted = targets[rows].to(decoder.head.device)
        normalisers: list[list[Tensor]] = [[], []]
        shifts, target_logit = [], [torch.zeros(len(wanted), device=decoder.head.device)] * 2
        for start, stop in _slices(decoder):
            logits = [decoder.head.logits(some[rows], start, stop).float() for some in features]
            for side in (0, 1):
                normalisers[side].append(logits[side].logsumexp(dim=1))
                target_logit[side] = _taken(target_logit[side], logits[side], wanted, start)
            shares = (logits[0] - normalisers[0][-1][:, None]).exp_()
            shifts.append(shares.mul_(logits[0].sub_(logits[1])).sum(dim=1))
        of_slices = [torch.stack(side) for side in normalisers]
        whole = [side.logsumexp(dim=0) for side in of_slices]
        shift = ((of_slices[0] - whole[0]).exp() * torch.stack(shifts)).sum(dim=0)
        nll.append(torch.stack([whole[side] - target_logit[side] for side in (0, 1)]).cpu())
        kl.append((shift + whole[1] - whole[0]).cpu())
    return torch.cat(nll, dim=1)[:, :n_tokens].numpy(), torch.cat(kl)[:n_tokens].numpy()


def _filled(rows: Tensor) -> Tensor:
    """With the last row again and again, up to a whole number of steps: what a new shape costs is paid a few times only."""
    missing = -len(rows) % _ROWS_STEP
    return torch.cat([rows, rows[-1:].expand(missing, *rows.shape[1:])])


def _taken(so_far: Tensor, logits: Float[Tensor, "token slice"], wanted: Int[Tensor, " token"], start: int) -> Tensor:
    """The logits of the wanted tokens, where this slice has them."""
    inside = (wanted >= start) & (wanted < start + logits.shape[1])
    at = (wanted - start).clamp(0, logits.shape[1] - 1)[:, None]
    return torch.where(inside, logits.gather(1, at)[:, 0], so_far)


def _chunks(decoder: Decoder, n_tokens: int) -> Iterator[slice]:
    head = decoder.head
    n_rows = max(_FEWEST_ROWS, logits_bytes(head.device.type) // (4 * head.slice_width * _ROWS_SHARE))
    for first in range(0, n_tokens, n_rows):
        yield slice(first, min(first + n_rows, n_tokens))


def _slices(decoder: Decoder) -> Iterator[tuple[int, int]]:
    width, size = decoder.head.slice_width, decoder.head.vocab_size
    for start in range(0, size, width):
        yield start, min(start + width, size)
