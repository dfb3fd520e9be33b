"""Running sums of activation differences over a group of pairs: memory depends on the model, never on the number of pairs.

For every cell (site, position, layer, dimension): count, sum and sum of squares of |a₁ − a₂|, sum of its relative form, exact
zeros, a histogram of |a₁ − a₂| / σ on a fixed logarithmic scale (the quantile sketch), and, by block of templates, sums of
|a₁ − a₂| and of its control percentile. Blocks are what resampling draws later: a template lies in one block.

Axes: ``site``, ``position``, ``layer``, ``d_model``, ``block``, ``bin``, ``pair`` (of a batch).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from layerscope.contrasts.blocks import N_BLOCKS

N_BINS = 64
_BINS_AN_OCTAVE = 4
_LOWEST_OCTAVE = -11
"""Bin 0 holds all below 2⁻¹¹ σ, the last one all from 24 σ."""
_MANTISSA_BITS_LEFT = 21
"""A float32 has 23 of them; the two highest, with the exponent, number the quarter octaves."""
QUANTILES = (0.1, 0.5, 0.9)


def bin_of(z: Float[Tensor, "*cells"]) -> Int[Tensor, "*cells"]:
    """Bin of each z ≥ 0: quarter octaves, cut linearly as a float's mantissa is."""
    bits = z.contiguous().view(torch.int32) >> _MANTISSA_BITS_LEFT
    return (bits - (127 + _LOWEST_OCTAVE) * _BINS_AN_OCTAVE + 1).clamp_(0, N_BINS - 1)


def bin_edges() -> Float[np.ndarray, " edge"]:
    """Upper edge of each bin but the last, in units of σ."""
    places = np.arange(N_BINS - 1)
    return 2.0 ** (_LOWEST_OCTAVE + places // _BINS_AN_OCTAVE) * (1.0 + (places % _BINS_AN_OCTAVE) / _BINS_AN_OCTAVE)


@dataclass(frozen=True)
class Percentiles:
    """For each cell, the control percentile of a difference, by its bin, from references that share no pair.

    Two groups that are read on one reference agree by its sampling error alone; read on two, they do not.
    """

    of_bin: tuple[Float[Tensor, "site position layer bin d_model"], ...]
    """One a reference: P(control < d) + ½ P(control in the same bin)."""

    @classmethod
    def from_histograms(cls, *histograms: Int[Tensor, "site position layer bin d_model"]) -> Percentiles:
        """Of the control pairs whose differences were counted."""
        tables = []
        for histogram in histograms:
            counts = histogram.float()
            total = counts.sum(dim=3, keepdim=True).clamp(min=1.0)
            tables.append((counts.cumsum(dim=3) - 0.5 * counts) / total)
        return cls(tuple(tables))


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
    block_percentile: Float[np.ndarray, "reference block site position layer d_model"] | None
    """Mean control percentile of each block by each reference, float32; None for the reference controls themselves."""
    histogram: Int[Tensor, "site position layer bin d_model"]
    """Counts of |a₁ − a₂| / σ, on the device."""


class DifferenceSummer:
    """Adds up a group.

    Args:
        spread: σ of every cell over ordinary text, ``site layer d_model``.
        n_positions: positions that are compared.
        percentiles: of the reference controls; None while those are counted.
        device: where sums are kept.
    """

    def __init__(
        self,
        spread: Float[np.ndarray, "site layer d_model"],
        n_positions: int,
        *,
        percentiles: Percentiles | None,
        device: torch.device,
    ) -> None:
        n_sites, n_layers, width = spread.shape
        shape = (n_sites, n_positions, n_layers, width)
        self._spread = spread
        # a dimension that never moves in ordinary text: any difference is beyond every bin
        inverse = np.where(spread > 0, 1.0 / np.maximum(spread, 1e-30), 1e30).astype(np.float32)
        self._inverse = torch.from_numpy(inverse).to(device)
        self._percentiles, self._device = percentiles, device
        self._moments = torch.zeros((3, *shape), dtype=torch.float64, device=device)
        self._zeros = torch.zeros(shape, dtype=torch.int32, device=device)
        self._histogram = torch.zeros((n_sites, n_positions, n_layers, N_BINS, width), dtype=torch.int32, device=device)
        self._by_block = torch.zeros((N_BLOCKS, *shape), device=device)
        n_references = 0 if percentiles is None else len(percentiles.of_bin)
        self._percentile_by_block = torch.zeros((n_references, N_BLOCKS, *shape), device=device)
        self._pairs = torch.zeros((N_BLOCKS, n_positions), dtype=torch.int64)
        self._of_block: tuple[Tensor, Tensor] | None = None

    def count(self, blocks: Int[Tensor, " pair"], has: Bool[Tensor, "pair position"]) -> None:
        """Note a batch's pairs; once a batch, before its cells are added."""
        self._pairs.index_add_(0, blocks, has.long())

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
        for number, of_bin in enumerate(() if self._percentiles is None else self._percentiles.of_bin):
            found = of_bin[site, :, layer].gather(1, bins).mul_(has)
            self._percentile_by_block[number, :, site, :, layer] += torch.matmul(of_block, found).transpose(0, 1)
        return difference.transpose(0, 1)

    def _block_shares(self, blocks: Int[Tensor, " pair"]) -> Float[Tensor, "block pair"]:
        """1 where a pair lies in a block; made once a batch."""
        if self._of_block is None or self._of_block[0] is not blocks:
            shares = torch.zeros((N_BLOCKS, len(blocks)), device=self._device)
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
            None if self._percentiles is None else (self._percentile_by_block / of_block).cpu().numpy(),
            self._histogram,
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
