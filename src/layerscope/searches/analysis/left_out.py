"""How often each layer goes, over draws of calibration texts."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from layerscope.paths.moves import size_of
from layerscope.paths.path import LayerPath
from layerscope.searches.analysis.frontier import Found
from layerscope.searches.tables import LEFT_OUT


def left_out_table(found: Sequence[Found], n_layers: int) -> pa.Table:
    """One row per size and layer, from the search's paths of all draws."""
    searched = [one.path for one in found if one.way == "search"]
    columns: dict[str, list[float]] = {column.name: [] for column in LEFT_OUT.columns}
    for size in sorted({size_of(path) for path in searched}, reverse=True):
        paths = [path for path in searched if size_of(path) == size]
        for layer in range(n_layers):
            without = {half: sum(not _runs(path, layer, half) for path in paths) for half in ("attn", "mlp")}
            row = {
                "layers": size / 2,
                "layer": layer,
                "draws": len(paths),
                "without_layer": sum(not any(layer in step.layers for step in path.steps) for path in paths),
                "without_attention": without["attn"],
                "without_mlp": without["mlp"],
            }
            for name, value in row.items():
                columns[name].append(value)
    return LEFT_OUT.build(dict(columns))


def _runs(path: LayerPath, layer: int, half: str) -> bool:
    members = (member for step in path.steps for member in step.members if member.layer == layer)
    return any(member.part != ("mlp" if half == "attn" else "attn") for member in members)
