"""The code that gives shards to workers, with imagined workers: how far its end is from the earliest that there could be.

Shards take log-normal times. Workers load the model one after the other on each node; some are lost at random times, and their
replacements load it again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.common import parser, record
from benchmarks.imagined_pool import ImaginedPool, least_makespan
from layerscope.workers.schedule import Patience, Schedule, Unit

PATIENCE = Patience(start=1e9, open=1e9, work=1e9, beat=1e9)


def run(seconds: Sequence[float], n_workers: int, *, opening: float, n_lost: int, generator: np.random.Generator) -> float:
    """Makespan over the least there is."""
    horizon = opening * 9 + sum(seconds) / n_workers
    lost = {int(one): float(generator.uniform(0, horizon)) for one in generator.choice(n_workers, n_lost, replace=False)}
    pool = ImaginedPool(seconds, opening=opening, lost_at=lost)
    schedule = Schedule(pool, n_workers, pool_node, PATIENCE)
    schedule.open()
    schedule.run([Unit(one, number) for number, one in enumerate(seconds)], lambda _number, _done: None)
    return pool.now() / least_makespan(seconds, pool.spans)


def pool_node(hello: str) -> str:
    """Imagined workers say their node."""
    return hello


def main() -> None:
    """A table by number of workers."""
    made = parser(__doc__)
    made.add_argument("--shards", type=int, default=12_208, help="10⁸ tokens in shards of 8,192")
    made.add_argument("--median", type=float, default=60.0, help="seconds of a shard")
    made.add_argument("--sigma", type=float, default=0.25, help="of the logarithm of its seconds")
    made.add_argument("--opening", type=float, default=120.0)
    made.add_argument("--lost", type=float, default=0.05, help="share of workers that are lost")
    made.add_argument("--rounds", type=int, default=3)
    options = made.parse_args()
    generator = np.random.default_rng(0)
    for n_workers in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512):
        cells = []
        for share in (0.0, options.lost):
            n_lost = int(np.ceil(share * n_workers)) if n_workers > 1 else 0
            ratios = []
            for _ in range(options.rounds):
                seconds = (options.median * np.exp(options.sigma * generator.normal(size=options.shards))).tolist()
                ratios.append(run(seconds, n_workers, opening=options.opening, n_lost=n_lost, generator=generator))
            cells.append(f"{max(ratios):.4f} with {n_lost} lost")
        record(
            "cluster schedule",
            f"{n_workers} worker(s), {options.shards:,} shards of log-normal times (median {options.median:g} s, sigma "
            f"{options.sigma:g}), {options.opening:g} s to load, worst of {options.rounds}: end over the earliest possible",
            "; ".join(cells),
        )


if __name__ == "__main__":
    main()
