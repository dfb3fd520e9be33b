"""A group of pairs through a model: what one changed token changes, at every site, position, layer and dimension.

Differences are added up as they come (``difference_sums``). Kept for each pair are only numbers that do not grow with the
model's width: predictions, and per layer how far apart both sides are and how far each layer moves one toward the other.

Axes: ``pair``, ``side`` (2), ``position``, ``layer``, ``d_model``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from layerscope.contrasts.engine.difference_sums import DifferenceSummer, DifferenceSums
from layerscope.contrasts.engine.local_scale import LocalScale
from layerscope.contrasts.engine.pair_batches import BatchRun, PairBatch, make_batches, run_batch
from layerscope.contrasts.engine.pair_scores import PairScores, score_pairs
from layerscope.models.sites import Activations, Site, SiteMap
from layerscope.pairs.positions import PlacedPair
from layerscope.progress import Advance, nobody_asks


@dataclass(frozen=True)
class PairMeasures:
    """What is kept of each pair; NaN where a pair lacks a position or a token."""

    nll_nats: Float[np.ndarray, "side pair distance"]
    """−ln p of the token that follows the state at each distance from the edit."""
    kl_nats: Float[np.ndarray, "pair distance"]
    """KL(first ‖ second) of the next-token distributions there."""
    edit_nll_nats: Float[np.ndarray, "side pair"]
    """−ln p of the edit."""
    detection: Int[np.ndarray, " pair"]
    """Which token after the edit, from 0, is the detection point; −1 where there is none."""
    size: Float[np.ndarray, "pair position state"]
    """2‖h₁ − h₂‖ / (‖h₁‖ + ‖h₂‖) of the residual stream before the first layer and after each."""
    toward_first: Float[np.ndarray, "pair position layer"]
    """⟨Δh₂, h₁ − h₂⟩ / ‖h₁ − h₂‖²: the part of the way to the first side that a layer moves the second."""
    toward_second: Float[np.ndarray, "pair position layer"]
    """The same the other way round."""


@dataclass(frozen=True)
class PairValues:
    """|a₁ − a₂| of every pair at one site of one layer."""

    site: Site
    """Where."""
    layer: int
    """From 0."""
    members: Int[np.ndarray, " pair"]
    """Place of each pair in its group."""
    difference: Float[np.ndarray, "pair position d_model"]
    """NaN where a pair lacks a position; float32."""


@dataclass(frozen=True)
class GroupContrast:
    """What a group came to."""

    sums: DifferenceSums
    """Of the differences."""
    measures: PairMeasures
    """Of each pair, in the order given."""
    largest_before_edit: float
    """Largest |h₁ − h₂| of the residual stream at tokens before the edit that were run on both sides; 0 in theory."""


KeepValues = Callable[[PairValues], None]


@dataclass(frozen=True)
class ContrastPlan:
    """How groups are run; the same for all groups of a run."""

    positions: tuple[str, ...]
    """Names of the positions that are compared."""
    spread: dict[Site, Float[np.ndarray, "layer d_model"]]
    """σ over ordinary text, by site."""
    token_budget: int
    """Positions per batch, pads included."""
    share: bool
    """Whether what is the same before the edit is run once."""
    keep_layers: tuple[int, ...] = ()
    """Layers whose per-pair values are handed out."""


def contrast_group(
    sites: SiteMap,
    pairs: Sequence[PlacedPair],
    *,
    blocks: Int[np.ndarray, " pair"],
    plan: ContrastPlan,
    scales: tuple[LocalScale, ...] = (),
    keep: KeepValues | None = None,
    advance: Advance = nobody_asks,
) -> GroupContrast:
    """Run a group and add it up.

    Args:
        sites: where to compare.
        pairs: of one group.
        blocks: block of templates of each; ``UNMATCHED`` for those without a placebo.
        plan: how to run.
        scales: of both references; none for those themselves, whose scale is made of the result.
        keep: takes per-pair values of ``plan.keep_layers``, batch by batch.
        advance: called with the pairs that each batch adds.
    """
    device = sites.decoder.device if sites.decoder.device.type != "mps" else torch.device("cpu")  # mps has no float64
    spread = np.stack([plan.spread[site] for site in sites.sites])
    summer = DifferenceSummer(
        spread, len(plan.positions), scales=scales, n_reference=0 if scales else len(pairs), device=device
    )
    n_distances = 1 + max((pair.n_compared for pair in pairs), default=0)
    measures = _empty_measures(len(pairs), len(plan.positions), n_distances, sites.n_layers)
    largest = 0.0
    for batch in make_batches(pairs, plan.token_budget, share=plan.share):
        run = run_batch(sites, batch)
        scores = score_pairs(sites.decoder, batch, run.final)
        places = Places.of(batch, plan.positions, scores.detection(batch))
        _keep_measures(measures, batch, scores, places, run.seen)
        largest = max(largest, _largest_before_edit(batch, run))
        at_block = torch.from_numpy(blocks[list(batch.members)])
        summer.count(at_block, places.has)
        for number, site in enumerate(sites.sites):
            for layer in range(sites.n_layers):
                first, second = (sites.value(run.seen, site, layer, places.of_side(side)) for side in (0, 1))
                found = summer.add(number, layer, first, second, blocks=at_block, has=places.has)
                if keep is not None and layer in plan.keep_layers:
                    shown = np.where(places.has.numpy()[:, :, None], found.cpu().numpy(), np.float32(np.nan))
                    keep(PairValues(site, layer, np.array(batch.members), shown))
        del run  # not beside the next one
        advance(len(batch.members))
    return GroupContrast(summer.result(), measures, largest)


@dataclass(frozen=True)
class Places:
    """Where the positions of a batch's pairs are."""

    columns: Int[Tensor, "side pair position"]
    """Column of the batch's run; 0 where a pair lacks the position."""
    has: Bool[Tensor, "pair position"]
    """Whether it has."""

    @classmethod
    def of(cls, batch: PairBatch, positions: Sequence[str], detection: Sequence[int | None]) -> Places:
        """Find them."""
        columns = torch.zeros((2, len(batch.pairs), len(positions)), dtype=torch.long)
        has = torch.zeros((len(batch.pairs), len(positions)), dtype=torch.bool)
        for row, (pair, found) in enumerate(zip(batch.pairs, detection, strict=True)):
            for number, name in enumerate(positions):
                place = pair.at(name, found)
                if place is not None:
                    has[row, number] = True
                    columns[:, row, number] = torch.tensor(place) - batch.start
        return cls(columns, has)

    def of_side(self, side: int) -> Callable[[Tensor], Float[Tensor, "pair position d_model"]]:
        """Takes a side's positions out of an array of all rows and columns."""
        columns = self.columns[side]
        rows = (2 * torch.arange(len(columns)) + side)[:, None].expand_as(columns)
        return lambda array: array[rows.to(array.device), columns.to(array.device)]


