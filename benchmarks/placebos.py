"""How often the tests against placebos err and find, by simulation through the functions that make the tables.

    python -m benchmarks.placebos [--runs 200] [--resamples 199] [--seed 1]

Every run has four types of 60 pairs in 20 blocks, in 2 layers of 60 dimensions, and each pair has a placebo. A difference of
size s is |normal| × s^γ in a dimension, with γ ~ N(1, 0.3) of the dimension; pairs are 0.4 times as large as random words. A
pair and its placebo share what their sentence and place do to each dimension, and all pairs of a type what its kind of
sentence does (log-normal, σ = 0.3 each). What is summed, read on the local scale, cut into blocks and tested is what a run
and ``layerscope stability`` would; only the model is made up.

- *size and exponents*: nothing else. All tests should give p ≤ .05 in 5% of the runs.
- *placebos 1.08 times as large*: near what is allowed at most, 1.105.
- *profiles of their own*: types differ in which dimensions they move (log-normal, σ = 0.5), and have nothing in common.
- *six resist*: in six dimensions edits of every type do half of what their placebos do: the thing itself.

Printed: the share of runs with p ≤ .05 for agreement (Jaccard, Spearman), for single layers and pairs of types, for layers'
shares and for subtypes; the mean excess in shared dimensions of 6; how many of the six are among the six found stillest.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch

from layerscope.contrasts.analysis.place import WITH_BLOCKS, Place
from layerscope.contrasts.analysis.stability import place_tables
from layerscope.contrasts.blocks import N_BLOCKS, GroupBlocks, group_blocks
from layerscope.contrasts.engine.difference_sums import DifferenceSummer, DifferenceSums
from layerscope.contrasts.engine.groups import GroupContrast, PairMeasures
from layerscope.contrasts.engine.local_scale import LocalScale
from layerscope.contrasts.finished import beside_placebos, group_scores
from layerscope.contrasts.rows import blocks_table
from layerscope.contrasts.tables import CONSISTENCY, LAYER_AGREEMENT, LAYER_SPECIFICITY, TYPE_SPECIFICITY

N_LAYERS, N_DIMS, K = 2, 60, 6
TYPES = {"one": "meaning", "two": "meaning", "three": "grammar", "four": "grammar"}
PAIRS, REFERENCE_PAIRS = 60, 200
SMALLER = 0.4
CPU = torch.device("cpu")


@dataclass(frozen=True)
class World:
    """What is true of the differences."""

    placebo_size: float = 1.0
    """Size of a placebo, in that of its pair."""
    own_profiles: float = 0.0
    """σ of ln of what a type does to each dimension, and its placebos do not."""
    resists: dict[int, float] = field(default_factory=dict)
    """By dimension, what is left of an edit's difference."""


WORLDS = {
    "size and exponents": World(),
    "placebos 1.08 times as large": World(placebo_size=1.08),
    "profiles of their own": World(own_profiles=0.5),
    "six resist": World(resists=dict.fromkeys(range(6), 0.5)),
}


