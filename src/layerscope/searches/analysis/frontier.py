"""Paths on held-out texts: how much worse than the intact model, and how much better than what is simpler.

Axes: ``path``, ``text`` (held-out texts), ``draw``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Float, Int

from layerscope.paths.moves import size_of
from layerscope.paths.path import LayerPath
from layerscope.searches.tables import FRONTIER, GAINS
from layerscope.stats.false_discovery import benjamini_hochberg
from layerscope.stats.ratio import ratio_interval

MEAN_OF_DRAWS = -1
"""In place of a draw's number."""


@dataclass(frozen=True)
class Found:
    """A path that is to be measured."""

    way: str
    """``intact``, ``search``, ``one-shot`` or ``random``."""
    draw: int
    """Of calibration texts; of a random path, its number."""
    path: LayerPath
    """The path."""
    moves: tuple[str, ...]
    """That led to it."""
    calibration_nats: float = np.nan
    """Mean objective over the draw's own calibration texts."""
    all_draws_nats: float = np.nan
    """Mean objective over the calibration texts of all draws."""


@dataclass(frozen=True)
class HeldOut:
    """Every path's NLL on texts that no choice was made by."""

    sums: dict[LayerPath, Float[np.ndarray, " text"]]
    """NLL summed over each text, in nats."""
    counts: Int[np.ndarray, " text"]
    """Scored tokens of each."""

    def mean(self, path: LayerPath) -> float:
        """Nats per token."""
        return float(self.sums[path].sum() / self.counts.sum())


def frontier_table(found: Sequence[Found], held_out: HeldOut, parameters: dict[LayerPath, int]) -> pa.Table:
    """One row per path that was found."""
    intact = found[0].path
    with np.errstate(invalid="ignore"):
        differences = np.stack([held_out.sums[one.path] - held_out.sums[intact] for one in found])
    interval = ratio_interval(differences, held_out.counts)
    best = _best(found)
    rows = []
    for index, one in enumerate(found):
        nll, is_intact = held_out.mean(one.path), one.way == "intact"
        delta = nll - held_out.mean(intact)
        rows.append(
            {
                "way": one.way,
                "draw": one.draw,
                "layers": size_of(one.path) / 2,
                "parameters": parameters[one.path],
                "path": str(one.path),
                "moves": " ".join(one.moves),
                "calibration_nats": _finite(one.calibration_nats),
                "all_draws_nats": _finite(one.all_draws_nats),
                "is_best": index in best,
                "nll_nats": _finite(nll),
                "ppl": _perplexity(nll),
                "delta_nll_nats": _finite(delta),
                "delta_nll_low_nats": np.nan if is_intact else float(interval.low[index]),
                "delta_nll_high_nats": np.nan if is_intact else float(interval.high[index]),
            }
        )
    return FRONTIER.from_frame(pd.DataFrame(rows))


def _best(found: Sequence[Found]) -> set[int]:
    """Of each way and size, the path that is best on the calibration texts of all draws; of random ones, none."""
    chosen: dict[tuple[str, int], int] = {}
    for index, one in enumerate(found):
        key = (one.way, size_of(one.path))
        if one.way != "random" and (key not in chosen or one.all_draws_nats < found[chosen[key]].all_draws_nats):
            chosen[key] = index
    return set(chosen.values())


def gains_table(found: Sequence[Found], held_out: HeldOut) -> pa.Table:
    """One row per size, rival and draw, and one for the mean over draws."""
    rows: list[dict[str, object]] = []
    draws = sorted({one.draw for one in found if one.way == "search"})
    sizes = sorted({size_of(one.path) for one in found if one.way == "search"}, reverse=True)
    for against in ("one-shot", "random"):
        for draw in [*draws, *([MEAN_OF_DRAWS] if len(draws) > 1 else [])]:
            some = [_gain(found, held_out, size, against, draws if draw == MEAN_OF_DRAWS else [draw]) for size in sizes]
            there = [{"draw": draw, "against": against, **row} for row in some if row is not None]
            q_values = benjamini_hochberg(np.array([row["p_value"] for row in there], dtype=float))
            rows += [{**row, "q_value": q} for row, q in zip(there, q_values, strict=True)]
    columns = [column.name for column in GAINS.columns]
    return GAINS.from_frame(pd.DataFrame(rows, columns=columns))


def _gain(found: Sequence[Found], held_out: HeldOut, size: int, against: str, draws: Sequence[int]) -> dict[str, object] | None:
    """Mean over draws of simpler − search, text by text; None where either is lacking."""
    of_size = [one for one in found if size_of(one.path) == size]
    searched = {one.draw: one.path for one in of_size if one.way == "search" and one.draw in draws}
    rivals = {one.draw: one.path for one in of_size if one.way == against}
    if len(searched) < len(draws) or not rivals or (against == "one-shot" and any(draw not in rivals for draw in draws)):
        return None
    mine = np.mean([held_out.sums[searched[draw]] for draw in draws], axis=0)
    theirs = [rivals[draw] for draw in draws] if against == "one-shot" else list(rivals.values())
    with np.errstate(invalid="ignore"):
        difference = np.mean([held_out.sums[path] for path in theirs], axis=0) - mine
    same = against == "one-shot" and all(searched[draw] == rivals[draw] for draw in draws)
    interval = ratio_interval(difference[None], held_out.counts, cautious=True)
    of_search = mine.sum() / held_out.counts.sum()
    as_good = sum(held_out.mean(path) <= of_search for path in rivals.values()) if against == "random" else 0
    return {
        "layers": size / 2,
        "gain_nats": _finite(float(difference.sum() / held_out.counts.sum())),
        "gain_low_nats": float(interval.low[0]),
        "gain_high_nats": float(interval.high[0]),
        "p_value": np.nan if same else float(interval.p_value[0]),
        "same_path": same,
        "random_paths": len(rivals) if against == "random" else 0,
        "random_as_good": as_good,
    }


def _perplexity(nll: float) -> float:
    with np.errstate(over="ignore"):
        return _finite(float(np.exp(nll)))


def _finite(value: float) -> float:
    return value if np.isfinite(value) else np.nan
