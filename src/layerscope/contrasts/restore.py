"""Where is the error undone? The wrong side of tested pairs patched with the right one, layer by layer and place by place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from layerscope.contrasts.analysis.choosing import random_sets
from layerscope.contrasts.analysis.restoring import restoring_table
from layerscope.contrasts.engine.pair_batches import PairBatch
from layerscope.contrasts.engine.restoring import Patch, measure_patches
from layerscope.contrasts.tables import ALL, WITHOUT_RANDOM, WITHOUT_STABLE
from layerscope.models.sites import SiteMap
from layerscope.pairs.positions import DETECTION
from layerscope.progress import Advance
from layerscope.stats.top_sets import smallest

N_RANDOM = 2
"""Random sets that are left out of the patch, each in its turn, at each place."""
MOST_POSITIONS = 3
"""Positions that are patched: the first of the run, and its last."""


def patched_positions(positions: Sequence[str]) -> tuple[str, ...]:
    """Which of a run's positions are patched; detection points, which depend on the pair's own predictions, are not."""
    there = [name for name in positions if name != DETECTION]
    return tuple(there if len(there) <= MOST_POSITIONS else [*there[: MOST_POSITIONS - 1], there[-1]])


def n_patches(n_layers: int, n_positions: int) -> int:
    """Patches of one batch."""
    return n_layers * n_positions * (2 + N_RANDOM)


def restore(
    sites: SiteMap,
    batches: Sequence[PairBatch],
    scores: Float[np.ndarray, "layer d_model"],
    covariates: Float[np.ndarray, "unit covariate"],
    *,
    k: int,
    positions: Sequence[str],
    right: Int[np.ndarray, " pair"],
    templates: Int[np.ndarray, " pair"],
    generator: np.random.Generator,
    advance: Advance,
) -> pd.DataFrame:
    """Patch everything, everything but the k stillest of the layer, and everything but k others like them.

    Args:
        sites: of the model.
        batches: of pairs with a right side, of equal length.
        scores: by which a layer's dimensions are ranked, from other pairs; the smallest are the stillest.
        covariates: of all units, for ``random_sets``.
        k: dimensions of each layer that are left out.
        positions: to patch.
        right: the right side of each pair, 1 or 2.
        templates: of each pair, by number.
        generator: of the random sets.
        advance: called with the passes done; as many as batches times ``n_patches`` in all.
    """
    n_layers, width = scores.shape
    stillest = smallest(scores, k)
    patches: list[Patch] = []
    names: list[tuple[int, str, str]] = []
    for layer in range(n_layers):
        chosen = layer * width + np.flatnonzero(stillest[layer])
        random = random_sets(chosen, covariates, n_sets=N_RANDOM, width=width, generator=generator).sets - layer * width
        left_out = [(ALL, np.zeros(0, dtype=np.int64)), (WITHOUT_STABLE, chosen - layer * width)]
        left_out += [(WITHOUT_RANDOM, one) for one in random]
        for position in positions:
            for name, dims in left_out:
                patches.append(Patch(layer, position, np.setdiff1d(np.arange(width), dims)))
                names.append((layer, position, name))
    found = measure_patches(sites, batches, patches, right, advance=advance)
    restored: dict[tuple[int, str, str], list[np.ndarray]] = {}
    for place, patched in zip(names, found.patched_nats, strict=True):
        restored.setdefault(place, []).append(found.wrong_nats - patched)
    means = {place: np.mean(values, axis=0) for place, values in restored.items()}
    return restoring_table(found.wrong_nats - found.right_nats, means, templates)
