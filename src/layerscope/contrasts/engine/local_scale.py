"""The percentile among changes of similar size: how many reference pairs that differ as much differ less in a dimension.

A pair's size at a site of a layer is ‖(a₁ − a₂) / σ‖. What any smaller difference does to the order of the dimensions it does
to both, so that it cancels. Reference pairs are put in the order of their size and cut into parts of up to 50; two neighbouring
parts are a window. A pair is read on the window in whose middle it falls, so on up to 100 reference pairs of about its size.

Axes: ``site``, ``position``, ``layer``, ``d_model``, ``pair``, ``window``, ``bin``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

N_BINS = 64
_BINS_AN_OCTAVE = 4
_LOWEST_OCTAVE = -11
"""Bin 0 holds all below 2⁻¹¹ σ, the last one all from 24 σ."""
_MANTISSA_BITS_LEFT = 21
"""A float32 has 23 of them; the two highest, with the exponent, number the quarter octaves."""
_PART = 50
"""Reference pairs of a part at most; twice as many are a window, and twice those still fit in eight bits."""


def bin_of(z: Float[Tensor, "*cells"]) -> Int[Tensor, "*cells"]:
    """Bin of each z ≥ 0: quarter octaves, cut linearly as a float's mantissa is."""
    bits = z.contiguous().view(torch.int32) >> _MANTISSA_BITS_LEFT
    return (bits - (127 + _LOWEST_OCTAVE) * _BINS_AN_OCTAVE + 1).clamp_(0, N_BINS - 1)


def bin_edges() -> Float[np.ndarray, " edge"]:
    """Upper edge of each bin but the last, in units of σ."""
    places = np.arange(N_BINS - 1)
    return 2.0 ** (_LOWEST_OCTAVE + places // _BINS_AN_OCTAVE) * (1.0 + (places % _BINS_AN_OCTAVE) / _BINS_AN_OCTAVE)


class ReferenceBins:
    """The bins and sizes of all pairs of a reference, as they come; one byte per pair and cell.

    Args:
        shape: sites, positions, layers and dimensions.
        n_pairs: pairs that will come.
        device: where they are kept.
    """

    def __init__(self, shape: tuple[int, int, int, int], n_pairs: int, device: torch.device) -> None:
        n_sites, n_positions, n_layers, width = shape
        self.bins: UInt8[Tensor, "site layer position pair d_model"]
        self.bins = torch.zeros((n_sites, n_layers, n_positions, n_pairs, width), dtype=torch.uint8, device=device)
        self.log_size: Float[Tensor, "site layer position pair"]
        self.log_size = torch.zeros((n_sites, n_layers, n_positions, n_pairs), device=device)
        self.has: Bool[Tensor, "position pair"] = torch.zeros((n_positions, n_pairs), dtype=torch.bool, device=device)
        self._seen = 0
        self._batch = slice(0, 0)

    def begin_batch(self, has: Bool[Tensor, "pair position"]) -> None:
        """Make room for the next pairs."""
        self._batch = slice(self._seen, self._seen + len(has))
        self._seen += len(has)
        self.has[:, self._batch] = has.T.to(self.has.device)

    def add(
        self, site: int, layer: int, bins: Int[Tensor, "position pair d_model"], log_size: Float[Tensor, "position pair"]
    ) -> None:
        """One site of one layer of those pairs."""
        self.bins[site, layer, :, self._batch] = bins.to(torch.uint8)
        self.log_size[site, layer, :, self._batch] = log_size


@dataclass(frozen=True)
class LocalScale:
    """One reference, ready to be read.

    Two groups that are read on one reference agree by its sampling error alone; read on two, they do not.
    """

    counts: UInt8[Tensor, "site layer position row d_model"]
    """By window and bin, a row each: twice the window's pairs in lower bins, and once those in the same."""
    totals: Float[Tensor, "position window"]
    """Twice the pairs of each window; 1 where there are none."""
    borders: Float[Tensor, "site layer position border"]
    """Sizes from which on the next window is nearer; infinite where a position has fewer."""

    @classmethod
    def from_bins(cls, reference: ReferenceBins) -> LocalScale:
        """Of all the pairs of a reference that have a position."""
        n_sites, n_layers, n_positions, _, width = reference.bins.shape
        parts = [_parts(int(has.sum())) for has in reference.has]
        n_windows = max(len(sizes) for sizes in parts) - 1
        device = reference.bins.device
        shape = (n_sites, n_layers, n_positions)
        counts = torch.zeros((*shape, n_windows * N_BINS, width), dtype=torch.uint8, device=device)
        borders = torch.full((*shape, n_windows - 1), torch.inf, device=device)
        totals = torch.ones((n_positions, n_windows), device=device)
        for position, sizes in enumerate(parts):
            there = torch.nonzero(reference.has[position])[:, 0]
            if not len(there):
                continue
            n_here = len(sizes) - 1
            totals[position, :n_here] = 2.0 * torch.tensor([sizes[i] + sizes[i + 1] for i in range(n_here)])
            part_of_rank = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes)).to(device)
            middles = np.cumsum([0, *sizes])[1:-2] + np.array(sizes[1:-1], dtype=np.int64) // 2
            for site in range(n_sites):
                for layer in range(n_layers):
                    log_size, order = reference.log_size[site, layer, position, there].sort()
                    bins = reference.bins[site, layer, position, there[order]]
                    by_part = torch.zeros((len(sizes), N_BINS, width), device=device)
                    at = part_of_rank[:, None] * N_BINS + bins.long()
                    by_part.view(-1, width).scatter_add_(0, at, torch.ones(at.shape, device=device))
                    window = by_part[:-1] + by_part[1:]
                    found = window.cumsum(dim=1).mul_(2.0) - window
                    counts[site, layer, position, : n_here * N_BINS] = found.view(-1, width).to(torch.uint8)
                    borders[site, layer, position, : n_here - 1] = log_size[torch.from_numpy(middles).to(device)]
        return cls(counts, totals, borders)

    def read(
        self, site: int, layer: int, bins: Int[Tensor, "position pair d_model"], log_size: Float[Tensor, "position pair"]
    ) -> Float[Tensor, "position pair d_model"]:
        """P(reference < d) + ½ P(reference in the same bin), among the reference pairs of each pair's window."""
        window = (log_size[:, :, None] >= self.borders[site, layer][:, None, :]).sum(dim=2)
        rows = bins + (window * N_BINS)[:, :, None]
        found = self.counts[site, layer].gather(1, rows).float()
        return found.div_(self.totals.gather(1, window)[:, :, None])


def _parts(n_pairs: int) -> list[int]:
    """Sizes of the parts that so many pairs are cut into: about equal, two or more, none above 50."""
    n_parts = max(2, -(-n_pairs // _PART))
    return [len(part) for part in np.array_split(np.arange(n_pairs), n_parts)]
