"""How long ``layerscope stability`` takes for a run as large as they come on a laptop, by made-up blocks.

    python -m benchmarks.stability_growth [--places 18] [--subtypes 12] [--resamples 1000]

Places (sites and positions) of 30 layers of 576 dimensions, each subtype and its placebos in 20 blocks, go through the function
that makes the tables of a place, two at a time as the command does. Reading the run directory and movement tables are left out.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.common import parser, record
from layerscope.contrasts.analysis.group_scores import GroupScores, MatchedScores
from layerscope.contrasts.analysis.place import WITH_BLOCKS, Place
from layerscope.contrasts.analysis.stability import place_tables
from layerscope.contrasts.blocks import N_BLOCKS

N_LAYERS, WIDTH, K = 30, 576, 50


def made_up_place(n_subtypes: int, generator: np.random.Generator) -> Place:
    """Blocks of nothing but noise, all types allowed to be tested."""
    shape = (N_BLOCKS, N_LAYERS, WIDTH)
    pairs = np.full(N_BLOCKS, 10)

    def scores(name: str, role: str) -> GroupScores:
        both = generator.uniform(0.2, 0.8, size=(2, *shape)).astype(np.float16).astype(np.float32)
        return GroupScores(name, role, (both[0], both[1]), pairs)  # type: ignore[arg-type]

    roles = {f"subtype-{number}": "meaning" if number % 2 else "grammar" for number in range(n_subtypes)}
    types = [scores(name, role) for name, role in roles.items()]
    matched = [MatchedScores(own, scores(f"{own.name}-placebo", "placebo"), 0.0) for own in types]
    raw = [
        MatchedScores(*(GroupScores(one.name, one.role, (one.scores[0],) * 2, pairs) for one in (pair.own, pair.placebo)), 0.0)
        for pair in matched
    ]
    by_scale = {scale: matched if scale == "percentile" else raw for scale in WITH_BLOCKS}
    own = {scale: [pair.own for pair in groups] for scale, groups in by_scale.items()}
    cells = {
        scale: {group.name: group.scores[0].mean(axis=0) for pair in matched for group in (pair.own, pair.placebo)}
        for scale in ("percentile", "raw", "z", "relative", "median")
    }
    return Place("site", "position", cells, own, by_scale, {scale: [] for scale in WITH_BLOCKS}, np.ones((N_LAYERS, WIDTH)))


def main() -> None:
    """Time it once: it takes minutes."""
    made = parser(__doc__, rounds=1)
    made.add_argument("--places", type=int, default=18)
    made.add_argument("--subtypes", type=int, default=12)
    made.add_argument("--resamples", type=int, default=1000)
    made.add_argument("--threads", type=int, default=2)
    options = made.parse_args()
    seeds = np.random.SeedSequence(0).spawn(options.places)

    def analysed(seed: np.random.SeedSequence) -> int:
        generator = np.random.default_rng(seed)
        frames = place_tables(made_up_place(options.subtypes, generator), K, n_resamples=options.resamples, generator=generator)
        return len(frames)

    started = time.perf_counter()
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(max_workers=options.threads) as pool:  # as the command does
        list(pool.map(analysed, seeds))
    seconds = time.perf_counter() - started
    a_swap = 1000 * seconds * options.threads / options.places / options.resamples
    record(
        "stability growth",
        f"{options.places} places, {options.subtypes} subtypes and their placebos, {N_LAYERS} × {WIDTH} units, "
        f"B = {options.resamples}, {options.threads} threads",
        f"{seconds:.0f} s in all, {a_swap:.1f} ms a swap and thread",
    )


if __name__ == "__main__":
    main()
