"""How close a sweep comes to a dense matrix product of the model's own shapes, measured in the same run.

Floating-point operations are those that the plan needs: every matrix product of every layer run and every slice of the head,
and the lower triangle of attention. Their rate is divided by the rate of the same products run bare, one after another, on the
same numbers of rows. Parts: layers (everything inside a layer's call), head (final norm, output matrix, reduction), the rest.
"""

from __future__ import annotations

import time

import torch
from torch import nn

from benchmarks.common import parser, random_shard, real_decoder, record, shards_of, spread, stopwatch
from layerscope.engine.allocator import keep_freed_memory
from layerscope.engine.batching import Shard
from layerscope.models.decoder import Decoder
from layerscope.paths.families import build_variants
from layerscope.paths.plan import SweepPlan, plan_sweep
from layerscope.sweeps.engine.compiling import compile_decoder
from layerscope.sweeps.engine.scoring import Scorer
from layerscope.sweeps.engine.walk import walk_shard


def linears_of(decoder: Decoder) -> list[tuple[int, int]]:
    """(outputs, inputs) of each matrix of a layer."""
    return [tuple(m.weight.shape) for m in decoder.layers[0].modules() if isinstance(m, nn.Linear)]


def bare_layer_products(decoder: Decoder, positions: int) -> float:
    """Seconds for the matrix products of one layer, nothing else; best of a few."""
    made = [torch.randn(positions, inputs).to(decoder.dtype) for _, inputs in linears_of(decoder)]
    weights = [m.weight for m in decoder.layers[0].modules() if isinstance(m, nn.Linear)]
    return best_of(lambda: [nn.functional.linear(x, weight) for x, weight in zip(made, weights, strict=True)])


def bare_head_products(decoder: Decoder, rows: int) -> float:
    """Seconds for the output matrix over some rows, in the slices that the scorer takes."""
    weight = decoder.model.get_output_embeddings().weight
    width = decoder.head.slice_width
    x = torch.randn(rows, weight.shape[1]).to(decoder.dtype)
    parts = [slice(start, min(start + 1024, rows)) for start in range(0, rows, 1024)]
    return best_of(
        lambda: [nn.functional.linear(x[p], weight[a : a + width]) for p in parts for a in range(0, len(weight), width)]
    )


@torch.inference_mode()
def best_of(action, repeats: int = 7) -> float:  # type: ignore[no-untyped-def]
    """Median seconds of a few runs after a warm-up."""
    action()
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - started)
    return sorted(seconds)[repeats // 2]


def needed_operations(decoder: Decoder, plan: SweepPlan, shard: Shard) -> tuple[float, float]:
    """Floating-point operations of the layers and of the head."""
    length = shard.padded_tokens // len(shard.windows)
    width = sum(outputs * inputs for outputs, inputs in linears_of(decoder))
    attention = 2 * decoder.model.config.hidden_size * (length + 1) / 2  # scores and their weighted sum, lower triangle
    layers = 2.0 * shard.padded_tokens * (width + attention) * plan.layer_runs
    head = 2.0 * shard.n_scored * decoder.model.get_output_embeddings().weight.numel() * len(plan.variants)
    return layers, head


def main() -> None:
    """Measure real text and full batches."""
    made = parser(__doc__, rounds=3)
    made.add_argument("--dtypes", nargs="+", default=["bfloat16"])
    options = made.parse_args()
    keep_freed_memory()
    for dtype in options.dtypes:
        decoder = real_decoder(dtype)
        plan = plan_sweep(build_variants(["removal", "exchange"], [], decoder.n_layers), decoder.n_layers)
        shards, texts = shards_of(100, 2048)
        middle = shards[len(shards) // 2]
        compile_decoder(decoder, [middle])
        for what, shard in ((f"a batch of {texts}", middle), ("16 × 128 random tokens", random_shard(16, 128, 40_000))):
            measure(decoder, plan, shard, f"SmolLM2-135M, {dtype}, 60 variants, {what}", options.rounds)


def measure(decoder: Decoder, plan: SweepPlan, shard: Shard, what: str, rounds: int) -> None:
    """Alternate walks and bare products."""
    need_layers, need_head = needed_operations(decoder, plan, shard)
    linear_only = 2.0 * shard.padded_tokens * sum(o * i for o, i in linears_of(decoder))
    reached, of_layers, of_head, rest = [], [], [], []
    bare_rates = []
    for _ in range(rounds):
        bare_layer = bare_layer_products(decoder, shard.padded_tokens)
        bare_head = bare_head_products(decoder, shard.n_scored)
        layers, head = [0.0], [0.0]
        started = time.perf_counter()
        with stopwatch(decoder, "run_step", layers), stopwatch(Scorer, "add", head), stopwatch(Scorer, "result", head):
            walk_shard(decoder, plan, shard)
        whole = time.perf_counter() - started
        ideal_layers = need_layers / (linear_only / bare_layer)
        ideal_head = len(plan.variants) * bare_head
        reached.append((ideal_layers + ideal_head) / whole)
        of_layers.append(ideal_layers / layers[0])
        of_head.append(ideal_head / head[0])
        rest.append(1.0 - (layers[0] + head[0]) / whole)
        bare_rates.append((need_layers + need_head) / (ideal_layers + ideal_head) / 1e9)
    record(
        "roofline",
        f"{what}, {shard.padded_tokens} positions in {len(shard.windows)} rows",
        f"{spread(reached)} of the dense product ({spread(bare_rates, 0)} GFLOP/s); layers {spread(of_layers)}, "
        f"head {spread(of_head)}, rest {spread([100 * r for r in rest], 1)}% of the time",
    )


if __name__ == "__main__":
    main()
