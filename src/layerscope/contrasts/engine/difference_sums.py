"""Running sums of activation differences over a group of pairs: memory depends on the model, never on the number of pairs.

For every cell (site, position, layer, dimension): count, sum and sum of squares of |a₁ − a₂|, sum of its relative form, exact
zeros, a histogram of |a₁ − a₂| / σ on a fixed logarithmic scale (the quantile sketch), and, by block of templates, sums of
|a₁ − a₂| and of its percentile. Blocks are what resampling draws later: a template lies in one block, and pairs that no
placebo stands beside lie in a block of their own, the last.

Axes: ``site``, ``position``, ``layer``, ``d_model``, ``block``, ``bin``, ``pair`` (of a batch).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from layerscope.contrasts.blocks import N_BLOCKS
from layerscope.contrasts.engine.local_scale import N_BINS, LocalScale, ReferenceBins, bin_edges, bin_of

QUANTILES = (0.1, 0.5, 0.9)
_N_SLOTS = N_BLOCKS + 1
"""Blocks of templates, and ``UNMATCHED``."""


@dataclass(frozen=True)
class DifferenceSums:
    """What is left of a group's pairs when all have passed; float64 unless said otherwise."""

    pairs: Int[np.ndarray, " position"]
    """Pairs that have the position."""
    block_pairs: Int[np.ndarray, "block position"]
    """The same by block."""
    mean: Float[np.ndarray, "site position layer d_model"]
    """Mean |a₁ − a₂|, in the units of the activations."""
    variance: Float[np.ndarray, "site position layer d_model"]
    """Variance of it over pairs (divided by n)."""
    relative: Float[np.ndarray, "site position layer d_model"]
    """Mean 2|a₁ − a₂| / (|a₁| + |a₂|); 0 where both are 0."""
    zeros: Int[np.ndarray, "site position layer d_model"]
    """Pairs whose difference is exactly 0."""
    quantiles: Float[np.ndarray, "quantile site position layer d_model"]
    """The ``QUANTILES`` of |a₁ − a₂|, from the histogram: right to about an eighth."""
    block_mean: Float[np.ndarray, "block site position layer d_model"]
    """Mean |a₁ − a₂| of each block, float32; NaN for blocks without a pair."""
    block_log_size: Float[np.ndarray, "block site position layer"]
    """Mean of ln ‖(a₁ − a₂) / σ‖ over each block's pairs; NaN for blocks without a pair."""
    block_percentile: Float[np.ndarray, "reference block site position layer d_model"] | None
    """Mean percentile of each block by each reference, float32; None for the references themselves."""
    reference: ReferenceBins | None
    """Of a reference, all that its scale is made of, on the device."""


