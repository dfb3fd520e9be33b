"""Which words, put in the place of an edit, change the model's state about as much as the edit does.

A pair's size in a layer is s = ‖(h₁ − h₂) / σ‖ at one site and position. A candidate is accepted if, with v = ln(s of
candidate / s of pair) by layer, |mean v| ≤ 0.10 and mean |v| ≤ 0.35. Candidates come in random order and the first ones
accepted are taken, which is a draw at random among all that would be accepted; the rest is not run. What stands before the
edit is run once a pair, and nothing after the position that is compared.

Axes: ``layer``, ``candidate``, ``row``, ``d_model``.

Source: the caliper of propensity score matching, Rosenbaum & Rubin 1985, "Constructing a Control Group Using Multivariate
Matched Sampling Methods That Incorporate the Propensity Score".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from layerscope.contrasts.engine.pair_batches import cut, filled_up
from layerscope.models.sites import Site, SiteMap
from layerscope.pairs.positions import PlacedPair
from layerscope.progress import Advance, nobody_asks

MOST_BIAS, MOST_DISTANCE = 0.10, 0.35
"""Largest |mean over layers| and mean of absolute values of a candidate's log ratio of sizes."""
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
    """State of the first side, divided by σ; None until it ran."""
    log_size: Float[Tensor, " layer"] | None = None
    """Of the pair itself."""

    def ids(self, token: int) -> Int[np.ndarray, " seq"]:
        """The first side with another token in the place of the edit, up to the one that is compared."""
        ids = self.pair.ids[0][: self.column + 1].copy()
        ids[self.pair.n_before] = token
        return ids


def accepts(log_ratio: Float[Tensor, "layer candidate"]) -> Bool[Tensor, " candidate"]:
    """Which candidates are about as large, by v = ln(s of candidate / s of pair)."""
    finite = torch.isfinite(log_ratio).all(dim=0)
    return finite & (log_ratio.mean(dim=0).abs() <= MOST_BIAS) & (log_ratio.abs().mean(dim=0) <= MOST_DISTANCE)


def find_matches(
    sites: SiteMap,
    pairs: Sequence[PlacedPair],
    candidates: Sequence[Sequence[int]],
    at: MatchedAt,
    *,
    wanted: int,
    token_budget: int,
    share: bool,
    advance: Advance = nobody_asks,
) -> list[list[int]]:
    """For each pair, the tokens that stand in for its edit.

    Args:
        sites: of the decoder; ``at.site`` is one of them.
        pairs: whose sides differ in one token.
        candidates: for each pair, tokens in random order.
        at: where sizes are compared.
        wanted: tokens a pair.
        token_budget: positions a batch.
        share: whether what stands before the edit may be run once.
        advance: called with the pairs that are done.

    Returns:
        As many tokens a pair as were accepted, at most as many as are wanted; none where the pair lacks the position.
    """
    found: list[list[int]] = [[] for _ in pairs]
    searches = []
    for member, (pair, some) in enumerate(zip(pairs, candidates, strict=True)):
        place = pair.at(at.position)
        if place is not None and some:
            searches.append(_Search(member, pair, place[0], list(some)))
    advance(len(pairs) - len(searches))
    spread = torch.from_numpy(np.where(at.spread > 0, 1.0 / np.maximum(at.spread, 1e-30), 0.0).astype(np.float32))
    rounds = iter(_ROUNDS)
    n_candidates = 0
    while searches:
        n_candidates = next(rounds, n_candidates)
        n_rows = n_candidates + (2 if searches[0].first is None else 0)
        starts = [search.pair.n_before if share else 0 for search in searches]
        lengths = [search.column + 1 for search in searches]
        for members in cut(starts, lengths, token_budget, n_sides=n_rows):
            _try(sites, [searches[i] for i in members], n_candidates, at.site, spread, share=share)
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
    sites: SiteMap, batch: list[_Search], n_candidates: int, site: Site, inverse: Float[Tensor, "layer d_model"], *, share: bool
) -> None:
    """Run the next candidates of each, after both sides of those that were never run."""
    n_sides = 2 if any(search.first is None for search in batch) else 0
    tried: list[list[int]] = []
    rows: list[Int[np.ndarray, " _"]] = []
    for search in batch:
        some, search.waiting = search.waiting[:n_candidates], search.waiting[n_candidates:]
        tried.append(some)
        tokens = [*(int(ids[search.pair.n_before]) for ids in search.pair.ids[:n_sides]), *some]
        rows += [search.ids(token) for token in (*tokens, *[tokens[-1]] * (n_sides + n_candidates - len(tokens)))]
    start = min(search.pair.n_before for search in batch) if share else 0
    states = _states(sites, rows, n_sides + n_candidates, start, site)
    states *= inverse[:, None].to(states.device)
    for search, some, of_pair in zip(batch, tried, torch.split(states, n_sides + n_candidates, dim=1), strict=False):
        if n_sides:
            search.first = of_pair[:, 0].clone()
            search.log_size = _log_size(of_pair[:, 1:2], search.first, sites.decoder.dtype)[:, 0]
        assert search.first is not None, "both sides ran first"
        assert search.log_size is not None, "both sides ran first"
        sizes = _log_size(of_pair[:, n_sides : n_sides + len(some)], search.first, sites.decoder.dtype)
        is_accepted = accepts(sizes - search.log_size[:, None]).tolist()
        search.accepted += [token for token, accepted in zip(some, is_accepted, strict=True) if accepted]


def _log_size(
    states: Float[Tensor, "layer row d_model"], first: Float[Tensor, "layer d_model"], dtype: torch.dtype
) -> Float[Tensor, "layer row"]:
    """Ln ‖states − first‖, from what rounding makes of equal states on: an edit may not reach its position in early layers."""
    least = 20 * torch.finfo(dtype).eps * first.norm(dim=-1)
    apart: Tensor = (states - first[:, None]).norm(dim=-1)
    return apart.maximum(least[:, None]).log()


def _states(
    sites: SiteMap, rows: list[Int[np.ndarray, " _"]], rows_a_pair: int, start: int, site: Site
) -> Float[Tensor, "layer row d_model"]:
    """A site's activations at the last token of each row; what stands before ``start`` is the same in all rows of a pair."""
    decoder = sites.decoder
    body: Any = decoder.model.base_model
    n_pairs = len(rows) // rows_a_pair
    rows = rows + rows[-rows_a_pair:] * (filled_up(n_pairs) - n_pairs)
    ids = torch.zeros((len(rows), max(map(len, rows))), dtype=torch.long)
    for row, found in zip(ids, rows, strict=True):
        row[: len(found)] = torch.from_numpy(found)
    ids = ids.to(decoder.device)
    columns = torch.tensor([len(found) - 1 - start for found in rows])
    number = torch.arange(len(rows))
    with decoder.weights_at_hand():
        options: dict[str, Any] = {"use_cache": False}
        if start:
            cache: Any = body(input_ids=ids[::rows_a_pair, :start], use_cache=True).past_key_values
            cache.batch_repeat_interleave(rows_a_pair)
            options = {"past_key_values": cache, "use_cache": True}
        with sites.watching() as seen:
            body(input_ids=ids[:, start:], **options)

        def last(array: Tensor) -> Float[Tensor, "row d_model"]:
            return array[number.to(array.device), columns.to(array.device)].float()

        layers = [sites.value(seen, site, layer, last) for layer in range(sites.n_layers)]
    return torch.stack([one.to(decoder.device) for one in layers])
