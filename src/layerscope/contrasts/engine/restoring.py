"""Patching: what follows the wrong side of a pair, when it is given at one place what the right side has there.

At a layer's residual stream and a position, some dimensions of the wrong side take the values of the right side of the same
pair; everything after computes with them. If the wrong form's disadvantage goes, what was patched carries it.

Axes: ``patch``, ``pair``, ``row`` and ``column`` of a pass.

Source: Meng et al. 2022, "Locating and Editing Factual Associations in GPT", section 2 (arXiv 2202.05262).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from layerscope.contrasts.engine.ablation import Units
from layerscope.contrasts.engine.intervention import Rows, pair_rows, unchanged_layers
from layerscope.contrasts.engine.pair_batches import BatchRun, PairBatch
from layerscope.contrasts.engine.pair_scores import pair_tokens
from layerscope.engine.next_token import nll_of
from layerscope.models.sites import Activations, SiteMap
from layerscope.progress import Advance, nobody_asks


@dataclass(frozen=True)
class Patch:
    """What the wrong side is given."""

    layer: int
    """After which layer, from 0."""
    position: str
    """At which position, by name; ``detection`` is none."""
    dims: Int[np.ndarray, " unit"]
    """In which dimensions of the residual stream."""


@dataclass(frozen=True)
class Restored:
    """−ln p of all that follows the edit, summed over its tokens; NaN where nothing follows."""

    right_nats: Float[np.ndarray, " pair"]
    """After the right form."""
    wrong_nats: Float[np.ndarray, " pair"]
    """After the wrong one."""
    patched_nats: Float[np.ndarray, "patch pair"]
    """After the wrong one, patched; NaN where the pair lacks the position."""


def measure_patches(
    sites: SiteMap,
    batches: Sequence[PairBatch],
    patches: Sequence[Patch],
    right: Int[np.ndarray, " pair"],
    *,
    advance: Advance = nobody_asks,
) -> Restored:
    """Score the wrong side of pairs under many patches.

    Args:
        sites: of the model; the residual stream needs no preparing.
        batches: all that ``make_batches`` made of some pairs of equal length.
        patches: any number.
        right: the right side of each pair, 1 or 2.
        advance: called with the passes done since the last call; as many as batches times patches in all.

    Raises:
        ModelError: a layer or dimension that the model does not have.
    """
    n_pairs = sum(len(batch.members) for batch in batches)
    units = [Units("resid_post", {patch.layer: np.sort(patch.dims)}) for patch in patches]
    for one in units:
        one.check(sites)
    skipped = {unchanged_layers(one) for one in units}
    both = np.full((2, n_pairs), np.nan)
    patched = np.full((len(patches), n_pairs), np.nan)
    with sites.decoder.weights_at_hand():
        for batch in batches:
            members = list(batch.members)
            wrong = 2 - right[members]  # which side
            rows = pair_rows(sites, batch, skipped)
            both[:, members] = _continuation(sites, batch, rows, rows.states[sites.n_layers])
            for index, (patch, one) in enumerate(zip(patches, units, strict=True)):
                where = _places(batch, patch.position, wrong)
                if where.any():
                    (dims,) = one.layers.values()
                    of_other = _other_side(rows.states[patch.layer + 1])[..., torch.from_numpy(dims)]
                    found = _continuation(sites, batch, rows, rows.changed(one, {patch.layer: of_other}, where))
                    has = where.any(dim=1)[: 2 * len(members)].view(-1, 2).any(dim=1).numpy()
                    patched[index, members] = np.where(has, found[wrong, np.arange(len(members))], np.nan)
                advance(1)
    pair = np.arange(n_pairs)
    return Restored(both[right - 1, pair], both[2 - right, pair], patched)


def _continuation(sites: SiteMap, batch: PairBatch, rows: Rows, final: Tensor) -> Float[np.ndarray, "side pair"]:
    tokens = pair_tokens(batch)
    whole = BatchRun(Activations([final]), rows.shared_final).final
    nll = nll_of(sites.decoder, whole[tokens.row, tokens.column], torch.from_numpy(tokens.token_id))
    continuation, _ = tokens.sums(nll)
    return np.asarray(continuation)


def _places(batch: PairBatch, position: str, wrong: Int[np.ndarray, " pair"]) -> Bool[Tensor, "row column"]:
    """The wrong side's token at a position, for each pair that has it."""
    where = torch.zeros((2 * len(batch.filled), batch.width), dtype=torch.bool)
    for number, (pair, side) in enumerate(zip(batch.pairs, wrong, strict=True)):
        place = pair.at(position)
        if place is not None:
            where[2 * number + int(side), place[side] - batch.start] = True
    return where


def _other_side(state: Float[Tensor, "row column d_model"]) -> Float[Tensor, "row column d_model"]:
    """Each row's values are those of the other side of its pair, token by token."""
    return state.view(-1, 2, *state.shape[1:]).flip(1).reshape(state.shape)
