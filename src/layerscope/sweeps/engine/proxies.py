"""Cheap proxies of a variant's damage, read off the intact walk: how much the layers that a variant touches move the stream.

For the span of layers a–b that a variant changes, with x the residual stream before layer a and y after layer b, per token:

- block influence: 1 − cos(x, y). Source: Men et al. 2024, "ShortGPT" (arXiv 2403.03853), equation 1.
- angular distance: arccos(cos(x, y)) / π. Source: Gromov et al. 2024 (arXiv 2403.17887), equation 3, at every token.

Axes: ``batch``, ``seq``, ``span``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from layerscope.paths.variants import Span


@dataclass(frozen=True)
class ProxySums:
    """Sums over each row's tokens, to be added over rows and divided by tokens."""

    spans: tuple[Span, ...]
    """Which layers."""
    cosine_sum: Float[np.ndarray, "span batch"]
    """Σ cos(x, y)."""
    angle_sum: Float[np.ndarray, "span batch"]
    """Σ arccos(cos(x, y)) / π."""
    tokens: Int[np.ndarray, " batch"]
    """Tokens summed over: all of a row but its pads."""


class ProxyMeter:
    """Watches the intact walk go by and keeps a state only as long as an open span needs it.

    Args:
        spans: the spans to measure, each once.
        is_token: False at pads.
    """

    def __init__(self, spans: Sequence[Span], is_token: Bool[Tensor, "batch seq"]) -> None:
        self._spans = tuple(spans)
        self._is_token = is_token
        self._starts: dict[int, Tensor] = {}
        self._sums: dict[int, tuple[Tensor, Tensor]] = {}

    @torch.inference_mode()
    def observe(self, depth: int, hidden: Float[Tensor, "batch seq ..."]) -> None:
        """The intact residual stream before layer ``depth`` (after the last layer, ``depth`` = number of layers)."""
        for index, span in enumerate(self._spans):
            if span.last + 1 == depth:
                self._measure(index, self._starts[span.first], hidden)
        if any(span.first == depth for span in self._spans):
            self._starts[depth] = hidden
        needed = {span.first for span in self._spans if span.last + 1 > depth}
        self._starts = {first: state for first, state in self._starts.items() if first in needed}

    def result(self) -> ProxySums:
        """Sums per row, once the whole intact path has been observed. The only place that waits for the device."""
        cosine, angle = np.full((2, len(self._spans), len(self._is_token)), np.nan)
        for index, (cosine_sum, angle_sum) in self._sums.items():
            cosine[index], angle[index] = cosine_sum.cpu().numpy(), angle_sum.cpu().numpy()
        return ProxySums(self._spans, cosine, angle, self._is_token.sum(dim=1).cpu().numpy())

    def _measure(self, index: int, before: Tensor, after: Tensor) -> None:
        x, y = before.flatten(2).float(), after.flatten(2).float().to(before.device)
        cosine = torch.nn.functional.cosine_similarity(x, y, dim=-1).double()
        mask = self._is_token.to(cosine.device)
        angle = cosine.clamp(-1.0, 1.0).arccos() / math.pi
        self._sums[index] = torch.where(mask, cosine, 0.0).sum(dim=1), torch.where(mask, angle, 0.0).sum(dim=1)
