"""The path without the layers that a finished removal sweep needed least."""

from __future__ import annotations

from layerscope.errors import PathError
from layerscope.paths.path import LayerPath
from layerscope.sweeps.finished import FinishedRun


def path_without_least_needed(run: FinishedRun, n_dropped: int) -> LayerPath:
    """Drop the layers whose removal, each alone, raised the NLL least.

    Each was measured alone: what they do together is for a sweep of the exported model to say.

    Args:
        run: with the family ``removal``.
        n_dropped: how many layers to drop; some must be left.

    Raises:
        PathError: the run removed no layers one by one, or not that many can be dropped.
    """
    removed = run.layers[run.layers["family"] == "removal"].sort_values("delta_nll_nats", kind="stable")
    if removed.empty:
        raise PathError(f"The least needed layers are told by the family 'removal'; '{run.directory.path}' does not have it.")
    if not 1 <= n_dropped < len(removed):
        raise PathError(f"Of {len(removed)} layers 1 to {len(removed) - 1} can be dropped; got {n_dropped}.")
    dropped = set(removed["span_first"].astype(int).head(n_dropped))
    return LayerPath.from_layers(layer for layer in range(len(removed)) if layer not in dropped)
