"""In which order the first draw's layers went: what its path of each size lacks, and the moves between sizes."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from layerscope.paths.path import LayerPath
from layerscope.searches.analysis.frontier import Found
from layerscope.searches.analysis.left_out import left_out_table


@dataclass(frozen=True)
class FirstDraw:
    """The search's paths on the first draw of calibration texts, from the size nearest to the whole model on."""

    sizes: tuple[float, ...]
    """In layers."""
    moves: tuple[tuple[str, ...] | None, ...]
    """For each size, the moves that its path has more than that of the size before; None where it does not go on from that."""
    left_out: pd.DataFrame
    """As left_out.parquet, of this draw alone."""


def first_draw(frontier: pd.DataFrame, n_layers: int) -> FirstDraw:
    """The first draw's part of a search.

    Args:
        frontier: frontier.parquet.
        n_layers: of the model.
    """
    rows = frontier[(frontier["way"] == "search") & (frontier["draw"] == 0)]
    rows = rows.assign(away=(rows["layers"] - n_layers).abs()).sort_values(["away", "layers"], kind="stable")
    made: list[tuple[str, ...] | None] = []
    before: tuple[str, ...] = ()
    for written in rows["moves"]:
        moves = tuple(str(written).split())
        made.append(moves[len(before) :] if moves[: len(before)] == before else None)
        before = moves
    found = [Found("search", 0, LayerPath.parse(path), ()) for path in rows["path"]]
    sizes = tuple(float(size) for size in rows["layers"])
    return FirstDraw(sizes, tuple(made), left_out_table(found, n_layers).to_pandas())
