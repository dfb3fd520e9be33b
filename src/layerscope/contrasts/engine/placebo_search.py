"""Which words, put in the place of an edit, change the model's state about as much as the edit does.

A pair's size in a layer is s = ‖(h₁ − h₂) / σ‖ at one site and position. A candidate is accepted if, with v = ln(s of candidate
/ s of pair) by layer, |mean v| ≤ 0.10 and mean |v| ≤ 0.35, and |mean v| ≤ 0.50 over the first sixth of the layers. Candidates
come in random order and the first ones accepted are taken, which is a draw at random among all that would be accepted; the rest
is not run. What stands before the edit is run once per pair, nothing after the position that is compared, and, where a pass can
go on from the middle of the model, nothing after the first sixth of the layers for candidates that are too unlike there.

Axes: ``layer``, ``candidate``, ``row``, ``d_model``.

Source: the caliper of propensity score matching, Rosenbaum & Rubin 1985, "Constructing a Control Group Using Multivariate
Matched Sampling Methods That Incorporate the Propensity Score".
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from layerscope.contrasts.engine.intervention import resumed
from layerscope.contrasts.engine.pair_batches import FAMILYS_OWN_ERRORS, cut, filled_up, is_as_computed
from layerscope.models.decoder import Decoder
from layerscope.models.patching import Forward, replaced_forward
from layerscope.models.sites import Site, SiteMap
from layerscope.pairs.positions import PlacedPair
from layerscope.progress import Advance, nobody_asks

MOST_BIAS, MOST_DISTANCE = 0.10, 0.35
"""Largest |mean over layers| and mean of absolute values of a candidate's log ratio of sizes."""
MOST_EARLY_BIAS, _EARLY = 0.50, 6
"""Largest |mean over the first layers|, and which part of the layers those are. On SmolLM2 it keeps 99% of what else would be
accepted, and 29 to 83% of all candidates."""
_ROUNDS = (16, 32, 80)
"""Candidates of a pair that are run together, while it has not enough; the last as often as needed."""


@dataclass(frozen=True)
class MatchedAt:
    """Where sizes are compared."""

    site: Site
    """Of the activations."""
    position: str
    """Name of the position."""
    spread: Float[np.ndarray, "layer d_model"]
    """σ of the site over ordinary text."""


@dataclass
class _Search:
    """A pair that still wants placebos."""

    member: int
    pair: PlacedPair
    column: int
    """Token that is compared, of the first side."""
    waiting: list[int]
    """Candidates that were not tried yet, in their random order."""
    accepted: list[int] = field(default_factory=list)
    first: Float[Tensor, "layer d_model"] | None = None
    """State of the first side, divided by σ, in the layers that it ran through; None until it ran."""
    log_size: Float[Tensor, " layer"] | None = None
    """Of the pair itself, likewise."""

    def note(self, layers: range, first: Float[Tensor, "layer d_model"], log_size: Float[Tensor, " layer"]) -> None:
        """What both sides came to in some layers, after those of before."""
        if layers.start == 0 or self.first is None or self.log_size is None:
            self.first, self.log_size = first.clone(), log_size.clone()
        else:
            self.first, self.log_size = torch.cat([self.first, first]), torch.cat([self.log_size, log_size])

    def noted(self, layers: range) -> tuple[Float[Tensor, "layer d_model"], Float[Tensor, " layer"]]:
        """The same, read back."""
        assert self.first is not None, "both sides ran first"
        assert self.log_size is not None, "both sides ran first"
        return self.first[layers.start : layers.stop], self.log_size[layers.start : layers.stop]

    def ids(self, token: int) -> Int[np.ndarray, " seq"]:
        """The first side with another token in the place of the edit, up to the one that is compared."""
        ids = self.pair.ids[0][: self.column + 1].copy()
        ids[self.pair.n_before] = token
        return ids


