"""Searches that never ran: tables of paths made by removals, halves, exchanges or repeats, by the search's own analysis."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from layerscope.evaluations.record import EvaluationRecord
from layerscope.evaluations.tables import TASKS
from layerscope.paths.moves import Candidate, neighbours, parse_moves, size_of
from layerscope.paths.path import LayerPath
from layerscope.results.directory import RunDirectory
from layerscope.searches.analysis.frontier import Found, HeldOut, frontier_table, gains_table
from layerscope.searches.analysis.left_out import left_out_table
from layerscope.searches.record import SearchRecord
from layerscope.searches.tables import CANDIDATES, FRONTIER, GAINS, LEFT_OUT, SPEED
from tests.made_up_records import evaluation_manifest, search_manifest


@dataclass(frozen=True)
class MadeUpSearch:
    """Its tables, as the run writes them."""

    n_layers: int
    moves: tuple[str, ...]
    n_draws: int
    n_texts: int
    frontier: pa.Table
    gains: pa.Table
    left_out: pa.Table
    speed: pa.Table
    candidates: pa.Table

    def write(self, folder: Path, **changes: object) -> Path:
        """As a finished run directory."""
        request = {"moves": list(self.moves), "draws": self.n_draws, "held_out": self.n_texts}
        request["budget_layers"] = float(self.frontier["layers"].to_pylist()[-1])
        manifest = search_manifest(request=request, **changes)
        manifest["model"]["layers"] = self.n_layers
        record = SearchRecord.model_validate(manifest)
        directory = RunDirectory(folder)
        with directory.alone():
            directory.start(record)
            for table, rows in (
                (FRONTIER, self.frontier),
                (GAINS, self.gains),
                (LEFT_OUT, self.left_out),
                (SPEED, self.speed),
                (CANDIDATES, self.candidates),
            ):
                directory.write_table(table, rows)
            directory.finish(record, work=record.work, seconds=1.0)
        return folder


def made_up_search(
    *,
    n_layers: int = 12,
    moves: tuple[str, ...] = ("removal",),
    steps: int = 4,
    n_draws: int = 3,
    n_texts: int = 12,
    n_random: int = 5,
    has_one_shot: bool = True,
    seed: int = 0,
) -> MadeUpSearch:
    """Each draw's moves are drawn by chance, likelier in the middle; middle layers cost least, and repeats little."""
    dice, kinds = np.random.default_rng(seed), parse_moves(moves)
    start = LayerPath.intact(n_layers)
    found = [Found("intact", 0, start, (), 3.0, 3.0)]
    tried: list[dict[str, object]] = []
    for draw in range(n_draws):
        for way in ("search", "one-shot") if has_one_shot else ("search",):
            path, made = start, tuple[str, ...]()
            for step in range(1, steps + 1):
                candidates = neighbours(path, kinds, n_layers=n_layers)
                ranked = sorted(candidates, key=lambda one: _cost(one.path, n_layers) + 0.05 * dice.random())
                if way == "search":
                    tried += _rows(draw, step, ranked[:4])
                path, made = ranked[0].path, (*made, ranked[0].move)
                cost = _cost(path, n_layers)
                found.append(Found(way, draw, path, made, 3 + cost, 3 + cost + 0.01 * draw))
    sizes = {size_of(one.path) for one in found if one.way == "search"}
    for number in range(n_random):
        path = start
        for _ in range(steps):
            candidates = neighbours(path, kinds, n_layers=n_layers)
            path = candidates[dice.integers(len(candidates))].path
            if size_of(path) in sizes:
                found.append(Found("random", number, path, ()))
    counts = dice.integers(20, 60, n_texts)
    sums = {
        one.path: counts * (3.5 + _cost(one.path, n_layers) * dice.gamma(4.0, 0.25, n_texts) + 0.02 * dice.normal(size=n_texts))
        for one in found
    }
    held_out = HeldOut(sums, counts)
    parameters = {one.path: 10_000_000 + 1_500_000 * size_of(one.path) for one in found}
    timed = list(dict.fromkeys(one.path for one in found if one.way in ("intact", "search")))
    return MadeUpSearch(
        n_layers,
        moves,
        n_draws,
        n_texts,
        frontier_table(found, held_out, parameters),
        gains_table(found, held_out),
        left_out_table(found, n_layers),
        _speed(timed, n_layers),
        CANDIDATES.from_frame(pd.DataFrame(tried)),
    )


