"""Pairs into batches, and a batch through the model: both sides together, what they share before the edit only once.

A batch's pairs are cut at one place: the tokens before it are run once per pair, with a cache, and both sides go on from there.
Nothing after the last token that anybody looks at is run. Families whose cache cannot be shared run both sides whole.

Axes: ``pair`` (of the batch), ``filled`` (those that are run), ``side`` (2), ``seq``, ``d_model``. Rows of a forward pass are
the sides of the first pair, then of the second and so on; rows after those of the last pair repeat it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from layerscope.models.decoder import Decoder
from layerscope.models.sites import Activations, SiteMap, first_of
from layerscope.pairs.positions import PlacedPair

_CALL_COST, _BATCH_COST = 40, 60
"""A forward pass costs about as much as this many positions besides its own: weights are read, calls are made. So does what is
done with a batch's activations."""
_TOLERANCE = 1e-3
FAMILYS_OWN_ERRORS = (RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError, NotImplementedError)
"""What a family's own code raises where it cannot be run in another way."""


@dataclass(frozen=True)
class PairBatch:
    """Some pairs that go through the model together."""

    members: tuple[int, ...]
    """Place of each pair in the list that the batches were made from."""
    pairs: tuple[PlacedPair, ...]
    """One a member."""
    start: int
    """Tokens that are run once per pair, because they are the same on both sides."""

    @property
    def width(self) -> int:
        """Tokens of each side after those, pads included."""
        return max(max(pair.last) for pair in self.pairs) + 1 - self.start

    @property
    def filled(self) -> tuple[PlacedPair, ...]:
        """What is run: the pairs, and the last one again as often as makes one of a few sizes.

        A shape that was never met costs time, and memory for as long as the process lives.
        """
        return self.pairs + self.pairs[-1:] * (filled_up(len(self.pairs)) - len(self.pairs))

    @property
    def positions(self) -> int:
        """Tokens run, pads included."""
        return len(self.filled) * (self.start + 2 * self.width)

    @cached_property
    def shared_ids(self) -> Int[Tensor, "filled start"]:
        """What is run once."""
        return torch.from_numpy(np.stack([pair.ids[0][: self.start] for pair in self.filled]))

    @cached_property
    def side_ids(self) -> Int[Tensor, "row width"]:
        """What is run for each side, right-padded with id 0."""
        ids = torch.zeros((2 * len(self.filled), self.width), dtype=torch.long)
        for row, (pair, side) in enumerate((pair, side) for pair in self.filled for side in (0, 1)):
            found = pair.ids[side][self.start : pair.last[side] + 1]
            ids[row, : len(found)] = torch.from_numpy(found)
        return ids


def make_batches(pairs: Sequence[PlacedPair], token_budget: int, *, share: bool = True) -> list[PairBatch]:
    """Group pairs so that least is run: by where they differ, then by length, cut by dynamic programming.

    Args:
        pairs: any.
        token_budget: positions of both sides a batch, pads included; a longer pair makes a batch of its own.
        share: whether what is the same before the edit is run once.
    """
    starts = [pair.n_before if share else 0 for pair in pairs]
    lengths = [max(pair.last) + 1 for pair in pairs]
    return [
        PairBatch(members, tuple(pairs[i] for i in members), starts[members[0]])
        for members in cut(starts, lengths, token_budget, n_sides=2)
    ]


def cut(starts: Sequence[int], lengths: Sequence[int], token_budget: int, *, n_sides: int) -> list[tuple[int, ...]]:
    """Members of batches that cost least, each from the one with the smallest start on, which all of a batch are cut at.

    Args:
        starts: of each member, the tokens that its sides share.
        lengths: of each member, the tokens that are run.
        token_budget: positions of all sides a batch, pads included; a longer member makes a batch of its own.
        n_sides: rows a member.
    """
    order = sorted(range(len(starts)), key=lambda i: (starts[i], lengths[i], i))
    cost = [0.0] * (len(order) + 1)  # of the members from here to the last
    end_of = [0] * len(order)
    for first in reversed(range(len(order))):
        start, longest, cost[first] = starts[order[first]], 0, float("inf")
        for end in range(first + 1, len(order) + 1):
            longest = max(longest, lengths[order[end - 1]])
            rows, width = filled_up(end - first), longest - start
            if rows > 1 and n_sides * rows * width > token_budget:
                break
            whole = rows * (start + n_sides * width) + _BATCH_COST + _CALL_COST * (2 if start else 1) + cost[end]
            if whole < cost[first]:
                cost[first], end_of[first] = whole, end
    batches, first = [], 0
    while first < len(order):
        batches.append(tuple(order[first : end_of[first]]))
        first = end_of[first]
    return batches