def n_early(n_layers: int) -> int:
    """Layers that are run first."""
    return max(1, n_layers // _EARLY)


def accepts(log_ratio: Float[Tensor, "layer candidate"]) -> Bool[Tensor, " candidate"]:
    """Which candidates are about as large, by v = ln(s of candidate / s of pair)."""
    finite = torch.isfinite(log_ratio).all(dim=0)
    alike = (log_ratio.mean(dim=0).abs() <= MOST_BIAS) & (log_ratio.abs().mean(dim=0) <= MOST_DISTANCE)
    return finite & alike & _may_be_alike(log_ratio[: n_early(len(log_ratio))])


def _may_be_alike(early: Float[Tensor, "layer candidate"]) -> Bool[Tensor, " candidate"]:
    return early.mean(dim=0).abs() <= MOST_EARLY_BIAS


def find_matches(
    sites: SiteMap,
    pairs: Sequence[PlacedPair],
    candidates: Sequence[Sequence[int]],
    at: MatchedAt,
    *,
    wanted: int,
    token_budget: int,
    share: bool,
    in_parts: bool = False,
    advance: Advance = nobody_asks,
) -> list[list[int]]:
    """For each pair, the tokens that stand in for its edit.

    Args:
        sites: of the decoder; ``at.site`` is one of them.
        pairs: whose sides differ in one token.
        candidates: for each pair, tokens in random order.
        at: where sizes are compared.
        wanted: tokens per pair.
        token_budget: positions per batch.
        share: whether what stands before the edit may be run once.
        in_parts: whether a pass may go on from the middle of the model, see ``can_go_on``.
        advance: called with the pairs that are done.

    Returns:
        As many tokens per pair as were accepted, at most as many as are wanted; none where the pair lacks the position.
    """
    found: list[list[int]] = [[] for _ in pairs]
    searches = []
    for member, (pair, some) in enumerate(zip(pairs, candidates, strict=True)):
        place = pair.at(at.position)
        if place is not None and some:
            searches.append(_Search(member, pair, place[0], list(some)))
    advance(len(pairs) - len(searches))
    stages = [range(sites.n_layers)]
    if in_parts:
        stages = [range(n_early(sites.n_layers)), range(n_early(sites.n_layers), sites.n_layers)]
    spread = torch.from_numpy(np.where(at.spread > 0, 1.0 / np.maximum(at.spread, 1e-30), 0.0).astype(np.float32))
    rounds = iter(_ROUNDS)
    n_candidates = 0
    while searches:
        n_candidates = next(rounds, n_candidates)
        n_rows = n_candidates + (2 if searches[0].first is None else 0)
        starts = [search.pair.n_before if share else 0 for search in searches]
        lengths = [search.column + 1 for search in searches]
        for members in cut(starts, lengths, token_budget, n_sides=n_rows):
            _try(sites, [searches[i] for i in members], n_candidates, at.site, spread, stages, share=share)
        going = []
        for search in searches:
            if len(search.accepted) >= wanted or not search.waiting:
                found[search.member] = search.accepted[:wanted]
            else:
                going.append(search)
        advance(len(searches) - len(going))
        searches = going
    return found


@torch.inference_mode()
def _try(
    sites: SiteMap,
    batch: list[_Search],
    n_candidates: int,
    site: Site,
    inverse: Float[Tensor, "layer d_model"],
    stages: Sequence[range],
    *,
    share: bool,
) -> None:
    """Run the next candidates of each, after both sides of those that were never run; through some layers first, if need be."""
    sides = [] if batch[0].first is not None else [0, 1]
    tokens: list[int] = []
    of_pair: list[int] = []
    for number, search in enumerate(batch):
        some, search.waiting = search.waiting[:n_candidates], search.waiting[n_candidates:]
        here = [*(int(search.pair.ids[side][search.pair.n_before]) for side in sides), *some]
        tokens, of_pair = tokens + here, of_pair + [number] * len(here)
    pair_of_row = np.array(of_pair)
    first_rows = np.searchsorted(pair_of_row, np.arange(len(batch)))
    is_side = np.isin(np.arange(len(tokens)), [first_rows + side for side in sides])
    rows = [batch[number].ids(token) for number, token in zip(of_pair, tokens, strict=True)]
    start = min(search.pair.n_before for search in batch) if share else 0
    run = _CandidateRows(sites, rows, pair_of_row, start)
    going = np.arange(len(rows))
    log_ratio = torch.full((sites.n_layers, len(rows)), torch.nan, device=sites.decoder.device)  # of rows that were left early
    for layers in stages:
        if not len(going):
            break
        states = run.states(site, layers, going) * inverse[layers.start : layers.stop, None].to(sites.decoder.device)
        if sides:
            places = np.searchsorted(going, first_rows)
            first, second = states[:, places], states[:, places + 1]
            for search, one, size in zip(batch, first.unbind(1), _log_size(second, first, sites.decoder.dtype).T, strict=True):
                search.note(layers, one, size)
        noted = [batch[number].noted(layers) for number in pair_of_row[going]]
        first, log_size = (torch.stack(some, dim=1) for some in zip(*noted, strict=True))
        found = _log_size(states, first, sites.decoder.dtype) - log_size
        log_ratio[layers.start : layers.stop, going] = found
        going = going[is_side[going] | _may_be_alike(found).cpu().numpy()]
    for row in np.flatnonzero(accepts(log_ratio).cpu().numpy() & ~is_side):
        batch[of_pair[row]].accepted.append(tokens[row])


def _log_size(
    states: Float[Tensor, "layer row d_model"], first: Float[Tensor, "layer row d_model"], dtype: torch.dtype
) -> Float[Tensor, "layer row"]:
    """Ln ‖states − first‖, from what rounding makes of equal states on: an edit may not reach its position in early layers."""
    least = 20 * torch.finfo(dtype).eps * first.norm(dim=-1)
    apart: Tensor = (states - first).norm(dim=-1)
    return apart.maximum(least).log()


class _CandidateRows:
    """Rows of some pairs that go through the model, some layers at a time.

    Args:
        sites: of the decoder.
        rows: tokens of each, up to the one whose state is wanted.
        of_pair: number of the pair that each belongs to; what stands before ``start`` is the same in all rows of a pair.
        start: tokens that are run once per pair.
    """

    def __init__(
        self, sites: SiteMap, rows: Sequence[Int[np.ndarray, " _"]], of_pair: Int[np.ndarray, " row"], start: int
    ) -> None:
        self._sites, self._start = sites, start
        self._of_pair = torch.from_numpy(of_pair)
        self._ids = torch.zeros((len(rows), max(map(len, rows))), dtype=torch.long)
        for row, found in zip(self._ids, rows, strict=True):
            row[: len(found)] = torch.from_numpy(found)
        self._columns = torch.tensor([len(found) - 1 - start for found in rows])
        self._state: tuple[Int[np.ndarray, " row"], Tensor] | None = None
        self._cache: Any = None
        if start:
            first_rows = np.unique(of_pair, return_index=True)[1]
            ids = self._ids[torch.from_numpy(first_rows), :start].to(sites.decoder.device)
            with sites.decoder.weights_at_hand():
                self._cache = self._body(input_ids=ids, use_cache=True).past_key_values

    @property
    def _body(self) -> Any:
        return self._sites.decoder.model.base_model

    def states(self, site: Site, layers: range, rows: Int[np.ndarray, " row"]) -> Float[Tensor, "layer row d_model"]:
        """A site's activations at the last token of some rows, in some layers; layers of one call follow those of the last."""
        sites, decoder = self._sites, self._sites.decoder
        n_rows = len(rows)
        filled = torch.from_numpy(np.concatenate([rows, np.repeat(rows[-1:], filled_up(n_rows) - n_rows)]))
        options: dict[str, Any] = {"use_cache": False}
        if self._cache is not None:
            cache = copy.deepcopy(self._cache)  # a pass writes into it
            cache.batch_select_indices(self._of_pair[filled].to(decoder.device))
            options = {"past_key_values": cache, "use_cache": True}
        _ = decoder.tuple_lengths  # found with the real layers, before any is replaced
        with ExitStack() as stack:
            stack.enter_context(decoder.weights_at_hand())
            if self._state is not None:
                before, state = self._state
                places = torch.from_numpy(np.searchsorted(before, filled.numpy()))
                stack.enter_context(resumed(decoder, layers.start, state[places.to(state.device)]))
            for index in range(layers.stop, sites.n_layers):
                stack.enter_context(replaced_forward(decoder.layers[index], _passing_on(decoder, index)))
            seen = stack.enter_context(sites.watching())
            self._body(input_ids=self._ids[filled, self._start :].to(decoder.device), **options)
        columns = self._columns[filled][:n_rows]
        number = torch.arange(n_rows)

        def last(array: Tensor) -> Float[Tensor, "row d_model"]:
            return array[number.to(array.device), columns.to(array.device)].float()

        self._state = (rows, seen.resid[layers.stop][:n_rows])
        found = [sites.value(seen, site, layer, last) for layer in layers]
        return torch.stack([one.to(decoder.device) for one in found])


def _passing_on(decoder: Decoder, index: int) -> Forward:
    """A layer that does nothing."""
    return lambda *args, **kwargs: decoder.answer_of(index, args[0] if args else kwargs["hidden_states"])


@torch.inference_mode()
def can_go_on(sites: SiteMap, *, share: bool) -> bool:
    """Whether a pass that goes on from the middle of this model gives the states of a whole one; proved on random tokens."""
    n_layers, site = sites.n_layers, sites.sites[0]
    middle = n_early(n_layers)
    if middle == n_layers:
        return False
    ids = torch.randint(0, sites.decoder.vocab_size, (3, 8), generator=torch.Generator().manual_seed(0)).numpy()
    ids[1:, :5] = ids[0, :5]
    rows, of_pair, start = list(ids), np.zeros(3, dtype=np.int64), 5 if share else 0
    every, some = np.arange(3), np.array([0, 2])
    try:
        whole = _CandidateRows(sites, rows, of_pair, start).states(site, range(n_layers), every)
        run = _CandidateRows(sites, rows, of_pair, start)
        run.states(site, range(middle), every)
        rest = run.states(site, range(middle, n_layers), some)
    except FAMILYS_OWN_ERRORS:
        return False
    return all(is_as_computed(one, other, sites.decoder.dtype) for one, other in zip(rest, whole[middle:, some], strict=True))
