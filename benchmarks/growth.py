"""How time grows: linearly with tokens, and with depth as the plan says (layer runs quadratic, unembeddings linear).

All sizes are measured in turn within each round, so that a drift of the machine's speed hits all of them.
"""

from __future__ import annotations

import statistics

import numpy as np

from benchmarks.common import in_turn, parser, random_shard, record, smollm2_of_depth, stopwatch, timed
from layerscope.engine.allocator import keep_freed_memory
from layerscope.paths.families import build_variants
from layerscope.paths.plan import plan_sweep
from layerscope.sweeps.engine.compiling import compile_decoder
from layerscope.sweeps.engine.scoring import Scorer
from layerscope.sweeps.engine.walk import walk_shard


def main() -> None:
    """Measure both."""
    made = parser(__doc__, rounds=5)
    made.add_argument("--depths", type=int, nargs="+", default=[6, 12, 24, 36])
    options = made.parse_args()
    keep_freed_memory()
    tokens(options.rounds)
    depth(options.rounds, options.depths)


def tokens(rounds: int) -> None:
    """One to eight batches of the same shape, 12 layers."""
    decoder = smollm2_of_depth(12)
    shard = random_shard(4, 128, decoder.vocab_size)
    plan = plan_sweep(build_variants(["removal", "exchange"], [], 12), 12)
    compile_decoder(decoder, [shard])
    counts = [1, 2, 4, 8]
    sides = [timed(lambda count=count: [walk_shard(decoder, plan, shard) for _ in range(count)]) for count in counts]
    seconds = [statistics.median(of_count) for of_count in in_turn(rounds, *sides)]
    slope = float(np.polyfit(np.log(counts), np.log(seconds), 1)[0])
    a_batch = ", ".join(f"{s / c / (seconds[0] / counts[0]):.2f}" for s, c in zip(seconds, counts, strict=True))
    record(
        "growth with tokens",
        f"SmolLM2's shape with 12 layers, bfloat16, {', '.join(str(c * shard.padded_tokens) for c in counts)} positions",
        f"exponent {slope:.2f}; seconds a token relative to the first: {a_batch}",
    )


def depth(rounds: int, depths: list[int]) -> None:
    """The same batch at several depths, against a·(layer runs) + b·(variants) with a and b from the smallest model's parts."""
    made = []
    parts: list[tuple[float, float]] = []
    for n_layers in depths:
        decoder = smollm2_of_depth(n_layers)
        shard = random_shard(4, 128, decoder.vocab_size)
        plan = plan_sweep(build_variants(["removal", "exchange"], [], n_layers), n_layers)
        compile_decoder(decoder, [shard])
        made.append((decoder, plan, shard))

    def clocked() -> float:
        """The smallest model's walk, with its parts noted."""
        decoder, plan, shard = made[0]
        layers, head = [0.0], [0.0]
        with stopwatch(decoder, "run_step", layers), stopwatch(Scorer, "add", head), stopwatch(Scorer, "result", head):
            walk_shard(decoder, plan, shard)
        parts.append((layers[0] / plan.layer_runs, head[0] / len(plan.variants)))
        return 0.0

    sides = [timed(lambda d=decoder, p=plan, s=shard: walk_shard(d, p, s)) for decoder, plan, shard in made]
    seconds = [statistics.median(of_depth) for of_depth in in_turn(rounds, clocked, *sides)[1:]]
    a_layer, a_variant = (statistics.median(values) for values in zip(*parts, strict=True))
    predicted = [a_layer * plan.layer_runs + a_variant * len(plan.variants) for _, plan, _ in made]
    exponent = float(np.polyfit(np.log(depths[1:]), np.log(seconds[1:]), 1)[0])
    quotients = ", ".join(f"{s / p:.2f}" for s, p in zip(seconds, predicted, strict=True))
    record(
        "growth with depth",
        f"SmolLM2's shape with {', '.join(map(str, depths))} layers, bfloat16, 512 positions; "
        f"layer runs {', '.join(str(plan.layer_runs) for _, plan, _ in made)}",
        f"measured over predicted from the parts at {depths[0]} layers: {quotients}; exponent beyond it {exponent:.2f} "
        "(2 for layer runs, 1 for unembeddings)",
    )


if __name__ == "__main__":
    main()