class Differences:
    """Draws |a₁ − a₂| of pairs, ``pair layer dim``, under exponents that all groups share."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator
        self._exponent = generator.normal(1.0, 0.3, size=(N_LAYERS, N_DIMS))

    def effects(self, n: int, spread: float) -> np.ndarray:
        """Logarithms of what n things do to each dimension."""
        return self._generator.normal(0.0, spread, size=(n, N_LAYERS, N_DIMS))

    def draw(self, size: np.ndarray, effects: np.ndarray | float = 0.0) -> np.ndarray:
        """Of pairs of these sizes."""
        noise = np.abs(self._generator.normal(size=(len(size), N_LAYERS, N_DIMS)))
        return np.asarray(noise * np.exp(self._exponent * np.log(size)[:, None, None] + effects))


def add_up(differences: np.ndarray, *, scales: tuple[LocalScale, ...] = (), blocks: np.ndarray | None = None) -> DifferenceSums:
    """What the engine makes of them."""
    n = len(differences)
    numbers = np.zeros(n, dtype=np.int64) if blocks is None else blocks
    summer = DifferenceSummer(np.ones((1, N_LAYERS, N_DIMS)), 1, scales=scales, n_reference=0 if scales else n, device=CPU)
    of_block, has = torch.from_numpy(numbers), torch.ones((n, 1), dtype=torch.bool)
    summer.count(of_block, has)
    for layer in range(N_LAYERS):
        second = torch.from_numpy(differences[:, None, layer]).float()
        summer.add(0, layer, torch.zeros_like(second), second, blocks=of_block, has=has)
    return summer.result()


def made_up_place(world: World, generator: np.random.Generator) -> Place:
    """A run's main place."""
    law = Differences(generator)
    scales: tuple[LocalScale, ...] = ()
    for _ in range(2):  # random words, and as many neighbours in meaning, which are smaller
        sizes = np.exp(generator.normal([[0.0], [np.log(SMALLER)]], [[0.3], [0.6]], size=(2, REFERENCE_PAIRS))).ravel()
        found = add_up(law.draw(sizes, law.effects(len(sizes), 0.3))).reference
        assert found is not None, "a reference keeps its bins"
        scales += (LocalScale.from_bins(found),)
    blocks = np.arange(PAIRS) % N_BLOCKS
    by_group: dict[str, GroupBlocks] = {}
    of_pairs, moves = np.zeros((2, 0, 1), dtype=np.float32), np.zeros((0, 1, N_LAYERS), dtype=np.float32)
    sizes_of = np.zeros((0, 1, N_LAYERS + 1), dtype=np.float32)
    nothing = PairMeasures(of_pairs, of_pairs[0], of_pairs[:, :, 0], np.zeros(0, dtype=np.int32), sizes_of, moves, moves)
    for name in TYPES:
        size = SMALLER * np.exp(generator.normal(0.0, 0.3, size=PAIRS))
        shared = law.effects(PAIRS, 0.3) + law.effects(1, 0.3)
        own = law.effects(1, world.own_profiles)
        own -= np.log(np.mean(np.exp(2.0 * own))) / 2.0  # the size stays
        pairs = law.draw(size, shared + own)
        for dim, left in world.resists.items():
            pairs[:, :, dim] *= left
        placebos = law.draw(world.placebo_size * size * np.exp(generator.normal(0.0, 0.1, size=PAIRS)), shared)
        for group, differences in ((name, pairs), (f"{name}-placebo", placebos)):
            contrast = GroupContrast(add_up(differences, scales=scales, blocks=blocks), nothing, 0.0)
            spread = np.ones((1, N_LAYERS, N_DIMS))
            table = blocks_table(group, contrast, sites=["site"], positions=["edit+1"], spread=spread)
            by_group[group] = group_blocks(table, N_LAYERS)
    spread = np.ones((N_LAYERS, N_DIMS))
    types = {
        scale: [group_scores(name, role, by_group[name], scale, spread) for name, role in TYPES.items()]
        for scale in WITH_BLOCKS
    }
    matched = {
        scale: [
            beside_placebos(name, f"{name}-placebo", role, (by_group[name], by_group[f"{name}-placebo"]), scale, spread)
            for name, role in TYPES.items()
        ]
        for scale in WITH_BLOCKS
    }
    cells = {
        scale: {
            name: np.average(found.percentile1 if scale in ("percentile", "median") else found.z, axis=0, weights=found.pairs)
            for name, found in by_group.items()
        }
        for scale in ("percentile", "raw", "z", "relative", "median")
    }
    return Place("site", "edit+1", cells, types, matched, {scale: [] for scale in WITH_BLOCKS}, spread)


def simulate(world: World, n_runs: int, n_resamples: int, seed: int) -> dict[str, float]:
    """Shares of runs that reject, and what is found."""
    rows = []
    for run in range(n_runs):
        generator = np.random.default_rng([seed, run])
        frames = place_tables(made_up_place(world, generator), K, n_resamples=n_resamples, generator=generator)
        rows.append(_found(frames))
    found = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return {
        name: float(values[~np.isnan(values)].mean()) if not np.isnan(values).all() else np.nan
        for name, values in found.items()
    }


def _found(frames: dict[str, pd.DataFrame]) -> dict[str, float]:
    layers = frames[LAYER_AGREEMENT.name]
    layers = layers[(layers["scale"] == "percentile") & (layers["set"] == "all")]
    overall = layers[layers["layer"].isna()].set_index("measure")
    single = layers[layers["layer"].notna() & (layers["measure"] == "jaccard")]
    pairs = frames[CONSISTENCY.name]
    pairs = pairs[(pairs["scale"] == "percentile") & (pairs["measure"] == "jaccard") & (pairs["first"] != pairs["second"])]
    shares = frames[LAYER_SPECIFICITY.name]
    shares = shares[(shares["scale"] == "percentile") & (shares["set"] == "all")]
    types = frames[TYPE_SPECIFICITY.name]
    types = types[types["scale"] == "percentile"].iloc[0]
    ranking = frames["ranking.parquet"]
    stillest = ranking[(ranking["set"] == "all") & (ranking["scale"] == "percentile") & (ranking["scope"] == "layer")]
    jaccard = overall.loc["jaccard"]
    own, beside = (2 * K * jaccard[column] / (1 + jaccard[column]) for column in ("value", "placebo"))

    def rejected(p: object) -> float:
        values = np.asarray(p, dtype=float)
        return float((values <= 0.05).mean()) if np.isfinite(values).all() else float("nan")

    return {
        "jaccard": rejected(jaccard["p_value"]),
        "spearman": rejected(overall.loc["spearman", "p_value"]),
        "layer": rejected(single["p_value"]),
        "pair": rejected(pairs["p_value"]),
        "shares": rejected(shares["distance_p"].iloc[0]),
        "subtypes": rejected(types["subtype_p"]),
        "excess": own - beside,
        "resisting_found": float((stillest["dim"] < 6).mean()),
    }


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--resamples", type=int, default=199)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print(f"{options.runs} runs, {options.resamples} swaps, seed {options.seed}")
    print("| world | Jaccard | Spearman | layer | two types | layers' shares | subtypes | excess of 6 | six found |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, world in WORLDS.items():
        found = simulate(world, options.runs, options.resamples, options.seed)
        shown = [f"{value:+.2f}" if key == "excess" else f"{value:.3f}" for key, value in found.items()]
        print(f"| {name} | {' | '.join(shown)} |", flush=True)


if __name__ == "__main__":
    main()