def _cost(path: LayerPath, n_layers: int) -> float:
    """Nats per token: most at both ends of the model, a little for every change of order, more the shorter the path."""
    runs = [member for step in path.steps for member in step.members]
    ends = np.abs(np.linspace(-1, 1, n_layers)) ** 4 * 3 + 0.03
    missing = 0.0
    for layer in range(n_layers):
        parts = {one.part for one in runs if one.layer == layer}
        there = {"attn", "mlp"} if "whole" in parts else parts
        missing += float(ends[layer]) * (2 - len(there)) / 2
    order = [one.layer for one in runs]
    swaps = sum(second < first for first, second in itertools.pairwise(order))
    return missing * (1 + 0.3 * missing) + 0.02 * swaps


def _rows(draw: int, step: int, ranked: list[Candidate]) -> list[dict[str, object]]:
    """The second is tied with the first in every other step."""
    return [
        {
            "draw": draw,
            "way": "greedy",
            "step": step,
            "layers": size_of(one.path) / 2,
            "path": str(one.path),
            "moves": one.move,
            "texts": 16,
            "objective_nats": 3.0 + 0.1 * place,
            "distance_nats": 0.1 * place,
            "distance_low_nats": 0.1 * place - 0.05,
            "distance_high_nats": 0.1 * place + 0.05,
            "is_best": place == 0,
            "is_tied": place == 0 or (place == 1 and step % 2 == 0),
            "is_dropped": place > 2,
        }
        for place, one in enumerate(ranked)
    ]


def _speed(paths: list[LayerPath], n_layers: int) -> pa.Table:
    share = np.array([size_of(path) / (2 * n_layers) for path in paths])
    return SPEED.build(
        {
            "path": pa.array([str(path) for path in paths]).dictionary_encode(),
            "layers": np.array([size_of(path) / 2 for path in paths], dtype=np.float32),
            "positions": np.full(len(paths), 256),
            "seconds_a_token": 0.01 * share,
            "ratio": 0.2 + 0.8 * share,
            "ratio_low": 0.18 + 0.8 * share,
            "ratio_high": 0.23 + 0.8 * share,
        }
    )


def write_tasks(run: Path, paths: list[str], tasks: dict[str, str]) -> Path:
    """An evaluation of some paths inside a search's folder, the intact model first.

    Args:
        run: the search's folder.
        paths: written, the intact model's first.
        tasks: kind, ``task`` or ``group``, by name.
    """
    record = EvaluationRecord.model_validate(evaluation_manifest(intact=paths[0]))
    rows = []
    for place, path in enumerate(paths):
        for number, (task, kind) in enumerate(tasks.items()):
            value = 0.8 - 0.03 * place - 0.1 * number
            change = {"delta": value - 0.8 + 0.1 * number, "p_value": 0.01, "tied": False} if place else {"delta": 0.0}
            ends = {"delta_low": change["delta"] - 0.02, "delta_high": change["delta"] + 0.02} if place else {}
            found = {
                "value": value,
                "stderr": 0.01,
                "samples": 200,
                "not_finite": 0,
                "higher_is_better": True,
                **change,
                **ends,
            }
            rows.append({"path": path, "task": task, "kind": kind, "metric": "acc", **found})
    frame = pd.DataFrame(rows).reindex(columns=[column.name for column in TASKS.columns])
    columns = {name: [None if pd.isna(one) else one for one in frame[name]] for name in frame}
    columns["kind"] = pa.array(columns["kind"]).dictionary_encode()
    directory = RunDirectory(run / "evaluation")
    with directory.alone():
        directory.start(record)
        directory.write_table(TASKS, TASKS.build(columns))
        directory.finish(record, seconds=1.0)
    return directory.path