def _empty_measures(n_pairs: int, n_positions: int, n_distances: int, n_layers: int) -> PairMeasures:
    def gaps(*shape: int) -> np.ndarray:
        return np.full(shape, np.nan, dtype=np.float32)

    return PairMeasures(
        gaps(2, n_pairs, n_distances),
        gaps(n_pairs, n_distances),
        gaps(2, n_pairs),
        np.full(n_pairs, -1, dtype=np.int32),
        gaps(n_pairs, n_positions, n_layers + 1),
        gaps(n_pairs, n_positions, n_layers),
        gaps(n_pairs, n_positions, n_layers),
    )


@torch.inference_mode()
def _keep_measures(measures: PairMeasures, batch: PairBatch, scores: PairScores, places: Places, seen: Activations) -> None:
    members = list(batch.members)
    measures.nll_nats[:, members, : scores.nll_nats.shape[2]] = scores.nll_nats
    measures.kl_nats[members, : scores.kl_nats.shape[1]] = scores.kl_nats
    measures.edit_nll_nats[:, members] = scores.edit_nll_nats
    measures.detection[members] = [-1 if found is None else found for found in scores.detection(batch)]
    has = places.has.numpy()
    before: tuple[Tensor, Tensor] | None = None
    for state, resid in enumerate(seen.resid):
        first, second = (places.of_side(side)(resid).float() for side in (0, 1))
        apart = first - second
        size = 2.0 * apart.norm(dim=-1) / (first.norm(dim=-1) + second.norm(dim=-1))
        measures.size[members, :, state] = np.where(has, size.cpu().numpy(), np.nan)
        if before is not None:
            was_first, was_second = (side.to(first.device) for side in before)
            gap = was_first - was_second
            length = gap.square().sum(dim=-1)
            for kept, moved, sign in (
                (measures.toward_first, second - was_second, 1.0),
                (measures.toward_second, first - was_first, -1.0),
            ):
                part = sign * (moved * gap).sum(dim=-1) / length
                kept[members, :, state - 1] = np.where(has & (length > 0).cpu().numpy(), part.cpu().numpy(), np.nan)
        before = (first, second)


def _largest_before_edit(batch: PairBatch, run: BatchRun) -> float:
    columns = torch.arange(batch.width)[None, :]
    is_before = columns < torch.tensor([pair.n_before - batch.start for pair in batch.pairs])[:, None]
    if not is_before.any():
        return 0.0
    n_rows = 2 * len(batch.pairs)
    gaps = [(resid[:n_rows:2] - resid[1:n_rows:2])[is_before.to(resid.device)].abs().max() for resid in run.seen.resid]
    return float(torch.stack([gap.float().cpu() for gap in gaps]).max())