class DifferenceSummer:
    """Adds up a group.

    Args:
        spread: σ of every cell over ordinary text, ``site layer d_model``.
        n_positions: positions that are compared.
        scales: of the references, which every difference is read on; none while those are counted.
        n_reference: pairs of the reference that is counted; 0 if it is none.
        device: where sums are kept.
    """

    def __init__(
        self,
        spread: Float[np.ndarray, "site layer d_model"],
        n_positions: int,
        *,
        scales: tuple[LocalScale, ...] = (),
        n_reference: int = 0,
        device: torch.device,
    ) -> None:
        n_sites, n_layers, width = spread.shape
        shape = (n_sites, n_positions, n_layers, width)
        self._spread = spread
        # a dimension that never moves in ordinary text: any difference is beyond every bin
        inverse = np.where(spread > 0, 1.0 / np.maximum(spread, 1e-30), 1e30).astype(np.float32)
        self._inverse = torch.from_numpy(inverse).to(device)
        # and one that has no spread has no size in spreads
        self._weight = torch.from_numpy(np.where(spread > 0, inverse, np.float32(0.0))).to(device)
        self._scales, self._device = scales, device
        self._reference = ReferenceBins(shape, n_reference, device) if n_reference else None
        self._moments = torch.zeros((3, *shape), dtype=torch.float64, device=device)
        self._zeros = torch.zeros(shape, dtype=torch.int32, device=device)
        self._histogram = torch.zeros((n_sites, n_positions, n_layers, N_BINS, width), dtype=torch.int32, device=device)
        self._by_block = torch.zeros((_N_SLOTS, *shape), device=device)
        self._log_size = torch.zeros((_N_SLOTS, *shape[:-1]), dtype=torch.float64, device=device)
        self._percentile_by_block = torch.zeros((len(scales), _N_SLOTS, *shape), device=device)
        self._pairs = torch.zeros((_N_SLOTS, n_positions), dtype=torch.int64)
        self._of_block: tuple[Tensor, Tensor] | None = None

    def count(self, blocks: Int[Tensor, " pair"], has: Bool[Tensor, "pair position"]) -> None:
        """Note a batch's pairs; once per batch, before its cells are added."""
        self._pairs.index_add_(0, blocks, has.long())
        if self._reference is not None:
            self._reference.begin_batch(has)

    @torch.inference_mode()
    def add(
        self,
        site: int,
        layer: int,
        first: Float[Tensor, "pair position d_model"],
        second: Float[Tensor, "pair position d_model"],
        *,
        blocks: Int[Tensor, " pair"],
        has: Bool[Tensor, "pair position"],
    ) -> Float[Tensor, "pair position d_model"]:
        """Add one site of one layer of a batch; returns its differences, 0 where a pair lacks a position."""
        # position first: what is added up over pairs lies together, and one call serves all positions
        first, second = (side.float().to(self._device).transpose(0, 1).contiguous() for side in (first, second))
        has = has.to(self._device).T.contiguous()[:, :, None]
        difference = (first - second).abs_().mul_(has)
        relative = difference / first.abs_().add_(second.abs_()).clamp_(min=torch.finfo(torch.float32).tiny)
        # float32 within a batch, float64 over batches
        self._moments[0, site, :, layer] += difference.sum(dim=1)
        self._moments[1, site, :, layer] += torch.linalg.vector_norm(difference, dim=1).square_()
        self._moments[2, site, :, layer] += relative.sum(dim=1).mul_(2.0)
        self._zeros[site, :, layer] += (has.sum(dim=1) - torch.count_nonzero(difference, dim=1)).to(torch.int32)
        bins = bin_of(difference * self._inverse[site, layer]).long()
        counted = has.to(torch.int32).expand(bins.shape)
        self._histogram[site, :, layer].scatter_add_(1, bins, counted)
        of_block = self._block_shares(blocks)
        self._by_block[:, site, :, layer] += torch.matmul(of_block, difference).transpose(0, 1)
        log_size = (difference * self._weight[site, layer]).norm(dim=2).clamp_(min=torch.finfo(torch.float32).tiny).log_()
        self._log_size[:, site, :, layer] += torch.matmul(of_block, (log_size * has[:, :, 0]).T)
        if self._reference is not None:
            self._reference.add(site, layer, bins, log_size)
        for number, scale in enumerate(self._scales):
            found = scale.read(site, layer, bins, log_size).mul_(has)
            self._percentile_by_block[number, :, site, :, layer] += torch.matmul(of_block, found).transpose(0, 1)
        return difference.transpose(0, 1)

    def _block_shares(self, blocks: Int[Tensor, " pair"]) -> Float[Tensor, "block pair"]:
        """1 where a pair lies in a block; made once per batch."""
        if self._of_block is None or self._of_block[0] is not blocks:
            shares = torch.zeros((_N_SLOTS, len(blocks)), device=self._device)
            shares[blocks.to(self._device), torch.arange(len(blocks), device=self._device)] = 1.0
            self._of_block = (blocks, shares)
        return self._of_block[1]

    def result(self) -> DifferenceSums:
        """Everything that was added."""
        pairs = self._pairs.sum(dim=0)
        total = pairs.clamp(min=1).to(self._device)[None, :, None, None].double()
        mean = self._moments[0] / total
        variance = (self._moments[1] / total - mean.square()).clamp(min=0.0)
        of_block = self._pairs.to(self._device)[:, None, :, None, None]
        return DifferenceSums(
            pairs.numpy(),
            self._pairs.numpy(),
            mean.cpu().numpy(),
            variance.cpu().numpy(),
            (self._moments[2] / total).cpu().numpy(),
            self._zeros.cpu().numpy(),
            self._quantiles(),
            (self._by_block / of_block).cpu().numpy(),
            (self._log_size / of_block[..., 0]).float().cpu().numpy(),
            (self._percentile_by_block / of_block).cpu().numpy() if self._scales else None,
            self._reference,
        )

    def _quantiles(self) -> np.ndarray:
        """From the histogram: the geometric middle of the bin that the quantile falls into."""
        edges = bin_edges()
        middles = np.concatenate([[0.0], np.sqrt(edges[:-1] * edges[1:]), [edges[-1]]]).astype(np.float32)
        found = np.empty((len(QUANTILES), *self._moments.shape[1:]), dtype=np.float32)
        for site in range(found.shape[1]):
            for position in range(found.shape[2]):  # some at a time: they stay in a processor's caches
                cumulated = self._histogram[site, position].cumsum(dim=1, dtype=torch.int32)
                total = cumulated[:, -1:].clone()
                for number, quantile in enumerate(QUANTILES):
                    bins = (cumulated < quantile * total).sum(dim=1).clamp(max=N_BINS - 1).cpu().numpy()
                    found[number, site, position] = middles[bins] * self._spread[site]
        return found
