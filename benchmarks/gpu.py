"""A full removal and exchange sweep of a Llama-3-8B-shaped model of random weights on one GPU, end to end.

Prints tokens a second for the whole sweep, the share of a bare bfloat16 matrix product of the model's own shapes that it
reaches, and the ratio to published practice (one text at a time, a whole forward pass a variant, a Python loop over tokens),
all measured in one run, taking turns. ``--toy`` does the same at a size that any CPU runs in seconds; then the figures mean
nothing.

    python -m benchmarks.gpu            # one CUDA GPU with 40 GB or more
    python -m benchmarks.gpu --toy
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import torch
from torch import nn

from benchmarks.common import in_turn, llama_config, parser, random_decoder, random_shard, ratios, record, spread
from benchmarks.published_practice import one_text_at_a_time
from benchmarks.roofline import linears_of, needed_operations
from layerscope.engine.batching import Shard
from layerscope.models.decoder import Decoder
from layerscope.paths.families import build_variants
from layerscope.paths.plan import SweepPlan, plan_sweep
from layerscope.sweeps.engine.compiling import compile_decoder
from layerscope.sweeps.engine.walk import walk_shard

LLAMA_3_8B = {"layers": 32, "width": 4096, "inner": 14336, "heads": 32, "kv_heads": 8, "vocabulary": 128_256}
TOY = {"layers": 3, "width": 64, "inner": 128, "heads": 4, "kv_heads": 2, "vocabulary": 512}


def timed(device: torch.device, action: Callable[[], object]) -> Callable[[], float]:
    """Seconds of an action, all of the device's work included."""

    def run() -> float:
        wait(device)
        started = time.perf_counter()
        action()
        wait(device)
        return time.perf_counter() - started

    return run


def wait(device: torch.device) -> None:
    """Until the device has nothing to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@torch.inference_mode()
def bare_products(decoder: Decoder, positions: int, repeats: int) -> None:
    """The matrix products of one layer, some times over."""
    weights = [module.weight for module in decoder.layers[0].modules() if isinstance(module, nn.Linear)]
    inputs = {w.shape[1]: torch.ones(positions, w.shape[1], dtype=w.dtype, device=w.device) for w in weights}
    for _ in range(repeats):
        for weight in weights:
            nn.functional.linear(inputs[weight.shape[1]], weight)


def measure(decoder: Decoder, plan: SweepPlan, shard: Shard, rounds: int, sample: int) -> str:
    """The three figures."""
    device, positions = decoder.device, shard.padded_tokens
    repeats = 2 * decoder.n_layers
    variants = list(plan.variants[1 : 1 + sample])
    few = Shard(0, shard.documents[:2], shard.windows[:2])
    ours, bare, theirs = in_turn(
        rounds,
        timed(device, lambda: walk_shard(decoder, plan, shard)),
        timed(device, lambda: bare_products(decoder, positions, repeats)),
        timed(device, lambda: one_text_at_a_time(decoder, variants, [few])),
    )
    needed = sum(needed_operations(decoder, plan, shard))
    bare_operations = 2.0 * positions * sum(o * i for o, i in linears_of(decoder)) * repeats
    reached = [(needed / mine) / (bare_operations / product) for mine, product in zip(ours, bare, strict=True)]
    token_variants = shard.n_scored * len(plan.variants)
    published = ratios([s / (few.n_scored * sample) for s in theirs], [s / token_variants for s in ours])
    return (
        f"{shard.n_scored / statistics.median(ours):.1f} tokens/s for the whole sweep; "
        f"{spread(reached)} of a bare product at {bare_operations / statistics.median(bare) / 1e12:.2f} TFLOP/s; "
        f"{spread(published)} times published practice"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Build, compile, measure."""
    made = parser(__doc__, rounds=3)
    made.add_argument("--toy", action="store_true")
    made.add_argument("--rows", type=int, default=16)
    made.add_argument("--length", type=int, default=512)
    made.add_argument("--sample", type=int, default=2, help="variants that published practice runs in a round")
    made.add_argument("--no-compile", action="store_true")
    options = made.parse_args(arguments)
    if not options.toy and not torch.cuda.is_available():
        raise SystemExit("This benchmark needs a CUDA GPU; torch sees none. --toy runs it small on the CPU.")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    shape = TOY if options.toy else LLAMA_3_8B
    decoder = random_decoder(llama_config(**shape), torch.bfloat16, device)
    rows, length = (4, 32) if options.toy else (options.rows, options.length)
    shard = random_shard(rows, length, shape["vocabulary"])
    plan = plan_sweep(build_variants(["removal", "exchange"], [], decoder.n_layers), decoder.n_layers)
    reason = "not asked for" if options.no_compile or options.toy else compile_decoder(decoder, [shard])
    walk_shard(decoder, plan_sweep(plan.variants[:3], plan.n_layers), shard)  # warm-up
    how = "compiled" if reason is None else f"not compiled ({reason})"
    result = measure(decoder, plan, shard, options.rounds, options.sample)
    peak = f", peak {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB" if device == "cuda" else ""
    name = "toy" if options.toy else "Llama-3-8B's shape"
    record(
        "gpu" if device == "cuda" else "gpu script on a CPU",
        f"{name}, random weights, bfloat16, {len(plan.variants)} variants, {rows} × {length} tokens, {how}{peak}",
        result,
    )


if __name__ == "__main__":
    main()
