"""The spread of every dimension over ordinary text: what activation differences are measured against.

Sink tokens are left out: the first of each text, and those whose residual stream is ten times as long as that of the middle one
in some layer. Models keep enormous activations there that would hide every other difference in size.

Axes: ``layer``, ``d_model``, ``token`` (those that count), ``sample``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from layerscope.engine.batching import Shard, padded_ids
from layerscope.models.sites import Activations, Site, SiteMap
from layerscope.progress import Advance, nobody_asks

_SINK_FACTOR = 10.0
BANK_SIZE = 256
"""Tokens whose activations are kept to be put in the place of others."""


@dataclass(frozen=True)
class Reference:
    """Each dimension over ordinary text."""

    n_tokens: int
    """Tokens measured."""
    n_sinks: int
    """Tokens left out."""
    mean: dict[Site, Float[np.ndarray, "layer d_model"]]
    """Mean activation, by site."""
    spread: dict[Site, Float[np.ndarray, "layer d_model"]]
    """Standard deviation."""
    size: dict[Site, Float[np.ndarray, "layer d_model"]]
    """Mean absolute activation."""
    bank: dict[Site, Float[np.ndarray, "sample layer d_model"]]
    """Activations of some of the tokens, float32; the same tokens at every site."""


def measure_reference(
    sites: SiteMap, shards: Sequence[Shard], *, n_tokens: int = 10_000, advance: Advance = nobody_asks
) -> Reference:
    """Run text until enough tokens count.

    Args:
        sites: where to measure.
        shards: texts; as many are run as are needed.
        n_tokens: tokens wanted, sinks not counted; fewer if the texts hold fewer.
        advance: called with the tokens that each shard adds.

    Examples:
        >>> decoder = ls.load_decoder("smollm2-135m")
        >>> texts = [decoder.encoder.encode(document.text) for document in ls.load_documents("lee", "lines")[:3]]
        >>> shards = make_shards([make_window("text", text, ()) for text in texts], 2048)
        >>> reference = ls.measure_reference(ls.SiteMap(decoder, ["resid_post"]), shards, n_tokens=200)
        >>> reference.spread["resid_post"].shape
        (30, 576)
    """
    names = sites.sites
    sums = {site: np.zeros((3, sites.n_layers, sites.width)) for site in names}
    bank: dict[Site, list[np.ndarray]] = {site: [] for site in names}
    n_seen = n_sinks = 0
    for shard in shards:
        if n_seen >= n_tokens:
            break
        seen = _run(sites, shard)
        is_text = torch.arange(seen.resid[0].shape[1])[None, :] < torch.tensor([w.n_run for w in shard.windows])[:, None]
        counts = _ordinary(seen, is_text.to(seen.resid[0].device))
        n_here = int(counts.sum())
        n_seen, n_sinks = n_seen + n_here, n_sinks + int(is_text.sum()) - n_here
        wanted = min(n_here, -(-BANK_SIZE * n_here // n_tokens), BANK_SIZE - sum(map(len, bank[names[0]])))
        chosen = np.linspace(0, n_here - 1, wanted).astype(np.int64) if wanted else np.zeros(0, dtype=np.int64)

        def ordinary(array: Tensor, counts: Tensor = counts) -> Tensor:
            return array[counts.to(array.device)]

        for site in names:
            kept = np.empty((len(chosen), sites.n_layers, sites.width), dtype=np.float32)
            for layer in range(sites.n_layers):
                values = sites.value(seen, site, layer, ordinary).float()
                kept[:, layer] = values[torch.from_numpy(chosen)].cpu().numpy()
                # a shard's sums in float32 would lose the small spread of large dimensions
                exact = values.cpu().numpy().astype(np.float64)
                sums[site][0, layer] += exact.sum(axis=0)
                sums[site][1, layer] += (exact * exact).sum(axis=0)
                sums[site][2, layer] += np.abs(exact).sum(axis=0)
            bank[site].append(kept)
        advance(n_here)
    mean = {site: total[0] / n_seen for site, total in sums.items()}
    return Reference(
        n_seen,
        n_sinks,
        mean,
        {site: np.sqrt(np.maximum(total[1] / n_seen - mean[site] ** 2, 0.0)) for site, total in sums.items()},
        {site: total[2] / n_seen for site, total in sums.items()},
        {site: np.concatenate(parts) for site, parts in bank.items()},
    )


@torch.inference_mode()
def _run(sites: SiteMap, shard: Shard) -> Activations:
    decoder = sites.decoder
    with decoder.weights_at_hand(), sites.watching() as seen:
        decoder.model.base_model(input_ids=padded_ids(shard).to(decoder.device), use_cache=False)
    return seen


def _ordinary(seen: Activations, is_text: Bool[Tensor, "batch seq"]) -> Bool[Tensor, "batch seq"]:
    """Tokens that are neither pads nor sinks."""
    counts = is_text.clone()
    counts[:, 0] = False
    for hidden in seen.resid[1:]:
        length = hidden.float().norm(dim=-1).to(is_text.device)
        counts &= length <= _SINK_FACTOR * length[is_text].median()
    return counts