def filled_up(n_pairs: int) -> int:
    """The next of the sizes 1, 2, 3, 4, 6, 8, 12, 16, 24 and so on."""
    power = 1 << (n_pairs - 1).bit_length()
    return power * 3 // 4 if power > 2 and n_pairs <= power * 3 // 4 else power


@dataclass(frozen=True)
class SharedPart:
    """What a forward pass over the shared tokens of a batch left."""

    cache: Any
    """From which both sides go on, one row per side. A forward pass writes into it: one pass per cache."""
    final: Float[Tensor, "filled d_model"]
    """The residual stream after the last layer at the last shared token: it predicts the edit."""


@dataclass(frozen=True)
class BatchRun:
    """A batch that went through the model."""

    seen: Activations
    """Rows are sides, columns are tokens from the batch's start on."""
    before: Float[Tensor, "filled d_model"] | None
    """``SharedPart.final``; None where nothing is shared."""

    @property
    def final(self) -> Float[Tensor, "row width_and_one d_model"]:
        """The residual stream after the last layer; the first column is the token before the batch's start, if there is one."""
        final = self.seen.resid[-1]
        return final if self.before is None else torch.cat([self.before.repeat_interleave(2, dim=0)[:, None], final], dim=1)


@torch.inference_mode()
def run_shared(decoder: Decoder, batch: PairBatch) -> SharedPart | None:
    """What both sides share, once; None where they share nothing."""
    if batch.start == 0:
        return None
    finals: list[Tensor] = []
    handle = decoder.layers[-1].register_forward_hook(lambda _, __, output: finals.append(first_of(output)[:, -1]))
    try:
        ids = batch.shared_ids.to(decoder.device)
        cache: Any = decoder.model.base_model(input_ids=ids, use_cache=True).past_key_values
    finally:
        handle.remove()
    cache.batch_repeat_interleave(2)
    return SharedPart(cache, finals[0])


@torch.inference_mode()
def run_sides(decoder: Decoder, batch: PairBatch, shared: SharedPart | None) -> None:
    """Both sides of each pair through the layers; what comes of it is for those who watch or change them."""
    ids = batch.side_ids.to(decoder.device)
    if shared is None:
        decoder.model.base_model(input_ids=ids, use_cache=False)
    else:
        decoder.model.base_model(input_ids=ids, past_key_values=shared.cache, use_cache=True)


def run_batch(sites: SiteMap, batch: PairBatch) -> BatchRun:
    """The activations of a batch."""
    decoder = sites.decoder
    with decoder.weights_at_hand():
        shared = run_shared(decoder, batch)
        with sites.watching() as seen:
            run_sides(decoder, batch, shared)
    return BatchRun(seen, None if shared is None else shared.final)


@torch.inference_mode()
def can_share(sites: SiteMap) -> bool:
    """Whether going on from a shared cache gives this model the states of whole sentences; proved on random tokens."""
    decoder = sites.decoder
    ids = torch.randint(0, decoder.vocab_size, (2, 11), generator=torch.Generator().manual_seed(0)).numpy()
    twins = [np.concatenate([ids[0], side]) for side in ids]
    pair = PlacedPair((twins[0], twins[1]), 11, (12, 12), (21, 21))
    try:
        shared = run_batch(sites, PairBatch((0,), (pair,), 8)).seen.resid
        whole = run_batch(sites, PairBatch((0,), (pair,), 0)).seen.resid
    except FAMILYS_OWN_ERRORS:
        return False
    return all(is_as_computed(one, other[:, 8:], decoder.dtype) for one, other in zip(shared, whole, strict=True))


def is_as_computed(found: Tensor, expected: Tensor, dtype: torch.dtype) -> bool:
    """Whether states of one layer are those of another way to compute them, but for rounding in the model's format."""
    slack = _TOLERANCE if dtype == torch.float32 else 20 * torch.finfo(dtype).eps
    return float((found - expected).float().norm()) <= slack * float(expected.float().norm())
